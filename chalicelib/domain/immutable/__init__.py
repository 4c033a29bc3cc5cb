"""The immutable store: `functions/immutable.py` has its names on the wire."""
