"""The doors: thin translations between a protocol and the registered functions."""
