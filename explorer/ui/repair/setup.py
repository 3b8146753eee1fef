"""What a repair edits: the form of a new one, all of it in the link, and the set-up of one that is there."""

import shlex
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import pyarrow as pa
import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from explorer.data.study import Study
from explorer.errors import ExplorerError, count
from explorer.ranking.questions import AboutBehavior
from explorer.ranking.rank import Choice, Ranking
from explorer.ranking.table import row_number
from explorer.repair.arms import CORRECTED, read_corrected
from explorer.repair.checks import BEHAVIOR, CONTROL, GUARD, held_out, measurable
from explorer.repair.choose import plan_repair
from explorer.repair.export import edited_zip
from explorer.repair.plan import DROP, EDITS, PRESETS, REPLACE, SWAP, TOP, Plan, run_folder
from explorer.repair.results import Result
from explorer.repair.stages import Stage, read_stages
from explorer.ui import link
from explorer.ui.basket import add_all, basket
from explorer.ui.caching import KEYS, cached
from explorer.ui.corpus import Corpus, built_indexes, ranked
from explorer.ui.page_states import RepairState
from explorer.ui.repair.export import show_export, show_plan_export
from explorer.ui.repair.job import NEW_REPAIR, show_start, show_time
from explorer.ui.session import current_case
from explorer.ui.text import plain, show_error
from explorer.ui.training_data.pickers import pick_index, pick_layer, pick_method
from explorer.vectors.index import Index
from explorer.vectors.methods import METHODS, QUERIES

_KEYS: dict[Any, Any] = KEYS | {Ranking: lambda ranking: (ranking.choice, ranking.index)}
"""The behavior of a ranking is hashed beside it."""
_planned = cached(keys=_KEYS)(plan_repair)
_CHECKS = {BEHAVIOR: "held-out prompts", CONTROL: "controls", GUARD: "ordinary tasks"}
EDIT_LABELS = {DROP: "Drop", SWAP: "Swap", REPLACE: "Replace"}
SHOWN_ROWS, CELL_CHARACTERS = 200, 400
_TEXTS = ("id", "prompt", "response", "chosen", "rejected")
K_HELP = "How many datapoints of the top are edited. Several numbers with commas between give a dose curve."
PRESET_HELP = (
    f"**Small**: {PRESETS['small'].summary()}; sooner done and less sure. **Full**: {PRESETS['full'].summary()}."
)
TRAIN_HELP = "The stage of training whose rows are edited and which is repeated. Auto: where most of the top is."
BY_HELP = "The best rows of a ranking, or the datapoints that you ticked."
BEHAVIOR_HELP = "What shall go: its held-out prompts are answered before and after."
EMPTY = "The basket is empty; tick datapoints on the Training data page, or edit the top of a ranking."
UNBUILT = (
    "The vectors of this study are not built yet, so only words can be compared (BM25) until they are; see *Training "
    "data*."
)
NOT_REPEATABLE = (
    "The study does not tell how its model was trained (it has no training.json), so the training can't be repeated "
    "here; the edited data can be exported with a script for your own trainer."
)


@dataclass(frozen=True)
class Source:
    """The datapoints to edit: the top of a ranking for the behavior, or the ``chosen`` ones of the basket."""

    behavior: str
    index: Index | None = None
    choice: Choice = field(default_factory=Choice)
    chosen: tuple[str, ...] = ()


def show_setup(corpus: Corpus) -> None:
    """Draw the form of a new repair; without stages to repeat, the edited data for the user's own trainer."""
    indexes, problem = {}, UNBUILT
    try:
        indexes = built_indexes(corpus.study)
    except ExplorerError as error:
        problem = plain(str(error))
    if not indexes:
        st.caption(problem)
    try:
        stages = read_stages(corpus.study)
        if not stages:
            st.info(NOT_REPEATABLE, icon=":material/info:")
        source = _pick_source(corpus, indexes, measured=bool(stages))
        with st.container(key="repair-edit-bar"):
            columns = st.columns([1.6, 1.7, 1.3, 2.3], gap="small", vertical_alignment="bottom")
        with columns[0]:
            ks = () if source.chosen else _pick_ks(corpus.table.num_rows)
        if stages:
            _set_up(corpus, stages, source, ks, columns)
        else:
            _set_up_export(corpus, source, ks, columns[1])
    except ExplorerError as error:
        show_error(error)


