"""Studies: make one of your own model and data, open, rename, duplicate, throw away, send on."""

from explorer.ui import link
from explorer.ui.studies.shelf import show_shelf
from explorer.ui.studies.wizard import show_wizard

if link.get("new"):
    show_wizard()
else:
    show_shelf()
