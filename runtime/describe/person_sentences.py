"""What poses show of a person, in sentences: "The person walks to the left, facing left.".

In: a `TrackEvidence` with a `person`. Out: one sentence each, "" where the poses show nothing of it. What is worn has
colours, never the person.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from edgecap.runtime.data.evidence import CameraEvidence, TrackEvidence
from edgecap.runtime.data.person import Act, ActName, PartColours, PersonEvidence
from edgecap.runtime.describe.sentences import DEPTH, route
from edgecap.runtime.english import article, capital, listed

_POSTURES: dict[ActName, str] = {
    "standing": "stands",
    "walking": "walks",
    "running": "runs",
    "sitting": "sits",
    "crouching": "crouches",
    "jumping": "jumps",
}
_GOING = ("walking", "running")
_FACING = {
    "left": "facing left",
    "right": "facing right",
    "camera": "facing the camera",
    "away": "facing away from the camera",
}
_DARK = {"black": "dark"}
"""Shadow makes navy, brown and green cloth as dark as black in most footage."""
_PASSING: dict[ActName, str] = {"crouching": "crouching", "jumping": "jumping", "running": "running"}
_LEAST_KNOWN = 0.5
_SKIN = frozenset({"brown", "orange", "pink"})
_MOST_STEPS = 3
_LEAST_ELSEWHERE = 0.08
"""Frame widths: who only stands, and ends so far from where they began, was seen between two steps."""
_LEAST_FACING = 0.6
"""Share of the time in which the facing is known that one must last to be said alone."""


def person_action_sentence(
    track: TrackEvidence, *, camera: CameraEvidence | None = None, camera_follows: bool = False
) -> str:
    """What the person does, where to and facing where; "" where the poses show neither act nor facing. `camera`: where
    it could not be measured, ways are those in the picture. `camera_follows`: say that the camera goes with them."""
    person = track.person
    if person is None or not (person.acts or person.facings):
        return ""
    text = _deeds(track, person, camera, camera_follows) + _facing(person) + _arms(person.acts)
    return f"{capital(f'the {track.class_name} {text}')}."


def only_sits(track: TrackEvidence) -> bool:
    """Whether sitting is all that the poses show, for most of the time: such a person passes and follows nobody."""
    person = track.person
    return person is not None and _steps(person.acts) == ["sitting"] and not _brief(person)


def worn_sentence(track: TrackEvidence) -> str:
    """ "A person in a dark top and blue trousers."; "" where no part's colour is known.

    Where poses show no body (a hand, a face) a skin's colour is not taken for that of clothes: "A person.".
    """
    if track.person is None:
        return ""
    if not track.person.clothes:
        bare = not track.person.looks and track.palette and track.palette[0].name in _SKIN
        return f"{capital(article(track.class_name))}." if bare else ""
    return f"{capital(article(track.class_name))} in {listed([_worn(part) for part in track.person.clothes])}."


def _worn(part: PartColours) -> str:
    colours = listed([_DARK.get(c.name, c.name) for c in part.colours])
    if part.part == "upper":
        return article(f"{colours} top")
    lower = "trousers" if part.to_ankles else "lower clothes"
    return f"{colours} {lower if part.part == 'lower' else part.part}"


def _deeds(track: TrackEvidence, person: PersonEvidence, camera: CameraEvidence | None, camera_follows: bool) -> str:
    riding = next((act for act in person.acts if act.name == "riding"), None)
    steps = _steps(person.acts)
    known = camera is None or bool(camera.labels)
    motion = track.motion_world if known else track.motion_image
    moves, alone, beside = motion.moving, *DEPTH[track.depth]
    way = (route(motion) if known else f"{route(motion)} in the picture") if moves else ""
    ending = f", {beside}" if beside else ""
    if camera_follows:
        ending += ", and the camera follows"
    if riding is not None:
        if not moves:
            return f"sits on the {riding.on_class}{ending}"
        return f"rides the {riding.on_class} {way}{ending}"
    elsewhere = set(steps) == {"standing"} and moves and float(np.hypot(*motion.displacement_xy)) > _LEAST_ELSEWHERE
    if not steps or elsewhere or (_brief(person) and not (moves and set(steps) <= set(_GOING))):
        at_times = "".join(f", {_PASSING[name]} at times" for name in dict.fromkeys(steps) if name in _PASSING)
        return (f"moves {way}" if moves else alone) + at_times + (ending if moves else "")
    said = [_POSTURES[name] for name in steps[:_MOST_STEPS]]
    going = next((i for i, name in enumerate(steps[:_MOST_STEPS]) if name in _GOING), None)
    if going is not None:
        said[going] += f" {way}" if moves else "" if beside else " a few steps"
    return ", then ".join(said) + (ending if going is not None else "")


def _brief(person: PersonEvidence) -> bool:
    """Whether the known postures and ways of going last less than half of the time that is known of the person."""
    lasting = sum(a.end_seconds - a.start_seconds for a in person.acts if a.name in _POSTURES)
    return lasting < _LEAST_KNOWN * (person.end_seconds - person.start_seconds)


def _steps(acts: Sequence[Act]) -> list[ActName]:
    """Postures and ways of going in order of time, neighbours distinct."""
    names: list[ActName] = []
    for act in acts:
        if act.name in _POSTURES and names[-1:] != [act.name]:
            names.append(act.name)
    return names


def _facing(person: PersonEvidence) -> str:
    if any(act.name == "turning" for act in person.acts) and len(person.facings) > 1:
        first, last = person.facings[0].facing, person.facings[-1].facing
        if first != last:
            return f", first {_FACING[first]}, then {_FACING[last].removeprefix('facing ')}"
    lasts: dict[str, float] = {}
    for span in person.facings:
        lasts[span.facing] = lasts.get(span.facing, 0.0) + span.end_seconds - span.start_seconds
    best = max(lasts, default=None, key=lambda name: lasts[name])
    if best is None or lasts[best] < _LEAST_FACING * sum(lasts.values()):
        return ""
    return f", {_FACING[best]}"


def _arms(acts: Sequence[Act]) -> str:
    """ " and raises the left arm", " and waves with both arms"."""
    for name, verb in (("waving", "waves with"), ("arm_raised", "raises")):
        sides = {act.side for act in acts if act.name == name}
        if sides:
            which = "both arms" if len(sides) > 1 or "both" in sides else f"the {sides.pop()} arm"
            return f", and {verb} {which}"
    return ""
