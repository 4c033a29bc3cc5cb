"""The built-in chat backend: one module per noun. It is an app like any other, named in `CONCAVE_APPS`."""
