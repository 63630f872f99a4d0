"""Views -> what the losses compare with: Gaussian class maps and box distances, or box prompts and their masks."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from edgecap.engines.graph.letterbox import enlarge_boxes
from edgecap.export.nano.vision.detector import STRIDE
from edgecap.export.nano.vision.samples import View
from edgecap.export.nano.vision.segmenter import BOX_MARGIN, MASK_SIDE

MIN_FRACTION = 0.25
"""Instances seen less than this are neither asked for nor forbidden."""
MIN_AREA = 60.0
"""Nor are instances of fewer visible pixels, counted at 640x360."""
SPREAD = 0.54
"""Share of a box's half sides that its Gaussian reaches (TTFNet, Liu et al. 2020)."""
_REFERENCE_SIDE = 640.0


@dataclass(frozen=True, slots=True)
class DenseTarget:
    """Detector targets of one view at stride 8."""

    heat: NDArray[np.float32]
    """[classes, h, w], 1 at each object's cell."""
    heat_weight: NDArray[np.float32]
    """[1, h, w], 0 inside objects that are not asked for."""
    distances: NDArray[np.float32]
    """[4, h, w] pixels to left, top, right, bottom."""
    box_weight: NDArray[np.float32]
    """[h, w], sums to 1 per object."""


@dataclass(frozen=True, slots=True)
class Seen:
    """What is left of the instances of a view inside its window."""

    index: NDArray[np.int64]
    """[m] instance of the view."""
    boxes_xyxy: NDArray[np.float32]
    """[m, 4] visible box in pixels of the picture, inside it."""
    asked: NDArray[np.bool_]
    """[m] whether it must be found."""


def seen_instances(view: View) -> Seen:
    """Instances with visible pixels inside the window; boxes cut by the window's edge are measured again on the
    labels."""
    (w, h), window = view.content_wh, _window(view)
    inside = np.bincount(window.ravel(), minlength=len(view.class_ids) + 1)[1:]
    whole = view.visible_areas
    to_reference = (_REFERENCE_SIDE / max(view.labels.shape)) ** 2
    index, boxes, asked = [], [], []
    for i in np.flatnonzero(inside):
        box = view.boxes_xyxy[i]
        if inside[i] < whole[i]:
            x, y, bw, bh = cv2.boundingRect((window == i + 1).view(np.uint8))
            box = np.array([x, y, x + bw, y + bh], np.float32) * np.float32(view.scale)
        index.append(i)
        boxes.append(np.clip(box, 0, [w, h, w, h]))
        fraction = view.visible_fractions[i] * inside[i] / whole[i]
        asked.append(fraction >= MIN_FRACTION and inside[i] * to_reference >= MIN_AREA)
    return Seen(np.array(index, np.int64), np.array(boxes, np.float32).reshape(-1, 4), np.array(asked, bool))


def _window(view: View) -> NDArray[np.uint8]:
    """The part of the label map that the picture shows."""
    (x0, y0), (w, h) = view.origin_xy, view.content_wh
    return view.labels[y0 : y0 + int(np.ceil(h / view.scale)), x0 : x0 + int(np.ceil(w / view.scale))]


def dense_target(view: View, *, classes: int) -> DenseTarget:
    """Targets of one view. Large objects are drawn first, so that a small one in front keeps its cells."""
    h, w = view.image.shape[1] // STRIDE, view.image.shape[2] // STRIDE
    target = DenseTarget(
        np.zeros((classes, h, w), np.float32),
        np.ones((1, h, w), np.float32),
        np.zeros((4, h, w), np.float32),
        np.zeros((h, w), np.float32),
    )
    seen = seen_instances(view)
    sides = seen.boxes_xyxy[:, 2:] - seen.boxes_xyxy[:, :2]
    for k in np.argsort(-sides.prod(axis=1)):
        if seen.asked[k]:
            _draw(target, seen.boxes_xyxy[k], int(view.class_ids[seen.index[k]]))
        else:
            _forgive(target, seen.boxes_xyxy[k])
    return target


