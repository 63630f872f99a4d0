"""What a candidate needs where scores are probabilities: time, and for what stands still a high mean score."""

from __future__ import annotations

import numpy as np
import pytest

from edgecap.runtime.data.detections import Detections
from edgecap.runtime.data.frame import Frame
from edgecap.runtime.perceive.tracker import Tracker
from edgecap.runtime.perceive.tracker_settings import PROBABILITIES, TrackerSettings

GRAY = np.full((90, 160, 3), 128, np.uint8)


def _confirmed(score, *, speed=0.0, frames=20, fps=8, pan=0.0, settings=PROBABILITIES):
    """Whether one box, moving by `speed` frame widths a second in the world, is confirmed; `pan`: the view's shift."""
    tracker = Tracker(settings)
    step = np.eye(3)
    step[0, 2] = pan / fps
    for n in range(frames):
        x = 0.3 + (speed + pan) * n / fps
        box = np.array([[x, 0.4, x + 0.1, 0.6]], np.float32)
        found = Detections(box, np.array([score], np.float32), np.zeros(1, np.int64))
        tracker.update(found, Frame(n, n / fps, GRAY), step)
    return tracker.is_confirmed(1)


@pytest.mark.parametrize(
    ("score", "speed", "expected"),
    [(0.65, 0.0, False), (0.65, 0.06, True), (0.85, 0.0, True), (0.55, 0.06, False)],
)
def test_what_stands_still_needs_a_higher_score(score, speed, expected):
    assert _confirmed(score, speed=speed) is expected


def test_a_moving_view_does_not_make_it_move():
    assert not _confirmed(0.65, pan=0.1)
    assert _confirmed(0.65, speed=0.1, pan=-0.1)  # it stays in the picture because the camera follows it


@pytest.mark.parametrize(("fps", "frames", "expected"), [(25, 5, False), (25, 7, True), (8, 3, True), (8, 2, False)])
def test_frames_count_by_the_time_they_stand_for(fps, frames, expected):
    """Three frames at 25 fps are one look, at 8 fps they are a quarter of a second."""
    assert _confirmed(0.95, fps=fps, frames=frames) is expected


def test_raw_scores_need_three_hits_as_before():
    assert _confirmed(0.55, frames=3, settings=TrackerSettings())
    assert not _confirmed(0.55, frames=2, settings=TrackerSettings())
