"""All that poses say of one person in one window.

In: `BodyPosition`, the window, the camera's path, the other tracks. Out: `PersonEvidence`, or None without poses.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from edgecap.runtime.data.person import Act, PersonEvidence
from edgecap.runtime.data.window import Window
from edgecap.runtime.measure.body_position import BodyPosition
from edgecap.runtime.measure.camera_path import CameraPath
from edgecap.runtime.measure.motion import depth
from edgecap.runtime.measure.people.arms import arm_acts
from edgecap.runtime.measure.people.clothes import clothes
from edgecap.runtime.measure.people.facing import facing_spans, facings, pose_facings, turns
from edgecap.runtime.measure.people.going import goings, jump_looks, world_velocities
from edgecap.runtime.measure.people.looks import Looks, looks, runs
from edgecap.runtime.measure.people.posture import Posture, postures
from edgecap.runtime.measure.people.riding import Neighbour, riding_acts

_WALKING_LOOKS = 3
"""In a row: half a second at least, a step; less is a shift of the feet."""
_SITTING_LOOKS = 0.6
"""Share of the looks that show legs in which they are sitting legs, for a person to sit: a long step or a hidden
knee may look so once."""


def person_evidence(
    body: BodyPosition, window: Window, path: CameraPath, others: Sequence[Neighbour]
) -> PersonEvidence | None:
    """None where no pose was taken; without looks where none shows a torso."""
    seen, tracklet = looks(body, window), body.tracklet
    if seen is None:
        posed = any(
            i.track_id == tracklet.track_id and i.pose is not None for o in window.observations for i in o.instances
        )
        return PersonEvidence(0, float(tracklet.pts_seconds[0]), float(tracklet.pts_seconds[-1])) if posed else None
    held, velocities = postures(seen), world_velocities(seen, body, path)
    speeds = np.hypot(*velocities.T)
    top_speed = float(np.nan_to_num(np.nanmax(speeds))) if np.isfinite(speeds).any() else 0.0
    riding = riding_acts(body.tracklet, others, sits="sitting" in held, top_speed=top_speed)
    ways = [None] * len(seen) if riding else _ways(seen, held, body, path)
    spans = facing_spans(seen, facings(seen, ways, velocities))
    acts = [*riding, *_acts(seen, ways), *arm_acts(seen), *turns(spans)]
    return PersonEvidence(
        looks=len(seen),
        start_seconds=float(seen.seconds[0]),
        end_seconds=float(seen.seconds[-1]),
        acts=tuple(sorted(acts, key=lambda act: (act.start_seconds, act.end_seconds))),
        facings=spans,
        clothes=clothes(seen, body.tracklet, window),
    )


def _ways(seen: Looks, held: Sequence[Posture | None], body: BodyPosition, path: CameraPath) -> list[str | None]:
    """One base act a look: going, jumping, sitting, crouching."""
    ways = goings(seen, held, body, path, nears=depth(body) != "constant")
    known = [posture for posture in held if posture is not None]
    faces = pose_facings(seen)
    for name, first, last in runs(ways):
        if name == "walking" and {"camera", "away"} <= set(faces[first : last + 1]):
            ways[first : last + 1] = [None] * (last + 1 - first)  # who spins on the way dances
    sits = known.count("sitting") >= _SITTING_LOOKS * max(len(known), 1)
    gets_up = "upright" in known
    for i, posture in enumerate(held):
        if posture == "sitting" and sits:
            ways[i] = "sitting"
        elif posture == "folded" and gets_up:
            ways[i] = "crouching"
    jumps = jump_looks(seen, body, path)
    return [jump or way for jump, way in zip(jumps, ways, strict=True)]


def _acts(seen: Looks, ways: Sequence[str | None]) -> list[Act]:
    least = {"jumping": 1, "crouching": 1, "walking": _WALKING_LOOKS}
    acts = []
    for name in dict.fromkeys(way for way in ways if way is not None):
        only = [way if way == name else None for way in ways]
        for _, first, last in runs(only, least=least.get(name, 2)):
            acts.append(Act(name, float(seen.seconds[first]), float(seen.seconds[last])))  # type: ignore[arg-type]
    return acts
