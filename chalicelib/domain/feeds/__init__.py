"""Feeds: what a chat socket is told, each in the words of its document."""
