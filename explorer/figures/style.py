"""The colours of every picture, in a browser and in a file: red and blue carry the sign, one accent, greys."""

RED_HEX, BLUE_HEX = "#dc2626", "#2563eb"
"""Towards the wrong answer, and towards the right one. Nothing else is red or blue."""
_RED, _BLUE = (bytes.fromhex(colour[1:]) for colour in (RED_HEX, BLUE_HEX))
ALIKE_HEX, OPPOSITE_HEX = "#e8871e", "#0f7a8a"
"""Alike and opposite, where a sign is neither wrong nor right: two hues that colour-blind people tell apart too."""
_ALIKE, _OPPOSITE = (bytes.fromhex(colour[1:]) for colour in (ALIKE_HEX, OPPOSITE_HEX))
ACCENT = "#7c5ce0"
_ACCENT = bytes.fromhex(ACCENT[1:])
RED, BLUE, ACCENT_RGB = ((r / 255, g / 255, b / 255) for r, g, b in (_RED, _BLUE, _ACCENT))
"""The same as (red, green, blue) in 0..1."""
GREY, FAINT = "rgba(128, 128, 140, .75)", "rgba(128, 128, 140, .28)"
"""Greys of charts in the app, readable on light and dark."""
INK, MUTED = "#333333", "#777777"
"""Text and secondary text in files, which are always light."""
NO_CLUSTER = "#a9a9b4"
PALETTE = (
    *("#7c5ce0", "#0d9488", "#ca8a04", "#65a30d", "#c026d3"),
    *("#22b8cf", "#92633a", "#64748b", "#b794f4", "#857a1f"),
)
"""Colours of categories."""


def rgba(value: float, alpha: float) -> str:
    """CSS colour of a signed value: red above 0, blue otherwise."""
    red, green, blue = _RED if value > 0 else _BLUE
    return f"rgba({red},{green},{blue},{alpha:.3g})"


def coloured(source: str) -> str:
    """A script or style sheet with numbers ("220, 38, 38") in the place of $RED, $BLUE, $ACCENT, $ALIKE, $OPPOSITE."""
    names = {"$RED": _RED, "$BLUE": _BLUE, "$ACCENT": _ACCENT, "$ALIKE": _ALIKE, "$OPPOSITE": _OPPOSITE}
    for name, colour in names.items():
        source = source.replace(name, ", ".join(map(str, colour)))
    return source
