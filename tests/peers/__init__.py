"""Servers of others that do what Concave does, for `make bench-peers`."""
