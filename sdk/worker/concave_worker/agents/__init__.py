"""Coding agents behind one interface: whatever speaks ACP, `opencode serve`, and Claude."""
