"""The top of the Behaviors page: which prompts, which vectors, how many clusters. All in the link."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import cast

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from explorer.behaviors.clusters import Clusters
from explorer.behaviors.prompts import DISCOVERY, PromptKind, default_reference, missing_answers
from explorer.data.study import Study
from explorer.errors import ExplorerError
from explorer.ui import link
from explorer.ui.behaviors.view import NO_PLACES, NO_VIEW
from explorer.ui.caching import study_version
from explorer.ui.corpus import Corpus
from explorer.ui.text import duration, plain
from explorer.ui.training_data.pickers import pick_index, pick_layer, pick_method
from explorer.vectors.index import Index
from explorer.vectors.methods import METHODS

PROMPTS: dict[PromptKind, str] = {"all": "All", "behaviors": "Known behaviors", "discovery": "Unlabelled"}
PROMPTS_HELP = (
    "**Known behaviors**: the prompts of behaviors.jsonl, with their bad and good answers. **Unlabelled**: those of "
    "discovery.jsonl that the trained model answers otherwise than the model before; nobody has said what is in them."
)
METHOD_HELP = "What makes a prompt and a training example alike; those that the study's vectors were built for."
STAGE_HELP = "The model in which the vectors were made, and whose answers count as those before."
COUNT_HELP = (
    "Where the tree of the prompts is cut. Which count parts best is judged by the silhouette: how much nearer a "
    "prompt is to its own cluster than to the next one. That count is the default. "
    "A finer cut parts what a coarser one holds together."
)


@dataclass(frozen=True)
class Choice:
    """Which prompts are clustered, and by which vectors."""

    prompts: PromptKind
    index: Index
    method: str
    layer: int | None


def pickers(corpus: Corpus, indexes: Mapping[str, Index]) -> tuple[Choice, DeltaGenerator]:
    """Draw the pickers; the container is for the slider, which needs the clusters. Raises ExplorerError."""
    columns = st.columns([1.25, 1.35, 1.2, 1.05, 2.1], gap="small", vertical_alignment="bottom")
    with columns[0]:
        prompts = _pick_prompts(corpus)
    with columns[2]:
        index = pick_index(corpus.study, indexes, help=STAGE_HELP, then=_leave_places)
        assert index is not None
    built = set(index.manifest.parts)
    methods = [name for name, method in METHODS.items() if method.parts and set(method.parts) <= built]
    if not methods:
        raise ExplorerError(f"{index.folder}: no method's vectors are in it; build the study's vectors again.")
    with columns[1]:
        methods.sort(key=lambda name: name != "explorer")
        method = pick_method(methods, help=METHOD_HELP, then=_leave_places)
    with columns[3]:
        layer = pick_layer(index, then=_leave_places)
    return Choice(prompts, index, method, layer), columns[4].container()


def _pick_prompts(corpus: Corpus) -> PromptKind:
    study, known = corpus.study, bool(corpus.behaviors)
    trained = study.spec != study.reference_spec  # else both models are one, and answer alike
    unlabelled = (study.folder / DISCOVERY).is_file() and (trained or not known)
    has = {"all": known and unlabelled, "behaviors": known, "discovery": unlabelled}
    options = {kind: label for kind, label in PROMPTS.items() if has[kind]}
    if not options:
        raise ExplorerError(
            f"{study.folder}: nothing to cluster. Put prompts into {DISCOVERY}, one object a line with id and "
            "prompt, or behaviors into behaviors.jsonl."
        )
    kind = link.select("Prompts", "prompts", options, next(iter(options)), help=PROMPTS_HELP, then=_leave_places)
    return cast(PromptKind, kind)


def _leave_places() -> None:
    link.put(NO_VIEW, clusters=None)


def count_slider(clusters: Clusters) -> int:
    """Draw the number of clusters, by default the silhouette's; return it."""
    best, most = clusters.best_count, max(clusters.tree.cuts)
    if most < 2:
        st.caption("One prompt is one cluster.")
        return 1
    label = f"Clusters · {best} part best" if clusters.silhouettes else "Clusters"
    return link.slider(label, "clusters", 1, most, best, help=COUNT_HELP, then=lambda: link.put(NO_PLACES))


def may_start(study: Study, choice: Choice) -> bool:
    """Return whether to cluster now; where answers must be generated first, draw a box that asks."""
    missing = missing_answers(study, choice.prompts, default_reference(study, choice.index.manifest.checkpoint))
    started = st.session_state.setdefault("behaviors-started", set())
    key = (study_version(study), choice.prompts, choice.index.manifest.fingerprint)
    if not missing or key in started:
        return True
    with st.container(border=True):
        counts = " and ".join(f"{count:,} by {plain(name)}" for name, count in missing.items())
        st.markdown(
            f"The unlabelled prompts are answered once, by the model before and the model after: {counts} are still to "
            f"be made. The embedded model takes about a second for one on two cores, so about "
            f"{duration(sum(missing.values()))}; a larger model takes longer. Then each prompt gets its vector, and "
            "the clusters are weighed against chance, about half a minute each. A stopped run goes on where it was."
        )
        left, right = st.columns([1, 1], gap="small")
        left.button(
            "Answer and cluster",
            type="primary",
            key="discover",
            on_click=started.add,
            args=(key,),
            help="It can be stopped, and goes on",
        )
        if choice.prompts == "all":
            known = {"prompts": "behaviors"}
            right.button(
                "Known behaviors alone", key="known-alone", on_click=link.put, kwargs=known, help="They have answers"
            )
    return False
