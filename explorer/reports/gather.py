"""Gathering a case: everything that is known of one failure, from its words to the repair that proves the cause.

What is computed goes through ``Calls``, so that the app can hand out what its caches hold.
"""

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Protocol, TypeVar
from urllib.parse import urlencode

from explorer.behaviors.cards import annotated, make_cards
from explorer.behaviors.clusters import Clusters, cluster
from explorer.behaviors.notes import read_notes
from explorer.behaviors.of_case import cluster_of
from explorer.behaviors.prompts import default_reference, missing_answers
from explorer.data.failures import Failure
from explorer.data.study import Study, check_study
from explorer.errors import ExplorerError, count
from explorer.faithfulness.graph_verdict import GraphVerdict, graph_verdict
from explorer.faithfulness.verdict import MapVerdict, verdicts
from explorer.figures.token_map import token_map
from explorer.graph.build import TracedEdges
from explorer.graph.layout import AttributionGraph
from explorer.model.load import load_model
from explorer.model.spec import ModelSpec
from explorer.progress import Progress, Stopped, silent
from explorer.ranking.null import Null, no_null, null_scores, significance, trained_on
from explorer.ranking.questions import AboutFailure
from explorer.ranking.rank import Ranking, rank
from explorer.ranking.token_scores import token_scores
from explorer.repair.of_case import repair_of
from explorer.repair.plan import read_plan
from explorer.reports.about import about
from explorer.reports.blocks import Missing, Report, Section
from explorer.reports.of_failure import graph_section, trace_section
from explorer.reports.of_training import cluster_section, data_section, repair_section, shown_rows
from explorer.safe_text import shortened
from explorer.trace.explain import RULES, Explanation, explain
from explorer.vectors.find import pick_index

Address = Callable[..., str]
"""Makes the address of a page in the app: its name, then what its link says; empty text where no app is known."""
Judged = TypeVar("Judged")
Part = tuple[str, Callable[[], Section]]
"""A part of a report: what it is called where it has to be left out, and what makes it."""
RULE, METHOD, PROMPTS = "attnlrp", "explorer", "all"
"""Of the map and the graph, the ranking and the clusters of a case, as the app opens them."""
TRACE, GRAPH, DATA, CLUSTER, REPAIR = "Map", "Graph", "Training data", "Cluster", "Repair"


class Calls(Protocol):
    """What a report has computed."""

    def edges(self, spec: ModelSpec, failure: Failure) -> TracedEdges:
        """Return the recorded trace of a failure under ``RULE`` with its edges."""
        ...

    def judged_map(self, spec: ModelSpec, failure: Failure) -> Sequence[MapVerdict]:
        """Judge the maps of all rules."""
        ...

    def judged_graph(self, spec: ModelSpec, failure: Failure, graph: AttributionGraph) -> GraphVerdict:
        """Judge a drawing of ``edges``."""
        ...

    def ranked(self, study: Study, failure: Failure) -> Ranking:
        """Rank the training data for a failure."""
        ...

    def null(self, study: Study, ranking: Ranking) -> Null:
        """Ask unrelated questions."""
        ...

    def clusters(self, study: Study) -> Clusters:
        """Cluster the prompts of a study."""
        ...


