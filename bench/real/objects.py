"""One annotated object per sequence (DAVIS): masks of what was tracked on it, masks from its true box, class and box.

In: the object's masks, what was watched. Out: `ObjectScores`. J and F are those of `quality/masks.py`.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from edgecap.bench.quality.masks import boundary_f
from edgecap.runtime.data.frame import Frame
from edgecap.runtime.data.mask import Mask
from edgecap.runtime.data.window import Observation

MaskFunction = Callable[
    [Frame, NDArray[np.float32], NDArray[np.int64] | None], tuple[tuple[Mask, ...], NDArray[np.float32]]
]
"""`Segmenter.masks`: a frame, boxes_xyxy [K, 4] and class ids [K] -> K masks and their predicted IoU."""

_BOX_IOU = 0.4
"""From here on a box is on the object (the figure of ../shared/real/README.md)."""
_LEAST_PIXELS = 50
"""Frames with less of the object are left out: their scores are noise."""
_PART_SHARE = 0.02
"""A track on the object in fewer frames is not one of its parts."""


@dataclass(frozen=True, slots=True)
class ObjectScores:
    """Means over the frames in which the object is seen; 0-1 but for the times."""

    tracked_j: float
    """Region similarity of the masks of the best track, or of the best two together (a rider and the mount)."""
    tracked_f: float
    """Their boundary similarity."""
    prompted_j: float | None
    """Region similarity of the segmenter's masks from true boxes and the true class (as in a run, where the detector
    gives both); None without a segmenter."""
    prompted_ms: float | None
    """Milliseconds of the segmenter an instance and frame."""
    box_j: float
    """Region similarity of the filled true box: what any segmenter must beat."""
    box_and_class: float
    """Share of frames with a box (or the union of two) of a right class at IoU > .4."""
    frames: int
    """Frames in which the object is seen and that were analysed."""


def object_scores(
    truth: NDArray[np.bool_],
    observations: Sequence[Observation],
    *,
    class_of: Mapping[int, str],
    labels: Sequence[str],
    classes: Sequence[str],
    masks_of: MaskFunction | None,
) -> ObjectScores:
    """Score one sequence. `truth` bool [T, H, W]; `class_of`: track id -> its class; `classes`: the right ones, the
    annotated object's own first."""
    seen = [o for o in observations if o.frame.index < len(truth)]
    true_masks = {o.frame.index: _shrunk(truth[o.frame.index], o.frame) for o in seen}
    seen = [o for o in seen if true_masks[o.frame.index].area_pixels >= _LEAST_PIXELS]
    count = max(len(seen), 1)
    tracks = _best_tracks(seen, true_masks)
    said = [_union(o, tracks) for o in seen]
    true = [true_masks[o.frame.index] for o in seen]
    named = [labels.index(name) for name in classes if name in labels]
    prompted, milliseconds = _prompted(seen, true, masks_of, np.array(named[:1], np.int64) if named else None)
    boxes = [_filled(mask) for mask in true]
    hits = sum(_hit(o, mask, class_of, labels, classes) for o, mask in zip(seen, true, strict=True))
    return ObjectScores(
        tracked_j=sum(a.iou(b) for a, b in zip(true, said, strict=True)) / count,
        tracked_f=sum(boundary_f(a, b) for a, b in zip(true, said, strict=True)) / count,
        prompted_j=prompted,
        prompted_ms=milliseconds,
        box_j=sum(a.iou(b) for a, b in zip(true, boxes, strict=True)) / count,
        box_and_class=hits / count,
        frames=len(seen),
    )


def _shrunk(bits: NDArray[np.bool_], frame: Frame) -> Mask:
    """A mask of the source's size at the size of the analysed frame (nearest pixel centre)."""
    height, width = frame.image_rgb.shape[:2]
    rows = ((np.arange(height) + 0.5) * bits.shape[0] / height).astype(int)
    columns = ((np.arange(width) + 0.5) * bits.shape[1] / width).astype(int)
    return Mask.from_full(bits[np.ix_(rows, columns)])


def _best_tracks(observations: Sequence[Observation], truth: Mapping[int, Mask]) -> tuple[int, ...]:
    """The track, or the pair of tracks, whose masks together have the largest mean IoU with the object."""
    present: dict[int, int] = {}
    for o in observations:
        for instance in o.instances:
            if instance.mask.iou(truth[o.frame.index]) > 0:
                present[instance.track_id] = present.get(instance.track_id, 0) + 1
    ids = sorted(t for t, n in present.items() if n >= _PART_SHARE * len(observations))
    choices: list[tuple[int, ...]] = [(t,) for t in ids] + list(combinations(ids, 2))

    def total(choice: tuple[int, ...]) -> float:
        return sum(_union(o, choice).iou(truth[o.frame.index]) for o in observations)

    return max(choices, key=total, default=())


def _union(observation: Observation, tracks: Sequence[int]) -> Mask:
    masks = [i.mask for i in observation.instances if i.track_id in tracks]
    if len(masks) == 1:
        return masks[0]
    height, width = observation.frame.image_rgb.shape[:2]
    together = np.zeros((height, width), bool)
    for mask in masks:
        together |= mask.full()
    return Mask.from_full(together)


def _prompted(
    observations: Sequence[Observation],
    truth: Sequence[Mask],
    masks_of: MaskFunction | None,
    class_ids: NDArray[np.int64] | None,
) -> tuple[float | None, float | None]:
    if masks_of is None or not observations:
        return None, None
    scores, seconds = [], 0.0
    for o, mask in zip(observations, truth, strict=True):
        begun = time.perf_counter()
        found, _ = masks_of(o.frame, mask.box_xyxy[None], class_ids)
        seconds += time.perf_counter() - begun
        scores.append(mask.iou(found[0]))
    return float(np.mean(scores)), 1000 * seconds / len(scores)


def _filled(mask: Mask) -> Mask:
    return Mask(origin_xy=mask.origin_xy, bits=np.ones_like(mask.bits), size_wh=mask.size_wh)


def _hit(
    observation: Observation, truth: Mask, class_of: Mapping[int, str], labels: Sequence[str], classes: Sequence[str]
) -> bool:
    """Whether a box of a right class, or the box around two of them, is on the object."""
    named = [(class_of.get(i.track_id, labels[i.class_id]), i.box_xyxy) for i in observation.instances]
    boxes = [box for name, box in named if name in classes]
    pairs = [np.concatenate([np.minimum(a, b)[:2], np.maximum(a, b)[2:]]) for a, b in combinations(boxes, 2)]
    return any(_box_iou(truth.box_xyxy, box) > _BOX_IOU for box in [*boxes, *pairs])


def _box_iou(a: NDArray[np.float32], b: NDArray[np.float32]) -> float:
    shared = float(np.clip(np.minimum(a[2:], b[2:]) - np.maximum(a[:2], b[:2]), 0, None).prod())
    both = float((a[2:] - a[:2]).prod() + (b[2:] - b[:2]).prod()) - shared
    return shared / both if both > 0 else 0.0
