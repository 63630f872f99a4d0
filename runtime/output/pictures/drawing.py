"""What the pictures of a record look like: tinted masks, outlines, boxes, names, paths, the camera's label.

In: frames with their tracked instances. Out: drawn RGB pictures. Shared by the annotated video and the
report, so that an instance has one colour everywhere.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from edgecap.runtime.data.evidence import CameraEvidence
from edgecap.runtime.data.mask import Mask
from edgecap.runtime.data.record import Record
from edgecap.runtime.data.window import Observation, TrackedInstance
from edgecap.runtime.output.pictures.lettering import RGB, chip, chip_size

INSTANCE_COLOURS: tuple[RGB, ...] = (
    (0, 153, 255),
    (255, 112, 67),
    (38, 186, 120),
    (214, 84, 214),
    (250, 190, 40),
    (110, 110, 255),
    (235, 70, 110),
    (20, 186, 196),
    (160, 200, 60),
    (178, 130, 90),
)
INK: RGB = (16, 20, 28)
PAPER: RGB = (244, 246, 250)
_TINT = 0.14  # enough to set an instance apart, too little to change what colour it seems to have
_SUBPIXEL_BITS = 3


@dataclass(frozen=True, slots=True)
class Style:
    """How one instance is drawn: its colour, and the text of its chip ("" for none)."""

    colour: RGB
    label: str


def styles_of(record: Record) -> dict[int, Style]:
    """Track id -> style. The colour belongs to the track, so it stays over the windows of a video."""
    return {
        instance.track_id: Style(colour_of(instance.track_id), f"No.{i} {instance.class_name.text}")
        for i, instance in enumerate(record.caption.instances)
    }


def colour_of(track_id: int) -> RGB:
    """The colour of a track; ids in a row differ clearly."""
    return INSTANCE_COLOURS[track_id % len(INSTANCE_COLOURS)]


def trails_of(record: Record, *, until_seconds: float | None = None) -> dict[int, NDArray[np.float32]]:
    """Track id -> centroids [T, 2] of every reported instance that moves in the picture (up to a time, or
    all)."""
    reported = {instance.track_id for instance in record.caption.instances}
    end = np.inf if until_seconds is None else until_seconds + 1e-6
    return {
        t.track_id: t.centroids_xy[t.pts_seconds <= end]
        for t in record.evidence.tracks
        if t.track_id in reported and t.motion_image.moving
    }


MOST_HEIGHT = 1440
"""Pixels of a drawn picture. Encoders take no side over 16384 (H.264) or 65500 (JPEG), and a film of 16x2000 has
both."""


def draw_observation(
    observation: Observation, styles: Mapping[int, Style], *, width: int, trails: Mapping[int, NDArray[np.float32]]
) -> NDArray[np.uint8]:
    """The frame at `width` pixels (aspect kept; narrower where it would be higher than `MOST_HEIGHT`) with every
    instance that has a style; others stay untouched.

    `trails`: ways to draw (see `trails_of`).
    """
    image = observation.frame.image_rgb
    width = max(1, min(width, int(MOST_HEIGHT * image.shape[1] / image.shape[0])))
    height = max(1, round(image.shape[0] * width / image.shape[1]))
    shrink = width < image.shape[1]
    resized = cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA if shrink else cv2.INTER_CUBIC)
    # A copy even where nothing was resized: it is drawn upon, the frame is not ours.
    canvas: NDArray[np.uint8] = np.array(resized, np.uint8, order="C")
    shown = [i for i in observation.instances if i.track_id in styles]
    for instance in shown:
        _draw_mask(canvas, instance.mask, styles[instance.track_id].colour)
    for instance in shown:
        _draw_box(canvas, instance, styles[instance.track_id].colour)
    for track_id, centroids_xy in trails.items():
        draw_path(canvas, centroids_xy, styles[track_id].colour)
    size = text_size(width)
    taken: list[tuple[int, int, int, int]] = []
    for instance in sorted(shown, key=lambda i: float(i.box_xyxy[1])):  # names last: nothing may cover one
        _draw_name(canvas, instance, styles[instance.track_id], size, taken)
    return canvas


def text_size(width: int) -> int:
    """Letter size in pixels for a picture of this width."""
    return max(11, round(width / 58))


def draw_path(canvas: NDArray[np.uint8], centroids_xy: NDArray[np.float32], colour: RGB) -> None:
    """The centroid's way so far, older parts thinner, with a dot where it is; `centroids_xy` [T, 2]
    relative, in place."""
    height, width = canvas.shape[:2]
    points = np.round(centroids_xy * (width, height) * (1 << _SUBPIXEL_BITS)).astype(np.int32)
    thick = max(2, width // 300)
    for i in range(len(points) - 1):
        age = (i + 1) / len(points)
        start, end = (int(points[i][0]), int(points[i][1])), (int(points[i + 1][0]), int(points[i + 1][1]))
        cv2.line(canvas, start, end, PAPER, max(2, round(thick * age)) + 2, cv2.LINE_AA, _SUBPIXEL_BITS)
    for i in range(len(points) - 1):
        age = (i + 1) / len(points)
        start, end = (int(points[i][0]), int(points[i][1])), (int(points[i + 1][0]), int(points[i + 1][1]))
        cv2.line(canvas, start, end, colour, max(2, round(thick * age)), cv2.LINE_AA, _SUBPIXEL_BITS)
    if len(points):
        last = (int(points[-1][0]), int(points[-1][1]))
        cv2.circle(canvas, last, (thick + 3) << _SUBPIXEL_BITS, PAPER, cv2.FILLED, cv2.LINE_AA, _SUBPIXEL_BITS)
        cv2.circle(canvas, last, (thick + 1) << _SUBPIXEL_BITS, colour, cv2.FILLED, cv2.LINE_AA, _SUBPIXEL_BITS)


def draw_camera(canvas: NDArray[np.uint8], text: str) -> None:
    """The camera's label in the upper right corner, in place."""
    size = text_size(canvas.shape[1])
    width, _ = chip_size(text, size=size)
    chip(
        canvas,
        text,
        x=canvas.shape[1] - width - size // 2,
        y=size // 2,
        size=size,
        fill=INK,
        colour=PAPER,
        opacity=0.72,
    )


