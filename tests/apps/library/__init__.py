"""An app whose table is searched."""
