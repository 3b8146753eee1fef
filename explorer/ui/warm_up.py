"""What the first visitor would wait for, done in a thread while the server starts: imports, model, first failure."""

import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import streamlit as st


@asynccontextmanager
async def warm_up(_app: st.App) -> AsyncIterator[None]:
    """Lifespan of the server: start the thread, and never wait for it."""
    threading.Thread(target=_prepare, name="warm-up", daemon=True).start()
    yield


def _prepare() -> None:
    from explorer.ui.explained import explain_first_failure

    explain_first_failure()
