"""A graph.json that is opened on the Graph page: everything that it says goes into the link, its model is offered."""

import os
from dataclasses import replace

import streamlit as st

from explorer.data.failures import Failure
from explorer.errors import ExplorerError
from explorer.graph.graph_json import GraphFile, check_same, differences, read_graph_json
from explorer.graph.layout import AttributionGraph
from explorer.model.load import ModelSpec
from explorer.ui import link
from explorer.ui.graph.state import PRUNING, change, is_full, write_groups
from explorer.ui.session import MARKS, current_case, model_spec, set_case
from explorer.ui.study import current_study, gallery, study_models
from explorer.ui.text import plain, show_error

_OPENED = "graph-opened"
_PAGE = ("rule", "place", "graph", "template", "how", *PRUNING, *MARKS)
_CASE = {"q": "prompt", "wrong": "wrong", "right": "right", "system": "system", "evidence": "evidence"}
_OPEN_HELP = "A graph that was downloaded here: its case, marks, view and link come back."
_EXACT = 1e-3
"""Share of a file's strongest figure that may differ: other machines round otherwise."""


def link_for_file() -> dict[str, str]:
    """Return what a file keeps of the link: the case spelt out, the picture, the model where it is no path."""
    case = current_case()
    spelt_out = {key: getattr(case, field) or "" for key, field in _CASE.items()} | {"raw": "1" if case.raw else ""}
    models = {name: link.get(name) for name in ("model", "adapter") if not os.path.isabs(link.get(name))}
    page = {name: link.get(name) for name in _PAGE} | {"graph": "full" if is_full() else "story"}
    return {name: text for name, text in ({"case": case.id} | spelt_out | models | page).items() if text}


def opened_file() -> GraphFile | None:
    """Draw the field for a file and return what is opened; when it is new, the page begins anew with its link.

    A file of another model than the one on screen is no more than an offer to load that model.
    """
    uploaded = st.file_uploader("Open a graph.json", type="json", max_upload_size=20, help=_OPEN_HELP)
    if not uploaded:
        return None
    try:
        file = read_graph_json(uploaded.getvalue(), uploaded.name)
        if file.model != model_spec().title:
            _offer_model(file, uploaded.file_id)
            return None
    except ExplorerError as error:
        show_error(error)
        return None
    if st.session_state.get(_OPENED) != uploaded.file_id:
        restore(file, uploaded.file_id)
        st.rerun()
    return file


def _offer_model(file: GraphFile, file_id: str) -> None:
    """Offer to load the model of a file; what is not allowed yet is asked for, as for any link."""
    about = f"This graph is of {file.model}, but {model_spec().title} is loaded"
    spec = _spec_of(file)
    if not spec:
        raise ExplorerError(f"{about}; load it in the sidebar, then open the file again.")
    st.info(f"{plain(about)}.")
    help = "Put the model that the file was made with on screen"
    load = {"on_click": restore, "args": (file, file_id, spec), "width": "stretch", "help": help}
    st.button(f"Load {plain(file.model)}", "graph-load", **load)


def _spec_of(file: GraphFile) -> ModelSpec | None:
    """Return the model that a file names: one of the study's, the embedded one, or the one in its link."""
    named = ModelSpec(file.link.get("model") or ModelSpec.source, file.link.get("adapter") or None)
    known = (named, ModelSpec(), *study_models(current_study().study))
    return next((spec for spec in known if spec.title == file.model), None)


def restore(file: GraphFile, file_id: str, spec: ModelSpec | None = None) -> None:
    """Put all that a file says into the link: the case, the picture, and the model (default: the one on screen)."""
    st.session_state[_OPENED] = file_id
    spec = spec or model_spec()
    if case := _case_of(file):
        set_case(case)
    if model_spec().weights != spec.weights:
        link.put(model=spec.name, adapter=spec.adapter)
    if file.link:
        change(**{name: file.link.get(name) for name in MARKS})
        link.put({name: file.link.get(name) for name in _PAGE})
    else:
        link.put(graph="full", rule=file.rule)
        change(layers=file.drawing.layers, pins=file.marks.pinned, groups=write_groups(file.marks.groups))


def _case_of(file: GraphFile) -> Failure | None:
    """Return the case that a file names, where it is another one than that on screen."""
    if not all(file.link.get(key) for key in ("q", "wrong", "right")):
        return None
    fields = {field: file.link.get(key) or None for key, field in _CASE.items()}
    case = Failure(raw=file.link.get("raw") == "1", **fields)  # pyright: ignore[reportArgumentType]
    known = gallery().get(file.link.get("case", ""))
    case = known if known and _placeless(known) == _placeless(case) else case
    return case if _placeless(case) != _placeless(current_case()) else None


def _placeless(case: Failure) -> Failure:
    """Return what tells cases apart without the place of their answers, which the link holds by itself."""
    return replace(case.question, place=None)


def drawn_from(file: GraphFile, graph: AttributionGraph) -> AttributionGraph:
    """Return the graph that an opened file asks for.

    Where the file holds the app's link, that is the graph on screen, and figures that differ are told; else the file's
    own drawing. Raises ExplorerError for a file of something else.
    """
    if not file.link:
        check_same(file, graph.explanation)
        return replace(graph, drawing=file.drawing)
    if all(link.get(name) == file.link.get(name, "") for name in _PAGE if name != "at"):
        apart = differences(file, graph.drawing)
        if apart > _EXACT * max(map(abs, file.drawing.nodes.values()), default=0.0):
            st.warning(f"The graph, computed anew, differs from the file by up to {apart:.3g} logits.")
    return graph
