"""Histories of transactions by real clients, and whether any order of them explains what everybody was told."""
