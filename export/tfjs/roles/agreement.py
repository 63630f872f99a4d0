"""How far one form of a detector is from another, judged as a detector is: precision, recall, average precision.

In: outputs of both on the same pictures. Out: `Comparison`. The reference's own boxes above the threshold are the
truth; frames where it sees nothing count too, through the boxes that the other one invents.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgecap.export.job import Comparison, Limits
from edgecap.export.onnx.parity import GraphParity, box_iou
from edgecap.runtime.perceive.detector import suppress

Outputs = Mapping[str, NDArray[Any]]
SAME_BOXES: Limits = {"average_precision": ("min", 0.99), "recall": ("min", 0.99), "precision": ("min", 0.99)}
HALF_BOXES: Limits = {"average_precision": ("min", 0.95), "recall": ("min", 0.95)}
INT8_BOXES: Limits = {"average_precision": ("min", 0.8), "recall": ("min", 0.8), "precision": ("min", 0.7)}
"""NanoDet-g on real frames, 512 px, scores from .4: average precision .96-.98, recall .93-.95, precision .81-.95. A box
that falls just below the threshold in fp32 and just above it in INT8 counts against precision."""
_SAME = 0.5
"""IoU above which two boxes show the same thing."""


@dataclass(frozen=True, slots=True)
class Boxes:
    """What a detector reports of one picture, best first."""

    xyxy: NDArray[np.float32]
    scores: NDArray[np.float32]
    class_ids: NDArray[np.int64]


def reported(outputs: Outputs, *, threshold: float, nms_iou: float) -> Boxes:
    """The first picture's boxes as the runtime keeps them: above the threshold, solid, suppressed."""
    boxes, scores, ids = (outputs[name][0] for name in ("boxes_xyxy", "scores", "class_ids"))
    solid = np.flatnonzero((scores >= threshold) & (boxes[:, 2:] > boxes[:, :2]).all(1))
    order = solid[np.argsort(-scores[solid], kind="stable")]
    kept = order[suppress(boxes[order], max_iou=nms_iou)]
    return Boxes(boxes[kept], scores[kept], ids[kept])


def compare_detectors(
    graph: str,
    reference_name: str,
    reference: Sequence[Outputs],
    got: Sequence[Outputs],
    *,
    threshold: float,
    nms_iou: float,
    limits: Limits,
) -> Comparison:
    """Figures: `boxes` of the reference at the threshold; `recall` and `precision` of the other one at the same
    threshold; `average_precision` over its ranked boxes down to half the threshold; class and IoU > .5 each time."""
    truth = [reported(one, threshold=threshold, nms_iou=nms_iou) for one in reference]
    found = [reported(one, threshold=threshold / 2, nms_iou=nms_iou) for one in got]
    right = [_right(t, f) for t, f in zip(truth, found, strict=True)]
    scores = np.concatenate([one.scores for one in found])
    hits, total = np.concatenate(right), sum(len(one.scores) for one in truth)
    sure = scores >= threshold
    figures = {
        "boxes": float(total),
        "recall": float(hits[sure].sum() / total) if total else float(not sure.any()),
        "precision": float(hits[sure].mean()) if sure.any() else float(total == 0),
        "average_precision": average_precision(hits, scores, total),
    }
    return Comparison(GraphParity(graph, reference_name, len(truth), (), figures), limits)


def average_precision(hits: NDArray[np.bool_], scores: NDArray[np.float32], total: int) -> float:
    """Area under precision over recall, precision made falling (as in COCO, all points); 1 where there is nothing to
    find."""
    if not total:
        return 1.0
    order = np.argsort(-scores, kind="stable")
    found = np.cumsum(hits[order])
    precision = found / np.arange(1, len(found) + 1)
    falling = np.maximum.accumulate(precision[::-1])[::-1]
    return float((falling * hits[order]).sum() / total)


def _right(truth: Boxes, found: Boxes) -> NDArray[np.bool_]:
    """Which found boxes, best first, are of a true one that no better box has taken."""
    right = np.zeros(len(found.scores), np.bool_)
    if not len(truth.scores):
        return right
    overlap = box_iou(found.xyxy, truth.xyxy) * (found.class_ids[:, None] == truth.class_ids[None])
    for row in range(len(right)):
        best = int(overlap[row].argmax())
        if overlap[row, best] > _SAME:
            right[row] = True
            overlap[:, best] = 0.0
    return right
