"""A reply: how it is asked for, written, ended and shown."""
