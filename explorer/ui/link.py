"""The link: the only module that reads and writes query parameters, and the widgets whose value stands there.

A link holds keys, never labels, so that a renamed label breaks no shared link; a label in an old link is understood.
A value that is the default does not stand in the link. A key means the same on every page. What a session remembers of
a widget lies under ``<page>-<key>``, so that no page meets another's.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, Self

import streamlit as st

from explorer.limits import LINK_VALUE

_PAGE = "link-page"
RENAMED = {
    "grule": "rule",
    "rule-layer": "map-layer",
    "rule-norms": "norms",
    "rule2": "rule-2",
    "rule2-layer": "map-layer-2",
    "rule2-norms": "norms-2",
}
"""Keys in old links → today's."""


def enter(page: str) -> None:
    """Say which page this run draws, and bring an old link up to date; to be called before any widget is drawn."""
    st.session_state[_PAGE] = page
    for old, new in RENAMED.items():
        if old in st.query_params:
            put({new: st.query_params.pop(old)})


def get(name: str, default: str = "") -> str:
    """What the link says under a key; the default where that is longer than any page writes."""
    value = st.query_params.get(name, default)
    return value if len(value) <= LINK_VALUE else default


def whole(text: str) -> int | None:
    """A whole number from 0 as a link spells it, below a billion; None for anything else."""
    return int(text) if len(text) < 10 and text.isascii() and text.isdecimal() else None


def has(*names: str) -> bool:
    """Whether the link says something under any of the keys."""
    return any(name in st.query_params for name in names)


def put(values: Mapping[str, str | None] | None = None, /, **more: str | None) -> None:
    """Write keys into the link; None takes one out."""
    for name, value in {**(values or {}), **more}.items():
        if value is None:
            st.query_params.pop(name, None)
        else:
            st.query_params[name] = value


def session_key(name: str) -> str:
    """Where this page's session keeps the widget of a link key: the ``key`` that the widget has."""
    return f"{st.session_state.get(_PAGE, '')}-{name}"


def choice(name: str, options: Mapping[str, str], default: str) -> str:
    """What the link says where it is one of the options (key → label), else the default."""
    value = get(name, default)
    return value if value in options else next((key for key, label in options.items() if label == value), default)


def flag(name: str, default: bool = False) -> bool:
    """What the link says of a switch."""
    return {"1": True, "true": True, "0": False, "false": False}.get(get(name), default)


def select(label: str, name: str, options: Mapping[str, str], default: str, **settings: Any) -> str:
    """Draw a select box; ``options``: key in the link → label.

    Here and below, ``settings`` are further ones of the Streamlit widget, and ``then``: what runs after it has changed
    the link, e.g. to go back to the first page of a list.
    """
    value = choice(name, options, default)
    return _draw(st.selectbox, name, value, default, str, label, list(options), **_labels(options), **settings)


def segmented(label: str, name: str, options: Mapping[str, str], default: str, **settings: Any) -> str:
    """Draw a row of buttons of which one is chosen; as ``select``. The label is read to screen readers alone."""
    settings = _labels(options) | {"label_visibility": "collapsed", "required": True} | settings
    value = choice(name, options, default)
    return _draw(st.segmented_control, name, value, default, str, label, list(options), **settings)


def multiselect(
    label: str, name: str, options: Mapping[str, str], default: Sequence[str], **settings: Any
) -> list[str]:
    """Draw a choice of several, with commas between in the link; what the link says of others is left out."""
    value = [part for part in get(name).split(",") if part in options] if has(name) else list(default)
    settings = _labels(options) | settings
    return _draw(st.multiselect, name, value, list(default), ",".join, label, list(options), **settings)


def toggle(label: str, name: str, default: bool = False, **settings: Any) -> bool:
    """Draw a switch; 1 or 0 in the link."""
    return _draw(st.toggle, name, flag(name, default), default, lambda on: str(int(on)), label, **settings)


def slider(label: str, name: str, low: float, high: float, default: float, **settings: Any) -> Any:
    """Draw a slider; the number keeps the type of ``default``."""
    return _draw(st.slider, name, _number(name, default, low, high), default, str, label, low, high, **settings)


def number(label: str, name: str, default: float | None = None, **settings: Any) -> Any:
    """Draw a number field, empty (None) where the default is None."""
    value = _number(name, default, settings.get("min_value", -math.inf), settings.get("max_value", math.inf))
    return _draw(st.number_input, name, value, default, str, label, **settings)


def text(label: str, name: str, default: str = "", **settings: Any) -> str:
    """Draw a line of text."""
    return _draw(st.text_input, name, get(name, default), default, str, label, **settings)


def expander(label: str, name: str, **settings: Any) -> Any:
    """Draw an expander; 1 in the link while it is open. Draw what is in it only where its ``open`` is true."""
    return _draw(st.expander, name, flag(name), False, lambda on: str(int(on)), label, flag(name), **settings)


def _draw(
    widget: Callable[..., Any],
    name: str,
    value: Any,
    default: Any,
    write: Callable[[Any], str],
    *arguments: Any,
    then: Callable[[], None] | None = None,
    **settings: Any,
) -> Any:
    """Draw a widget with the link's value, and return what it returns; when it is changed, the link says so."""
    key = session_key(name)

    def changed() -> None:
        new = st.session_state[key]
        put({name: None if new is None or new == default else write(new)})
        if then:
            then()

    st.session_state[key] = value
    return widget(*arguments, key=key, on_change=changed, **settings)


def _labels(options: Mapping[str, str]) -> dict[str, Any]:
    """Setting of a Streamlit widget that shows keys by their labels."""
    return {"format_func": lambda key: options.get(key, key)}


def _number(name: str, default: Any, low: float, high: float) -> Any:
    """The link's number within its bounds, whole where the default is; the default where the link has none."""
    try:
        value = int(get(name)) if isinstance(default, int) else float(get(name))
    except ValueError:
        value = math.nan
    if not abs(value) < 1e12:  # neither nan nor beyond what a widget takes
        value = default
    return None if value is None else min(max(value, low), high)


@dataclass(frozen=True)
class PageState:
    """What a page's link may say: one field a key (hyphens are underscores here), empty text for the default.

    A subclass for each page lets other pages link to it without knowing how it spells its keys.
    """

    @classmethod
    def keys(cls) -> list[str]:
        """The keys of the link."""
        return [field.name.replace("_", "-") for field in fields(cls)]

    @classmethod
    def read(cls) -> Self:
        """What the link says now."""
        return cls(*map(get, cls.keys()))

    def params(self) -> dict[str, str]:
        """The query parameters of a link to the page in this state."""
        return {name.replace("_", "-"): value for name, value in vars(self).items() if value}
