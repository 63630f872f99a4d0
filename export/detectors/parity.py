"""How far one form of a detector is from another, judged on boxes: found again, how far moved, scores.

In: outputs of both on the same pictures (the detector contract of `engines.specs`). Out: `Comparison`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgecap.export.job import Comparison, Limits
from edgecap.export.onnx.parity import GraphParity, box_iou, boxes_matched, compare_outputs

Arrays = Mapping[str, NDArray[Any]]

BEST = 20
"""Boxes per picture that are looked for: a picture seldom holds more, and a network of random weights has no others."""
SAME_NUMBERS: Limits = {
    "boxes_matched_share": ("min", 0.99),
    "box_max_abs": ("max", 1e-3),
    "scores_max_abs": ("max", 1e-3),
    "embedding_relative_l2": ("max", 1e-3),
}
"""PyTorch against fp32 ONNX: a box in a hundred may fall to the order of two equal scores."""
HALF_AS_GOOD: Limits = {"boxes_matched_share": ("min", 0.9), "scores_max_abs": ("max", 0.05)}
"""fp16 against fp32: yolo26n moved by 0.17 px of 640 in the median, docs/spec/measured.md E."""
INT8_AS_GOOD: Limits = {"boxes_matched_at_half_share": ("min", 0.8), "scores_cosine": ("min", 0.95)}
"""INT8 against fp32: the box is still the same thing's (IoU .5) and its class too."""


def judge(
    graph: str, reference_name: str, reference: Sequence[Arrays], got: Sequence[Arrays], *, limits: Limits
) -> Comparison:
    """Compare the `BEST` boxes of each picture. Batch size 1 in every output. A detector without any box fails.

    Figures: `boxes` compared; the share of them found again with the same class at IoU > .9 (`boxes_matched_share`) and
    at IoU > .5 (`boxes_matched_at_half_share`) among twice as many of the other side; `box_max_abs` between found
    pairs, relative to the picture; of the sorted scores and of the embedding the tensor distances under their names.
    """
    ordered = [[{name: o[name] for name in ("scores", "embedding")} for o in side] for side in (reference, got)]
    tensors = compare_outputs(*ordered)
    pairs = [(_best(r, BEST), _best(g, 2 * BEST)) for r, g in zip(reference, got, strict=True)]
    figures = {
        "boxes": float(sum(len(first[0]) for first, _ in pairs)),
        "boxes_matched_share": found_again(reference, got, iou=0.9),
        "boxes_matched_at_half_share": found_again(reference, got, iou=0.5),
        "box_max_abs": max(_largest_move(*first, *second) for first, second in pairs),
        "scores_max_abs": tensors[0].max_abs,
        "scores_cosine": tensors[0].cosine,
        "embedding_relative_l2": tensors[1].relative_l2,
    }
    return Comparison(GraphParity(graph, reference_name, len(reference), tensors, figures), limits)


def found_again(reference: Sequence[Arrays], got: Sequence[Arrays], *, iou: float = 0.5) -> float:
    """Share 0-1 of the `BEST` boxes of each picture that are among the other side's, class and IoU; 0 without boxes."""
    asked = found = 0
    for r, g in zip(reference, got, strict=True):
        first, second = _best(r, BEST), _best(g, 2 * BEST)
        asked += len(first[0])
        found += boxes_matched(*first, *second, iou=iou)
    return found / max(asked, 1)


def _best(outputs: Arrays, count: int) -> tuple[NDArray[Any], NDArray[Any]]:
    """Boxes and class ids of the first picture, best first, without empty boxes (the runtime drops them)."""
    boxes = outputs["boxes_xyxy"][0]
    solid = np.flatnonzero((boxes[:, 2:] > boxes[:, :2]).all(1))[:count]
    return boxes[solid], outputs["class_ids"][0][solid]


def _largest_move(
    first_xyxy: NDArray[Any], first_ids: NDArray[Any], second_xyxy: NDArray[Any], second_ids: NDArray[Any]
) -> float:
    """Largest coordinate distance of a box from its best match above IoU .9, relative to the picture; 0 without one."""
    overlap = box_iou(first_xyxy, second_xyxy) * (first_ids[:, None] == second_ids[None])
    rows = np.flatnonzero(overlap.max(1) > 0.9)
    moved = np.abs(first_xyxy[rows] - second_xyxy[overlap[rows].argmax(1)])
    return float(moved.max(initial=0.0))
