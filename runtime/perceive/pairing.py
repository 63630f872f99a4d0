"""What it costs to call a detection the next one of a track.

In: predicted tracks, detections of one frame. Out: costs in 0-1 for `association.assign`.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from edgecap.runtime.data.boxes import iou_matrix
from edgecap.runtime.perceive.track import Track, histogram_distance

MAX_COST = 0.68
"""A pair at or above this is never made."""

# Parts of the cost; they sum to 1, so that a cost is 0 (certain) to 1.
_OVERLAP, _DISTANCE, _HISTOGRAM, _CLASS = 0.37, 0.23, 0.24, 0.16
_NEAR, _NEAR_SIGMAS = 0.4, 2.0  # how far a detection's centre may be: box sides, plus sigmas of the prediction,
_NEAR_GROWTH, _NEAR_MOST = 1.0, 2.5  # plus box sides per second unseen (the hidden turn and stop); box sides at most
_STRANGE_HISTOGRAM = 0.8  # a histogram this different never reclaims a track that went unseen


def pairing_costs(
    tracks: list[Track],
    boxes: NDArray[np.float64],
    histograms: list[NDArray[np.float32]],
    class_ids: NDArray[np.int64],
    height: float,
    seconds: float,
) -> NDArray[np.float64]:
    """Cost float64 [T, D] in 0-1 of a pair, inf where it is impossible.

    `seconds`: this frame's time. Unseen tracks look farther around, and ask for a histogram that is not strange.
    """
    predicted = np.stack([t.box(height) for t in tracks])
    overlap = iou_matrix(predicted.astype(np.float32), boxes.astype(np.float32))
    centres_t, centres_d = (predicted[:, :2] + predicted[:, 2:]) / 2, (boxes[:, :2] + boxes[:, 2:]) / 2
    sides = np.sqrt(np.array([t.state[2] * t.state[3] for t in tracks]))
    sigmas = np.sqrt(np.array([t.cov[:2, 0, 0].max() for t in tracks]))
    hidden = np.array([seconds - t.seen_seconds if t.misses else 0.0 for t in tracks])
    reach = np.minimum((_NEAR + _NEAR_GROWTH * hidden) * sides + _NEAR_SIGMAS * sigmas, _NEAR_MOST * sides)
    distance = np.linalg.norm(centres_t[:, None] - centres_d[None], axis=2) / reach[:, None]
    colours = np.array([[histogram_distance(t.histogram, other) for other in histograms] for t in tracks])
    other_class = np.array([t.class_id for t in tracks])[:, None] != class_ids[None]
    cost = _OVERLAP * (1 - overlap) + _DISTANCE * np.minimum(distance, 1) + _HISTOGRAM * colours + _CLASS * other_class
    unseen = np.array([t.misses > 0 for t in tracks])[:, None]
    strange = unseen & (colours > _STRANGE_HISTOGRAM) & (overlap < 0.3)
    near = (distance < 1) | (overlap > 0.2)
    return np.where(near & ~strange, cost, np.inf).astype(np.float64)
