"""Rooms: conversations as agents and people share them."""
