"""Cutting the stream into windows: which frames are analysed, where shots end, which observations belong together.

`FrameSampler.keep` takes every frame's time, `ShotDetector.is_cut` every kept frame, `WindowBuilder.add` every
observation.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from edgecap.engines.errors import UsageError
from edgecap.runtime.data.frame import Frame
from edgecap.runtime.data.window import Observation, Window

_GRID_TOLERANCE_SECONDS = 0.002  # Matroska rounds times to 1 ms: 0.1249 s must still count as 1/8 s


class FrameSampler:
    """Thins a stream to `sample_fps` by presentation time, so that variable frame rates need no special case."""

    def __init__(self, sample_fps: float = 8.0) -> None:
        if not sample_fps > 0:
            raise UsageError(f"sample_fps must be above 0, got {sample_fps}")
        self._fps = sample_fps
        self._next_seconds = -math.inf

    def keep(self, pts_seconds: float) -> bool:
        """True for the first frame, then for the first frame at or after each multiple of 1/sample_fps.

        Asked once per frame, in order.

        fps 24, sample 8:  frames 0 1 2 3 4 5 6     grid 0 . . 1/8 . . 2/8     kept 0 3 6
        """
        if pts_seconds < self._next_seconds - _GRID_TOLERANCE_SECONDS:
            return False
        passed = math.floor((pts_seconds + _GRID_TOLERANCE_SECONDS) * self._fps)
        self._next_seconds = (passed + 1) / self._fps
        return True


class ShotDetector:
    """Finds hard cuts between consecutive analysed frames.

    Two questions, both asked of a 96-px thumbnail: do the colours differ (HSV histogram), and can no part of the old
    picture be found again near where it was (best match of each of 12 patches over a shift of a sixth of the width)?
    Pans, zooms and shakes keep the patches, lighting noise keeps both; a cut loses both at once, far above what
    the last frames did.
    """

    def __init__(self, *, minimum_score: float = 0.46, ratio_to_recent: float = 2.2) -> None:
        self._minimum, self._ratio = minimum_score, ratio_to_recent
        self._recent: deque[float] = deque(maxlen=8)
        self._previous: tuple[NDArray[np.uint8], NDArray[np.float32]] | None = None

    def is_cut(self, frame: Frame) -> bool:
        """True when `frame` begins a new shot; False for the first frame."""
        current = _thumbnail(frame.image_rgb)
        previous, self._previous = self._previous, current
        if previous is None:
            return False
        score = _change(previous, current)
        usual = float(np.median(self._recent)) if self._recent else 0.0
        cut = score > max(self._minimum, self._ratio * usual)
        if cut:
            self._recent.clear()
        else:
            self._recent.append(score)
        return cut


_THUMB_WH = (96, 54)
_PATCH_WH = (20, 14)
_SEARCH_XY = (16, 10)


def _thumbnail(image_rgb: NDArray[np.uint8]) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
    """RGB thumbnail uint8 [54, 96, 3] and its HSV histogram float32 [n], sum 1, smoothed across neighbouring bins."""
    small = cv2.blur(cv2.resize(image_rgb, _THUMB_WH, interpolation=cv2.INTER_AREA), (3, 3))
    hsv = cv2.cvtColor(small, cv2.COLOR_RGB2HSV)
    bins = cv2.calcHist([hsv], [0, 1, 2], None, [12, 4, 6], [0, 180, 0, 256, 0, 256])
    return small.astype(np.uint8, copy=False), (bins / bins.sum()).astype(np.float32).ravel()


def _change(
    before: tuple[NDArray[np.uint8], NDArray[np.float32]], after: tuple[NDArray[np.uint8], NDArray[np.float32]]
) -> float:
    """0 (same picture, possibly shifted) to 1 (nothing in common)."""
    # Two equal histograms may sum to a hair over 1 in float32; without the floor a still picture breaks the root.
    colour = max(0.0, 1.0 - float(np.minimum(before[1], after[1]).sum()))
    return math.sqrt(colour * _lost_patches(before[0], after[0]))


def _lost_patches(before: NDArray[np.uint8], after: NDArray[np.uint8]) -> float:
    """Mean over the patches of how badly each is found again, 0-1; 1 = 40 grey levels and another pattern at its best
    place."""
    lost = []
    (pw, ph), (sx, sy) = _PATCH_WH, _SEARCH_XY
    for top in np.linspace(0, _THUMB_WH[1] - ph, 3).astype(int):
        for left in np.linspace(0, _THUMB_WH[0] - pw, 4).astype(int):
            patch = before[top : top + ph, left : left + pw]
            y0, x0 = max(0, top - sy), max(0, left - sx)
            region = after[y0 : top + ph + sy, x0 : left + pw + sx]
            difference = float(cv2.matchTemplate(region, patch, cv2.TM_SQDIFF).min())
            greys = math.sqrt(max(difference, 0.0) / patch.size)
            # A light switched on changes the greys and keeps the pattern; a flat patch has no pattern to keep.
            pattern = 1.0
            if float(patch.std()) > 6.0:
                pattern = 1.6 * (1.0 - float(cv2.matchTemplate(region, patch, cv2.TM_CCOEFF_NORMED).max()))
            lost.append(min(1.0, greys / 40.0, max(0.0, pattern)))
    return float(np.mean(lost))


class WindowBuilder:
    """Collects observations into windows of `window_seconds`, never across a cut.

    `labels`: class names by id, read when a window closes (a list may grow).
    `duration_seconds`: the file's length where known. When less than `minimum_seconds` of it would remain after a
    window, that window takes the remainder too; where that would pass `maximum_seconds`, the two share the time evenly.
    However wrong that length is, no window goes on past `maximum_seconds`. `frame_seconds`: how long a window of a
    single frame lasts where nothing else tells; `sample_seconds`: the usual time between observations.
    """

    minimum_seconds = 2.0
    maximum_seconds = 10.0

    def __init__(
        self,
        window_seconds: float = 5.0,
        *,
        labels: Sequence[str],
        duration_seconds: float | None = None,
        frame_seconds: float = 0.125,
        sample_seconds: float = 0.125,
    ) -> None:
        if not self.minimum_seconds <= window_seconds <= self.maximum_seconds:
            raise UsageError(
                f"window_seconds must be {self.minimum_seconds:g} to {self.maximum_seconds:g}, got {window_seconds:g}"
            )
        self._length, self._labels, self._duration = window_seconds, labels, duration_seconds
        self._frame_seconds, self._sample_seconds = frame_seconds, sample_seconds
        self._held: list[Observation] = []
        self._limit = 0.0
        self._clip_index = self._shot_index = self._dropped = 0
        self._arrived = 0.0

    def add(self, observation: Observation, *, is_cut: bool, arrived_seconds: float) -> Window | None:
        """Take the next observation; return the window that it closes, if any.

        `is_cut`: this observation begins a new shot. `arrived_seconds`: `time.monotonic()` when its frame was decoded.
        """
        closed = None
        pts = observation.frame.pts_seconds
        if self._held and (is_cut or pts >= self._limit - _GRID_TOLERANCE_SECONDS):
            closed = self._close(pts, ends_shot=is_cut)
        if not self._held:
            self._limit = self._limit_from(pts)
        self._held.append(observation)
        self._arrived = arrived_seconds
        return closed

    def finish(self) -> Window | None:
        """The last, possibly short, window; None when nothing is held. Called once, at the end of the file."""
        if not self._held:
            return None
        times = [o.frame.pts_seconds for o in self._held]
        several = len(times) > 1
        gap = float(np.median(np.diff(times))) if several else self._sample_seconds
        end = times[-1] + (gap if several else self._frame_seconds)
        if self._duration is not None and times[-1] < self._duration <= times[-1] + 2 * gap + _GRID_TOLERANCE_SECONDS:
            end = self._duration
        return self._close(end, ends_shot=True)

    def note_dropped(self, count: int = 1) -> None:
        """Count analysed-rate frames that back-pressure dropped inside the window being built."""
        self._dropped += count

    def _limit_from(self, start: float) -> float:
        limit = start + self._length
        if self._duration is None or not 0 < self._duration - limit < self.minimum_seconds:
            return limit
        rest = self._duration - start
        # Not "until the file ends": a header that promises too little would hold every frame of a long film.
        return start + self.maximum_seconds if rest <= self.maximum_seconds else start + rest / 2

    def _close(self, end_seconds: float, *, ends_shot: bool) -> Window:
        window = Window(
            clip_index=self._clip_index,
            shot_index=self._shot_index,
            start_seconds=self._held[0].frame.pts_seconds,
            end_seconds=end_seconds,
            observations=tuple(self._held),
            labels=tuple(self._labels),
            ends_shot=ends_shot,
            arrived_seconds=self._arrived,
            dropped_frames=self._dropped,
        )
        self._held, self._dropped = [], 0
        self._clip_index += 1
        self._shot_index += ends_shot
        return window
