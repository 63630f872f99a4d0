"""Crops of a picture and maps put back, written as graph nodes: by GridSample for TensorRT, by RoiAlign for CPUs.

Rectangles are [K, 4] x0, y0, x1, y1 in pixels of the picture, not clipped.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from edgecap.export.tfjs.onnx_writer import OnnxWriter


@dataclass(frozen=True, slots=True)
class Window:
    """Where a network looks, and how."""

    side: int
    """Pixels of the square that it is given."""
    margin: float
    """The box is enlarged on each side by this share of its own width and height."""
    square: bool
    """True: a square around the box, aspect kept; False: the box itself, squashed."""
    halved: bool = False
    """True: half of `side` is cut and enlarged, at a quarter of the cost; `side` is even then."""


def size_of(write: OnnxWriter, picture: str) -> tuple[str, str]:
    """Width and height of a picture [B, C, H, W] as float32 [1] each."""
    shape = write.node("Shape", [picture])
    height, width = (write.cast(write.slice(shape, axis, axis + 1, axis=0), "float32") for axis in (2, 3))
    return width, height


def window_of(write: OnnxWriter, boxes_xyxy: str, picture: str, window: Window) -> str:
    """The rectangles that `window` shows of boxes [K, 4] relative to the picture."""
    width, height = size_of(write, picture)
    sides = write.node("Concat", [width, height, width, height], axis=0)
    pixels = write.node("Mul", [boxes_xyxy, sides])
    low, high = write.slice(pixels, 0, 2, axis=1), write.slice(pixels, 2, 4, axis=1)
    half = write.node("Mul", [write.node("Sub", [high, low]), write.floats(0.5 + window.margin)])
    if window.square:
        half = write.node("ReduceMax", [half, write.ints(1)], keepdims=1)
    centre = write.node("Mul", [write.node("Add", [low, high]), write.floats(0.5)])
    return write.node("Concat", [write.node("Sub", [centre, half]), write.node("Add", [centre, half])], axis=1)


def crops(
    write: OnnxWriter, picture: str, rectangles: str, side: int, *, beyond: Literal["border", "zeros"] = "border"
) -> str:
    """Crops float32 [K, C, side, side] out of one picture [1, C, H, W], one point a pixel: four points averaged cost
    twice the milliseconds and no mask became better (mean J .803 against .807 on DAVIS). `beyond` the picture: its edge
    again, or zeros."""
    grid = _grid(write, picture, rectangles, side)
    places = write.node("Reshape", [grid, write.ints(1, -1, side, 2)])
    found = _sampled(write, picture, places, beyond)  # [1, C, K * side, side]
    found = write.node("Reshape", [write.node("Squeeze", [found, write.ints(0)]), write.ints(0, -1, side * side)])
    found = write.node("Transpose", [found], perm=[1, 0, 2])
    return write.node("Reshape", [found, write.ints(0, 0, side, side)])


def aligned_crops(write: OnnxWriter, picture: str, rectangles: str, side: int) -> str:
    """`crops` with zeros beyond the picture, by RoiAlign: on a CPU .4 of GridSample's milliseconds, but TensorRT-RTX
    refuses it. They differ by a pixel at the picture's border alone."""
    count = write.slice(write.node("Shape", [rectangles]), 0, 1, axis=0)
    return write.node(
        "RoiAlign",
        [picture, rectangles, write.node("Expand", [write.ints(0), count])],
        output_height=side,
        output_width=side,
        sampling_ratio=1,
        coordinate_transformation_mode="half_pixel",
    )


def within(write: OnnxWriter, maps: str, rectangles: str, others: str, side: int) -> str:
    """Maps [K, 1, h, w] over `rectangles` seen over `others`: float32 [K, 1, side, side]."""
    width, height = size_of(write, maps)
    low, high = write.slice(rectangles, 0, 2, axis=1), write.slice(rectangles, 2, 4, axis=1)
    scale = write.node("Div", [write.node("Concat", [width, height], axis=0), write.node("Sub", [high, low])])
    pair = write.node("Concat", [low, low], axis=1)
    moved = write.node("Mul", [write.node("Sub", [others, pair]), write.node("Concat", [scale, scale], axis=1)])
    return _sampled(write, maps, _grid(write, maps, moved, side), "border")


def _grid(write: OnnxWriter, picture: str, rectangles: str, points: int) -> str:
    """GridSample's places (-1 to 1 over the picture) of `points` x `points` pixel centres: [K, points, points, 2]."""
    centres = write.constant(((np.arange(points, dtype=np.float32) + 0.5) / points)[None])
    lines = []
    for axis, size in enumerate(size_of(write, picture)):
        start = write.slice(rectangles, axis, axis + 1, axis=1)
        span = write.node("Sub", [write.slice(rectangles, axis + 2, axis + 3, axis=1), start])
        at = write.node("Add", [start, write.node("Mul", [span, centres])])
        scaled = write.node("Div", [write.node("Mul", [at, write.floats(2.0)]), size])
        lines.append(write.node("Sub", [scaled, write.floats(1.0)]))
    count = write.slice(write.node("Shape", [rectangles]), 0, 1, axis=0)
    full = write.node("Concat", [count, write.ints(points, points, 1)], axis=0)
    planes = [
        write.node("Expand", [write.node("Unsqueeze", [line, write.ints(*axes)]), full])
        for line, axes in zip(lines, ((1, 3), (2, 3)), strict=True)
    ]
    return write.node("Concat", planes, axis=3)


def _sampled(write: OnnxWriter, picture: str, grid: str, beyond: str) -> str:
    return write.node("GridSample", [picture, grid], mode="bilinear", padding_mode=beyond, align_corners=0)
