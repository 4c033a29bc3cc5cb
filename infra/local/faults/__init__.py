"""Stores that wrap a store (`wrapper.py`): faults put in on purpose, a process that dies, counted requests."""
