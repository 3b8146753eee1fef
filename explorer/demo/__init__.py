"""The embedded model that the app opens with."""
