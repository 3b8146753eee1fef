"""LLM Failure Explorer: why a language model gave the wrong answer.

Three lines are enough::

    from explorer import explain
    result = explain("What is the capital of Australia?", wrong="Sydney", right="Canberra")
    print(result.table())
"""

from explorer.explain import Explanation, explain

__all__ = ["Explanation", "explain"]
