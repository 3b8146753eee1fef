"""The logit gaps of several models as a bar chart."""

import textwrap
from collections.abc import Sequence

from matplotlib.figure import Figure

from explorer.figures.labels import printable
from explorer.figures.save import save_figure, styled
from explorer.figures.style import BLUE, MUTED, RED
from explorer.trace.compare import ModelReading

_NOTE = "Gap = logit of the wrong token minus logit of the right one; P: their probabilities at that place."


def export_gaps(readings: Sequence[ModelReading], kind: str) -> bytes:
    """Return the chart in one of ``FORMATS``. Raises ExplorerError for another."""
    return save_figure(gaps_figure(readings), kind, _prompt(readings[0]), _NOTE)


def gaps_figure(readings: Sequence[ModelReading]) -> Figure:
    """Draw one bar a model, with its probabilities and answer beneath its name."""
    explanation = readings[0].explanation
    wrong, right = (printable(" ".join(side.split())) for side in explanation.sides)
    gaps = [reading.explanation.trace.gap for reading in readings]
    with styled():
        figure = Figure(figsize=(7.2, 0.9 + 0.62 * len(gaps)), layout="constrained")
        axes = figure.subplots()
        axes.barh(range(len(gaps)), gaps, height=0.55, color=[RED if gap > 0 else BLUE for gap in gaps])
        axes.axvline(0, color=MUTED, linewidth=0.8)
        axes.invert_yaxis()
        axes.set_yticks(range(len(gaps)), [_label(reading) for reading in readings], fontsize=7.5, parse_math=False)
        axes.set_xlabel(f"gap: {wrong} (red) over {right} (blue), {explanation.unit}", fontsize=8, parse_math=False)
        axes.tick_params(axis="x", labelsize=8)
        axes.spines[["top", "right", "left"]].set_visible(False)
        figure.suptitle(textwrap.shorten(_prompt(readings[0]), 110), fontsize=9, parse_math=False)
    return figure


def _prompt(reading: ModelReading) -> str:
    tokens = reading.explanation.tokens
    text = "".join(t.text for t in tokens if t.segment not in ("template", "generated"))
    return printable(" ".join(text.split()))


def _label(reading: ModelReading) -> str:
    prediction = reading.prediction
    name, answer = (
        textwrap.shorten(printable(" ".join(text.split())), 46) for text in (reading.name, prediction.answer)
    )
    wrong, right = prediction.wrong_probability, prediction.right_probability
    return f"{name}\nP wrong {wrong:.1%}, right {right:.1%}\n“{answer}”"
