"""The parts of a report from the links of its views: what their pages show, from the same caches."""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial
from urllib.parse import urlencode

import streamlit as st

from explorer.data.failures import Failure
from explorer.errors import ExplorerError
from explorer.model.load import load_model
from explorer.model.spec import ModelSpec
from explorer.reports.blocks import Grid, Section
from explorer.reports.collection import View
from explorer.reports.gather import Part, case_parts
from explorer.reports.of_failure import compare_section, graph_section, trace_section
from explorer.trace.compare import compare
from explorer.trace.edits import Edit, parse_tries
from explorer.trace.explain import Explanation
from explorer.ui import link, navigation
from explorer.ui.asking import unallowed
from explorer.ui.compare.field import models_field
from explorer.ui.compare.state import choices, unallowed_places, with_typed
from explorer.ui.explained import edges_of, read_with
from explorer.ui.findings import disputed
from explorer.ui.graph.ablations import ablations_frame
from explorer.ui.graph.controls import linked_pruning, rule_picker
from explorer.ui.graph.state import build_graph, read_view, understand_old_links
from explorer.ui.graph.verdict import drawing_of, judged, known_verdict
from explorer.ui.link_names import shared_query
from explorer.ui.report.cached import Cached
from explorer.ui.report.kept import CASE, read_as_link
from explorer.ui.report.of_study import behaviors_part, data_part, repair_part, survey_part
from explorer.ui.session import current_case, model_spec
from explorer.ui.study import current_study
from explorer.ui.text import RULE_HELP, RULE_LABELS
from explorer.ui.trace.edits import tried
from explorer.ui.trace.maps import chosen_rules, linked_map, shown_map
from explorer.ui.verdict import compute_verdicts, known_verdicts


def parts_of(view: View, judge: bool) -> list[Part]:
    """Return the parts of a report that a view makes; ``judge``: also compute verdicts that are not known yet."""
    if view.page == CASE:
        with read_as_link(view):
            _require_allowed()
            study, case, spec = current_study().study, current_case(), model_spec()
            params = shared_query()
        made = case_parts(study, case, spec, Cached(), partial(_address, params), judge)
        first, *rest = made
        return [(first[0], lambda: replace(first[1](), comment=view.comment)), *rest]
    title = navigation.PAGES[view.page][0] if view.page in navigation.PAGES else view.page
    return [(title, lambda: _section(view, judge))]


def view_model(view: View) -> ModelSpec:
    """Return the model that a view is about. Raises ExplorerError."""
    with read_as_link(view):
        return model_spec()


def view_case(view: View) -> Failure:
    """Return the failure that a view is about. Raises ExplorerError."""
    with read_as_link(view):
        return current_case()


def _section(view: View, judge: bool) -> Section:
    makers = {
        navigation.TRACE: _trace,
        navigation.GRAPH: _graph,
        navigation.COMPARE: _compare,
        navigation.SURVEY: survey_part,
        navigation.TRAINING_DATA: data_part,
        navigation.BEHAVIORS: behaviors_part,
        navigation.REPAIR: repair_part,
    }
    if view.page not in makers:
        raise ExplorerError(f"There is no page '{view.page[:40]}' that a report could show.")
    with read_as_link(view):
        _require_allowed()
        section = makers[view.page](judge)
        return replace(section, comment=view.comment, link=_address(shared_query(), view.page))


def _address(params: dict[str, str], page: str, **more: str) -> str:
    """Return the address of a page of this app; empty where no browser told its own."""
    if not st.context.url:
        return ""
    query, path = urlencode(params | more), "" if page == navigation.TRACE else page
    return f"{st.context.url.partition('?')[0].rpartition('/')[0]}/{path}?{query}"


def _require_allowed() -> None:
    """Raise ExplorerError where the link names what nobody here has allowed (``asking``)."""
    _, places = unallowed()
    if places:
        names = ", ".join(place.name for place in places)
        raise ExplorerError(f"It would open {names}, which has not been allowed here: open its page first.")


