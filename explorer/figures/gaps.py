"""The gaps of several models as a file: PNG, SVG, PDF, and an HTML page that runs nothing."""

import io
import textwrap
from collections.abc import Sequence

import matplotlib as mpl
from matplotlib.figure import Figure

from explorer.figures.heatmap import BLUE, FONTS, RED
from explorer.figures.save import check_format, drawn_page
from explorer.trace.compare import Compared
from explorer.trace.explain import Explanation

_NOTE = "Gap = logit of the wrong token minus logit of the right one; P: their probabilities at that place."


def gaps_file(found: Sequence[tuple[str, Compared]], kind: str) -> bytes:
    """One bar a model, (name, what it makes of the failure); its probabilities and answer beneath the name."""
    check_format(kind)
    first = found[0][1].shown
    wrong, right = (" ".join(side.split()) for side in first.sides)
    gaps = [one.shown.trace.gap for _, one in found]
    with mpl.rc_context({"font.family": FONTS, "svg.fonttype": "path", "pdf.fonttype": 42, "svg.hashsalt": "explorer"}):
        figure = Figure(figsize=(7.2, 0.9 + 0.62 * len(found)), layout="constrained")
        axes = figure.subplots()
        axes.barh(range(len(gaps)), gaps, height=0.55, color=[RED if gap > 0 else BLUE for gap in gaps])
        axes.axvline(0, color="#888", linewidth=0.8)
        axes.invert_yaxis()
        axes.set_yticks(range(len(gaps)), [_label(name, one) for name, one in found], fontsize=7.5, parse_math=False)
        axes.set_xlabel(f"gap: {wrong} (red) over {right} (blue), {first.unit}", fontsize=8, parse_math=False)
        axes.tick_params(axis="x", labelsize=8)
        axes.spines[["top", "right", "left"]].set_visible(False)
        figure.suptitle(textwrap.shorten(_prompt(first), 110), fontsize=9, parse_math=False)
        held, drawn = io.BytesIO(), "svg" if kind == "html" else kind
        figure.savefig(held, format=drawn, dpi=200, metadata={"Date": None} if drawn == "svg" else None)
    return drawn_page(_prompt(first), held.getvalue().decode(), _NOTE) if kind == "html" else held.getvalue()


def _prompt(shown: Explanation) -> str:
    return "".join(t.text for t in shown.tokens if t.segment not in ("template", "generated")).strip()


def _label(name: str, one: Compared) -> str:
    said, answer = one.reading, textwrap.shorten(" ".join(one.reading.answer.split()), 46)
    return f"{textwrap.shorten(name, 46)}\nP wrong {said.wrong:.1%}, right {said.right:.1%}\n“{answer}”"