def camera_label(camera: CameraEvidence) -> str:
    """The camera's labels in a few plain words."""
    return f"camera: {' + '.join(label.replace('_', ' ') for label in camera.labels) or 'not measurable'}"


def key_frame(record: Record, observation: Observation, *, width: int) -> NDArray[np.uint8]:
    """The report's picture of a window: one frame drawn, with the whole way of every instance and the
    camera's label."""
    canvas = draw_observation(observation, styles_of(record), width=width, trails=trails_of(record))
    draw_camera(canvas, camera_label(record.evidence.camera))
    return canvas


def jpeg_uri(image_rgb: NDArray[np.uint8], *, quality: int = 85) -> str:
    """A picture as a `data:` address."""
    done, data = cv2.imencode(".jpg", np.ascontiguousarray(image_rgb[..., ::-1]), [cv2.IMWRITE_JPEG_QUALITY, quality])
    assert done, "OpenCV encodes any uint8 picture as JPEG"
    return f"data:image/jpeg;base64,{base64.b64encode(data.tobytes()).decode('ascii')}"


def strip(images: Sequence[NDArray[np.uint8]], *, gap: int = 4) -> NDArray[np.uint8]:
    """Pictures of one height side by side on white."""
    spacer = np.full((images[0].shape[0], gap, 3), 255, np.uint8)
    parts = [part for image in images for part in (image, spacer)][:-1]
    return np.concatenate(parts, 1)


