"""What several models make of one failure, as a file: their logit gaps as bars, and the maps that are on screen."""

import textwrap
from collections.abc import Sequence

from matplotlib.figure import Figure

from explorer.figures.caption import Caption, explanation_caption
from explorer.figures.heatmap import NOT_CHECKED, Verdicts, save_maps
from explorer.figures.labels import printable
from explorer.figures.save import styled
from explorer.figures.style import BLUE, MUTED, RED
from explorer.figures.token_map import TokenMap, saturation, token_map
from explorer.safe_text import hold_direction
from explorer.trace.compare import OWN_MAP, ModelReading, contrasted_sentence
from explorer.trace.explain import RULES
from explorer.trace.side_by_side import changes_from_first, side_by_side

_NOTE = "a gap is the logit of the wrong token minus that of the right one; P: their probabilities at that place; "
_BY_WORDS = "by words: each has the sum of its tokens, the template is left out"
_WIDTH = 7.2  # inches


def export_comparison(
    readings: Sequence[ModelReading], kind: str, changes: bool = False, link: str = "", verdicts: Verdicts = ()
) -> bytes:
    """Return gaps, probabilities, answers and maps in one of ``FORMATS``. Raises ExplorerError for another.

    Args:
        changes: see ``compared_maps``.
        link: address of the comparison in the app.
        verdicts: whether the models' own maps hold, where that was measured.
    """
    maps = compared_maps(readings, changes)
    return save_maps(comparison_caption(readings, maps, link, verdicts), maps, kind, figure=gaps_figure(readings))


def compared_maps(readings: Sequence[ModelReading], changes: bool = False) -> list[TokenMap]:
    """Return a map a model, all with the same colours for the same figures; by words where tokenizers differ.

    Args:
        changes: the later ones show their relevance minus the first one's, where they read the same text.
    """
    first = readings[0]
    cuts = side_by_side([reading.explanation for reading in readings])
    values, captions = [cut.relevance for cut in cuts], []
    for number, (reading, change) in enumerate(zip(readings, [None, *changes_from_first(cuts)], strict=True)):
        explanation, name = reading.explanation, hold_direction(reading.name)
        caption = f"{name} · Δℓ = {explanation.trace.gap:+.2f} · {RULES[explanation.rule]}"
        if changes and change is not None:
            values[number], caption = change.values, f"{name} − {hold_direction(first.name)}"
        elif cuts[number].by == "own tokens":
            caption = f"{name} ({OWN_MAP})"
        captions.append(caption + (" · by words" if cuts[number].by == "words" else ""))
    scale = max(saturation(cut.tokens, shown) for cut, shown in zip(cuts, values, strict=True))
    drawn = zip(readings, cuts, values, captions, strict=True)
    return [
        token_map(
            reading.explanation,
            shown,
            scale=scale,
            caption=caption,
            compact=True,
            words=cut.tokens if cut.by == "words" else (),
        )
        for reading, cut, shown, caption in drawn
    ]


def comparison_caption(
    readings: Sequence[ModelReading], maps: Sequence[TokenMap], link: str = "", verdicts: Verdicts = ()
) -> Caption:
    """Return the caption: the first model's reading, with every model's name and gap."""
    explanation = readings[0].explanation
    title = f"What {len(readings)} models make of one failure"
    notes = [maps[0].legend().partition("; all tokens")[0], _BY_WORDS if maps[0].words else ""]
    legend = _NOTE + "; ".join(filter(None, [*notes, contrasted_sentence(readings)]))
    caption = explanation_caption(explanation, title, legend, link)
    unit = explanation.unit
    gaps = " | ".join(f"{reading.name}: {reading.explanation.trace.gap:+.2f} {unit}" for reading in readings)
    told = zip(readings, verdicts, strict=False)
    verdict = " | ".join(f"{reading.name}: {each.sentence}" for reading, each in told if each) or NOT_CHECKED
    models = " | ".join(reading.name for reading in readings)
    return Caption(**(vars(caption) | {"gap": gaps, "model": models, "verdict": verdict}))


def gaps_figure(readings: Sequence[ModelReading]) -> Figure:
    """Draw one bar a model, with its probabilities and answer beneath its name."""
    explanation = readings[0].explanation
    wrong, right = (printable(" ".join(side.split())) for side in explanation.sides)
    gaps = [reading.explanation.trace.gap for reading in readings]
    with styled():
        figure = Figure(figsize=(_WIDTH, 0.6 + 0.62 * len(gaps)), layout="constrained")
        axes = figure.subplots()
        axes.barh(range(len(gaps)), gaps, height=0.55, color=[RED if gap > 0 else BLUE for gap in gaps])
        axes.axvline(0, color=MUTED, linewidth=0.8)
        axes.invert_yaxis()
        axes.set_yticks(range(len(gaps)), [_label(reading) for reading in readings], fontsize=7.5, parse_math=False)
        axes.set_xlabel(f"gap: {wrong} (red) over {right} (blue), {explanation.unit}", fontsize=8, parse_math=False)
        axes.tick_params(axis="x", labelsize=8)
        axes.spines[["top", "right", "left"]].set_visible(False)
    return figure


def _label(reading: ModelReading) -> str:
    prediction = reading.prediction
    name, answer = (
        textwrap.shorten(printable(" ".join(text.split())), 46) for text in (reading.name, prediction.answer)
    )
    wrong, right = prediction.wrong_probability, prediction.right_probability
    return f"{name}\nP wrong {wrong:.1%}, right {right:.1%}\n“{answer}”"
