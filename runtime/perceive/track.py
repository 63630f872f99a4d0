"""One followed object: where it is, how it moves, what it looks like. The state that `tracker` keeps per track.

Lengths are in frame *widths* on both axes, so that distances mean the same in x and y; time is in seconds.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

import cv2
import numpy as np
from numpy.typing import NDArray

_ACCELERATION = 1.2  # box sides per second^2 that an object may speed up or slow down by (one sigma)
_MEASURED = 0.035  # box sides that a detector's edge is off by (one sigma)
_FIRST_SPEED = 1.5  # box sides per second: what a new track's speed may be (one sigma)
_GROWTH = 1.6  # a size that changes by more than this factor in one step was not what it was believed to be
_TIMES = 64  # of a track's latest detections that are kept
_EDGE = 0.006  # frame widths: a box this near the border is taken as cut off by it


@dataclass(slots=True)
class Track:
    """A track's state; `tracker.Tracker` moves it along.

    `state`: float64 [4] centre x, y, width, height. `speed`: float64 [4], the same per second. `cov`: float64 [4, 2,
    2], covariance of (value, speed) of each of the four, which are filtered independently (a constant-velocity Kalman
    filter). `votes`: score mass per class id. `histogram`: float32 [n], running mean of its colours. `seen_seconds`:
    its last detection. `origin`: where its centre was at its first, carried along with the background. `hits`,
    `misses`: frames with a detection, and frames without since the last. `sure_hits`: the hits that count for its
    confirmation (`newly_confirmed`: in this frame), `sure_seconds`: the time they stand for. `times`: seconds of the
    latest detections that were not on another one's. `first_seconds`, `first_xy`: time and centre of the first
    detection, `seen_xy`: centre of the last, where the picture had them then.
    """

    track_id: int
    state: NDArray[np.float64]
    votes: dict[int, float]
    histogram: NDArray[np.float32]
    seen_seconds: float
    speed: NDArray[np.float64] = field(default_factory=lambda: np.zeros(4))
    cov: NDArray[np.float64] = field(default_factory=lambda: np.zeros((4, 2, 2)))
    hits: int = 1
    sure_hits: int = 0
    sure_seconds: float = 0.0
    frames: int = 1
    misses: int = 0
    confirmed: bool = False
    newly_confirmed: bool = False
    overlapped_frames: int = 0
    left_frame: bool = False
    origin: NDArray[np.float64] = field(init=False)
    first_seconds: float = field(init=False)
    times: deque[float] = field(init=False)
    first_xy: NDArray[np.float64] = field(init=False)
    seen_xy: NDArray[np.float64] = field(init=False)

    def __post_init__(self) -> None:
        self.first_seconds = self.seen_seconds
        self.times = deque([self.seen_seconds], maxlen=_TIMES)
        self.origin = self.first_xy = self.seen_xy = self.state[:2].copy()
        side = self._sides()
        self.cov[:, 0, 0] = (_MEASURED * side) ** 2
        self.cov[:, 1, 1] = (_FIRST_SPEED * side) ** 2

    @property
    def class_id(self) -> int:
        """The class that the detections so far voted for."""
        return max(self.votes, key=lambda class_id: self.votes[class_id])

    def vote_share(self, class_id: int) -> float:
        """Share (0-1) of the votes that `class_id` has."""
        return self.votes.get(class_id, 0.0) / sum(self.votes.values())

    @property
    def mean_score(self) -> float:
        """Of its detections so far, whatever their class; 0-1."""
        return sum(self.votes.values()) / self.hits

    @property
    def travel(self) -> float:
        """How far it is from where it began, against the background, in its own box sides."""
        return float(np.linalg.norm(self.state[:2] - self.origin) / self._sides()[0])

    def _sides(self) -> NDArray[np.float64]:
        """The length that each of the four values is judged against: the geometric mean of the box's sides."""
        return np.full(4, max(float(np.sqrt(self.state[2] * self.state[3])), 1e-3))

    def predict(self, seconds: float) -> None:
        """Move on by `seconds`. Unseen tracks keep their size: its last change was often a beginning occlusion."""
        if self.misses:
            self.speed[2:] = 0.0
        sizes = self.state[2:]
        self.state = self.state + self.speed * seconds
        self.state[2:] = np.clip(self.state[2:], sizes / _GROWTH, sizes * _GROWTH)
        step = np.array([[1.0, seconds], [0.0, 1.0]])
        push = np.array([seconds**2 / 2, seconds])
        noise = np.outer(push, push)[None] * ((_ACCELERATION * self._sides()) ** 2)[:, None, None]
        self.cov = step @ self.cov @ step.T + noise

    def continue_from(self, lost: Track) -> None:
        """Be the object that `lost` was: its id and its votes come first."""
        self.track_id = lost.track_id
        self.hits += lost.hits
        self.times = deque([*lost.times, *self.times], maxlen=_TIMES)  # the latest stay
        for class_id, votes in lost.votes.items():
            self.votes[class_id] = self.votes.get(class_id, 0.0) + votes

    def move_with_camera(self, step: NDArray[np.float64]) -> None:
        """Carry the state along with the background: `step` float64 [3, 3], a similarity of width units."""
        linear = step[:2, :2]
        scale = float(np.sqrt(abs(np.linalg.det(linear))))
        self.state = np.concatenate([linear @ self.state[:2] + step[:2, 2], self.state[2:] * scale])
        self.origin = linear @ self.origin + step[:2, 2]
        self.speed = np.concatenate([linear @ self.speed[:2], self.speed[2:] * scale])
        self.cov = self.cov * scale**2

    def correct(self, box: NDArray[np.float64], *, frame_height: float, trust: float = 1.0) -> None:
        """Take in a detection float64 [4] (x1, y1, x2, y2, width units). `trust`: 0-1, its weight against a box of
        this object alone; below 1 it never restarts a size."""
        measured, cut = self._uncut(box, frame_height)
        if trust >= 1.0:
            self._forget_wrong_sizes(measured)
        side = self._sides()
        gain = self.cov[:, :, 0] / (self.cov[:, 0, 0] + (_MEASURED * side) ** 2)[:, None] * trust
        surprise = measured - self.state
        self.state = self.state + gain[:, 0] * surprise
        self.seen_xy = self.state[:2].copy()
        self.speed = self.speed + gain[:, 1] * surprise
        self.cov = self.cov - gain[:, :, None] * self.cov[:, None, 0, :]
        self.speed[2:][cut] = 0.0  # a size that cannot be seen is not known to change: left alone it grows without end

    def _forget_wrong_sizes(self, measured: NDArray[np.float64]) -> None:
        """Restart an axis whose size turns out to be far from what was believed (an object that comes in across the
        border in another pose than it left): filtered, the surprise would become a speed that shrinks it to nothing."""
        wrong = np.abs(np.log(measured[2:] / self.state[2:])) > np.log(_GROWTH)
        for axis in np.flatnonzero(wrong):
            for value in (axis, axis + 2):
                self.state[value], self.speed[value] = measured[value], 0.0
        side = self._sides()
        for axis in np.flatnonzero(wrong):
            for value in (axis, axis + 2):
                self.cov[value] = np.diag([_MEASURED**2, _FIRST_SPEED**2]) * side[value] ** 2

    def _uncut(self, box: NDArray[np.float64], frame_height: float) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
        """Centre and size of a detection, and on which axes (x, y) the border cuts it; there the size known before is
        kept beyond it.

        |<- frame                    known width 4, seen x1 = 0, x2 = 1   ->   x1 = -3, x2 = 1
        """
        low, high = box[:2].copy(), box[2:].copy()
        cut = np.zeros(2, bool)
        for axis, limit in enumerate((1.0, frame_height)):
            known = self.state[2 + axis]
            at_low, at_high = low[axis] < _EDGE, high[axis] > limit - _EDGE
            cut[axis] = at_low or at_high
            if known > high[axis] - low[axis] and at_low != at_high:
                if at_low:
                    low[axis] = high[axis] - known
                else:
                    high[axis] = low[axis] + known
        return np.concatenate([(low + high) / 2, np.maximum(high - low, 1e-3)]), cut

    def box(self, frame_height: float) -> NDArray[np.float64]:
        """The predicted box as the frame shows it: float64 [4] x1, y1, x2, y2, cut at the border."""
        half = self.state[2:] / 2
        limit = np.array([1.0, frame_height])
        return np.concatenate([np.clip(self.state[:2] - half, 0, limit), np.clip(self.state[:2] + half, 0, limit)])

    def inside(self, frame_height: float) -> float:
        """Share (0-1) of the predicted box that is in the frame."""
        x1, y1, x2, y2 = self.box(frame_height)
        return float((x2 - x1) * (y2 - y1) / max(float(self.state[2] * self.state[3]), 1e-9))


