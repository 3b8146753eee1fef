"""The Training data page."""
