"""Memories: stored, found by words and by meaning, kept in versions, archived and erased."""