def _draw_mask(canvas: NDArray[np.uint8], mask: Mask, colour: RGB) -> None:
    """Tint the pixels and trace the edge. The mask is enlarged smoothly: stairs of a small mask are no
    information."""
    if not mask.bits.size:
        return
    scale_x, scale_y = canvas.shape[1] / mask.size_wh[0], canvas.shape[0] / mask.size_wh[1]
    (x, y), (h, w) = mask.origin_xy, mask.bits.shape
    x1, y1 = round(x * scale_x), round(y * scale_y)
    size = (max(1, round((x + w) * scale_x) - x1), max(1, round((y + h) * scale_y) - y1))
    # One pixel of margin closes the outline where the mask touches its rectangle.
    soft = cv2.resize(mask.bits.astype(np.float32), size, interpolation=cv2.INTER_LINEAR)
    bits = np.pad((soft > 0.5).astype(np.uint8), 1)
    region = canvas[y1 : y1 + size[1], x1 : x1 + size[0]]
    inside = bits[1 : 1 + region.shape[0], 1 : 1 + region.shape[1], None].astype(np.float32) * _TINT
    region[:] = (region * (1 - inside) + np.array(colour, np.float32) * inside + 0.5).astype(np.uint8)
    contours, _ = cv2.findContours(bits, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE, offset=(x1 - 1, y1 - 1))
    cv2.drawContours(canvas, contours, -1, PAPER, 3, cv2.LINE_AA)
    cv2.drawContours(canvas, contours, -1, colour, 2, cv2.LINE_AA)


def _draw_box(canvas: NDArray[np.uint8], instance: TrackedInstance, colour: RGB) -> None:
    """Corner marks rather than a full box: the mask already says where the instance is."""
    x1, y1, x2, y2 = _corners(canvas, instance)
    arm = max(4, min(x2 - x1, y2 - y1) // 5)
    thick = max(1, canvas.shape[1] // 480)
    for x, dx in ((x1, arm), (x2, -arm)):
        for y, dy in ((y1, arm), (y2, -arm)):
            cv2.line(canvas, (x, y), (x + dx, y), colour, thick, cv2.LINE_AA)
            cv2.line(canvas, (x, y), (x, y + dy), colour, thick, cv2.LINE_AA)


def _draw_name(
    canvas: NDArray[np.uint8],
    instance: TrackedInstance,
    style: Style,
    size: int,
    taken: list[tuple[int, int, int, int]],
) -> None:
    """The chip above its box, or where the nearest free place along the box's left side is; `taken` learns
    its place."""
    if not style.label:
        return
    x, top, _, _ = _corners(canvas, instance)
    width, height = chip_size(style.label, size=size)
    x = max(0, min(x, canvas.shape[1] - width))
    first = max(0, top - height - 2)
    steps = [first + sign * k * (height + 2) for k in range(6) for sign in (1, -1)]
    free = (y for y in steps if 0 <= y <= canvas.shape[0] - height and not _overlaps((x, y, width, height), taken))
    y = next(free, first)
    taken.append((x, y, width, height))
    dark = sum(c * w for c, w in zip(style.colour, (0.30, 0.59, 0.11), strict=True)) < 150
    chip(canvas, style.label, x=x, y=y, size=size, fill=style.colour, colour=PAPER if dark else INK, opacity=0.94)


def _overlaps(box_xywh: tuple[int, int, int, int], others: Sequence[tuple[int, int, int, int]]) -> bool:
    x, y, w, h = box_xywh
    return any(x < ox + ow and ox < x + w and y < oy + oh and oy < y + h for ox, oy, ow, oh in others)


def _corners(canvas: NDArray[np.uint8], instance: TrackedInstance) -> tuple[int, int, int, int]:
    height, width = canvas.shape[:2]
    scale = (width - 1, height - 1, width - 1, height - 1)
    x1, y1, x2, y2 = (round(float(v)) for v in instance.box_xyxy * scale)
    return x1, y1, x2, y2
