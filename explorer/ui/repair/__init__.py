"""The Repair page."""
