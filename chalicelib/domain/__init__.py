"""How the built-in chat backend does what its functions offer: a package or module per noun, nothing with a wire name."""
