"""One file a page: read widgets, call explorer, show."""
