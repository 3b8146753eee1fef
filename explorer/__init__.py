"""LLM Failure Explorer: why a language model gave the wrong answer.

Three lines are enough::

    from explorer import Failure, explain
    result = explain(Failure("What is the capital of Australia?", wrong="Sydney", right="Canberra"))
    print(result.table())
"""

import os
from importlib import import_module
from typing import TYPE_CHECKING, Any

# Read when torch is first imported: waiting threads sleep. By default they spin, which costs seconds a trace as soon as
# anything else runs on the machine (docs/bench.md).
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

__version__ = "0.2.0"

if TYPE_CHECKING:
    from explorer.data.failures import Failure
    from explorer.data.study import open_study
    from explorer.graph.build import attribution_graph
    from explorer.trace.compare import compare
    from explorer.trace.explain import Explanation, explain

_MODULES = {
    "Explanation": "explorer.trace.explain",
    "Failure": "explorer.data.failures",
    "attribution_graph": "explorer.graph.build",
    "compare": "explorer.trace.compare",
    "explain": "explorer.trace.explain",
    "open_study": "explorer.data.study",
}
"""Public name → its module, imported on first use: ``python -m explorer --help`` is quick without torch."""

__all__ = ["Explanation", "Failure", "attribution_graph", "compare", "explain", "open_study"]


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module 'explorer' has no attribute {name!r}")
    return getattr(import_module(_MODULES[name]), name)
