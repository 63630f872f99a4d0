"""The figures of a set as one picture: four panels of bars, kept clips solid, dropped ones pale behind them."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from edgecap.bench.dataset.stats import SetStats
from edgecap.engines.errors import UsageError
from edgecap.runtime.output.files import writing
from edgecap.runtime.output.pictures.lettering import RGB, SEMIBOLD, clip, draw_text, rounded_box, text_width

SIZE_WH = (1600, 1060)
_GROUND: RGB = (246, 247, 250)
_CARD: RGB = (255, 255, 255)
_INK: RGB = (24, 28, 38)
_SOFT: RGB = (112, 120, 136)
_LINE: RGB = (226, 229, 236)
_PALE: RGB = (214, 219, 229)
_COLOURS: tuple[RGB, ...] = ((38, 110, 224), (16, 150, 120), (226, 110, 54), (130, 90, 210))
_MARGIN, _TOP, _GAP = 40, 128, 28
_MOST_ROWS = 12

Histogram = Mapping[str, tuple[int, int]]


def draw_stats(stats: SetStats) -> NDArray[np.uint8]:
    """RGB picture uint8 [1060, 1600, 3]."""
    width, height = SIZE_WH
    canvas: NDArray[np.uint8] = np.full((height, width, 3), _GROUND, np.uint8)
    draw_text(
        canvas,
        f"{stats.kept} clips kept of {stats.kept + stats.dropped}",
        x=_MARGIN,
        y=26,
        size=38,
        colour=_INK,
        weight=SEMIBOLD,
    )
    draw_text(canvas, _subtitle(stats), x=_MARGIN, y=82, size=20, colour=_SOFT)
    _legend(canvas)
    w, h = (width - 2 * _MARGIN - _GAP) // 2, (height - _TOP - _MARGIN - _GAP) // 2
    places = [(_MARGIN + c * (w + _GAP), _TOP + r * (h + _GAP)) for r in (0, 1) for c in (0, 1)]
    panels = (
        ("Duration", "clips", stats.durations),
        ("Scene", "clips", _shortened(stats.scenes)),
        ("Instances per clip", "clips", stats.instances),
        ("Class", "instances", _shortened(stats.classes)),
    )
    for k, ((x, y), (title, unit, histogram)) in enumerate(zip(places, panels, strict=True)):
        rounded_box(canvas, x=x, y=y, width=w, height=h, radius=16, fill=_CARD, opacity=1.0)
        draw_text(canvas, title, x=x + 26, y=y + 18, size=23, colour=_INK, weight=SEMIBOLD)
        draw_text(canvas, unit, x=x + w - 26 - text_width(unit, size=16), y=y + 24, size=16, colour=_SOFT)
        inner = (x + 26, y + 64, w - 52, h - 84)
        if not histogram:
            draw_text(canvas, "nothing to count", x=inner[0], y=inner[1], size=18, colour=_SOFT)
        elif k % 2 == 0:
            _columns(canvas, histogram, inner, _COLOURS[k])
        else:
            _rows(canvas, histogram, inner, _COLOURS[k])
    return canvas


def write_picture(stats: SetStats, path: Path) -> None:
    """Draw into a .png or .jpg; a reader sees the old file or the new one. Raises UsageError for another suffix."""
    if path.suffix.lower() not in (".png", ".jpg", ".jpeg"):
        raise UsageError(f"--out must end in .png or .jpg; got {path.name!r}")
    done, data = cv2.imencode(path.suffix.lower(), np.ascontiguousarray(draw_stats(stats)[..., ::-1]))
    assert done, "OpenCV encodes any uint8 picture as PNG and JPEG"
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    with writing(path):
        try:
            temporary.write_bytes(data.tobytes())
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)


def _subtitle(stats: SetStats) -> str:
    parts = [f"{stats.seconds_kept / 60:.1f} min kept"]
    reasons = ", ".join(f"{code} {count}" for code, count in stats.reasons.items())
    parts += [f"dropped for {reasons}"] if reasons else []
    parts += [f"{stats.broken_lines} broken lines"] if stats.broken_lines else []
    parts += [f"{stats.unknown_durations} of unknown length"] if stats.unknown_durations else []
    return clip("   ·   ".join(parts), width=SIZE_WH[0] - 2 * _MARGIN, size=20)


def _legend(canvas: NDArray[np.uint8]) -> None:
    x = SIZE_WH[0] - _MARGIN - 190
    for text, colour, shift in (("kept", _COLOURS[0], 0), ("dropped", _PALE, 84)):
        rounded_box(canvas, x=x + shift, y=48, width=16, height=16, radius=4, fill=colour, opacity=1.0)
        draw_text(canvas, text, x=x + shift + 23, y=44, size=17, colour=_SOFT)


def _columns(canvas: NDArray[np.uint8], histogram: Histogram, xywh: tuple[int, int, int, int], colour: RGB) -> None:
    """Standing bars for ordered bins: kept below, dropped on top."""
    x, y, w, h = xywh
    base, tall = y + h - 34, h - 66
    most = max(max(k + d for k, d in histogram.values()), 1)
    cv2.line(canvas, (x, base), (x + w, base), _LINE, 2, cv2.LINE_AA)
    step = w / len(histogram)
    for i, (label, (kept, dropped)) in enumerate(histogram.items()):
        left, wide = round(x + i * step + 0.16 * step), round(0.68 * step)
        total, part = (round(tall * n / most) for n in (kept + dropped, kept))
        _bar(canvas, left, base - total, wide, total, _PALE)
        _bar(canvas, left, base - part, wide, part, colour)
        middle = left + wide // 2
        draw_text(canvas, label, x=middle - text_width(label, size=16) // 2, y=base + 8, size=16, colour=_SOFT)
        text = _numbers(kept, dropped)
        if text:
            shift = text_width(text, size=16, weight=SEMIBOLD) // 2
            draw_text(canvas, text, x=middle - shift, y=base - total - 25, size=16, colour=_INK, weight=SEMIBOLD)


def _rows(canvas: NDArray[np.uint8], histogram: Histogram, xywh: tuple[int, int, int, int], colour: RGB) -> None:
    """Lying bars for names: kept first, dropped after it."""
    x, y, w, h = xywh
    most = max(max(k + d for k, d in histogram.values()), 1)
    step = min(h / len(histogram), 52)
    size = int(np.clip(step * 0.52, 12, 17))
    names = max(text_width(clip(name, width=210, size=size), size=size) for name in histogram) + 16
    wide = w - names - 84
    for i, (label, (kept, dropped)) in enumerate(histogram.items()):
        top, tall = round(y + i * step), max(6, round(0.66 * step))
        total, part = (round(wide * n / most) for n in (kept + dropped, kept))
        line = top + tall // 2 - round(size * 0.68)
        draw_text(canvas, clip(label, width=210, size=size), x=x, y=line, size=size, colour=_INK)
        _bar(canvas, x + names, top, total, tall, _PALE)
        _bar(canvas, x + names, top, part, tall, colour)
        text = _numbers(kept, dropped)
        draw_text(canvas, text, x=x + names + total + 10, y=line, size=size, colour=_INK, weight=SEMIBOLD)


def _numbers(kept: int, dropped: int) -> str:
    return f"{kept} + {dropped}" if kept and dropped else str(kept or dropped or "")


def _bar(canvas: NDArray[np.uint8], x: int, y: int, width: int, height: int, colour: RGB) -> None:
    if width > 0 and height > 0:
        rounded_box(canvas, x=x, y=y, width=width, height=height, radius=5, fill=colour, opacity=1.0)


def _shortened(histogram: Histogram) -> Histogram:
    """The largest rows, the rest as one."""
    if len(histogram) <= _MOST_ROWS:
        return histogram
    items = list(histogram.items())
    rest = items[_MOST_ROWS - 1 :]
    others = (sum(k for _, (k, _) in rest), sum(d for _, (_, d) in rest))
    return dict(items[: _MOST_ROWS - 1]) | {f"{len(rest)} others": others}
