"""A class that the way of moving rules out: only balls bounce."""

from __future__ import annotations

import numpy as np
import pytest

from edgecap.runtime.measure.naming import bounces, class_name
from edgecap.runtime.measure.tracklet import Tracklet

LABELS = ("person", "frisbee", "sports ball")


def _tracklet(middles, *, class_ids=None, fps=8.0, side=0.1):
    count = len(middles)
    y = np.asarray(middles, np.float32)
    boxes = np.stack([np.full(count, 0.4), y - side / 2, np.full(count, 0.4 + side), y + side / 2], 1)
    return Tracklet(
        track_id=1,
        steps=np.arange(count),
        pts_seconds=np.arange(count) / fps,
        boxes_xyxy=boxes.astype(np.float32),
        centroids_xy=np.stack([np.full(count, 0.45), y], 1).astype(np.float32),
        areas=np.full(count, side**2, np.float32),
        scores=np.full(count, 0.9, np.float32),
        class_ids=np.array(class_ids if class_ids is not None else [1] * count),
        masks=(),
    )


def _bouncing(height, *, times=3, steps=5):
    """Free fall from `height` and up again, `times` times."""
    fall = np.linspace(-1, 1, 2 * steps + 1)[:-1]
    return np.concatenate([0.8 - height * (1 - (np.abs(fall) - 1) ** 2 * 1.0) for _ in range(times)])


@pytest.mark.parametrize(("height", "expected"), [(0.3, True), (0.03, False)])
def test_a_bounce_is_as_high_as_half_the_thing(height, expected):
    assert (bounces(_tracklet(_bouncing(height))) >= 2) is expected


def test_a_glide_is_no_bounce():
    assert bounces(_tracklet(np.linspace(0.1, 0.8, 20))) == 0
    assert bounces(_tracklet([0.5])) == 0
    slow = _tracklet(_bouncing(0.1, steps=20))  # up and down in five seconds: a hand
    assert bounces(slow) == 0


def test_what_bounces_is_a_ball():
    path = _bouncing(0.3)
    assert class_name(_tracklet(path), LABELS) == ("sports ball", 1.0)
    mixed = [1, 2] * (len(path) // 2)
    assert class_name(_tracklet(path, class_ids=mixed), LABELS) == ("sports ball", pytest.approx(1.0))
    assert class_name(_tracklet(np.linspace(0.1, 0.8, 20)), LABELS) == ("frisbee", 1.0)
    assert class_name(_tracklet(path, class_ids=[0] * len(path)), LABELS) == ("person", 1.0)
    assert class_name(_tracklet(path), ("person", "frisbee")) == ("frisbee", 1.0)
