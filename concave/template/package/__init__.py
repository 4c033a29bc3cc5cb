"""The app: one module per noun, with its tables and functions."""