class Direct:
    """Everything computed now, a trace once; ``progress`` is told."""

    def __init__(self, progress: Progress = silent) -> None:
        self._progress = progress
        self._edges: TracedEdges | None = None

    def edges(self, spec: ModelSpec, failure: Failure) -> TracedEdges:
        """Trace the failure."""
        if self._edges is None:
            self._progress("Tracing")
            loaded = load_model(spec, self._progress)
            self._edges = TracedEdges(loaded, explain(failure, loaded, rule=RULE, record=True))
        return self._edges

    def judged_map(self, spec: ModelSpec, failure: Failure) -> Sequence[MapVerdict]:
        """Judge the map of every rule that the model has: they share the random orders."""
        edges, maps = self.edges(spec, failure), []
        for rule in RULES:
            with suppress(ExplorerError):
                maps.append(explain(failure, edges.loaded, rule=rule))
        return verdicts(maps, edges.loaded, progress=self._progress)

    def judged_graph(self, spec: ModelSpec, failure: Failure, graph: AttributionGraph) -> GraphVerdict:
        """Patch its nodes."""
        return graph_verdict(self.edges(spec, failure), graph, progress=self._progress)

    def ranked(self, study: Study, failure: Failure) -> Ranking:
        """Rank by the method that the app begins with."""
        return rank(study, AboutFailure(failure.question), method=METHOD, progress=self._progress)

    def null(self, study: Study, ranking: Ranking) -> Null:
        """Ask unrelated questions."""
        return null_scores(study, ranking, self._progress)

    def clusters(self, study: Study) -> Clusters:
        """Cluster all prompts."""
        return cluster(study, method=METHOD, prompts=PROMPTS, progress=self._progress)


def report(
    study: Study | str | Path,
    failure: Failure | str,
    model: ModelSpec | None = None,
    *,
    title: str = "",
    judge: bool = True,
    app: str = "",
    progress: Progress = silent,
) -> Report:
    """Gather what is known of a failure: map, graph, guiltiest training data, cluster, repair, each with its verdict.

    Args:
        study: an open study, or its folder.
        failure: a failure, or the id of one of the study's.
        model: whose failure it is; by default the model under study.
        title: of the report; by default the failure's.
        judge: also compute the verdicts on map and graph (a minute or more each).
        app: address of a running app, for links to each part; without it there are none.
        progress: told all the time; Stopped in it ends the work.

    Returns the report; its ``html()`` and ``pdf()`` are files to send on. A part that the case does not have is left
    out, with a sentence that says why.

    Raises ExplorerError for a study, failure or model that can't be read.
    """
    opened = study if isinstance(study, Study) else check_study(Path(study))
    case = _named(opened, failure) if isinstance(failure, str) else failure
    spec = model or opened.spec
    parts = case_parts(opened, case, spec, Direct(progress), _addresses(app, opened, case), judge)
    return assemble(title or case_title(case), parts, opened, [spec], progress)


def assemble(
    title: str,
    parts: Sequence[Part],
    study: Study,
    models: Sequence[ModelSpec],
    progress: Progress = silent,
    app: str = "",
) -> Report:
    """Make the parts of a report one after the other; one that can't be made is named with its reason.

    ``models``: those that the report is about; ``app``: address of what the report shows.
    """
    sections, missing = [], []
    for done, (name, make) in enumerate(parts):
        progress(f"Report: {name}", done, len(parts))
        try:
            sections.append(make())
        except Stopped:
            raise
        except ExplorerError as error:
            missing.append(Missing(name, str(error)))
    progress("Report: what it was made with", len(parts), len(parts))
    day = f"{datetime.now(UTC):%-d %B %Y}"
    made = f"Made by LLM Failure Explorer on {day} from the study “{study.name}”."
    return Report(title, tuple(sections), tuple(missing), about(study, models, app), made)


def case_title(failure: Failure) -> str:
    """Return the title of a report of a failure."""
    prompt, wrong, right = (
        shortened(text, most) for text, most in ((failure.prompt, 70), (failure.wrong, 40), (failure.right, 40))
    )
    return f"Why “{wrong}” instead of “{right}”? {prompt}"


def case_parts(
    study: Study, failure: Failure, spec: ModelSpec, calls: Calls, address: Address, judge: bool = True
) -> list[Part]:
    """Return the parts of the report of a case; ``judge``: also compute the verdicts on map and graph."""
    return [
        (TRACE, partial(_trace, study, failure, spec, calls, address, judge)),
        (GRAPH, partial(_graph, study, failure, spec, calls, address, judge)),
        (DATA, partial(_data, study, failure, spec, calls, address)),
        (CLUSTER, partial(_cluster, study, failure, spec, calls, address)),
        (REPAIR, partial(_repair, study, failure, spec, address)),
    ]


