"""Which words of an earlier window still apply, so that the language model need not be asked again.

In: a track's `TrackEvidence` when a text was written and now. Out: `Change`s, empty where the text still applies. A
kept text passes the checks against the *new* Evidence before it is used (describe).

What the gate cannot see is a change that leaves no mark in the Evidence: a gesture of something at rest, words on a
shirt. `MOST_WINDOWS` bounds how long such a change can go unreported.

Only words of the model are remembered, per track and field; what is computed is recomputed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from edgecap.runtime.data.evidence import ColourShare, TrackEvidence
from edgecap.runtime.data.question import FieldName

ChangeCode = Literal["class", "look", "size", "motion", "speed", "depth", "old"]

LOOK_DISTANCE = 0.25
"""Half the L1 distance of two palettes (0 the same, 1 no colour in common) from which an instance looks different.
Measured on two 60-s clips of the moving world (seeds 904 and 911, windows of 5 s): 79 pairs of the same instance in
consecutive windows lie at a median of 0.01, 95 % under 0.19, the farthest at 0.27; of two instances in one window
95 % lie over 0.70. With 0.5, 11 kept texts are not what the model would say now, with 0.25 7 and with 0.1 6 (of
132, 131 and 128 kept)."""
SIZE_RATIO = 2.0
"""Seen this much larger (area of its best view) than when its looks were described, it may show more."""
SPEED_RATIO = 1.6
"""Change of pace from which an action may be another: people walk at about 1.4 m/s and begin to run at about 2.2."""
MOST_WINDOWS = 6
"""A text is kept for at most this many windows after its own (30 s at the default length): what the Evidence does not
show, a gesture, is looked at again by then. On the same clips 6 kept 131 of 178 texts, of which the model would
have said 7 otherwise (6 of them gestures), with 485 instead of 616 graph runs and half the tokens; 12 kept 143, of
which 11 otherwise."""


@dataclass(frozen=True, slots=True)
class Change:
    """What is different now, and how much."""

    code: ChangeCode
    detail: str


@dataclass(frozen=True, slots=True)
class KeptText:
    """The model's words of an earlier window. `evidence`: of the track when they were written."""

    text: str
    confidence: float | None
    clip_index: int
    evidence: TrackEvidence


def appearance_changes(before: TrackEvidence, after: TrackEvidence) -> tuple[Change, ...]:
    """Reasons against keeping the words about an instance's appearance."""
    changes = _class_changes(before, after)
    distance = palette_distance(before.palette, after.palette)
    if distance > LOOK_DISTANCE:
        changes.append(Change("look", f"palettes are {distance:.2f} apart, over {LOOK_DISTANCE}"))
    ratio = _best_area(after) / max(_best_area(before), 1e-9)
    if ratio > SIZE_RATIO:
        changes.append(Change("size", f"seen {ratio:.1f} times as large, over {SIZE_RATIO}"))
    return tuple(changes)


def action_changes(before: TrackEvidence, after: TrackEvidence) -> tuple[Change, ...]:
    """Reasons against keeping the words about what an instance does. Its direction does not: that is worded in the
    computed sentence, which is never kept."""
    changes = _class_changes(before, after)
    then, now = before.motion_world, after.motion_world
    if then.moving != now.moving:
        changes.append(Change("motion", "it moves now" if now.moving else "it rests now"))
    elif now.moving:
        slow, fast = sorted((then.speed_per_second, now.speed_per_second))
        ratio = fast / max(slow, 1e-9)
        if ratio > SPEED_RATIO:
            changes.append(Change("speed", f"pace differs by {min(ratio, 99.0):.1f} times, over {SPEED_RATIO}"))
    if before.depth != after.depth:
        changes.append(Change("depth", f"{before.depth} before, {after.depth} now"))
    return tuple(changes)


def palette_distance(before: Sequence[ColourShare], after: Sequence[ColourShare]) -> float:
    """Total variation distance of two palettes, 0 (the same) to 1; 0 where one is empty: nothing is known of it."""
    if not before or not after:
        return 0.0
    then, now = {c.name: c.share for c in before}, {c.name: c.share for c in after}
    return 0.5 * sum(abs(then.get(name, 0.0) - now.get(name, 0.0)) for name in then.keys() | now.keys())


class ChangeGate:
    """Remembers the model's words of one video, per track and field. Not for two videos at a time."""

    def __init__(self) -> None:
        self._texts: dict[tuple[int, FieldName], KeptText] = {}

    def begin_video(self) -> None:
        """Forget everything: track ids restart."""
        self._texts.clear()

    def kept(self, track: TrackEvidence, field: FieldName, *, clip_index: int) -> KeptText | None:
        """The words that may be said again of this track, or None where it must be asked."""
        known = self._texts.get((track.track_id, field))
        if known is None or self.changes(track, field, clip_index=clip_index):
            return None
        return known

    def changes(self, track: TrackEvidence, field: FieldName, *, clip_index: int) -> tuple[Change, ...]:
        """Why the words known of this track can't be kept; () where they can, or where none are known."""
        known = self._texts.get((track.track_id, field))
        if known is None:
            return ()
        age = clip_index - known.clip_index
        if age > MOST_WINDOWS:
            return (Change("old", f"written {age} windows ago, over {MOST_WINDOWS}"),)
        compare = appearance_changes if field == "appearance" else action_changes
        return compare(known.evidence, track)

    def remember(
        self, track: TrackEvidence, field: FieldName, text: str, *, confidence: float | None, clip_index: int
    ) -> None:
        """Keep the model's own words (never computed ones), which passed the checks."""
        old = [slot for slot, known in self._texts.items() if clip_index - known.clip_index > MOST_WINDOWS]
        for slot in old:  # an endless stream must not fill the memory
            del self._texts[slot]
        self._texts[(track.track_id, field)] = KeptText(text, confidence, clip_index, track)


def _class_changes(before: TrackEvidence, after: TrackEvidence) -> list[Change]:
    if before.class_name == after.class_name:
        return []
    return [Change("class", f"{before.class_name!r} before, {after.class_name!r} now")]


def _best_area(track: TrackEvidence) -> float:
    return float(np.max(track.areas, initial=0.0))
