"""The top of the Behaviors page: which prompts, what makes two things alike, how many clusters. All in the link."""

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from explorer.behaviors.missing_answers import answers_missing
from explorer.behaviors.pipeline import Found
from explorer.behaviors.prompts import DISCOVERY, Which
from explorer.errors import ExplorerError
from explorer.ranking.rank import Choice
from explorer.ui.behaviors.state import Asked
from explorer.ui.corpus import Corpus
from explorer.ui.link_old import linked_select, linked_value
from explorer.ui.session import plain, put_query
from explorer.ui.training_data.pickers import pick_index, pick_layer, pick_method
from explorer.vectors.index import Index
from explorer.vectors.methods import METHODS

PLACES = ("cluster", "window", "prompt", "datapoint")
"""What the link says of the place one looks at; it goes when other clusters are asked for."""
PROMPTS: dict[Which, str] = {"all": "All", "behaviors": "Known behaviors", "discovery": "Unlabelled"}
PROMPTS_HELP = (
    "**Known behaviors**: the prompts of behaviors.jsonl, with their bad and good answers. **Unlabelled**: those of "
    "discovery.jsonl that the trained model answers otherwise than the model before; nobody has said what is in them."
)
METHOD_HELP = "What makes a prompt and a training example alike; those that the study's vectors were built for."
STAGE_HELP = "The model in which the vectors were made, and whose answers count as those before."
COUNT_HELP = (
    "Where the tree of the prompts is cut. The silhouette says how much nearer a prompt is to its own cluster than to "
    "the next one; its best count is the default. A finer cut parts what a coarser one holds together."
)


def bar(of: Corpus, indexes: dict[str, Index]) -> tuple[Asked, DeltaGenerator]:
    """Draw the pickers; the container is for the slider, which waits for the clusters. Raises ExplorerError."""
    columns = st.columns([1.25, 1.35, 1.2, 1.05, 2.1], gap="small", vertical_alignment="bottom")
    with columns[0]:
        which = _prompts(of)
    with columns[2]:
        index = pick_index(of.study, indexes, help=STAGE_HELP, then=_elsewhere)
        assert index is not None  # the page ends before where nothing is built
    made = index.manifest
    with columns[1]:
        fit = [name for name, m in METHODS.items() if m.parts and set(m.parts) <= set(made.parts)]
        if not fit:
            raise ExplorerError(f"{index.folder}: no method's vectors are in it; build the study's vectors again.")
        method = pick_method(fit, help=METHOD_HELP, then=_elsewhere)
    with columns[3]:
        layer = pick_layer(index, then=_elsewhere)
    return Asked(which, index, Choice(method, layer)), columns[4].container()


def _prompts(of: Corpus) -> Which:
    trained = of.study.spec != of.study.reference_spec  # else both models are one, and answer alike
    has = {"behaviors": bool(of.behaviors), "discovery": (of.study.folder / DISCOVERY).is_file()}
    has["discovery"] &= trained or not has["behaviors"]
    if not any(has.values()):
        raise ExplorerError(
            f"{of.study.folder}: nothing to cluster. Put prompts into {DISCOVERY}, one object a line with id and "
            "prompt, or behaviors into behaviors.jsonl."
        )
    fit = {name: text for name, text in PROMPTS.items() if (all(has.values()) if name == "all" else has[name])}
    return linked_select("Prompts", "prompts", fit, next(iter(fit)), help=PROMPTS_HELP, then=_elsewhere)  # pyright: ignore[reportReturnType]


def _elsewhere() -> None:
    put_query(**dict.fromkeys((*PLACES, "clusters")))


def count_slider(found: Found) -> int:
    """How many clusters; the silhouette's number unless the link says another."""
    best, most = found.clustering.best_count, max(found.clustering.tree.cuts)
    if most < 2:
        st.caption("One prompt is one cluster.")
        return 1
    said = int(linked_value("clusters", {str(k): "" for k in range(1, most + 1)}, str(best)))
    st.session_state["clusters"] = said

    def chosen() -> None:
        k = st.session_state["clusters"]
        put_query(clusters=None if k == best else str(k), **dict.fromkeys(PLACES))

    label = f"Clusters · the silhouette says {best}" if found.clustering.silhouettes else "Clusters"
    st.slider(label, 1, most, key="clusters", on_change=chosen, help=COUNT_HELP)
    return said


def may_start(of: Corpus, asked: Asked) -> bool:
    """Whether to cluster now; where answers are still to be made, a box says so and waits for its button."""
    missing = answers_missing(of.study, asked.index, asked.which)
    started = st.session_state.setdefault("behaviors-started", set())
    key = (of.version, asked.which, asked.index.manifest.fingerprint)
    if not missing or key in started:
        return True
    todo = sum(missing.values())
    with st.container(border=True):
        made = " and ".join(f"{count:,} by {plain(name)}" for name, count in missing.items())
        st.markdown(
            f"The unlabelled prompts are answered once, by the model before and the model after: {made} are still to "
            f"be made. The embedded model takes about a second for one on two cores, so about {_about(todo)}; a larger "
            "model takes longer. Then each prompt gets its vector, and the clusters are weighed against chance, about "
            "half a minute each. A stopped run goes on where it was."
        )
        left, right = st.columns([1, 1], gap="small")
        left.button("Answer and cluster", type="primary", key="discover", on_click=lambda: started.add(key))
        if asked.which == "all":
            right.button("Known behaviors alone", key="known-alone", on_click=lambda: put_query(prompts="behaviors"))
    return False


def _about(seconds: int) -> str:
    return f"{seconds} seconds" if seconds < 90 else f"{round(seconds / 60)} minutes"