def _set_up(
    corpus: Corpus, stages: Mapping[str, Stage], source: Source, ks: tuple[int, ...], columns: Sequence[DeltaGenerator]
) -> None:
    """Draw the rest of the form, the datapoints, and the button that starts it."""
    study = corpus.study
    with columns[2]:
        options = {"": "Auto"} | {name: f"{name} ({stage.kind.upper()})" for name, stage in stages.items()}
        train = link.select("Stage to repeat", "train", options, "", help=TRAIN_HELP) or None
    with columns[3]:
        options = {name: f"{name.capitalize()}: {preset.short}" for name, preset in PRESETS.items()}
        preset = link.select("Training", "size", options, "small", help=PRESET_HELP)
    checks = Counter(check.kind for check in held_out(study, source.behavior))
    ranking, order = _ranked(corpus, source)
    how = {"preset": preset, "train": train, "chosen": source.chosen, "ranking": ranking}
    plan = _planned(study, source.behavior, DROP, ks, **how)  # which datapoints are edited does not depend on the edit
    with columns[1]:
        plan = replace(plan, edit=_pick_edit(stages[plan.stage].edits))
    ids, edited = corpus.table["id"].to_pylist(), set(plan.top.ids)
    rows = [row for row in order if ids[row] in edited]
    with st.container(key="setup-body"):
        left, right = st.columns([2.3, 1], gap="medium")
    with left:
        _show_preview(corpus, rows, plan.edit, f" of stage {plain(plan.stage)}")
    with right:
        st.markdown(plain(plan.summary()))
        numbers = ", ".join(f"{checks[kind]} {words}" for kind, words in _CHECKS.items() if checks[kind])
        st.caption(f"Each model then answers {numbers}.")
        show_time(study, plan)
        show_start(study, plan)
        show_plan_export(study, plan)
    if not source.chosen and source.choice.centre is None and source.choice.query is None:
        st.code(_command(study, plan, source, train, preset), language=None)


def _set_up_export(corpus: Corpus, source: Source, ks: tuple[int, ...], column: DeltaGenerator) -> None:
    """Draw the same choice without the trainings."""
    _, order = _ranked(corpus, source)
    k = len(order) if source.chosen else max(ks, default=0)
    if not 0 < k <= len(order):
        raise ExplorerError(f"k is {k}; expected 1 to {len(order):,}, the datapoints that are ranked.")
    rows, names = order[:k], corpus.table.column_names
    pairs = "chosen" in names and any(corpus.row(row).get("chosen") is not None for row in rows)
    with column:
        edit = _pick_edit([DROP, *([SWAP] if pairs else []), *([REPLACE] if "corrected" in names else [])])
    ids = corpus.table["id"].take(rows).to_pylist()
    how = {} if source.chosen else {"method": source.choice.method, "layer": source.choice.layer}
    _show_preview(corpus, rows, edit)
    if edit == REPLACE and (lost := sum(not corpus.row(row).get("corrected") for row in rows)):
        st.caption(f"{count(lost, 'datapoint')} without a corrected answer will be left out; edited.json names them.")
    show_export(lambda: edited_zip(corpus.study, ids, edit, {"behavior": source.behavior, "ranking": how}))


def _pick_source(corpus: Corpus, indexes: Mapping[str, Index], *, measured: bool) -> Source:
    """Draw the first row: the behavior (``measured``: only those with held-out prompts), and what is edited."""
    with st.container(key="repair-bar"):
        columns = st.columns([1.6, 1.7, 1.3, 1.2, 1.1], gap="small", vertical_alignment="bottom")
    ticked = tuple(basket(corpus.study.folder))
    with columns[0]:
        behavior = _pick_behavior(corpus, measured)
    with columns[1]:
        options = {"ranking": "Top of a ranking", "basket": f"Basket: {count(len(ticked), 'datapoint')}"}
        by = link.select("Edit the", "by", options, "ranking", help=BY_HELP)
    if by == "basket":
        if not ticked:
            raise ExplorerError(EMPTY)
        return Source(behavior, chosen=ticked)
    with columns[2]:
        offered = (name for name, method in METHODS.items() if indexes or not method.parts)
        method = pick_method(offered, then=lambda: link.put(centre=None, query=None))
    text_only = not METHODS[method].parts
    with columns[3]:
        index = pick_index(corpus.study, indexes, disabled=text_only)
    index = None if text_only else index
    with columns[4]:
        layer = pick_layer(index)
    centre = link.flag("centre") if link.has("centre") else None
    query = link.get("query")
    return Source(behavior, index, Choice(method, layer, centre, query if query in QUERIES else None))


