"""A soak as one picture: a panel a measure, minutes of video to the right, the warm-up grey."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from edgecap.bench.robust.soak import SoakReport
from edgecap.engines.errors import UsageError
from edgecap.runtime.output.files import writing
from edgecap.runtime.output.pictures.lettering import RGB, SEMIBOLD, clip, draw_text, rounded_box, text_width

SIZE_WH = (1600, 900)
_GROUND: RGB = (246, 247, 250)
_CARD: RGB = (255, 255, 255)
_INK: RGB = (24, 28, 38)
_SOFT: RGB = (112, 120, 136)
_PALE: RGB = (236, 239, 244)
_FLAT: RGB = (16, 150, 120)
_GREW: RGB = (214, 66, 54)
_MARGIN, _TOP, _GAP = 40, 128, 24
_PANELS = (
    ("rss_mb", "memory"),
    ("threads", "threads"),
    ("handles", "open handles"),
    ("tracks_alive", "tracks alive"),
    ("frames_alive", "frames alive"),
    ("ids_given", "ids given"),
)


def draw_soak(report: SoakReport) -> NDArray[np.uint8]:
    """RGB picture uint8 [900, 1600, 3]."""
    width, height = SIZE_WH
    canvas: NDArray[np.uint8] = np.full((height, width, 3), _GROUND, np.uint8)
    title = (
        f"{report.video_seconds / 60:.0f} minutes of video: {'everything stayed flat' if report.flat else 'not flat'}"
    )
    draw_text(canvas, title, x=_MARGIN, y=26, size=38, colour=_INK, weight=SEMIBOLD)
    details = (
        f"{report.clips} clips, {report.instances} instances, {report.files} files at {report.fps} frames/s, "
        f"{report.wall_seconds / 60:.1f} minutes on {report.machine}"
    )
    draw_text(canvas, clip(details, width=width - 2 * _MARGIN, size=20), x=_MARGIN, y=82, size=20, colour=_SOFT)
    w, h = (width - 2 * _MARGIN - 2 * _GAP) // 3, (height - _TOP - _MARGIN - _GAP) // 2
    trends = {trend.name: trend for trend in report.trends}
    for n, (key, name) in enumerate(_PANELS):
        x, y = _MARGIN + n % 3 * (w + _GAP), _TOP + n // 3 * (h + _GAP)
        rounded_box(canvas, x=x, y=y, width=w, height=h, radius=16, fill=_CARD, opacity=1.0)
        trend = trends.get(name)
        colour = _SOFT if trend is None else _FLAT if trend.flat else _GREW
        unit = f", {trend.unit}" if trend and trend.unit else ""
        draw_text(canvas, f"{name}{unit}", x=x + 24, y=y + 16, size=22, colour=_INK, weight=SEMIBOLD)
        if trend is not None:
            change = f"{trend.growth:+.1%}"
            left = x + w - 24 - text_width(change, size=20, weight=SEMIBOLD)
            draw_text(canvas, change, x=left, y=y + 18, size=20, colour=colour, weight=SEMIBOLD)
        values = [float(getattr(minute, key)) for minute in report.minutes]
        _line(canvas, values, (x + 24, y + 62, w - 48, h - 86), colour, warm=report.warm_minutes)
    return canvas


def write_soak_picture(report: SoakReport, path: Path) -> None:
    """Draw into a .png; a reader sees the old file or the new one. Raises OutputError."""
    done, data = cv2.imencode(".png", np.ascontiguousarray(draw_soak(report)[..., ::-1]))
    assert done, "OpenCV encodes any uint8 picture as PNG"
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    with writing(path):
        try:
            temporary.write_bytes(data.tobytes())
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)


def check_picture(path: Path) -> None:
    """Raise UsageError for another suffix than .png."""
    if path.suffix.lower() != ".png":
        raise UsageError(f"--picture must end in .png; got {path.name!r}")


def _line(
    canvas: NDArray[np.uint8], values: Sequence[float], xywh: tuple[int, int, int, int], colour: RGB, *, warm: int
) -> None:
    """Values from 0 to a little above the highest; its number at the top left, 0 at the bottom."""
    x, y, w, h = xywh
    top, step = max(max(values), 1.0) * 1.1, w / max(1, len(values) - 1)
    cv2.rectangle(canvas, (x, y), (x + round(step * max(0, warm - 0.5)), y + h), _PALE, cv2.FILLED)
    cv2.line(canvas, (x, y + h), (x + w, y + h), _SOFT, 1, cv2.LINE_AA)
    points = np.array([[x + step * i, y + h - h * value / top] for i, value in enumerate(values)])
    cv2.polylines(canvas, [points.round().astype(np.int32)], False, colour, 3, cv2.LINE_AA)
    draw_text(canvas, f"{max(values):.5g}", x=x + 6, y=y + 2, size=16, colour=_SOFT)
    draw_text(canvas, "0", x=x + 6, y=y + h - 24, size=16, colour=_SOFT)
    last = f"{len(values)} min"
    draw_text(canvas, last, x=x + w - text_width(last, size=16), y=y + h - 24, size=16, colour=_SOFT)
