"""Frames of a program's own as a source: any iterator of (rgb, seconds) pairs in, upright working-size frames out."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from numbers import Real
from types import TracebackType

import cv2
import numpy as np
from numpy.typing import NDArray

from edgecap.engines.errors import EmptyVideoError, InputError
from edgecap.runtime.data.frame import Frame, VideoInfo

RgbFrame = tuple[NDArray[np.uint8], float]
"""(uint8 [H, W, 3] RGB and upright, presentation time in seconds on any clock that rises)."""


class FrameStream:
    """One iterator of `RgbFrame`s, read once; a context manager as the video source is.

    `name`: the "Video" field of its rows. `working_side`: long side in pixels that frames are shrunk to. Times are
    taken relative to the first frame. `skipped_frames`: frames whose time did not rise (the earlier one is kept).
    Raises EmptyVideoError for an iterator without a frame and InputError for a frame of another type, shape or clock.
    """

    def __init__(self, frames: Iterable[RgbFrame], *, name: str, working_side: int) -> None:
        self._frames, self._name = iter(frames), name
        first = next(self._frames, None)
        if first is None:
            raise EmptyVideoError(f"{name}: the iterator ended before its first frame; pass one that yields frames")
        self._first = self._checked(first, 0)
        height, width = self._first[0].shape[:2]
        scale = min(1.0, working_side / max(width, height))
        self._working_wh = max(1, round(width * scale)), max(1, round(height * scale))
        self.info = VideoInfo(
            path=name,
            size_wh=(width, height),
            working_size_wh=self._working_wh,
            rotation_degrees=0,
            fps_average=None,
            duration_seconds=None,
            frame_count=None,
            codec="rgb24",
        )
        self.skipped_frames = 0
        self.estimated_times = 0
        self.end_seconds: float | None = None
        self.notes: tuple[str, ...] = ()

    def __enter__(self) -> FrameStream:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        return None

    def sampled(self, keep: Callable[[float], bool]) -> Iterator[Frame]:
        """Frames in order, times rising strictly from 0.0, of which `keep(pts_seconds)` is true. A frame of another
        size is stretched to the first one's."""
        origin, last = self._first[1], -1.0
        for index, (image, seconds) in enumerate(self._all()):
            pts = seconds - origin
            if pts <= last:
                self.skipped_frames += 1
                continue
            last = pts
            if keep(pts):
                yield Frame(index=index, pts_seconds=pts, image_rgb=self._shrunk(image))

    def _all(self) -> Iterator[RgbFrame]:
        yield self._first
        for index, pair in enumerate(self._frames, 1):
            yield self._checked(pair, index)

    def _checked(self, pair: object, index: int) -> RgbFrame:
        if not isinstance(pair, tuple) or len(pair) != 2:
            raise InputError(f"{self._name}, frame {index}: expected (rgb, pts_seconds), got {type(pair).__name__}")
        image, seconds = pair
        if not isinstance(image, np.ndarray) or image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3:
            got = f"{image.dtype} {list(image.shape)}" if isinstance(image, np.ndarray) else type(image).__name__
            raise InputError(f"{self._name}, frame {index}: expected a uint8 [H, W, 3] RGB array, got {got}")
        if 0 in image.shape:
            raise InputError(f"{self._name}, frame {index}: expected pixels, got an array of shape {list(image.shape)}")
        if isinstance(seconds, bool) or not isinstance(seconds, Real) or not math.isfinite(seconds):
            raise InputError(f"{self._name}, frame {index}: expected pts_seconds as a finite number, got {seconds!r}")
        return image, float(seconds)

    def _shrunk(self, image: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """A copy of its own: the caller may write over the array it yielded."""
        if (image.shape[1], image.shape[0]) == self._working_wh:
            return image.copy()
        return np.asarray(cv2.resize(image, self._working_wh, interpolation=cv2.INTER_AREA), np.uint8)