def _pick_behavior(corpus: Corpus, measured: bool) -> str:
    """Draw the behaviors. The linked one is offered even where it can't be measured, so that this is said."""
    names, linked = list(corpus.behaviors), link.get("behavior")
    options = measurable(corpus.study) if measured else names
    if not options and measured:
        held_out(corpus.study, names[0] if names else "")  # says what is missing
    if not options:
        raise ExplorerError(f"{corpus.study.folder}: no behavior to rank for; expected some in behaviors.jsonl.")
    if linked in names and linked not in options:
        options.append(linked)
    prompt = current_case().prompt
    of_case = (b.name for b in corpus.study.behaviors() if b.prompt == prompt and b.name in options)
    return link.select(
        "Behavior", "behavior", {name: name for name in options}, next(of_case, options[0]), help=BEHAVIOR_HELP
    )


def _pick_ks(rows: int) -> tuple[int, ...]:
    """Draw the field for the sizes of an edit of so many ranked rows. Raises ExplorerError for what is no number."""
    usual = "50" if rows > 50 else str(max(1, rows // 2))
    default_if_empty = lambda: link.put(top=link.get("top").strip() or None)  # noqa: E731
    text = link.text("How many (k)", "top", usual, help=K_HELP, then=default_if_empty)
    ks = {link.whole(part.strip()) for part in text.split(",") if part.strip()}
    if None in ks:
        raise ExplorerError(f"k is '{text[:40]}'; expected whole numbers, such as 50 or 25,50,100.")
    return tuple(sorted(k for k in ks if k is not None))


def _pick_edit(edits: Sequence[str]) -> str:
    """Draw the edits that apply; the first is the default."""
    help = "\n\n".join(f"**{EDIT_LABELS[edit]}**: {EDITS[edit]}" for edit in edits)
    return link.select("Edit", "edit", {edit: EDIT_LABELS[edit] for edit in edits}, edits[0], help=help)


def _ranked(corpus: Corpus, source: Source) -> tuple[Ranking | None, list[int]]:
    """Return the ranking whose top is edited and its rows, best first; for the basket None, and rows as ticked."""
    if source.chosen:
        rows = [row_number(corpus.table, name) for name in source.chosen]
        return None, [row for row in rows if row is not None]
    with st.spinner("Ranking the training data", show_time=True):
        ranking = ranked(corpus.study, AboutBehavior(source.behavior), source.index, source.choice)
    return ranking, ranking.order.tolist()


def _show_preview(corpus: Corpus, rows: Sequence[int], edit: str, of_stage: str = "") -> None:
    st.markdown(f"**{EDIT_LABELS[edit]} {count(len(rows), 'datapoint')}**{of_stage}: {EDITS[edit]}")
    _show_rows(corpus, rows, "preview")


def _command(study: Study, plan: Plan, source: Source, train: str | None, preset: str) -> str:
    """Return the command line that does the same."""
    words = ["python", "-m", "explorer", "repair", str(study.folder), "--behavior", plan.behavior]
    words += ["--edit", plan.edit, "--top", ",".join(map(str, plan.ks))]
    words += ["--method", source.choice.method] if source.choice.method != "explorer" else []
    words += ["--layer", str(source.choice.layer)] if source.choice.layer else []
    words += ["--stage", source.index.manifest.checkpoint] if source.index else []
    words += ["--train", train] if train else []
    return shlex.join([*words, *(["--small"] if preset == "small" else [])])


def show_edited(corpus: Corpus, plan: Plan, result: Result | None) -> None:
    """Draw the set-up of this repair, and the datapoints that its top arm edits."""
    ids = plan.top.ids
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.markdown(plain(f"Datapoints {plan.source()}. {plan.summary()}"), width="stretch")
        if plan.by_hand:
            add = lambda: add_all(corpus.study.folder, ids)  # noqa: E731
            st.button(
                "Put these into the basket",
                icon=":material/add_shopping_cart:",
                key="rebasket",
                on_click=add,
                help="To change them, tick by tick",
            )
        else:
            again = lambda: _set_up_again(plan)  # noqa: E731
            st.button(
                "Change and train again",
                icon=":material/tune:",
                key="again",
                on_click=again,
                help="Opens the form with these choices",
            )
    if not ids:
        return
    edited = set(ids)
    rows = [row for row, name in enumerate(corpus.table["id"].to_pylist()) if name in edited]
    if missing := len(ids) - len(rows):
        st.caption(f"{missing:,} of the {len(ids):,} are no longer among the study's datapoints.")
    corrected = _corrected(corpus.study, result) if plan.edit == REPLACE and result else {}
    about = f"{EDIT_LABELS.get(plan.edit, plain(plan.edit))}: {EDITS.get(plan.edit, '')}"
    _show_rows(corpus, rows, "edited-rows", about, corrected)


def _corrected(study: Study, result: Result) -> dict[str, str]:
    """Read the generated corrected answers by id; empty where the run is not on this machine."""
    run = next((row.run for row in result.arms if row.arm == TOP and row.seed == 0), "")
    try:
        return read_corrected(run_folder(study, run) / CORRECTED) if run else {}
    except ExplorerError:
        return {}


def _set_up_again(plan: Plan) -> None:
    """Open the form with this repair's choices."""
    ranking = plan.ranking
    state = RepairState(
        repair=NEW_REPAIR,
        behavior=plan.behavior,
        edit=plan.edit,
        top=",".join(map(str, sorted({arm.k for arm in plan.arms if arm.arm == TOP}))),
        train=plan.stage,
        size=next((name for name, preset in PRESETS.items() if preset.share == plan.share), "full"),
        method=str(ranking.get("method") or ""),
        stage=str(ranking.get("checkpoint") or ""),
        layer=str(ranking.get("layer") or ""),
        query=str(ranking.get("query") or ""),
        centre="" if ranking.get("centre") is None else str(int(bool(ranking["centre"]))),
    )
    link.put(dict.fromkeys(RepairState.keys()) | state.params())


def _show_rows(
    corpus: Corpus, rows: Sequence[int], key: str, about: str = "", corrected: Mapping[str, str] | None = None
) -> None:
    """Draw datapoints by row number under what is known of them all; ``corrected``: a further column by their ids."""
    st.caption(" · ".join(filter(None, [about, *_counts_by(corpus, rows)])))
    few, names = list(rows[:SHOWN_ROWS]), [name for name in _TEXTS if name in corpus.table.column_names]
    table = corpus.table.select(names).take(pa.array(few, pa.int64())).to_pandas()
    table["corrected"] = table["id"].map(corrected or {})
    table = table.assign(source=corpus.sources[few], label=corpus.labels[few]).replace("", None)
    table = table.dropna(axis=1, how="all").map(lambda text: text[:CELL_CHARACTERS] if isinstance(text, str) else None)
    table.insert(0, "", range(1, len(few) + 1))
    config = {"": st.column_config.NumberColumn(width=44), "id": st.column_config.TextColumn(width=90)}
    config |= {name: st.column_config.TextColumn(width=240) for name in _TEXTS[1:]}
    st.dataframe(table, hide_index=True, height=320, row_height=72, key=key, column_config=config, placeholder="")
    if len(rows) > SHOWN_ROWS:
        st.caption(f"The first {SHOWN_ROWS:,} of {len(rows):,}.")


def _counts_by(corpus: Corpus, rows: Sequence[int]) -> list[str]:
    """Count the rows by source and by label, in sentences, as far as the study has them."""
    sentences = []
    for name, values in (("source", corpus.sources), ("label", corpus.labels)):
        counts = Counter(value or "none" for value in values[list(rows)].tolist())
        if set(counts) - {"none"}:
            listed = ", ".join(f"{plain(value)} {n:,}" for value, n in counts.most_common(6))
            sentences.append(f"By {name}: {listed}{', …' if len(counts) > 6 else ''}")
    return sentences
