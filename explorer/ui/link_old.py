"""Names that pages still use; to be deleted with the last of them."""

from explorer.ui.link import choice as linked_value  # noqa: F401
from explorer.ui.link import multiselect as linked_many  # noqa: F401
from explorer.ui.link import select as linked_select  # noqa: F401
from explorer.ui.link import toggle as linked_toggle  # noqa: F401
