"""Evidence in sentences: deterministic, grammatical, and nothing that was not measured.

In: `Evidence` and its parts. Out: one sentence each.

A sentence is a field of its own (position, camera), the computed part after the words of a model, or the whole
caption with `--captioner none`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np

from edgecap.runtime.data.evidence import CameraEvidence, Evidence, Motion, TrackEvidence
from edgecap.runtime.describe.camera_sentences import camera_sentence, picture_note, rests_before_still_camera
from edgecap.runtime.describe.said_colours import clothes_colours, said_colours
from edgecap.runtime.english import is_person, listed, plural
from edgecap.runtime.measure.position import cell

_TOWARDS: dict[str, str] = {
    "right": "to the right",
    "down-right": "down and to the right",
    "down": "down",
    "down-left": "down and to the left",
    "left": "to the left",
    "up-left": "up and to the left",
    "up": "up",
    "up-right": "up and to the right",
}
DEPTH = {
    "approaching": ("comes closer", "coming closer"),
    "receding": ("moves farther away", "going farther away"),
    "constant": ("stays in place", ""),
}
_NUMBERS = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")
_MOSTLY_SHARE = 0.85
_HALF = 0.5
_SOME = {"dark": "dark parts"}
_CLOTHES = {"black": "dark"}
"""Shadow makes navy, brown and green cloth as dark as black in most footage."""
_LEAST_EXCURSION = 0.04
"""Share of the frame by which an instance must leave its first cell to have been elsewhere."""
_MOST_WORDS = 20
_MOST_GROUPS = 4


def position_sentence(track: TrackEvidence, camera: CameraEvidence | None = None) -> str:
    """ "The dog moves from top-left to center-middle and out of frame in the end.": the method's wording,
    never "None". Where it is the `camera` that moves it, that is said."""
    still = camera is not None and rests_before_still_camera(track, camera)
    start, end = track.position_start, track.position_end
    leaves = " and out of frame in the end" if track.out_of_frame_at_end else ""
    away = None if still else _farthest_cell(track)
    if start == end and away is not None:
        text = f"moves from {start} to {away} and back to {end}"
        leaves = leaves.replace(" and", ", then")
    elif start == end:
        # "stays ... and out of frame" alone would contradict itself.
        text = f"stays at {start}" if not leaves else f"is at {start}, then moves"
        leaves = leaves.replace(" and", "")
    elif (still or not track.motion_image.moving) and not leaves:
        text = f"stays between {start} and {end}"
    else:
        text = f"moves from {start} to {end}"
    note = "" if camera is None else picture_note(track, camera, moves=text.startswith("moves") or bool(leaves))
    return f"The {track.class_name} {text}{leaves}{note}."


def motion_sentence(
    track: TrackEvidence, *, subject: str = "it", camera: CameraEvidence | None = None, camera_follows: bool = False
) -> str:
    """How it moves against the background: "It moves to the right, then stops.". `camera`: where it could not be
    measured, nothing is known but the movement in the picture. `camera_follows`: say that the camera goes with it."""
    if camera is None or camera.labels:
        text = _movement(track, track.motion_world)
    else:
        text = f"{_movement(track, track.motion_image)} in the picture"
    if camera_follows:
        text += ", and the camera follows it"
    return _sentence(f"{subject} {text}")


def action_sentence(track: TrackEvidence, *, camera: CameraEvidence | None = None, camera_follows: bool = False) -> str:
    """The motion sentence with the class as its subject, for captions without a captioner."""
    return motion_sentence(track, subject=f"the {track.class_name}", camera=camera, camera_follows=camera_follows)


def appearance_sentence(track: TrackEvidence) -> str:
    """ "A red car.", "A mostly red bus with some blue.", "A red and blue dog."; no colour where none was seen.

    People have clothes of a colour: "A person in mostly red clothes with some blue."."""
    if is_person(track.class_name):
        return _clothes_sentence(track)
    named = said_colours(track)
    if not named:
        return _sentence(_article(track.class_name))
    names, share = [c.name for c in named], named[0].share
    if named[0] != track.palette[0] or (len(named) == 1 and share < _HALF):  # the largest may be shade of another
        return _sentence(_article(f"{track.class_name} with some {listed(names)}"))
    mostly = "mostly " if _HALF <= share < _MOSTLY_SHARE else ""
    if len(named) == 1:
        return _sentence(_article(f"{mostly}{names[0]} {track.class_name}"))
    if len(named) == 2 and named[1].share < 0.6 * share:
        return _sentence(_article(f"{mostly}{names[0]} {track.class_name} with some {names[1]}"))
    return _sentence(_article(f"{listed(names)} {track.class_name}"))


def _clothes_sentence(track: TrackEvidence) -> str:
    worn = clothes_colours(track)
    if not worn:
        return _sentence(_article(track.class_name))
    names = [_CLOTHES.get(c.name, c.name) for c in worn]
    if worn[0] != track.palette[0]:
        return _sentence(_article(f"{track.class_name} in partly {listed(names)} clothes"))
    clothes = f"{'' if worn[0].share >= _MOSTLY_SHARE else 'mostly '}{names[0]} clothes"
    if len(worn) == 2:
        even = worn[1].share >= 0.6 * worn[0].share
        clothes = f"{listed(names)} clothes" if even else f"{clothes} with {_SOME.get(names[1], f'some {names[1]}')}"
    return _sentence(_article(f"{track.class_name} in {clothes}"))


def global_sentence(evidence: Evidence) -> str:
    """Who is there and what the camera does, in at most 20 words: "A red car and two dogs; the camera pans
    right."."""
    camera = camera_sentence(evidence.camera).rstrip(".")
    camera = camera[0].lower() + camera[1:]
    full, plain = _cast(evidence.tracks, colours=True), _cast(evidence.tracks, colours=False)
    wordings = (f"{full}; {camera}", f"{plain}; {camera}", f"{plain}; the camera moves")
    short = next((text for text in wordings if len(text.split()) <= _MOST_WORDS), None)
    return _sentence(short or f"{_number(len(evidence.tracks))} instances are seen; the camera moves")


