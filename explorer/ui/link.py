"""The link: the only module that reads and writes query parameters, and the widgets whose value stands there.

A link holds keys, never labels, so that a renamed label breaks no shared link; a label in an old link is understood.
A value that is the default does not stand in the link. A key means the same on every page. What a session remembers of
a widget lies under ``<page>-<key>``, so that no page meets another's.
"""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, fields
from typing import Any, Self

import streamlit as st

from explorer.errors import ExplorerError
from explorer.limits import LINK_VALUE
from explorer.safe_text import shortened

_PAGE, _ABSENT = "link-page", "link-absent"
_READ: ContextVar["_Read | None"] = ContextVar("read", default=None)
_HEARD: ContextVar[Callable[[list[str]], object] | None] = ContextVar("heard", default=None)
THINGS = {
    "case": "failure",
    "survey": "survey",
    "repair": "repair",
    "behavior": "behavior",
    "stage": "vectors",
    "row": "datapoint",
    "like": "datapoint",
    "cluster": "cluster",
    "prompt": "prompt",
    "datapoint": "datapoint",
}
"""Keys that name something in the study, and what: a page says so where it is not there (``absent``)."""
RENAMED = {
    "grule": "rule",
    "rule-layer": "map-layer",
    "rule-norms": "norms",
    "rule2": "rule-2",
    "rule2-layer": "map-layer-2",
    "rule2-norms": "norms-2",
}
"""Keys in old links → today's."""
OLD_RULES = {
    "AttnLRP": "attnlrp",
    "AttnLRP in context": "attnlrp-context",
    "CP-LRP": "cplrp",
    "Gradient × input": "gradient",
    "Representation gradient": "representation-gradient",
}
"""What old links call the rules → their keys."""


@dataclass
class _Read:
    """A link that is read though it is not the browser's: its page, and what it says."""

    page: str
    query: dict[str, str]


@contextmanager
def reading(page: str, query: Mapping[str, str]) -> Iterator[None]:
    """Read another link than the browser's, to the end of the block: what draws widgets gives their values alone.

    What the link names and the study has not raises ExplorerError. What is put changes the block's own link alone.
    """
    token = _READ.set(_Read(page, dict(query)))
    try:
        _modernise()
        yield
    finally:
        _READ.reset(token)


def is_read() -> bool:
    """Whether a link is only read (``reading``), so that nothing is to be drawn."""
    return _READ.get() is not None


def enter(page: str) -> None:
    """Say which page this run draws, and bring an old link up to date; to be called before any widget is drawn."""
    st.session_state[_PAGE] = page
    st.session_state[_ABSENT] = st.session_state.pop(f"{_ABSENT}-next", {})
    _modernise()


def _modernise() -> None:
    for old, new in RENAMED.items():
        if has(old):
            put({new: get(old), old: None})
    for name in ("rule", "rule-2"):
        if rule := OLD_RULES.get(get(name)):
            put({name: rule})


def query() -> dict[str, str]:
    """All that the link says."""
    other = _READ.get()
    return dict(other.query) if other else dict(st.query_params)


def get(name: str, default: str = "") -> str:
    """What the link says under a key; the default where that is longer than any page writes."""
    other = _READ.get()
    value = (other.query if other else st.query_params).get(name, default)
    return value if len(value) <= LINK_VALUE else default


def tell_absent(name: str, value: str = "", instead: str = "") -> None:
    """Say that what the link names under a key of ``THINGS`` is not there; the frame shows it above the page.

    Args:
        value: by default what the link says.
        instead: what the page shows in its place.
    """
    named = shortened(value or get(name), 80)
    sentence = f"This link names the {THINGS[name]} “{named}”, which is not in this study."
    tell(name, sentence + (f" Shown instead: “{shortened(instead, 80)}”." if instead else ""))


def tell_unusable(name: str, sentence: str) -> None:
    """Say with the next run why what the link names under a key can't be used, and was taken out of it."""
    st.session_state[f"{_ABSENT}-next"] = {name: sentence}


def tell(name: str, sentence: str) -> None:
    """Say what is missing, once a run, under a key; where a link is only read, raise ExplorerError."""
    if is_read():
        raise ExplorerError(sentence)
    absent = st.session_state.setdefault(_ABSENT, {})
    if name not in absent:
        absent[name] = sentence
        hear(_HEARD.get())


def hear(show: Callable[[list[str]], object] | None) -> None:
    """Have what this run finds missing shown at once, again with each further sentence: a page may end anywhere."""
    _HEARD.set(show)
    if show and (absent := st.session_state.get(_ABSENT)):
        show(list(absent.values()))


def whole(text: str) -> int | None:
    """A whole number from 0 as a link spells it, below a billion; None for anything else."""
    return int(text) if len(text) < 10 and text.isascii() and text.isdecimal() else None


def has(*names: str) -> bool:
    """Whether the link says something under any of the keys."""
    now = query()
    return any(name in now for name in names)


def put(values: Mapping[str, str | None] | None = None, /, **more: str | None) -> None:
    """Write keys into the link in one step of the browser's history; None takes one out."""
    now, other = query(), _READ.get()
    new = {name: value for name, value in {**now, **(values or {}), **more}.items() if value is not None}
    if other:
        other.query = new
    elif new != now:
        st.query_params.from_dict(new)


def session_key(name: str) -> str:
    """Where this page's session keeps the widget of a link key: the ``key`` that the widget has."""
    other = _READ.get()
    return f"{other.page if other else st.session_state.get(_PAGE, '')}-{name}"


def choice(name: str, options: Mapping[str, str], default: str) -> str:
    """What the link says where it is one of the options (key → label), else the default."""
    value = get(name, default)
    if value in options:
        return value
    labelled = next((key for key, label in options.items() if label == value), None)
    if labelled is None and name in THINGS:
        tell_absent(name, instead=options.get(default, default))
    return default if labelled is None else labelled


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


def fixed(label: str, value: str, help: str) -> None:
    """Draw a select box in which nothing can be chosen."""
    if not is_read():
        st.selectbox(label, [value], disabled=True, help=help)


def segmented(label: str, name: str, options: Mapping[str, str], default: str, **settings: Any) -> str:
    """Draw a row of buttons of which one is chosen, and its help beside it; as ``select``.

    The label is read to screen readers alone.
    """
    settings = _labels(options) | {"label_visibility": "collapsed", "required": True} | settings
    value = choice(name, options, default)
    if is_read():
        return value
    with st.container(horizontal=True, width="content", vertical_alignment="center", gap="xxsmall"):
        chosen = _draw(st.segmented_control, name, value, default, str, label, list(options), **settings)
        if help := settings.get("help"):
            st.markdown("", help=help, width="content")  # a hidden label hides its help too
    return chosen


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
    if is_read():
        return value
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