def _trace(study: Study, failure: Failure, spec: ModelSpec, calls: Calls, address: Address, judge: bool) -> Section:
    explanation: Explanation = calls.edges(spec, failure).explanation.at(RULE, 0)
    every = _judged(partial(calls.judged_map, spec, failure)) if judge else ()
    own = next((v for v in every or () if v.rule == RULE), None)
    return trace_section([token_map(explanation)], failure, study, [own], every or (), address("trace"))


def _graph(study: Study, failure: Failure, spec: ModelSpec, calls: Calls, address: Address, judge: bool) -> Section:
    graph = calls.edges(spec, failure).story()
    if graph.drawing.empty:
        graph = graph.relaxed()
    if graph.drawing.empty:
        raise ExplorerError("No edge leads to the contrast.")
    verdict = _judged(partial(calls.judged_graph, spec, failure, graph)) if judge else None
    graph = replace(graph, faithfulness=verdict.to_json() if verdict else {})
    return graph_section(graph, failure, study, address("graph"))


def _judged(judge: Callable[[], Judged]) -> Judged | None:
    """A verdict, or None for a prompt that has too few tokens for one."""
    try:
        return judge()
    except Stopped:
        raise
    except ExplorerError:
        return None


def _data(study: Study, failure: Failure, spec: ModelSpec, calls: Calls, address: Address) -> Section:
    _require_trained(study, spec)
    ranking = calls.ranked(study, failure)
    null = None if no_null(ranking) else calls.null(study, ranking)
    rows = shown_rows(ranking)
    evidence = token_scores(study, ranking, rows)
    return data_section(
        study, ranking, significance(study, ranking, null, spec), null, evidence, rows, link=address("training_data")
    )


def _require_trained(study: Study, spec: ModelSpec) -> None:
    if not trained_on(study, spec):
        raise ExplorerError(f"{spec.title} was not trained on the examples of this study.")


def _cluster(study: Study, failure: Failure, spec: ModelSpec, calls: Calls, address: Address) -> Section:
    _require_trained(study, spec)
    index = pick_index(study, METHOD)
    if missing := missing_answers(study, PROMPTS, default_reference(study, index.manifest.checkpoint)):
        raise ExplorerError(f"{count(sum(missing.values()), 'answer')} must be generated first, on the page Behaviors.")
    clusters = calls.clusters(study)
    cut = clusters.cut()
    one = cluster_of(clusters, cut, study, failure)
    if one is None:
        raise ExplorerError("No cluster holds the prompt or its behavior.")
    cards = annotated(make_cards(clusters, cut, study.datapoints()), read_notes(study.folder))
    card = next(card for card in cards if card.cluster.id == one.id)
    return cluster_section(study, clusters, PROMPTS, len(cut), card, address("behaviors", cluster=one.key))


def _repair(study: Study, failure: Failure, spec: ModelSpec, address: Address) -> Section:
    _require_trained(study, spec)
    found = repair_of(study, failure)
    if found is None:
        raise ExplorerError("No measured repair of this study is about its behavior.")
    folder, result, _ = found
    return repair_section(study, folder, read_plan(folder), result, address("repair", repair=folder.name))


def _named(study: Study, name: str) -> Failure:
    failures = study.failures()
    if name not in failures:
        names = ", ".join(list(failures)[:20]) or "none: it has none"
        raise ExplorerError(f"{study.folder}: no failure '{name[:80]}'; expected {names}.")
    return replace(failures[name], raw=failures[name].raw or study.template == "raw")


def _addresses(app: str, study: Study, failure: Failure) -> Address:
    """Addresses in an app that was started beside the study's folder; none of a failure that is not the study's."""
    if not app or failure.id not in study.failures():
        return lambda *_page, **_more: ""

    def address(page: str, **more: str) -> str:
        query = urlencode({"study": study.folder.name, "case": failure.id, **more})
        return f"{app.rstrip('/')}/{'' if page == 'trace' else page}?{query}"

    return address
