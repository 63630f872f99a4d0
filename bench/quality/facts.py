"""The two sides of a comparison, independent of their source: what is true of a clip, and what was said of it.

Made by `truth_facts` and `said_facts`. Frames are counted 0..T-1 over the *analysed* frames of the clip, so that both
sides refer to the same instants. Masks of both sides have one size.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from edgecap.runtime.data.mask import Mask

TrackMasks = Mapping[int, Mapping[int, Mask]]
"""track id -> analysed frame number -> mask; a frame without the track has no entry."""


@dataclass(frozen=True, slots=True)
class Heading:
    """Motion of one instance: `displacement_xy` in frame widths, y down; `moving` by the rule of its own side.

    `angle_degrees`: 0 = right, 90 = down; None where it does not move.
    """

    displacement_xy: tuple[float, float]
    angle_degrees: float | None
    moving: bool


@dataclass(frozen=True, slots=True)
class TrueInstance:
    """One instance that a captioner should report. `secondary_colour` is None where it has one colour.

    `cell_start`, `cell_end`: position cells of the visible mask in its first and last countable analysed
    frame; `released_start`, `released_end`: what the rule released by the reference would say of the same
    centroids (docs/spec/instancecap.md 2.7: no "top"). `gone_at_end`: nothing of it is visible in the clip's last
    analysed frame.
    """

    instance_id: int
    class_name: str
    primary_colour: str
    secondary_colour: str | None
    cell_start: str
    cell_end: str
    released_start: str
    released_end: str
    gone_at_end: bool
    heading_image: Heading
    heading_world: Heading
    action_text: str
    appearance_text: str


@dataclass(frozen=True, slots=True)
class TrueClip:
    """All that is true of one clip.

    `masks`: of the instances that count (`instances`), in the frames in which they are countable. `ignored`:
    everything else that is visible (too small, too hidden, or too briefly there), by the id of its instance: the
    hardly visible frames of an instance that counts, and all frames of one that never does (see `matching`).
    `classes`: of all instances with a visible pixel.
    """

    name: str
    frame_count: int
    instances: tuple[TrueInstance, ...]
    masks: TrackMasks
    ignored: TrackMasks
    classes: frozenset[str]
    camera_labels: frozenset[str]
    camera_moves: bool
    background_text: str
    global_text: str


@dataclass(frozen=True, slots=True)
class Statement:
    """What was said of one instance. Headings are None where nothing was measured."""

    track_id: int
    class_name: str
    appearance: str
    action: str
    position: str
    heading_image: Heading | None
    heading_world: Heading | None


@dataclass(frozen=True, slots=True)
class SaidClip:
    """All that was said of one clip. `masks`: every confirmed track, reported or not. `statements`: the
    reported ones.

    `caption_ids`: per record, the track ids in its caption. `schema_errors`: of all rows of the clip. `rows`:
    number of rows, `invalid_rows`: those of them with a schema error; a clip without any row has one invalid row.
    """

    name: str
    frame_count: int
    statements: tuple[Statement, ...]
    masks: TrackMasks
    camera_labels: frozenset[str]
    global_text: str
    background_text: str
    rows: int
    schema_errors: tuple[str, ...]
    caption_ids: tuple[frozenset[int], ...]
    invalid_rows: int = 0
