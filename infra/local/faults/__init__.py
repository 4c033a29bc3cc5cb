"""Stores that wrap a store: faults put in on purpose, lagging views, counted requests."""
