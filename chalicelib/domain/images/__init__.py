"""Images: the configuration that a conversation was started with."""
