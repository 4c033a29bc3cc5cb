"""The mutable store: `functions/mutable.py` has its names on the wire."""
