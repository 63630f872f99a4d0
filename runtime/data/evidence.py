"""What leaves measure: everything about a window that is computed and never guessed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from edgecap.runtime.data.person import PersonEvidence

Direction = Literal["static", "right", "down-right", "down", "down-left", "left", "up-left", "up", "up-right"]
Depth = Literal["constant", "approaching", "receding"]
CameraLabel = Literal[
    "static", "pan_left", "pan_right", "tilt_up", "tilt_down", "zoom_in", "zoom_out", "roll_left", "roll_right", "shake"
]
RelationName = Literal[
    "left_of", "right_of", "above", "below", "near", "in_front_of",
    "approaches", "moves_away_from", "follows", "crosses", "passes",
]  # fmt: skip
Order = Literal["", "in front", "behind"]


@dataclass(frozen=True, slots=True)
class ColourShare:
    """One basic colour name (of 11) and the share (0-1) of the instance's visible pixels that carry it."""

    name: str
    share: float


@dataclass(frozen=True, slots=True)
class Motion:
    """How an instance's centroid moves while it is seen in the window, in one reference (image plane, or world).

    `displacement_xy`: last minus first position, in units of the frame's *width* on both axes, y down.
    `angle_degrees`: direction of that displacement, 0 = right, 90 = down (y grows downward), None when static.
    `speed_per_second`: path length per second, frame widths. `stops`: it moved, then rested until the end.
    `starts`: it rested first, then moved. `turns`: its heading changed by more than 50 degrees on the way.
    `returns`: it came back near where it began after a real excursion.
    `moving`: True when it moved at any time (direction may be static for a there-and-back path).
    `headings`: directions of the path's straight stretches in order, neighbours distinct; empty when not moving.
    """

    direction: Direction
    moving: bool
    displacement_xy: tuple[float, float]
    angle_degrees: float | None
    speed_per_second: float
    stops: bool
    starts: bool
    turns: bool
    returns: bool
    headings: tuple[Direction, ...] = ()


@dataclass(frozen=True, slots=True)
class TrackEvidence:
    """Everything measured of one instance in one window.

    `pts_seconds` [T], `centroids_xy` float32 [T, 2] (visible mask, relative), `boxes_xyxy` float32 [T, 4],
    `areas` float32 [T] (share of the frame). `cells`: the position cell of every observation.
    `class_confidence`: score-weighted share of the winning label over the window. `palette`: largest share first.
    `born` / `lost`: the track begins / ends inside this window (not merely continues across its border). `person`: of
    people with poses in this window; None for all else.
    """

    track_id: int
    class_name: str
    class_confidence: float
    mean_score: float
    pts_seconds: NDArray[np.float64]
    centroids_xy: NDArray[np.float32]
    boxes_xyxy: NDArray[np.float32]
    areas: NDArray[np.float32]
    cells: tuple[str, ...]
    position_start: str
    position_end: str
    out_of_frame_at_end: bool
    motion_image: Motion
    motion_world: Motion
    depth: Depth
    palette: tuple[ColourShare, ...]
    born: bool
    lost: bool
    person: PersonEvidence | None = None


@dataclass(frozen=True, slots=True)
class CameraEvidence:
    """How the camera moved over the window, from background motion with instance masks excluded.

    `labels`: sorted; ("static",) when nothing passes its threshold; () when it could not be estimated.
    Totals are integrated over the whole path: `pan_total` and `tilt_total` sum of absolute view shifts in frame widths,
    `zoom_total` largest over smallest scale, `roll_total_degrees` swept angle. `confidence`: mean inlier share (0-1).
    `phases`: the same labels in the order of happening; labels of one group happen at the same time ("static" and
    "shake" have no phase).
    """

    labels: tuple[CameraLabel, ...]
    pan_total: float
    tilt_total: float
    zoom_total: float
    roll_total_degrees: float
    shake_amplitude: float
    speed_adverb: str
    confidence: float
    phases: tuple[tuple[CameraLabel, ...], ...] = ()


@dataclass(frozen=True, slots=True)
class Relation:
    """One relation between two tracks over a time: `subject_id` is `name` `object_id`.

    `start_seconds`, `end_seconds`: first and last observation in which it holds (source clock, both included).
    `confidence`: 0-1, how clearly beyond the rule's threshold, times the trust in the positions. `order`: of "crosses"
    and "passes", whether the subject passed in front of the object or behind it, where masks show it; else "". Standing
    relations (sides, near) and "passes" are given once per pair, with the more important instance as the subject.
    """

    name: RelationName
    subject_id: int
    object_id: int
    start_seconds: float
    end_seconds: float
    confidence: float
    order: Order = ""

    def __post_init__(self) -> None:
        if self.subject_id == self.object_id:
            raise ValueError(f"a relation is between two instances; got {self.subject_id = } twice")
        if not self.start_seconds <= self.end_seconds:
            raise ValueError(f"a relation ends before it begins: {self.start_seconds = }, {self.end_seconds = }")


@dataclass(frozen=True, slots=True)
class Evidence:
    """All measurements of one window: the camera, one `TrackEvidence` per reported instance (rank order), and their
    relations."""

    camera: CameraEvidence
    tracks: tuple[TrackEvidence, ...]
    relations: tuple[Relation, ...] = ()
