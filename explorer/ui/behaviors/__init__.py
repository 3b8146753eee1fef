"""The Behaviors page."""
