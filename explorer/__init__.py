"""LLM Failure Explorer: why a language model gave the wrong answer.

Three lines are enough::

    from explorer import explain
    result = explain("What is the capital of Australia?", wrong="Sydney", right="Canberra")
    print(result.table())
"""

import os
from typing import TYPE_CHECKING, Any

# Read when torch is first imported: waiting threads sleep. By default they spin, which costs seconds a trace as soon as
# anything else runs on the machine (docs/bench.md).
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

__version__ = "0.2.0"

if TYPE_CHECKING:
    from explorer.trace.explain import Explanation, explain

__all__ = ["Explanation", "explain"]


def __getattr__(name: str) -> Any:
    """Import torch only when it is needed, so that ``python -m explorer --help`` is quick."""
    if name not in __all__:
        raise AttributeError(f"module 'explorer' has no attribute {name!r}")
    from explorer.trace import explain as module

    return getattr(module, name)