_HISTOGRAM_SIDE = 16
_HISTOGRAM_BINS = (8, 12, 12)


def colour_histogram(image_rgb: NDArray[np.uint8], box_xyxy: NDArray[np.float32]) -> NDArray[np.float32]:
    """Lab histogram float32 [1152] (sums to 1) of the ellipse in a box's middle (relative); corners are background."""
    height, width = image_rgb.shape[:2]
    x1, y1, x2, y2 = np.clip(box_xyxy, 0, 1) * np.array([width, height, width, height])
    left, top = min(int(x1), width - 1), min(int(y1), height - 1)
    crop = image_rgb[top : max(top + 1, int(y2)), left : max(left + 1, int(x2))]
    small = cv2.resize(crop, (_HISTOGRAM_SIDE, _HISTOGRAM_SIDE), interpolation=cv2.INTER_AREA)
    lab = cv2.cvtColor(small, cv2.COLOR_RGB2LAB)
    bins = cv2.calcHist([lab], [0, 1, 2], _ELLIPSE, list(_HISTOGRAM_BINS), [0, 256, 0, 256, 0, 256])
    return (bins.ravel() / max(float(bins.sum()), 1.0)).astype(np.float32)


def histogram_distance(a: NDArray[np.float32], b: NDArray[np.float32]) -> float:
    """Hellinger distance of two histograms, 0 (same) to 1 (no colour in common)."""
    return float(np.sqrt(max(0.0, 1.0 - float(np.sqrt(a * b).sum()))))


_ELLIPSE = cv2.ellipse(
    np.zeros((_HISTOGRAM_SIDE, _HISTOGRAM_SIDE), np.uint8),
    (_HISTOGRAM_SIDE // 2, _HISTOGRAM_SIDE // 2),
    (_HISTOGRAM_SIDE * 3 // 8, _HISTOGRAM_SIDE * 3 // 8),
    0,
    0,
    360,
    255,
    -1,
)
