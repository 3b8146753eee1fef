"""What the first visitor would wait for, done in a thread while the server starts: imports, model, first failure."""

import gc
import logging
import pkgutil
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from importlib import import_module
from pathlib import Path

import streamlit as st

from explorer.serving import link_host
from explorer.ui.server.share import PARAMETER, share_token


@asynccontextmanager
async def warm_up(_app: st.App) -> AsyncIterator[None]:
    """Lifespan of the server: say where it is, start the thread, and never wait for it.

    Visitors who come before it is done share its work: modules, models and Streamlit's caches have locks of their own.
    """
    host, port = link_host(st.get_option("server.address") or "localhost"), st.get_option("server.port")
    token = share_token()
    print(f"LLM Failure Explorer: http://{host}:{port}" + (f"/?{PARAMETER}={token}" if token else ""), flush=True)
    threading.Thread(target=_prepare, name="warm-up", daemon=True).start()
    yield


def _prepare() -> None:
    # Imports make millions of objects that stay. Looking through them for garbage costs over a second while they come,
    # and 0.2 s after every run of a page later, as Streamlit collects then: so out of the collector's sight with them.
    gc.disable()
    try:
        for _ in _steps():
            gc.freeze()
    finally:
        gc.collect()
        gc.freeze()
        gc.enable()


def _steps() -> Iterator[None]:
    """What is done, the most urgent first."""
    # the caches are used outside a visitor's run here, which Streamlit warns of once for each spinner
    logging.getLogger("streamlit.runtime.scriptrunner_utils.script_run_context").setLevel(logging.ERROR)
    from explorer.errors import ExplorerError
    from explorer.ui.explained import explained
    from explorer.ui.findings import find_all
    from explorer.ui.study import demo_folder, first_cases, opened

    yield
    try:
        cases = first_cases()
        for spec, case in cases:
            explained(spec, case, "attnlrp")
            yield
        _import_pages()
        yield
        for spec, case in cases:
            find_all(spec, opened(demo_folder()).study, case)
            yield
    except ExplorerError as error:
        print(f"LLM Failure Explorer: {error}", flush=True)  # the first page will say so too


def _import_pages() -> None:
    """Import what the other pages do."""
    for module in pkgutil.walk_packages([str(Path(__file__).parent)], "explorer.ui."):
        if module.name != "explorer.ui.main":  # the script itself
            import_module(module.name)
