"""LLM Failure Explorer: why a language model gave the wrong answer.

Three lines are enough::

    from explorer import Failure, explain
    result = explain(Failure("What is the capital of Australia?", wrong="Sydney", right="Canberra"))
    print(result.table())
"""

import os
import sys
from importlib import import_module
from typing import TYPE_CHECKING, Any

# Read when torch is first imported: waiting threads sleep. By default they spin, which costs seconds a trace as soon as
# anything else runs on the machine (docs/bench.md).
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
# Read at oneDNN's first product: how many shapes of products it, and PyTorch's layer over it, keep prepared, half a
# megabyte each. By default it is 1,024; a pass has about six, and the next pass others (docs/bench.md).
for _cache in ("ONEDNN_PRIMITIVE_CACHE_CAPACITY", "LRU_CACHE_CAPACITY"):
    os.environ.setdefault(_cache, "32")

__version__ = "0.2.0"

if TYPE_CHECKING:
    from explorer.behaviors.clusters import Clusters, cluster
    from explorer.data.failures import Failure
    from explorer.data.new_study import prepare_study
    from explorer.faithfulness.graph_verdict import GraphVerdict, graph_verdict
    from explorer.faithfulness.minimal import MinimalEdit, minimal_edit
    from explorer.faithfulness.verdict import MapVerdict, verdicts
    from explorer.graph.build import attribution_graph
    from explorer.model.load import in_memory
    from explorer.ranking.directions import Control, Persona
    from explorer.ranking.evaluate import evaluate
    from explorer.ranking.null import Null, Verdict, null_scores, significance
    from explorer.ranking.questions import AboutBehavior, AboutFailure, AboutNode, AboutPersona, LikeDatapoint
    from explorer.ranking.rank import Ranking, rank
    from explorer.ranking.token_scores import token_scores
    from explorer.ranking.token_shares import state_relevance
    from explorer.repair.choose import plan_repair
    from explorer.repair.job import run_repair
    from explorer.reports.blocks import Report
    from explorer.reports.gather import report
    from explorer.studies.from_trainer import study_from
    from explorer.studies.opened import open_study
    from explorer.surveys.survey import survey
    from explorer.trace.compare import compare
    from explorer.trace.edits import Edit, try_edits
    from explorer.trace.explain import Explanation, explain

_PUBLIC = {
    "explorer.behaviors.clusters": ["Clusters", "cluster"],
    "explorer.data.failures": ["Failure"],
    "explorer.data.new_study": ["prepare_study"],
    "explorer.faithfulness.graph_verdict": ["GraphVerdict", "graph_verdict"],
    "explorer.faithfulness.verdict": ["MapVerdict", "verdicts"],
    "explorer.faithfulness.minimal": ["MinimalEdit", "minimal_edit"],
    "explorer.graph.build": ["attribution_graph"],
    "explorer.model.load": ["in_memory"],
    "explorer.ranking.evaluate": ["evaluate"],
    "explorer.ranking.directions": ["Control", "Persona"],
    "explorer.ranking.null": ["Null", "Verdict", "null_scores", "significance"],
    "explorer.ranking.questions": ["AboutBehavior", "AboutFailure", "AboutNode", "AboutPersona", "LikeDatapoint"],
    "explorer.ranking.rank": ["Ranking", "rank"],
    "explorer.ranking.token_scores": ["token_scores"],
    "explorer.ranking.token_shares": ["state_relevance"],
    "explorer.repair.choose": ["plan_repair"],
    "explorer.repair.job": ["run_repair"],
    "explorer.reports.blocks": ["Report"],
    "explorer.reports.gather": ["report"],
    "explorer.studies.from_trainer": ["study_from"],
    "explorer.studies.opened": ["open_study"],
    "explorer.surveys.survey": ["survey"],
    "explorer.trace.compare": ["compare"],
    "explorer.trace.edits": ["Edit", "try_edits"],
    "explorer.trace.explain": ["Explanation", "explain"],
}
"""Module → its public names. It is imported on first use: ``python -m explorer --help`` is quick without torch."""
_MODULES = {name: module for module, names in _PUBLIC.items() for name in names}

__all__ = [*sorted(_MODULES)]  # pyright: ignore[reportUnsupportedDunderAll]


def _register_displays() -> None:
    """In a notebook, show our objects as the app does (``explorer.figures.notebook``)."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython else None
    if shell and getattr(shell, "display_formatter", None):
        from explorer.figures.notebook import register

        register(shell.display_formatter.formatters["text/html"])


_register_displays()


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module 'explorer' has no attribute {name!r}")
    return getattr(import_module(_MODULES[name]), name)