def _trace(judge: bool) -> Section:
    loaded, failure = load_model(model_spec()), current_case()
    whole, maps, verdicts, every = link.flag("whole"), [], [], ()
    first: Explanation | None = None
    for rule, number in zip(chosen_rules(link.flag("compare")), ("", "-2"), strict=False):
        explanation = linked_map(loaded, failure, rule, whole, number)
        maps.append(shown_map(explanation, number, disputed(loaded.spec, failure.question)))
        known = _verdicts(loaded.spec, failure, explanation, judge)
        verdicts.append(next((v for v in known if v.rule == rule), None) if maps[-1].signed else None)
        every, first = every or known, first or explanation
    assert first is not None
    section = trace_section(maps, failure, current_study().study, verdicts, every)
    *blocks, commands = section.blocks
    return replace(section, blocks=(*blocks, *_tries(loaded.spec, failure, first), commands))


def _verdicts(spec: ModelSpec, failure: Failure, explanation: Explanation, judge: bool):  # noqa: ANN202
    try:
        if judge:
            return compute_verdicts(spec, failure, explanation)
    except ExplorerError:  # too few tokens for one
        return ()
    return known_verdicts(spec, failure, explanation)


def _tries(spec: ModelSpec, failure: Failure, explanation: Explanation) -> Sequence[Grid]:
    """The edits that were tried on the page, as a table."""
    rows, tokens = [], explanation.tokens
    for edits in dict.fromkeys(edits for edits in parse_tries(link.get("edits")) if edits):
        words = ", ".join(_edited(edit, [token.text for token in tokens]) for edit in edits)
        try:
            done = tried(spec, failure.question, edits, explanation.rule, explanation.layer, explanation.whole)
        except ExplorerError as error:
            rows.append((words, "", "", "", str(error)))
            continue
        predicted = "no estimate" if done.predicted is None else f"{done.predicted:+.2f}"
        answer = " ".join(done.answer.split())
        rows.append((words, predicted, f"{done.change:+.2f}", f"{done.gap:+.2f}", answer))
    heads = ("edit", "predicted", "measured", f"gap ({explanation.unit})", "it answers")
    return [Grid(heads, tuple(rows), (0.3, 0.12, 0.12, 0.12, 0.34))] if rows else []


def _edited(edit: Edit, texts: Sequence[str]) -> str:
    old = texts[edit.index].strip() if edit.index < len(texts) else str(edit.index)
    return f"{old} → {edit.text}" if edit.text else f"{old} deleted"


def _graph(judge: bool) -> Section:
    understand_old_links()
    spec, failure = model_spec(), current_case()
    edges = edges_of(spec, failure, rule_picker())
    view = read_view(load_model(spec).n_layers, len(edges.explanation.tokens))
    graph = build_graph(edges, view, linked_pruning())
    if graph.drawing.empty:
        graph = graph.relaxed()
    if graph.drawing.empty:
        raise ExplorerError("The tokens left out leave no edge that leads to the contrast.")
    if judge:
        with suppress(ExplorerError):  # too few tokens for a verdict
            judged(*drawing_of(spec, failure, graph))
    graph = replace(graph, faithfulness=known_verdict(spec, failure, graph))
    section = graph_section(graph, failure, current_study().study)
    if not view.tries:
        return section
    table = ablations_frame(edges, view, [edges.ablated(nodes, how) for how, nodes in view.tries])
    rows = ((what, how, *(f"{x:+.2f}" for x in figures)) for what, how, *figures in table.itertuples(index=False))
    grid = Grid(("ablated", "replaced by", *(f"{x} (logits)" for x in table.columns[2:])), tuple(rows))
    *blocks, commands = section.blocks
    return replace(section, blocks=(*blocks, grid, commands))


def _compare(judge: bool) -> Section:
    study, failure, on_screen = current_study().study, current_case(), model_spec()
    known = choices(study, on_screen)
    if places := unallowed_places(known):
        names = ", ".join(place.name for place in places)
        raise ExplorerError(f"It would open {names}, which has not been allowed here: open its page first.")
    models = models_field(study, known, with_typed(known, on_screen), on_screen)
    if len(models) < 2:
        raise ExplorerError("It names fewer than two models that are here.")
    rule = link.select("Rule", "rule", RULE_LABELS, "attnlrp", help=RULE_HELP)
    refused: list[str] = []
    refuse = lambda name, error: refused.append(f"{name}: {error}")  # noqa: E731
    readings = compare(failure, models, rule=rule, refused=refuse, read=read_with)
    if not readings:
        raise ExplorerError(" ".join(refused))
    verdicts = []
    for reading in readings:
        every = _verdicts(reading.spec, failure, reading.explanation, judge)
        verdicts.append(next((v for v in every if v.rule == rule), None))
    changes = link.flag("change")
    return compare_section(readings, failure, study, changes, () if changes else verdicts)
