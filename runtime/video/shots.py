"""Where shots end: hard cuts and dissolves, but no flash, no short gap.

`ShotDetector.is_cut` compares two consecutive frames. `ShotBoundaries` holds frames back until what follows is known.

    A A A F F A A A     a flash: no cut
    A A A . . B B B     a blank gap: one cut, at its end
    A A a x b B B B     a dissolve: one cut, near its middle
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Generic, TypeVar

import cv2
import numpy as np

from edgecap.runtime.data.frame import Frame
from edgecap.runtime.video.likeness import Thumbnail, blend_shares, change, thumbnail

Item = TypeVar("Item")


MINIMUM_SCORE, RATIO_TO_RECENT = 0.46, 2.2


class ShotDetector:
    """Finds hard cuts between consecutive analysed frames.

    Two questions, both asked of a 96-px thumbnail: do the colours differ (HSV histogram), and can no part of the old
    picture be found again near where it was (best match of each of 12 patches over a shift of a sixth of the width)?
    Pans, zooms and shakes keep the patches, lighting noise keeps both; a cut loses both at once, far above what
    the last frames did.
    """

    def __init__(self, *, minimum_score: float = MINIMUM_SCORE, ratio_to_recent: float = RATIO_TO_RECENT) -> None:
        self._minimum, self._ratio = minimum_score, ratio_to_recent
        self._recent: deque[float] = deque(maxlen=8)
        self._previous: Thumbnail | None = None

    def is_cut(self, frame: Frame) -> bool:
        """True when `frame` begins a new shot; False for the first frame."""
        current = thumbnail(frame.image_rgb)
        previous, self._previous = self._previous, current
        if previous is None:
            return False
        score = change(previous, current)
        usual = float(np.median(self._recent)) if self._recent else 0.0
        cut = score > max(self._minimum, self._ratio * usual)
        if cut:
            self._recent.clear()
        else:
            self._recent.append(score)
        return cut


_INTERRUPTION_SECONDS = 0.5
_BLANK_SECONDS = 2.0
_TOLERANCE_SECONDS = 0.01
_HALF_DISSOLVES_SECONDS = (0.3, 0.5, 0.75, 1.0, 1.25)
# Of a blend: what of a frame is in neither picture, as a share of their distance squared, at a size at which a camera's
# motion matters little. Measured: 0.01-0.18 in dissolves between moving shots, 0.46 and more in shots.
_MOST_RESIDUAL = 0.25
# Two pictures that lie over each other have half the detail (0.47-0.55 measured); a camera's motion keeps it (0.98).
_MOST_DETAIL = 0.72
_STIRRED_LEVELS = 5.0  # mean grey levels within half a second from which a dissolve may be going on
_BLANK_SPREAD, _BLACK_LEVEL = 8.0, 28.0
_BLANK_DETAIL = 9.0  # a dull day has little spread too, but 13 and more of this; fades to one colour end below 7
_COARSE_WH = (12, 7)


@dataclass(frozen=True, slots=True)
class _Look:
    """A frame as the boundaries see it. `step`: its change from the frame before, 0-1. `detail`: mean squared step from
    one pixel of the thumbnail to the next. `is_blank`: black, or of one colour."""

    pts_seconds: float
    thumbnail: Thumbnail
    step: float
    detail: float
    is_blank: bool

    @classmethod
    def of(cls, frame: Frame, before: _Look | None) -> _Look:
        picture = thumbnail(frame.image_rgb)
        small = picture[0].astype(np.float32)
        step = 0.0 if before is None else change(before.thumbnail, picture)
        detail = float(np.square(np.diff(small, axis=0)).mean() + np.square(np.diff(small, axis=1)).mean())
        is_flat = float(small.std(axis=(0, 1)).max()) < _BLANK_SPREAD and detail < _BLANK_DETAIL
        blank = is_flat or float(small.mean()) < _BLACK_LEVEL
        return cls(frame.pts_seconds, picture, step, detail, blank)

    def change_from(self, other: _Look) -> float:
        """0 (same picture, possibly shifted) to 1."""
        return change(other.thumbnail, self.thumbnail)


class ShotBoundaries(Generic[Item]):
    """Frames of one video in order, each given back with the word whether it begins a new shot.

    A frame is held back for at most 0.5 s after a change, 2 s in a blank, and 1.25 s while the picture turns into
    another. `sample_seconds`: the usual time between frames; an interruption of one frame is never a shot.
    """

    def __init__(self, *, sample_seconds: float = 0.125) -> None:
        self._brief = max(_INTERRUPTION_SECONDS, sample_seconds) + _TOLERANCE_SECONDS
        self._waiting: deque[tuple[_Look, Item]] = deque()
        self._past: deque[_Look] = deque()  # of the shot so far, as far back as a dissolve may begin
        self._newest: _Look | None = None
        self._recent: deque[float] = deque(maxlen=8)
        self._quiet_until = self._dissolved_until = -math.inf
        self._before_blank: _Look | None = None
        self._blank_since: float | None = None

    def feed(self, frame: Frame, item: Item) -> Iterator[tuple[Item, bool]]:
        """Take the next frame; yield what is decided by now."""
        self._newest = _Look.of(frame, self._newest)
        self._waiting.append((self._newest, item))
        yield from self._decided(is_end=False)

    def finish(self) -> Iterator[tuple[Item, bool]]:
        """The frames still held, at the end of the video."""
        yield from self._decided(is_end=True)

    def _decided(self, *, is_end: bool) -> Iterator[tuple[Item, bool]]:
        while self._waiting:
            is_cut = self._verdict(is_end=is_end)
            if is_cut is None:
                return
            look, item = self._waiting.popleft()
            self._remember(look, is_cut=is_cut)
            yield item, is_cut

    def _remember(self, look: _Look, *, is_cut: bool) -> None:
        if is_cut:
            self._past.clear()
            self._recent.clear()
        elif self._past and look.pts_seconds > self._quiet_until and look.step <= self._threshold:
            self._recent.append(look.step)
        if not look.is_blank:
            self._blank_since = None
        elif self._blank_since is None:
            self._blank_since = look.pts_seconds
            # The clearest of the last second: a picture that was faded out is not what comes back.
            self._before_blank = max(self._past, key=lambda p: p.detail, default=None)
        self._past.append(look)
        while look.pts_seconds - self._past[0].pts_seconds > _HALF_DISSOLVES_SECONDS[-1] + _INTERRUPTION_SECONDS:
            self._past.popleft()

    @property
    def _threshold(self) -> float:
        usual = float(np.median(self._recent)) if self._recent else 0.0
        return max(MINIMUM_SCORE, RATIO_TO_RECENT * usual)

    def _verdict(self, *, is_end: bool) -> bool | None:
        """Whether the oldest frame that waits begins a shot; None: more frames are needed."""
        look = self._waiting[0][0]
        if not self._past or look.pts_seconds <= self._quiet_until:
            return False
        cuts, was_blank = look.step > self._threshold, self._past[-1].is_blank
        if was_blank and look.is_blank:  # inside a fade, or from one night shot to another
            return cuts and self._blank_lasted(look)
        if was_blank:
            return self._leaves_blank(look, is_end=is_end)
        if cuts:
            if look.is_blank:
                return self._enters_blank(is_end=is_end)
            return self._is_lasting(is_end=is_end)
        return self._is_middle_of_dissolve(is_end=is_end)

    def _enters_blank(self, *, is_end: bool) -> bool | None:
        """A blank is a shot of its own from two seconds on; the end of a shorter one is judged when it comes."""
        start = self._waiting[0][0].pts_seconds
        for look, _ in self._waiting:
            if look.pts_seconds - start >= _BLANK_SECONDS - _TOLERANCE_SECONDS:
                return True
            if not look.is_blank:
                return False
        return False if is_end else None

    def _leaves_blank(self, look: _Look, *, is_end: bool) -> bool | None:
        if self._blank_lasted(look):
            return True
        before = self._before_blank
        if before is None:  # the video begins with it
            return False
        if any(later.change_from(before) <= MINIMUM_SCORE for later in self._soon()):
            return False
        return True if is_end or self._is_known_for(_INTERRUPTION_SECONDS) else None

    def _blank_lasted(self, look: _Look) -> bool:
        since = self._blank_since
        return since is not None and look.pts_seconds - since >= _BLANK_SECONDS - _TOLERANCE_SECONDS

    def _is_lasting(self, *, is_end: bool) -> bool | None:
        """False for an interruption: the picture before it is back in time."""
        before = self._past[-1]
        for later in self._soon():
            if later.change_from(before) <= self._threshold:
                self._quiet_until = later.pts_seconds
                return False
        return True if is_end or self._is_known_for(self._brief) else None

    def _soon(self) -> Iterator[_Look]:
        """The frames that wait behind the oldest, within the length of an interruption."""
        first = self._waiting[0][0].pts_seconds
        return (look for look, _ in list(self._waiting)[1:] if look.pts_seconds - first <= self._brief)

    def _is_known_for(self, seconds: float) -> bool:
        return self._waiting[-1][0].pts_seconds - self._waiting[0][0].pts_seconds >= seconds

    def _is_middle_of_dissolve(self, *, is_end: bool) -> bool | None:
        look = self._waiting[0][0]
        behind = next((p for p in reversed(self._past) if look.pts_seconds - p.pts_seconds >= 0.5), self._past[0])
        now = self._waiting[-1][0].thumbnail[0].astype(np.float32)
        if float(np.abs(now - behind.thumbnail[0]).mean()) < _STIRRED_LEVELS:
            return False
        if not is_end and not self._is_known_for(_HALF_DISSOLVES_SECONDS[-1]):
            return None
        # The longest span that is one dissolve knows its middle; a part of it would find another.
        found = (self._crosses_in_blend(half) for half in reversed(_HALF_DISSOLVES_SECONDS))
        return next((crosses for crosses in found if crosses is not None), False)

    def _crosses_in_blend(self, half_seconds: float) -> bool | None:
        """Whether the oldest frame that waits is nearest to half of both pictures, where the frames within
        `half_seconds` of it turn from one picture into another as weighted sums of the two; None where they don't."""
        centre = self._waiting[0][0].pts_seconds
        ahead = [look for look, _ in self._waiting]
        frames = [p for p in self._past if centre - p.pts_seconds <= half_seconds + _TOLERANCE_SECONDS]
        middle = len(frames)
        frames += [a for a in ahead if a.pts_seconds - centre <= half_seconds + _TOLERANCE_SECONDS]
        span = frames[-1].pts_seconds - frames[0].pts_seconds
        if middle < 2 or len(frames) - middle < 3 or span < 1.5 * half_seconds:
            return None
        first, last = frames[0], frames[-1]
        if first.pts_seconds < self._dissolved_until:
            return None
        if first.is_blank or last.is_blank or max(look.step for look in frames[1:]) > self._threshold:
            return None  # fades are judged where the blank ends
        if frames[middle].detail > _MOST_DETAIL * (first.detail + last.detail) / 2:
            return None
        coarse = [cv2.resize(f.thumbnail[0], _COARSE_WH, interpolation=cv2.INTER_AREA) for f in frames]
        shares, residual = blend_shares(coarse)
        if residual > _MOST_RESIDUAL or np.diff(shares).min() < -0.1 or last.change_from(first) <= MINIMUM_SCORE:
            return None
        if int(np.abs(shares - 0.5).argmin()) != middle:
            return False
        self._dissolved_until = last.pts_seconds
        return True
