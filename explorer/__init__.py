"""LLM Failure Explorer: why a language model gave the wrong answer.

Three lines are enough::

    from explorer import explain
    result = explain("What is the capital of Australia?", wrong="Sydney", right="Canberra")
    print(result.table())
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from explorer.explanation import Explanation, explain

__all__ = ["Explanation", "explain"]


def __getattr__(name: str) -> Any:
    """Import torch only when it is needed, so that ``python -m explorer --help`` is quick."""
    if name not in __all__:
        raise AttributeError(f"module 'explorer' has no attribute {name!r}")
    from explorer import explanation as module

    return getattr(module, name)
