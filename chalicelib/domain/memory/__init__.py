"""The layers of memory as one: remembering a talk, recalling it, facts, and erasing all of it with one receipt."""
