"""One person's poses in one window, in lengths that compare: the looks that every rule reads.

In: `BodyPosition`, `Window`. Out: `Looks`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgecap.runtime.data.window import Window
from edgecap.runtime.measure.body_position import BodyPosition
from edgecap.runtime.measure.tracklet import Tracklet

LEAST_HEIGHT_PIXELS = 70
"""Of a person's box in the analysed frame. Below it a limb is two or three pixels wide, and on labelled crops of the
developing half (bench/results/people_labels.json) keypoint scores fall under what is seen."""
LEAST_SCORE = 0.3
"""A keypoint counts from here on: the score from which MoveNet's own example draws one."""
TORSO_SHARE = 0.29
"""Mid-shoulder to mid-hip as a share of standing height: .818 - .530 (Drillis and Contini 1966, joint heights)."""
_LEAST_TORSO_SHARE = 0.12
"""Of the box's height; a shorter torso is a body that points at the camera, or a mistake."""
SHOULDERS, HIPS, KNEES, ANKLES = (5, 6), (11, 12), (13, 14), (15, 16)
NOSE, EYES, EARS, ELBOWS, WRISTS = 0, (1, 2), (3, 4), (7, 8), (9, 10)


@dataclass(frozen=True, slots=True)
class Looks:
    """The poses of one tracklet whose torso is seen, in time order; P >= 1."""

    rows: NDArray[np.int64]
    """[P]: indices into the tracklet's observations."""
    seconds: NDArray[np.float64]
    """[P], source clock."""
    points: NDArray[np.float64]
    """[P, 17, 2] in frame widths on both axes, y down."""
    scores: NDArray[np.float64]
    """[P, 17], 0-1."""
    torsos: NDArray[np.float64]
    """[P]: mid-shoulder to mid-hip, frame widths."""
    heights: NDArray[np.float64]
    """[P]: standing height by the torsos around that time, frame widths."""
    clean: NDArray[np.bool_]
    """[P]: nothing cuts the box on any side."""

    def __len__(self) -> int:
        return len(self.rows)

    def middle(self, pair: tuple[int, int]) -> NDArray[np.float64]:
        """[P, 2]: between a left and a right keypoint."""
        both: NDArray[np.float64] = self.points[:, list(pair)].mean(1)
        return both

    def seen(self, keypoint: int) -> NDArray[np.bool_]:
        """[P]: whether a keypoint counts."""
        return np.asarray(self.scores[:, keypoint] >= LEAST_SCORE)


def looks(body: BodyPosition, window: Window) -> Looks | None:
    """None where no pose of the tracklet shows a torso in a box that is tall enough."""
    tracklet = body.tracklet
    height, width = window.observations[0].frame.image_rgb.shape[:2]
    rows, points, scores = _poses(tracklet, window, np.array([1.0, height / width]))
    if not rows:
        return None
    all_points, all_scores, all_rows = np.stack(points), np.stack(scores), np.array(rows, np.int64)
    torsos = np.hypot(*(all_points[:, list(SHOULDERS)].mean(1) - all_points[:, list(HIPS)].mean(1)).T)
    boxes = tracklet.boxes_xyxy[all_rows]
    tall = (boxes[:, 3] - boxes[:, 1]) * height
    shown = [all_scores[:, list(pair)].max(1) >= LEAST_SCORE for pair in (SHOULDERS, HIPS)]
    good = shown[0] & shown[1] & (tall >= LEAST_HEIGHT_PIXELS) & (torsos * width >= _LEAST_TORSO_SHARE * tall)
    if not good.any():
        return None
    seconds = tracklet.pts_seconds[all_rows[good]]
    return Looks(
        rows=all_rows[good],
        seconds=seconds,
        points=all_points[good],
        scores=all_scores[good],
        torsos=torsos[good],
        heights=_smoothed(seconds, torsos[good]) / TORSO_SHARE,
        clean=body.clean[all_rows[good]],
    )


def _poses(
    tracklet: Tracklet, window: Window, scale: NDArray[np.float64]
) -> tuple[list[int], list[NDArray[np.float64]], list[NDArray[np.float64]]]:
    rows, points, scores = [], [], []
    for row, step in enumerate(tracklet.steps):
        for instance in window.observations[step].instances:
            if instance.track_id == tracklet.track_id and instance.pose is not None:
                rows.append(row)
                points.append(instance.pose.points_xy.astype(np.float64) * scale)
                scores.append(instance.pose.scores.astype(np.float64))
    return rows, points, scores


def _smoothed(seconds: NDArray[np.float64], values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Median over 0.75 s to both sides."""
    return np.array([np.median(values[np.abs(seconds - now) <= 0.75]) for now in seconds])


def runs(labels: Sequence[str | None], *, least: int = 2) -> list[tuple[str, int, int]]:
    """(label, first, last index) of runs of at least `least` equal labels; a single None inside a run is bridged."""
    bridged = list(labels)
    for i in range(1, len(bridged) - 1):
        if bridged[i] is None and labels[i - 1] == labels[i + 1]:
            bridged[i] = labels[i - 1]
    found: list[tuple[str, int, int]] = []
    start = 0
    for i in range(1, len(bridged) + 1):
        if i == len(bridged) or bridged[i] != bridged[start]:
            label = bridged[start]
            if label is not None and i - start >= least:
                found.append((label, start, i - 1))
            start = i
    return found
