"""Two looks at whole methods on the Training data page: one against another, and all against the labels."""

import json
from typing import Any

import streamlit as st

from explorer.errors import ExplorerError
from explorer.ranking.evaluate import evaluate
from explorer.ranking.metrics import KS, agreement
from explorer.ranking.rank import Choice
from explorer.ranking.table import Ranked
from explorer.ui.link_old import linked_select
from explorer.ui.session import plain
from explorer.ui.training_data.bar import Picked
from explorer.ui.training_data.charts import show_layer_curve, show_scatter
from explorer.ui.training_data.saved import SAVED, saved_evaluation
from explorer.ui.training_data.state import Corpus, ranked
from explorer.vectors.index import Index
from explorer.vectors.methods import METHODS


def compare(of: Corpus, picked: Picked, mine: Ranked) -> None:
    """The ranking on screen against another method's at the same stage and layer."""
    name = "node" if picked.asked.node else picked.choice.method
    others = [m for m, method in METHODS.items() if m != name and (picked.index or not method.parts)]
    usual = "bm25" if "bm25" in others else others[0]
    left, right = st.columns([1, 3], gap="medium")
    with left:
        other = linked_select("The other method", "versus", {m: m for m in others}, usual)
        k = int(st.number_input("Overlap among the best", 1, 1000, 50, key="overlap-k"))
        try:
            layer = picked.choice.layer if METHODS[other].parts else None
            theirs = ranked(of, picked.index, picked.whole, Choice(other, layer))
        except ExplorerError as error:
            st.error(plain(str(error)), icon=":material/error:")
            return
        found = agreement(mine.scores, theirs.scores, k)
        st.metric(f"Overlap at {k}", f"{found.overlap:.0%}")
        st.metric("Spearman rank correlation", f"{found.rank_correlation:.2f}")
    with right:
        show_scatter(mine.scores, theirs.scores, (name, other), of.labels)


def can_evaluate(of: Corpus) -> bool:
    """Whether a label of the datapoints is the name of a behavior."""
    return bool(set(of.behaviors) & set(of.label_names))


def evaluation(of: Corpus, index: Index | None) -> None:
    """Table and layer curve: the saved one at once, else on demand."""
    rows = saved_evaluation(of)
    if rows is not None:
        st.caption(f"Saved with the study: `python -m explorer evaluate STUDY --json STUDY/{SAVED}`")
    elif index is None:
        st.caption("Build the vectors first.")
        return
    else:
        rows = _on_demand(of, index)
    if rows:
        _show(rows)


def _on_demand(of: Corpus, index: Index) -> list[dict[str, Any]] | None:
    key = (of.version, str(index.folder), index.manifest.fingerprint)
    done = st.session_state.setdefault("evaluated", set())
    if key not in done:
        n = len(set(of.behaviors) & set(of.label_names))
        st.caption(f"{n} behavior{'s' if n != 1 else ''}, every method, {len(index.manifest.layers)} layers: "
                   "takes up to a minute.")  # fmt: skip
        st.button("Evaluate now", type="primary", key="evaluate-now", on_click=lambda: done.add(key))
        return None
    try:
        return _evaluated(key, of, index)
    except ExplorerError as error:
        done.discard(key)
        st.error(plain(str(error)), icon=":material/error:")
        return None


@st.cache_resource(max_entries=4, show_spinner=False)
def _evaluated(key: tuple[Any, ...], _of: Corpus, _index: Index) -> list[dict[str, Any]]:
    bar = st.progress(0.0, "Scoring every method")

    def show(done: int, steps: int) -> None:
        bar.progress(done / steps, f"{done} of {steps} behaviors")

    try:
        table = evaluate(_of.study, [_index], progress=show)
    finally:
        bar.empty()
    return json.loads(json.dumps([score.as_dict() for score in table]))  # as the saved ones are: text keys


def _show(rows: list[dict[str, Any]]) -> None:
    left, middle, right = st.columns([2, 1, 3], vertical_alignment="bottom")
    names = list(dict.fromkeys(str(row["behavior"]) for row in rows))
    with left:
        name = linked_select("Behavior", "scored", {n: n for n in names}, names[0])
    k = middle.segmented_control("k", [str(k) for k in KS], default="50", required=True, key="score-k")
    own = [row for row in rows if row["behavior"] == name]
    stages = list(dict.fromkeys(row.get("checkpoint", "") for row in own))
    with right:
        stage = linked_select("Vectors in", "scored-in", {s: s for s in stages}, stages[0]) if stages[1:] else stages[0]
    own = [row for row in own if row.get("checkpoint", "") == stage]
    own = _usual_settings(own)
    left, right = st.columns([3, 2], gap="medium")
    with left:
        st.dataframe(
            [
                {
                    "method": row["method"],
                    "layer": str(row["layer"] or ""),
                    "AP": row["average_precision"],
                    "95 %": _span(row["interval"]),
                    f"auPRC@{k}": row["auprc_at"].get(k),
                    f"P@{k}": row["precision_at"].get(k),
                    f"recall@{k}": row["recall_at"].get(k),
                    "how": f"{'centred' if row['centre'] else 'plain'}, {row['query']}",
                }
                for row in sorted(own, key=lambda row: -(row["average_precision"] or 0))
            ],
            hide_index=True,
            height=330,
            column_config={
                "AP": st.column_config.ProgressColumn(format="%.3f", min_value=0, max_value=1, help="average precision "
                                                      "over the full ranking"),
                **{f"{m}@{k}": st.column_config.NumberColumn(format="%.3f") for m in ("auPRC", "P", "recall")},
                "95 %": st.column_config.TextColumn(help="bootstrap over the behavior's prompts"),
            },
        )  # fmt: skip
        guilty = own[0]["guilty"] if own else 0
        st.caption(f"{guilty} guilty rows: those labelled {plain(name)}. auPRC and P pool the prompts' own rankings.")
    with right:
        curves: dict[str, list[tuple[int, float]]] = {}
        flat: dict[str, float] = {}
        for row in own:
            value = row["average_precision"]
            if value is None:
                continue
            if row["layer"] is None:
                flat[row["method"]] = value
            else:
                curves.setdefault(row["method"], []).append((row["layer"], value))
        show_layer_curve(curves, flat)


def _usual_settings(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Of a table that holds every setting (``evaluate --every``), each method's default one at each layer."""
    kept = {}
    for row in rows:
        method = METHODS.get(row["method"])
        usual = method is not None and row["centre"] == method.centre and row["query"] == method.query
        place = (row["method"], row["layer"])
        if usual or place not in kept:
            kept[place] = row
    return list(kept.values())


def _span(interval: list[float | None]) -> str:
    low, high = interval
    return "" if low is None or high is None else f"{low:.2f} – {high:.2f}"
