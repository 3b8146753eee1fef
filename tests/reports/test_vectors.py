"""Figures in a PDF: where matplotlib puts a path, the PDF has it; tall maps are cut between their lines."""

import io
import re

import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import PathPatch, Rectangle
from matplotlib.path import Path
from pypdf import PdfReader
from reportlab.pdfgen.canvas import Canvas

from explorer.reports.blocks import Picture, Report, Section
from explorer.reports.fonts import with_fonts
from explorer.reports.vectors import draw_figure

NUMBER = r"(-?[\d.]+)"


def content(figure: Figure) -> str:
    """What the PDF's page says of a figure, uncompressed."""
    out = io.BytesIO()
    canvas = Canvas(out, pageCompression=0)
    draw_figure(canvas, figure)
    canvas.showPage()
    canvas.save()
    return out.getvalue().decode("latin-1")


def blank(width: float = 4, height: float = 2) -> tuple[Figure, object]:
    figure = Figure(figsize=(width, height))
    axes = figure.add_axes((0, 0, 1, 1), xlim=(0, width), ylim=(0, height))
    axes.axis("off")
    return figure, axes


def test_an_inch_is_72_points_and_colours_are_kept():
    figure, axes = blank()
    axes.add_patch(Rectangle((1, 0.5), 2, 1, facecolor=(1, 0, 0, 0.5), linewidth=0))  # pyright: ignore
    text = content(figure)
    corners = [(72, 36), (216, 36), (216, 108), (72, 108)]
    found = [tuple(map(float, pair)) for pair in re.findall(rf"{NUMBER} {NUMBER} [ml]\b", text)]
    assert all(any(np.allclose(corner, point, atol=0.01) for point in found) for corner in corners)
    assert "1 0 0 rg" in text and ".5" in text


def test_a_quadratic_curve_is_the_same_curve():
    figure, axes = blank()
    path = Path([(0, 0), (1, 2), (3, 0)], [Path.MOVETO, Path.CURVE3, Path.CURVE3])
    axes.add_patch(PathPatch(path, fill=False))  # pyright: ignore
    (found,) = re.findall(" ".join([NUMBER] * 6) + r" c\b", content(figure))
    control = np.array(list(map(float, found))).reshape(3, 2) / 72
    for t in (0.25, 0.5, 0.8):
        expected = 2 * t * (1 - t) * np.array([1, 2]) + t**2 * np.array([3, 0])
        cubic = 3 * t * (1 - t) ** 2 * control[0] + 3 * t**2 * (1 - t) * control[1] + t**3 * control[2]
        assert np.allclose(cubic, expected, atol=1e-3)


def test_texts_are_outlines_and_resolution_is_put_back():
    figure, axes = blank()
    figure.set_dpi(150)
    axes.text(1, 1, "Qzkj", fontsize=20)  # pyright: ignore
    text = content(figure)
    assert text.count(" c\n") + text.count(" c ") > 10 and "Qzkj" not in text
    assert figure.dpi == 150


def test_images_stand_upright():
    figure, axes = blank()
    shades = np.array([[0.0, 0.0], [1.0, 1.0]])  # the first row is drawn at the top: dark
    axes.imshow(shades, "gray", extent=(1, 3, 0.5, 1.5), interpolation="nearest")  # pyright: ignore
    out = io.BytesIO()
    canvas = Canvas(out, pagesize=(288, 144))
    draw_figure(canvas, figure)
    canvas.showPage()
    canvas.save()
    (image,) = PdfReader(io.BytesIO(out.getvalue())).pages[0].images
    drawn = np.asarray(image.image.convert("L"))  # pyright: ignore
    inside = drawn[len(drawn) // 10 :: len(drawn) // 5, drawn.shape[1] // 2]
    assert inside[0] < 128 < inside[-1]


def test_a_drawing_taller_than_a_page_is_cut_between_its_lines():
    figure = Figure(figsize=(6, 30))
    cuts = tuple(np.arange(0.3, 30, 0.235).tolist())
    tall = Report("t", (Section("s", (Picture(figure, "tall", cuts=cuts),)),))
    assert len(PdfReader(io.BytesIO(tall.pdf())).pages) >= 3
    whole = Report("t", (Section("s", (Picture(figure, "tall"),)),))
    assert len(PdfReader(io.BytesIO(whole.pdf())).pages) == 2  # shrunk to the height of one


def test_a_character_without_a_glyph_is_spelt_out():
    assert with_fonts("a<b") == "a&lt;b"
    assert "[U+F8FE]" in with_fonts("x\uf8fe")  # private use: no font has it
    assert with_fonts("two  spaces") == "two \N{NO-BREAK SPACE}spaces"
