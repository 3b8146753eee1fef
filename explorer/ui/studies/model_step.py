"""Step 1: the model, the stages of its training, and which of them is before the training in question."""

import streamlit as st

from explorer.data.checkpoints import named
from explorer.data.drafts import Draft, DraftStage
from explorer.errors import ExplorerError
from explorer.model import embedded
from explorer.model.about import about_checkpoint, about_model
from explorer.model.spec import ModelSpec
from explorer.ui.studies.draft import bound, draft, on_hub, source, specs
from explorer.ui.text import plain, show_error

MODEL_HELP = (
    "The model before all training: a hub id (owner/name), the path of a folder that transformers saved, or of a .gguf "
    "file. Weights are read from safetensors or GGUF only. Empty: the small model that comes with the program."
)
REVISION_HELP = "Branch, tag or commit of a model on the hub. Empty: its main branch."
STAGE_HELP = "A folder of a PEFT adapter or of a whole model, or owner/name@revision on the hub."
KIND_HELP = "Whether this is a PEFT adapter; a folder says itself what it is."
BEFORE_HELP = (
    "The model before the training whose examples are searched, e.g. the SFT model where DPO is in question. Vectors "
    "are made in it, as a wrong example is still surprising there."
)
_LAST = -2
"""Value of the picker for the stage before the last."""


def model_step() -> bool:
    """Draw the step; returns whether it is complete."""
    of = draft()
    left, right = st.columns([1.25, 1], gap="large")
    with left:
        st.markdown("**Which model was trained?**")
        place, branch = st.columns([2.4, 1])
        with place:
            example = f"{embedded.TITLE} (comes with the program)"
            bound(st.text_input, "Model before training", of, "model", placeholder=example, help=MODEL_HELP)
        with branch:
            bound(st.text_input, "Revision", of, "revision", placeholder="main", help=REVISION_HELP)
        st.markdown("**Stages of training, in order**")
        for number, stage in enumerate(of.stages):
            _draw_stage(of, number, stage)
        add = {
            "on_click": lambda: of.stages.append(DraftStage()),
            "help": "A checkpoint after the ones above: SFT, then DPO",
        }
        st.button("Add a stage", key="studies-add-stage", icon=":material/add:", **add)
        if not of.stages:
            st.caption("None: the model itself is studied. Add its adapters or checkpoints if you trained it further.")
    with right:
        return _preview(of)


def _draw_stage(of: Draft, number: int, stage: DraftStage) -> None:
    place, kind, up, away = st.columns([3.2, 1.5, 0.6, 0.6], vertical_alignment="bottom")
    with place:
        bound(st.text_input, f"Stage {number + 1}", stage, "place", key=f"stage-{number}", help=STAGE_HELP)
    with kind:
        if on_hub(stage.place):
            bound(st.checkbox, "Adapter", stage, "adapter", key=f"stage-{number}-adapter", help=KIND_HELP)
    earlier = {"on_click": _move_up, "args": (of, number), "disabled": not number, "icon": ":material/arrow_upward:"}
    remove = {"on_click": of.stages.pop, "args": (number,), "icon": ":material/close:"}
    with up, st.container(key=f"icon-studies-up-{number}"):
        st.button(
            f"Stage {number + 1} earlier", key=f"studies-up-{number}", help="Trained before the one above", **earlier
        )
    with away, st.container(key=f"icon-studies-away-{number}"):
        st.button(f"Remove stage {number + 1}", key=f"studies-away-{number}", help="Remove this stage", **remove)


def _move_up(of: Draft, number: int) -> None:
    of.stages[number - 1], of.stages[number] = of.stages[number], of.stages[number - 1]


def _preview(of: Draft) -> bool:
    """What each of them is; returns whether all of them can be used."""
    st.markdown("**What was recognised**")
    try:
        spec, stages = ModelSpec(source(of)), specs(of)
        lines = [("base", about_model(spec.source, spec.revision))]
        names = [name for name in named(spec, stages) if name != "base"]
        lines += [(name, about_checkpoint(stage)) for name, stage in zip(names, stages, strict=True)]
    except ExplorerError as error:
        show_error(error)
        return False
    after = len(lines) - 1
    before = after - 1 if of.before is None or of.before >= after - 1 else of.before + 1
    for number, (name, about) in enumerate(lines):
        role = " · **after**" if number == after else " · **before**" if number == before else ""
        st.markdown(f"{number + 1}. {plain(name)}{role if after else ''}: {plain(about)}")
    if len(names) > 1:
        options = {_LAST: f"{names[-2]} (the one before the last)", -1: "base"}
        options |= dict(enumerate(names[:-2]))
        _pick_before(of, options)
    return True


def _pick_before(of: Draft, options: dict[int, str]) -> None:
    key = "studies-before"
    st.session_state[key] = _LAST if of.before not in options else of.before

    def changed() -> None:
        chosen = st.session_state[key]
        of.before = None if chosen == _LAST else chosen

    st.selectbox(
        "Before the training in question",
        list(options),
        format_func=options.__getitem__,
        key=key,
        on_change=changed,
        help=BEFORE_HELP,
    )
