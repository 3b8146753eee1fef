"""The link: the only module that reads and writes query parameters, and the widgets whose value stands there.

A link holds keys, never labels, so that a renamed label breaks no shared link; a label in an old link is understood.
A value that is the default does not stand in the link. A key means the same on every page. What a session remembers of
a widget lies under ``<page>-<key>``, so that no page meets another's.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, Self

import streamlit as st

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
Then = Callable[[], None] | None
"""What runs after a widget has changed the link, e.g. to go back to the first page of a list."""


def enter(page: str) -> None:
    """Say which page this run draws, and bring an old link up to date; to be called before any widget is drawn."""
    st.session_state[_PAGE] = page
    for old, new in RENAMED.items():
        if old in st.query_params:
            put({new: st.query_params.pop(old)})


def get(name: str, default: str = "") -> str:
    """What the link says under a key."""
    return st.query_params.get(name, default)


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


def select(
    label: str, name: str, options: Mapping[str, str], default: str, *, then: Then = None, **settings: Any
) -> str:
    """A select box; ``options``: key in the link → label. ``settings``: further ones of ``st.selectbox``."""
    value = choice(name, options, default)
    keys, settings = _keys(options, settings)
    _draw(st.selectbox, name, value, default, str, then, label, keys, **settings)
    return value


def segmented(
    label: str, name: str, options: Mapping[str, str], default: str, *, then: Then = None, **settings: Any
) -> str:
    """A row of buttons of which one is chosen; as ``select``. The label is read to screen readers alone."""
    value = choice(name, options, default)
    keys, settings = _keys(options, {"label_visibility": "collapsed", "required": True} | settings)
    _draw(st.segmented_control, name, value, default, str, then, label, keys, **settings)
    return value


def multiselect(
    label: str, name: str, options: Mapping[str, str], default: Sequence[str], *, then: Then = None, **settings: Any
) -> list[str]:
    """A choice of several, with commas between in the link; what the link says of others is left out."""
    value = [part for part in get(name).split(",") if part in options] if has(name) else list(default)
    keys, settings = _keys(options, settings)
    _draw(st.multiselect, name, value, list(default), ",".join, then, label, keys, **settings)
    return value


def toggle(label: str, name: str, default: bool = False, *, then: Then = None, **settings: Any) -> bool:
    """A switch; 1 or 0 in the link."""
    value = flag(name, default)
    _draw(st.toggle, name, value, default, lambda on: str(int(on)), then, label, **settings)
    return value


def flag(name: str, default: bool = False) -> bool:
    """What the link says of a switch."""
    return {"1": True, "true": True, "0": False, "false": False}.get(get(name), default)


def slider(
    label: str, name: str, low: float, high: float, default: float, *, then: Then = None, **settings: Any
) -> Any:
    """A slider; the number keeps the type of ``default``."""
    value = min(max(_number(name, default), low), high)
    _draw(st.slider, name, value, default, str, then, label, low, high, **settings)
    return value


def number(label: str, name: str, default: float | None = None, *, then: Then = None, **settings: Any) -> Any:
    """A number field, empty (None) where the default is None; ``settings`` may bound it: min_value, max_value."""
    value = _number(name, default)
    if value is not None:
        low, high = settings.get("min_value"), settings.get("max_value")
        value = max(value, low) if low is not None else value
        value = min(value, high) if high is not None else value
    _draw(st.number_input, name, value, default, str, then, label, **settings)
    return value


def text(label: str, name: str, default: str = "", *, then: Then = None, **settings: Any) -> str:
    """A line of text."""
    value = get(name, default)
    _draw(st.text_input, name, value, default, str, then, label, **settings)
    return value


def expander(label: str, name: str, default: bool = False, *, then: Then = None, **settings: Any) -> Any:
    """An expander; 1 in the link while it is open. Draw what is in it only where its ``open`` is true."""
    key = session_key(name)
    value = flag(name, default)
    st.session_state[key] = value
    changed = _change(key, name, default, lambda on: str(int(on)), then)
    return st.expander(label, value, key=key, on_change=changed, **settings)


def _draw(
    widget: Callable[..., Any],
    name: str,
    value: Any,
    default: Any,
    write: Callable[[Any], str],
    then: Then,
    *arguments: Any,
    **settings: Any,
) -> None:
    """Draw a widget with the link's value; when it is changed, the link says so."""
    key = session_key(name)
    st.session_state[key] = value
    widget(*arguments, key=key, on_change=_change(key, name, default, write, then), **settings)


def _change(key: str, name: str, default: Any, write: Callable[[Any], str], then: Then) -> Callable[[], None]:
    def changed() -> None:
        value = st.session_state[key]
        put({name: None if value is None or value == default else write(value)})
        if then:
            then()

    return changed


def _keys(options: Mapping[str, str], settings: dict[str, Any]) -> tuple[list[str], dict[str, Any]]:
    """Options of a Streamlit widget: keys, which it shows by their labels."""
    return list(options), {"format_func": lambda key: options.get(key, key)} | settings


def _number(name: str, default: Any) -> Any:
    """The link's number, whole where the default is; the default where the link has none."""
    kind = int if isinstance(default, int) else float
    try:
        value = kind(get(name))
    except ValueError:
        return default
    return value if abs(value) < 1e12 else default  # neither nan nor beyond what a widget takes


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
        return cls(**{field.name: get(field.name.replace("_", "-")) for field in fields(cls)})

    def params(self) -> dict[str, str]:
        """The query parameters of a link to the page in this state."""
        return dict(self._said())

    def _said(self) -> Iterator[tuple[str, str]]:
        for field in fields(self):
            if value := getattr(self, field.name):
                yield field.name.replace("_", "-"), value
