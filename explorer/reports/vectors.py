"""A matplotlib figure drawn into a PDF as vectors: every path as a path, every text as its outlines."""

from typing import Any, cast

import numpy as np
from matplotlib.backend_bases import GraphicsContextBase, RendererBase
from matplotlib.figure import Figure
from matplotlib.path import Path
from matplotlib.transforms import Transform
from PIL import Image
from reportlab.lib.utils import ImageReader
from reportlab.pdfgen.canvas import Canvas

from explorer.figures.save import styled

_POINTS = 72
"""Points an inch: what matplotlib is told its pixels are, so that both units are one."""


def draw_figure(canvas: Canvas, figure: Figure) -> None:
    """Draw a figure at the canvas's origin, one inch of it as 72 points."""
    dpi = figure.dpi
    with styled():
        try:
            figure.set_dpi(_POINTS)
            figure.draw(_Renderer(canvas, *figure.get_size_inches()))
        finally:
            figure.set_dpi(dpi)


class _Renderer(RendererBase):
    """Draws into a reportlab canvas; what it does not draw itself, matplotlib takes apart into paths."""

    def __init__(self, canvas: Canvas, width: float, height: float) -> None:
        super().__init__()
        self.canvas = canvas
        self.width, self.height = width * _POINTS, height * _POINTS
        self.dpi = _POINTS

    def get_canvas_width_height(self) -> tuple[float, float]:
        """The size of the drawing in points."""
        return self.width, self.height

    def points_to_pixels(self, points: Any) -> Any:
        """A point is a pixel here."""
        return points

    def get_image_magnification(self) -> float:
        """Images keep four pixels a point: 288 an inch."""
        return 4.0

    def draw_path(self, gc: GraphicsContextBase, path: Path, transform: Transform, rgbFace: Any = None) -> None:
        """Fill and stroke a path as a graphics context says."""
        fill, stroke = rgbFace is not None, gc.get_linewidth() > 0 and gc.get_rgb()[3] > 0
        if not fill and not stroke:
            return
        self.canvas.saveState()
        self._clip(gc)
        if fill:
            alpha = gc.get_alpha() if gc.get_forced_alpha() or len(rgbFace) < 4 else rgbFace[3]
            self.canvas.setFillColorRGB(*rgbFace[:3], alpha=alpha)
        if stroke:
            self._pen(gc)
        drawn = self._path(path, transform)
        self.canvas.drawPath(drawn, stroke=int(stroke), fill=int(fill))
        self.canvas.restoreState()

    def draw_image(self, gc: GraphicsContextBase, x: float, y: float, im: Any, transform: Any = None) -> None:
        """Draw (h, w, 4) pixels, the lowest row first, with their lower left corner at (x, y)."""
        rows, columns = im.shape[:2]
        scale = self.get_image_magnification()
        self.canvas.saveState()
        self._clip(gc)
        image = ImageReader(Image.fromarray(np.ascontiguousarray(im[::-1]), "RGBA"))
        self.canvas.drawImage(image, x, y, columns / scale, rows / scale, mask="auto")
        self.canvas.restoreState()

    def _pen(self, gc: GraphicsContextBase) -> None:
        *colour, own = gc.get_rgb()
        self.canvas.setStrokeColorRGB(*colour, alpha=own)
        self.canvas.setLineWidth(gc.get_linewidth())
        self.canvas.setLineJoin({"miter": 0, "round": 1, "bevel": 2}[gc.get_joinstyle()])
        self.canvas.setLineCap({"butt": 0, "round": 1, "projecting": 2}[gc.get_capstyle()])
        offset, dashes = cast(Any, gc.get_dashes())
        if dashes is not None:
            self.canvas.setDash([float(dash) for dash in dashes], float(offset or 0))

    def _clip(self, gc: GraphicsContextBase) -> None:
        if (box := gc.get_clip_rectangle()) is not None:
            path = self.canvas.beginPath()
            path.rect(box.x0, box.y0, box.width, box.height)
            self.canvas.clipPath(path, stroke=0, fill=0)
        outline, transform = gc.get_clip_path()
        if outline is not None and transform is not None:
            self.canvas.clipPath(self._path(outline, transform), stroke=0, fill=0)

    def _path(self, path: Any, transform: Transform) -> Any:
        drawn, at = self.canvas.beginPath(), np.zeros(2)
        segments: Any = path.iter_segments(transform, simplify=False, curves=True)
        for points, code in segments:
            match code:
                case Path.MOVETO:
                    drawn.moveTo(*points)
                case Path.LINETO:
                    drawn.lineTo(*points)
                case Path.CURVE3:  # a quadratic curve as a cubic one
                    control, end = points[:2], points[2:]
                    drawn.curveTo(*(at + 2 / 3 * (control - at)), *(end + 2 / 3 * (control - end)), *end)
                case Path.CURVE4:
                    drawn.curveTo(*points)
                case Path.CLOSEPOLY:
                    drawn.close()
            at = at if code == Path.CLOSEPOLY else np.asarray(points[-2:])
        return drawn
