"""How far one form of a graph is from another: PyTorch, fp32 ONNX, quantised ONNX.

In: outputs of both on the same inputs. Out: `TensorParity` per output and task figures (boxes matched, mask IoU). The
numbers go into the pack's parity report as they are.

The numbers go into a pack's parity report unchanged.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class TensorParity:
    """Distance of one output from its reference over all inputs tried."""

    name: str
    max_abs: float
    relative_l2: float
    """|got - reference| / |reference|, 2-norms over everything."""
    cosine: float
    """1 is equal direction."""


@dataclass(frozen=True, slots=True)
class GraphParity:
    """One comparison, e.g. detector.int8.onnx against detector.fp32.onnx."""

    graph: str
    reference: str
    inputs: int
    """How many inputs were compared."""
    tensors: tuple[TensorParity, ...]
    figures: dict[str, float] = field(default_factory=dict)
    """Task figures by name, shares 0-1."""

    def as_dict(self) -> dict[str, Any]:
        """Plain data for a JSON report."""
        return asdict(self)


def compare_tensors(name: str, reference: Sequence[NDArray[Any]], got: Sequence[NDArray[Any]]) -> TensorParity:
    """Distance of `got` from `reference`: one array per input tried, shapes equal pairwise.

    Raises ValueError on empty lists, other shapes or values that are not finite.
    """
    if not reference or len(reference) != len(got):
        raise ValueError(
            f"{name}: expected as many outputs as references and at least one, got {len(got)} and {len(reference)}"
        )
    for r, g in zip(reference, got, strict=True):
        if np.shape(r) != np.shape(g):
            raise ValueError(f"{name}: expected shape {np.shape(r)}, got {np.shape(g)}")
    a = np.concatenate([np.asarray(r, np.float64).ravel() for r in reference])
    b = np.concatenate([np.asarray(g, np.float64).ravel() for g in got])
    if not (np.isfinite(a).all() and np.isfinite(b).all()):
        raise ValueError(f"{name}: values that are not finite; compare finite outputs")
    norm_a, norm_b = float(np.linalg.norm(a)), float(np.linalg.norm(b))
    distance = float(np.linalg.norm(a - b))
    cosine = float(a @ b) / (norm_a * norm_b) if norm_a and norm_b else float(norm_a == norm_b)
    relative = distance / norm_a if norm_a else float("inf") if distance else 0.0
    return TensorParity(name, float(np.abs(a - b).max(initial=0.0)), relative, cosine)


def compare_outputs(
    reference: Sequence[Mapping[str, NDArray[Any]]], got: Sequence[Mapping[str, NDArray[Any]]]
) -> tuple[TensorParity, ...]:
    """`compare_tensors` for every output name; one mapping name -> array per input tried."""
    return tuple(compare_tensors(name, [r[name] for r in reference], [g[name] for g in got]) for name in reference[0])


def box_iou(first_xyxy: NDArray[Any], second_xyxy: NDArray[Any]) -> NDArray[np.float64]:
    """IoU matrix [N, M] of boxes [N, 4] and [M, 4]; 0 where a box is empty."""
    a, b = np.asarray(first_xyxy, np.float64)[:, None], np.asarray(second_xyxy, np.float64)[None]
    sides = np.clip(np.minimum(a[..., 2:], b[..., 2:]) - np.maximum(a[..., :2], b[..., :2]), 0, None)
    shared = sides.prod(-1)
    areas = [np.clip(x[..., 2:] - x[..., :2], 0, None).prod(-1) for x in (a, b)]
    union = areas[0] + areas[1] - shared
    overlap: NDArray[np.float64] = np.divide(shared, union, out=np.zeros_like(shared), where=union > 0)
    return overlap


def boxes_matched(
    reference_xyxy: NDArray[Any],
    reference_ids: NDArray[Any],
    got_xyxy: NDArray[Any],
    got_ids: NDArray[Any],
    *,
    iou: float = 0.9,
) -> int:
    """How many reference boxes have a box of the same class above `iou`, each box used once, best pairs first."""
    if not len(reference_xyxy) or not len(got_xyxy):
        return 0
    overlap = box_iou(reference_xyxy, got_xyxy) * (np.asarray(reference_ids)[:, None] == np.asarray(got_ids)[None])
    matched = 0
    while overlap.max() > iou:
        row, column = np.unravel_index(int(overlap.argmax()), overlap.shape)
        overlap[row], overlap[:, column] = 0.0, 0.0
        matched += 1
    return matched


def boxes_found(
    reference: Sequence[Mapping[str, NDArray[Any]]], got: Sequence[Mapping[str, NDArray[Any]]], *, score: float
) -> dict[str, float]:
    """Of detectors' outputs: "boxes" of the reference with at least `score`, and "boxes_matched_share" of them that are
    among the other side's of at least 0.8 times that; 1 where there are none."""
    matched = asked = 0
    for r, g in zip(reference, got, strict=True):
        for one in range(len(r["scores"])):
            keep, other = r["scores"][one] >= score, g["scores"][one] >= 0.8 * score
            asked += int(keep.sum())
            matched += boxes_matched(
                r["boxes_xyxy"][one][keep],
                r["class_ids"][one][keep],
                g["boxes_xyxy"][one][other],
                g["class_ids"][one][other],
            )
    return {"boxes": float(asked), "boxes_matched_share": matched / asked if asked else 1.0}


def mask_iou(first: NDArray[Any], second: NDArray[Any]) -> NDArray[np.float64]:
    """IoU [K] of boolean masks [K, h, w]; two empty masks count as equal (1)."""
    shared = (first & second).sum(axis=(1, 2)).astype(np.float64)
    union = (first | second).sum(axis=(1, 2)).astype(np.float64)
    overlap: NDArray[np.float64] = np.divide(shared, union, out=np.ones_like(shared), where=union > 0)
    return overlap
