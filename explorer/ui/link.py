"""Pickers whose value stands in the link unless it is the default, where the default depends on other pickers."""

from collections.abc import Callable, Mapping

import streamlit as st

from explorer.ui.session import put_query


def linked_select(
    label: str,
    name: str,
    options: Mapping[str, str],
    default: str,
    *,
    help: str | None = None,
    disabled: bool = False,
    then: Callable[[], None] | None = None,
) -> str:
    """A select box; ``options`` are what the link says → what people read. ``then`` runs after a choice."""
    key, value = f"link-{name}", linked_value(name, options, default)
    st.session_state[key] = value

    def chosen() -> None:
        picked = st.session_state[key]
        put_query(**{name: None if picked == default else picked})
        if then:
            then()

    st.selectbox(
        label,
        list(options),
        key=key,
        format_func=lambda option: options.get(option, option),
        help=help,
        disabled=disabled,
        on_change=chosen,
    )
    return value


def linked_value(name: str, options: Mapping[str, str], default: str) -> str:
    """What the link says where it is one of the options, else the default."""
    asked = st.query_params.get(name, default)
    return asked if asked in options else default


def linked_toggle(label: str, name: str, default: bool, *, help: str | None = None, disabled: bool = False) -> bool:
    """A switch that stands in the link as 1 or 0."""
    key = f"link-{name}"
    value = linked_value(name, {"1": "", "0": ""}, "1" if default else "0") == "1"
    st.session_state[key] = value

    def chosen() -> None:
        picked = st.session_state[key]
        put_query(**{name: None if picked == default else "1" if picked else "0"})

    st.toggle(label, key=key, help=help, disabled=disabled, on_change=chosen)
    return value


def linked_many(
    label: str, name: str, options: Mapping[str, str], default: list[str], *, help: str | None = None
) -> list[str]:
    """A choice of several that stands in the link, commas between; what the link says of others is left out."""
    key = f"link-{name}"
    asked = st.query_params.get(name)
    value = default if asked is None else [part for part in asked.split(",") if part in options]
    st.session_state[key] = value

    def chosen() -> None:
        picked = st.session_state[key]
        put_query(**{name: None if picked == default else ",".join(picked)})

    st.multiselect(
        label, list(options), key=key, format_func=lambda option: options.get(option, option), help=help,
        on_change=chosen, placeholder="Choose two or more",
    )  # fmt: skip
    return value
