"""Every picture that is a file: one style, one way to save it."""