def _farthest_cell(track: TrackEvidence) -> str | None:
    """The cell of the farthest excursion from the first one, where it lasted and was not jitter across a
    cell's border."""
    if not track.motion_image.moving:
        return None
    points = track.centroids_xy.astype(np.float64)
    away = np.hypot(*(points - points[0]).T)
    inside = np.array([name == track.position_start for name in track.cells])
    if (~inside).sum() < 2:
        return None
    far = int(np.argmax(np.where(inside, -1.0, away)))
    low, high = points[inside].min(0), points[inside].max(0)
    beyond = np.maximum(np.maximum(low - points[far], points[far] - high), 0.0).max()
    if beyond < _LEAST_EXCURSION:
        return None
    return cell(x=float(points[far, 0]), y=float(points[far, 1]))


def _movement(track: TrackEvidence, motion: Motion) -> str:
    alone, beside = DEPTH[track.depth]
    if not motion.moving:
        return alone
    text = f"moves {route(motion)}"
    if motion.starts:
        text = f"stays in place at first, then {text}"
    if beside:
        text += f", {beside}"
    return f"{text}, then stops" if motion.stops else text


def route(motion: Motion) -> str:
    """ "to the left", "to the right, then down", "around and back to where it was": how a moving track goes."""
    ways = [_TOWARDS[heading] for heading in motion.headings]
    if motion.returns:
        return f"{ways[0]} and back" if ways and len(ways) <= 2 else "around and back to where it was"
    if not ways or len(ways) > 3:
        where = "around" if motion.direction == "static" else _TOWARDS[motion.direction]
        return f"{where}, changing direction"
    if not motion.turns:
        return _TOWARDS[motion.direction] if motion.direction != "static" else ways[0]
    return ", then ".join(ways)


def _cast(tracks: Sequence[TrackEvidence], *, colours: bool) -> str:
    """Who is there: groups of a name with their numbers, riders first, with what is under them."""
    riders = _mounts(tracks)
    names = {track.track_id: _named(track, colours=colours) for track in tracks}
    ridden = [f"{_article(names[rider])} on {_article(names[mount])}" for rider, mount in riders.items()]
    paired = {*riders, *riders.values()}
    alone = Counter(_named(track, colours=colours) for track in tracks if track.track_id not in paired)
    groups = ridden + [_article(name) if n == 1 else f"{_number(n)} {plural(name)}" for name, n in alone.most_common()]
    if not groups:
        return "no instance is reported"
    if len(groups) > _MOST_GROUPS:
        groups = [*groups[: _MOST_GROUPS - 1], "others"]
    return listed(groups)


def _mounts(tracks: Sequence[TrackEvidence]) -> dict[int, int]:
    """Rider's track id -> the mount's, where both are reported; a mount counts once."""
    seen = {track.track_id for track in tracks}
    found: dict[int, int] = {}
    for track in tracks:
        for act in track.person.acts if track.person is not None else ():
            if act.on_track_id is not None and act.on_track_id in seen - set(found.values()):
                found[track.track_id] = act.on_track_id
    return found


def _named(track: TrackEvidence, *, colours: bool) -> str:
    named = said_colours(track) if colours and not is_person(track.class_name) else []
    return f"{named[0].name} {track.class_name}" if named and named[0].share >= _HALF else track.class_name


def _number(count: int) -> str:
    return _NUMBERS[count] if count < len(_NUMBERS) else str(count)


def _article(noun: str) -> str:
    return f"{'an' if noun[:1] in 'aeiou' else 'a'} {noun}"


def _sentence(text: str) -> str:
    return f"{text[0].upper()}{text[1:]}."