def _forgive(target: DenseTarget, box: NDArray[np.float32]) -> None:
    """Nothing is asked inside `box`, unless an object drawn there later asks for it."""
    x1, y1 = np.floor(box[:2] / STRIDE).astype(int)
    x2, y2 = np.ceil(box[2:] / STRIDE).astype(int)
    target.heat_weight[0, y1:y2, x1:x2] = 0.0


def _draw(target: DenseTarget, box: NDArray[np.float32], class_id: int) -> None:
    _, h, w = target.heat.shape
    centre = (box[:2] + box[2:]) / 2 / STRIDE
    column, row = min(int(centre[0]), w - 1), min(int(centre[1]), h - 1)
    sigma_x, sigma_y = np.maximum((box[2:] - box[:2]) / STRIDE * SPREAD / 6 + 1 / 6, 0.4)
    xs, ys = np.arange(w, dtype=np.float32), np.arange(h, dtype=np.float32)
    bell = np.exp(-(((ys - row) / sigma_y)[:, None] ** 2) / 2 - ((xs - column) / sigma_x)[None] ** 2 / 2)
    np.maximum(target.heat[class_id], bell, out=target.heat[class_id])
    target.heat[class_id, row, column] = 1.0
    target.heat_weight[0, row, column] = 1.0
    left, top = xs * STRIDE + STRIDE / 2 - box[0], ys * STRIDE + STRIDE / 2 - box[1]
    right, bottom = box[2] - xs * STRIDE - STRIDE / 2, box[3] - ys * STRIDE - STRIDE / 2
    inside = (np.minimum(left, right) > 0)[None] & (np.minimum(top, bottom) > 0)[:, None]
    cells = (bell > 0.1) & inside
    cells[row, column] = True
    target.distances[:, cells] = np.maximum(
        np.stack(np.broadcast_arrays(left[None], top[:, None], right[None], bottom[:, None])), 0.5
    )[:, cells]
    target.box_weight[cells] = bell[cells] / bell[cells].sum()


def mask_targets(
    view: View, rng: np.random.Generator, *, jitter: float, most: int
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Up to `most` prompts of one view -> (boxes [K, 4] relative to the picture, coverage [K, MASK_SIDE, MASK_SIDE]
    0-1).

    Each edge of a true visible box moves by a normal deviate of `jitter` of the box's side, as a detector errs; the
    target is the visible mask inside the *moved* box enlarged by the margin.
    """
    seen = seen_instances(view)
    chosen = rng.permutation(np.flatnonzero(seen.asked))[:most]
    boxes = seen.boxes_xyxy[chosen]
    sides = np.tile(boxes[:, 2:] - boxes[:, :2], 2)
    boxes = boxes + np.clip(rng.standard_normal(boxes.shape) * jitter, -2.5 * jitter, 2.5 * jitter) * sides
    boxes = boxes.astype(np.float32)
    masks = [
        _coverage(view, int(i), box)
        for i, box in zip(seen.index[chosen], enlarge_boxes(boxes, margin=BOX_MARGIN), strict=True)
    ]
    size = np.tile(np.array(view.image.shape[:0:-1], np.float32), 2)
    return boxes / size, np.array(masks, np.float32).reshape(-1, MASK_SIDE, MASK_SIDE)


def _coverage(view: View, instance: int, crop_xyxy: NDArray[np.float32]) -> NDArray[np.float32]:
    """Share of each cell of `crop_xyxy` (pixels of the picture) that the instance covers: the label map sampled at
    twice the grid, then averaged 2x2. Nothing is outside the picture."""
    source = crop_xyxy / view.scale
    fine = 2 * MASK_SIDE
    step = (source[2:] - source[:2]) / fine
    # pixel centres are at integers for warpAffine, so a cell's centre is half a step in and half a pixel back
    matrix = np.array([[step[0], 0, source[0] + step[0] / 2 - 0.5], [0, step[1], source[1] + step[1] / 2 - 0.5]])
    mask = (_window(view) == instance + 1).astype(np.float32)
    sampled = cv2.warpAffine(mask, matrix, (fine, fine), flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP)
    cells: NDArray[np.float32] = sampled.reshape(MASK_SIDE, 2, MASK_SIDE, 2).mean(axis=(1, 3))
    return cells
