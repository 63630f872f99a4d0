"""The world's truth file -> `TrueClip`, at the analysed frames of a record.

Which instances count, which frames count and what a direction is are the world's own definitions
(`bench.world.motion`): an instance is visible in a frame when 30 % of it and 60 pixels of 640x360 are; it
counts when that holds for half a second; directions are those of its body centre from the first visible frame
to the last, static below 2 % of the diagonal.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from edgecap.bench.quality.facts import Heading, TrueClip, TrueInstance
from edgecap.bench.world.ground_truth import sentences
from edgecap.bench.world.ground_truth.clip_truth import ActorTruth, ClipTruth
from edgecap.bench.world.ground_truth.motion import position_cell, visible_pixels
from edgecap.runtime.data.mask import Mask

_STATIC = "static"


def true_clip(clip: ClipTruth, frames: Sequence[int]) -> TrueClip:
    """Truth of `clip` at its source frames `frames` (rising). ValueError for frames beyond the clip's end."""
    if frames and not 0 <= min(frames) <= max(frames) < clip.num_frames:
        raise ValueError(f"frames {min(frames)} to {max(frames)} of a clip of {clip.num_frames}")
    instances: list[TrueInstance] = []
    masks: dict[int, dict[int, Mask]] = {}
    ignored: dict[int, dict[int, Mask]] = {}
    for actor in clip.actors:
        seen = _masks(actor, frames)
        countable = {k: m for k, m in seen.items() if actor.captioned and actor.visible[frames[k]]}
        if countable:
            masks[actor.id] = countable
            instances.append(_instance(actor, clip, frames, countable, seen))
        rest = {k: m for k, m in seen.items() if k not in countable}
        if rest:
            ignored[actor.id] = rest
    return TrueClip(
        name=clip.name,
        frame_count=len(frames),
        instances=tuple(instances),
        masks=masks,
        ignored=ignored,
        classes=frozenset(a.class_name for a in clip.actors if a.id in masks or a.id in ignored),
        camera_labels=frozenset(clip.camera_labels),
        camera_moves=set(clip.camera_labels) != {_STATIC},
        background_text=sentences.background(clip.background),
        global_text=clip.global_sentence,
    )


def released_rule(x: float, y: float) -> str:
    """Position cell by the reference's released code: rows are bottom above 1/3, else center; never top."""
    column = "left" if x < 1 / 3 else "middle" if x < 2 / 3 else "right"
    return f"{'bottom' if y > 1 / 3 else 'center'}-{column}"


def _masks(actor: ActorTruth, frames: Sequence[int]) -> dict[int, Mask]:
    """Analysed frame number -> visible mask, where anything is visible."""
    found = {}
    for k, frame in enumerate(frames):
        bits = actor.mask(frame)
        if bits is not None and bits.any():
            found[k] = Mask.from_full(bits)
    return found


def _instance(
    actor: ActorTruth, clip: ClipTruth, frames: Sequence[int], countable: dict[int, Mask], seen: dict[int, Mask]
) -> TrueInstance:
    start, end = (_centroid(countable[k]) for k in (min(countable), max(countable)))
    last = seen.get(len(frames) - 1)
    return TrueInstance(
        instance_id=actor.id,
        class_name=actor.class_name,
        primary_colour=actor.primary_colour,
        secondary_colour=actor.secondary_colour,
        cell_start=position_cell(*start),
        cell_end=position_cell(*end),
        released_start=released_rule(*start),
        released_end=released_rule(*end),
        gone_at_end=last is None or last.area_pixels < visible_pixels(clip.size_wh),
        heading_image=_heading(actor, clip, "image"),
        heading_world=_heading(actor, clip, "world"),
        action_text=sentences.action(actor.class_name, actor.moving, actor.gesture),
        appearance_text=sentences.appearance(actor.class_name, actor.primary_colour, actor.secondary_colour),
    )


def _centroid(mask: Mask) -> tuple[float, float]:
    centroid = mask.centroid_xy
    assert centroid is not None, "empty masks are left out"
    return centroid


def _heading(actor: ActorTruth, clip: ClipTruth, plane: str) -> Heading:
    """The world counts angles counter-clockwise (90 = up), evidence clockwise on the screen (90 = down)."""
    angle = -float(actor.raw[f"angle_{plane}_degrees"]) % 360.0
    length = float(actor.raw[f"displacement_{plane}_diagonals"]) * math.hypot(*clip.size_wh) / clip.size_wh[0]
    displacement = (length * math.cos(math.radians(angle)), length * math.sin(math.radians(angle)))
    moves = actor.raw[f"direction_{plane}"] != _STATIC
    return Heading(displacement, angle if moves else None, moves)
