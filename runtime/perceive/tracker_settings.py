"""The tracker's thresholds, for raw scores and for probabilities."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class TrackerSettings:
    """Scores are 0-1, times seconds, overlaps IoU.

    `birth_score`: what a new track needs; `good_score`: below it detections only prolong a confirmed track that is
    expected there. `confirm_hits` detections of at least `sure_score`, over `confirm_seconds`, make a candidate real,
    and its first, doubtful frames with it (an object comes in across the border before a detector is sure of it). One
    that has not moved by `still_travel` box sides against the background needs a mean score of `still_score` too: a
    stain is taken for a bird in every frame alike, and the hundredth frame says no more than the first. A candidate
    that is unseen in more than `confirm_frames - confirm_hits` frames is dropped. `keep_seconds`: how long an unseen
    track is waited for; `keep_outside_seconds`: the same when it left the frame (a camera may pan back).
    `duplicate_iou`: a younger track of the same class that begins on an older one and stays this close for
    `duplicate_frames` frames is dropped. `shadow_iou`: a hit that overlaps an older track of the class by more
    than this proves nothing (1 = off): a second box on one object is as steady as the first. `remember_seconds`: how
    long a lost track can be taken up again by one that looks like it (returns.py).
    """

    birth_score: float = 0.3
    good_score: float = 0.4
    sure_score: float = 0.5
    confirm_hits: int = 3
    confirm_frames: int = 6
    confirm_seconds: float = 0.0
    still_travel: float = 0.0
    still_score: float = 0.0
    keep_seconds: float = 1.5
    keep_outside_seconds: float = 4.0
    duplicate_iou: float = 0.7
    duplicate_frames: int = 4
    shadow_iou: float = 1.0
    remember_seconds: float = 0.0


PROBABILITIES = TrackerSettings(
    sure_score=0.6, confirm_seconds=0.2, still_travel=0.6, still_score=0.8, shadow_iou=0.5, remember_seconds=30.0
)
"""For detectors whose scores are probabilities. Chosen on two sequences of MOT15 (TUD-Campus and TUD-Stadtmitte), where
neighbours do as well (still_travel .4-.8, still_score .8-.85)."""


def settings_for(scores: str) -> TrackerSettings:
    """The settings for a pack's `scores`, "raw" or "probability"."""
    return PROBABILITIES if scores == "probability" else TrackerSettings()
