"""The button on every page that copies the link to what is on screen."""

from explorer.data.failures import OWN
from explorer.ui import link
from explorer.ui.components import copy_link
from explorer.ui.link_names import KEYS, names_folder, shared_query

_LABEL = "Copy the link to what is on screen"
_FOLDER = "It names a folder of this machine: it opens only here."
_LONG = "Your prompt is too long for a link: download the figures instead."


def copy_link_button() -> None:
    """Draw the button; the address is the browser's own when it is clicked, with names in the place of paths."""
    query = shared_query()
    notes = [_FOLDER] if names_folder(query) else []
    notes += [_LONG] if link.get("case") == OWN else []
    names = {key: query.get(key, "") for key in KEYS}
    copy_link(key="copy-link", data={"names": names, "label": _LABEL, "note": " ".join(notes)})
