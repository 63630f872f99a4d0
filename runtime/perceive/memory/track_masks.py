"""Masks of tracks: from their boxes at births and every so many frames, from a segmenter's memory in between.

    frame      0     1     2     3     4     5     6     7     8
    track 1    box   mem   mem   mem   mem   mem   mem   mem   box      refresh 8
    track 2                box   mem   mem   -     -     box   box      unseen in 5 and 6: back in 7 from its box

What is followed are the tracks that this frame's detector sees, so memory never holds more than a frame shows.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from edgecap.runtime.data.frame import Frame
from edgecap.runtime.data.mask import Mask
from edgecap.runtime.perceive.memory.segmenter import Followed, MemorySegmenter

LEAST_SPAN = 0.5
"""Share of a detection's box that the box of its own mask must fill: as for two boxes of one object (IoU .5 in PASCAL
VOC). Below it memory is on something else, and the object is prompted again in the same frame."""


class TrackMasks:
    """State of one video: which of the segmenter's objects each track is."""

    def __init__(self, segmenter: MemorySegmenter, *, refresh: int) -> None:
        """`refresh`: frames after which all tracks begin again from their boxes (2 = every other frame)."""
        if refresh < 2:
            raise ValueError(f"expected refresh >= 2, got {refresh}")
        self._segmenter, self._refresh = segmenter, refresh
        self._objects: dict[int, int] = {}
        self._since = 0

    def masks(self, frame: Frame, boxes_xyxy: NDArray[np.float32], track_ids: Sequence[int]) -> tuple[Mask, ...]:
        """One mask per track of this frame, inside its box [K, 4] (relative to the frame); empty where none was found.

        Masks never overlap. Tracks that are not named are forgotten. No track, no graph run.
        """
        self._forget(set(self._objects) - set(track_ids))
        if not track_ids:
            return ()
        if not self._objects or self._since >= self._refresh:
            self._since = 1
            found = self._prompt(track_ids, self._segmenter.start(frame, boxes_xyxy))
        else:
            self._since += 1
            found = self._step(frame, boxes_xyxy, track_ids)
        return self._segmenter.masks(found, boxes_xyxy)

    def reset(self) -> None:
        """Forget all tracks (a cut)."""
        self._forget(set(self._objects))

    def _forget(self, tracks: set[int]) -> None:
        self._segmenter.drop([self._objects.pop(track) for track in tracks])

    def _prompt(self, tracks: Sequence[int], found: Followed) -> Followed:
        self._objects |= dict(zip(tracks, found.ids, strict=True))
        return found

    def _step(self, frame: Frame, boxes_xyxy: NDArray[np.float32], track_ids: Sequence[int]) -> Followed:
        """From memory; from their boxes those that are new, not to be seen, or no longer where their box is."""
        found = self._segmenter.step(frame)
        known = [k for k, track in enumerate(track_ids) if track in self._objects]
        spans = self._segmenter.spans(found.of([self._objects[track_ids[k]] for k in known]), boxes_xyxy[known])
        sound = {k for k, span in zip(known, spans, strict=True) if span >= LEAST_SPAN}
        if again := [k for k in range(len(track_ids)) if k not in sound]:
            tracks = [track_ids[k] for k in again]
            self._forget(set(tracks) & set(self._objects))
            found = found.joined(self._prompt(tracks, self._segmenter.add(frame, boxes_xyxy[again])))
        return found.of([self._objects[track] for track in track_ids])
