"""How well the methods find the labelled rows: the table that is saved with a study, or one made on demand."""

from pathlib import Path
from typing import Any

import pandas as pd
import streamlit as st

from explorer.data.study import Study
from explorer.errors import ExplorerError, count
from explorer.files import Version, version_of
from explorer.ranking.evaluate import evaluate, score_from_json
from explorer.ranking.metrics import KS
from explorer.reading import read_json
from explorer.ui import link
from explorer.ui.caching import cached, study_version
from explorer.ui.corpus import Corpus
from explorer.ui.downloads import table_button
from explorer.ui.progress_bar import progress_bar
from explorer.ui.text import plain, show_error
from explorer.ui.training_data.charts import show_layer_curve
from explorer.ui.training_data.pickers import STAGE_HELP
from explorer.vectors.index import Index
from explorer.vectors.methods import METHODS

SAVED = "evaluation.json"
BEHAVIOR_HELP = "Those whose name is a label of datapoints, so that it is known which rows are guilty."
K_HELP = "How many of the best rows precision and recall look at."


def saved_evaluation(study: Study) -> list[dict[str, Any]]:
    """Return the rows (``Score.to_json``) of the table that is saved with the study; none where there is none."""
    path = study.folder / SAVED
    return _read(str(path), version_of(path))


@cached()
def _read(path: str, version: Version | None) -> list[dict[str, Any]]:
    try:
        rows: dict[str, Any] = read_json(Path(path), "a table of scores", dict[str, list[dict[str, Any]]])
        return [row for row in rows.get("rows", []) if score_from_json(row, path)]
    except ExplorerError:
        return []


def measured_behaviors(corpus: Corpus) -> set[str]:
    """Return the behaviors whose name is a label of some datapoints."""
    return set(corpus.behaviors) & set(corpus.labels.tolist())


def show_evaluation(corpus: Corpus, index: Index | None) -> None:
    """Draw table and layer curve: the saved one at once, else on demand."""
    rows = saved_evaluation(corpus.study)
    if rows:
        st.caption(f"Saved with the study: `python -m explorer evaluate STUDY --json STUDY/{SAVED}`")
    elif index is None:
        st.caption("Build the vectors first.")
    else:
        rows = _on_demand(corpus, index)
    if rows:
        _show(pd.DataFrame(rows))


def _on_demand(corpus: Corpus, index: Index) -> list[dict[str, Any]]:
    started = st.session_state.setdefault("evaluated", set())
    key = (study_version(corpus.study), index.key)
    if key not in started:
        behaviors = count(len(measured_behaviors(corpus)), "behavior")
        st.caption(f"{behaviors}, every method, {len(index.manifest.layers)} layers: takes up to a minute.")
        st.button(
            "Evaluate now",
            type="primary",
            key="evaluate-now",
            on_click=lambda: started.add(key),
            help="With the vectors above",
        )
        return []
    try:
        return _evaluated(corpus.study, index)
    except ExplorerError as error:
        started.discard(key)
        show_error(error)
        return []


@cached()
def _evaluated(study: Study, index: Index) -> list[dict[str, Any]]:
    with progress_bar() as progress:
        table = evaluate(study, stage=index.manifest.checkpoint, progress=progress)
    return [score.to_json() for score in table]


def _show(table: pd.DataFrame) -> None:
    left, middle, right = st.columns([2, 1, 3], vertical_alignment="bottom")
    names = table["behavior"].unique()
    with left:
        name = link.select("Behavior", "scored", {n: n for n in names}, names[0], help=BEHAVIOR_HELP)
    best = {"default": "50", "required": True, "key": "score-k", "help": K_HELP}
    k = middle.segmented_control("Best rows (k)", [str(k) for k in KS], **best)
    table = table.loc[table["behavior"] == name]
    stage, *others = stages = table["checkpoint"].unique()
    if others:
        with right:
            stage = link.select("Vectors in", "scored-in", {s: s for s in stages}, stage, help=STAGE_HELP)
    table = _with_defaults(table.loc[table["checkpoint"] == stage])
    with st.container(key="evaluation-body"):
        left, right = st.columns([3, 2], gap="medium")
    with left:
        _show_table(table.sort_values("average_precision", ascending=False, kind="stable", ignore_index=True), str(k))
        guilty = table["guilty"].iloc[0]
        st.caption(f"{guilty} guilty rows: those labelled {plain(name)}. auPRC and P pool the prompts' own rankings.")
    with right:
        measured = table.dropna(subset=["average_precision"])
        flat = measured[measured["layer"].isna()]
        curves = measured.dropna(subset=["layer"]).groupby("method", sort=False)
        show_layer_curve(
            {
                str(method): sorted(zip(rows["layer"], rows["average_precision"], strict=True))
                for method, rows in curves
            },
            dict(zip(flat["method"], flat["average_precision"], strict=True)),
        )


def _with_defaults(table: pd.DataFrame) -> pd.DataFrame:
    """Keep, of a table that holds every setting (``evaluate --every``), each method's default one at each layer."""
    defaults = {(name, method.centre, method.query, "cosine") for name, method in METHODS.items()}
    settings = zip(*(table[name] for name in ("method", "centre", "query", "measure")), strict=True)
    usual = [setting in defaults for setting in settings]
    first = table.assign(usual=usual).sort_values("usual", ascending=False, kind="stable")
    return first.drop_duplicates(["method", "layer"]).sort_index().reset_index(drop=True)


def _settings(table: pd.DataFrame) -> list[str]:
    settings = zip(table["centre"], table["query"], table["measure"], strict=True)
    return [
        f"{'centred' if centre else 'plain'}, {query}{', dot' if measure == 'dot' else ''}"
        for centre, query, measure in settings
    ]


def _show_table(table: pd.DataFrame, k: str) -> None:
    columns = {
        "method": table["method"],
        "layer": ["" if pd.isna(layer) else f"{layer:.0f}" for layer in table["layer"]],
        "AP": table["average_precision"],
        "95 %": ["" if None in span else f"{span[0]:.2f} – {span[1]:.2f}" for span in table["interval"]],
        f"auPRC@{k}": [by_k.get(k) for by_k in table["auprc_at"]],
        f"P@{k}": [by_k.get(k) for by_k in table["precision_at"]],
        f"recall@{k}": [by_k.get(k) for by_k in table["recall_at"]],
        "how": _settings(table),
    }
    number, precision = st.column_config.NumberColumn(format="%.3f"), "average precision over the full ranking"
    config = dict.fromkeys((f"auPRC@{k}", f"P@{k}", f"recall@{k}"), number)
    config |= {
        "AP": st.column_config.ProgressColumn(format="%.3f", min_value=0, max_value=1, help=precision),
        "95 %": st.column_config.TextColumn(help="bootstrap over the behavior's prompts"),
    }
    shown = pd.DataFrame(columns)
    st.dataframe(shown, hide_index=True, height=330, column_config=config)
    table_button(shown, "evaluation", "evaluation-csv")
