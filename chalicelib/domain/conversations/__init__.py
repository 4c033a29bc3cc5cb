"""Conversations: opening, listing, searching, exporting, erasing; who may, and what is told."""
