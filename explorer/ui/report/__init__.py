"""The Report page, and the button on every other page that leads to it."""
