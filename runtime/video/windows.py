"""Cutting the stream into windows: which frames are analysed, which observations belong together.

`FrameSampler.keep` takes every frame's time, `WindowBuilder.add` every observation.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from edgecap.engines.errors import UsageError
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


@dataclass(slots=True)
class _Held:
    """An observation whose window is open. `dropped`: frames dropped by back-pressure after it, or before the first."""

    observation: Observation
    arrived_seconds: float
    dropped: int = 0


class WindowBuilder:
    """Collects observations into windows of `window_seconds`, never across a cut.

    No window is a rest of less than `minimum_seconds` of a longer shot: a full window waits that long for a cut, and
    takes the rest of its shot in, or the two share the time.

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
        self._held: list[_Held] = []
        self._limit = 0.0
        self._clip_index = self._shot_index = self._dropped = 0

    def add(self, observation: Observation, *, is_cut: bool, arrived_seconds: float) -> list[Window]:
        """Take the next observation; return the windows that it closes, two at most.

        `is_cut`: this observation begins a new shot. `arrived_seconds`: `time.monotonic()` when its frame was decoded.
        """
        closed: list[Window] = []
        pts = observation.frame.pts_seconds
        if self._held and is_cut:
            closed = self._end_of_shot(pts)
        elif self._held and self._rest_seconds(pts) >= self.minimum_seconds - _GRID_TOLERANCE_SECONDS:
            closed = [self._close(self._count_before(self._limit), pts, ends_shot=False)]
        if not self._held:
            self._limit = self._limit_from(pts)
        self._held.append(_Held(observation, arrived_seconds, self._dropped))
        self._dropped = 0
        return closed

    def finish(self, end_seconds: float | None = None) -> list[Window]:
        """The last windows, of which the last may be short; none when nothing is held. Called once, at the end of the
        file. `end_seconds`: when its last picture is over, where that is known."""
        if not self._held:
            return []
        times = [h.observation.frame.pts_seconds for h in self._held]
        if end_seconds is not None and end_seconds > times[-1]:
            return self._end_of_shot(end_seconds)
        several = len(times) > 1
        gap = float(np.median(np.diff(times))) if several else self._sample_seconds
        end = times[-1] + (gap if several else self._frame_seconds)
        if self._duration is not None and times[-1] < self._duration <= times[-1] + 2 * gap + _GRID_TOLERANCE_SECONDS:
            end = self._duration
        return self._end_of_shot(end)

    def note_dropped(self, count: int = 1) -> None:
        """Count analysed-rate frames that back-pressure dropped since the last observation, or before the first."""
        if self._held:
            self._held[-1].dropped += count
        else:
            self._dropped += count

    def _limit_from(self, start: float) -> float:
        limit = start + self._length
        if self._duration is None or not 0 < self._duration - limit < self.minimum_seconds:
            return limit
        rest = self._duration - start
        # Not "until the file ends": a header that promises too little would hold every frame of a long film.
        return start + self.maximum_seconds if rest <= self.maximum_seconds else start + rest / 2

    def _rest_seconds(self, end_seconds: float) -> float:
        """From the first observation past the window's limit to `end_seconds`; below 0 where there is none."""
        count = self._count_before(self._limit)
        begin = self._held[count].observation.frame.pts_seconds if count < len(self._held) else end_seconds
        past_limit = begin >= self._limit - _GRID_TOLERANCE_SECONDS
        return end_seconds - begin if past_limit else -1.0

    def _count_before(self, seconds: float) -> int:
        """How many of the held observations lie before a time."""
        return sum(h.observation.frame.pts_seconds < seconds - _GRID_TOLERANCE_SECONDS for h in self._held)

    def _end_of_shot(self, end_seconds: float) -> list[Window]:
        start = self._held[0].observation.frame.pts_seconds
        rest = self._rest_seconds(end_seconds)
        split = self._limit
        if 0 < rest < self.minimum_seconds:
            split = end_seconds if end_seconds - start <= self.maximum_seconds else (start + end_seconds) / 2
        count = self._count_before(split)
        closed: list[Window] = []
        if 0 < count < len(self._held):
            closed.append(self._close(count, self._held[count].observation.frame.pts_seconds, ends_shot=False))
        closed.append(self._close(len(self._held), end_seconds, ends_shot=True))
        return closed

    def _close(self, count: int, end_seconds: float, *, ends_shot: bool) -> Window:
        """The window of the first `count` held observations; the others begin the next one."""
        held, self._held = self._held[:count], self._held[count:]
        if self._held:
            end_seconds = self._held[0].observation.frame.pts_seconds
            self._limit = self._limit_from(end_seconds)
        window = Window(
            clip_index=self._clip_index,
            shot_index=self._shot_index,
            start_seconds=held[0].observation.frame.pts_seconds,
            end_seconds=end_seconds,
            observations=tuple(h.observation for h in held),
            labels=tuple(self._labels),
            ends_shot=ends_shot,
            arrived_seconds=held[-1].arrived_seconds,
            dropped_frames=sum(h.dropped for h in held),
        )
        self._clip_index += 1
        self._shot_index += ends_shot
        return window
