"""What the camera does in words, and what its movement does to where an instance is in the picture.

In: `CameraEvidence`, `Evidence`. Out: sentences and parts of them. An instance at rest that crosses the picture crosses
it because of the camera, and is said to; one that keeps its place while the background passes is followed.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from edgecap.runtime.data.evidence import CameraEvidence, CameraLabel, Evidence, TrackEvidence

_CAMERA: dict[str, str] = {
    "pan_left": "pans left",
    "pan_right": "pans right",
    "tilt_up": "tilts up",
    "tilt_down": "tilts down",
    "zoom_in": "zooms in",
    "zoom_out": "zooms out",
    "roll_left": "rolls to the left",
    "roll_right": "rolls to the right",
}
_BACK: dict[str, str] = {
    "pan_left": "back left",
    "pan_right": "back right",
    "tilt_up": "back up",
    "tilt_down": "back down",
    "zoom_in": "back in",
    "zoom_out": "back out",
    "roll_left": "back to the left",
    "roll_right": "back to the right",
}
_OPPOSITE: dict[CameraLabel, CameraLabel] = {
    "pan_left": "pan_right",
    "pan_right": "pan_left",
    "tilt_up": "tilt_down",
    "tilt_down": "tilt_up",
    "zoom_in": "zoom_out",
    "zoom_out": "zoom_in",
    "roll_left": "roll_right",
    "roll_right": "roll_left",
}
_LEAST_TRAVEL = 0.1
"""Frame widths that an instance must go in the world to be followed."""
_FOLLOWED_RATIO = 2.0
"""Times as far in the world as in the picture: the camera makes up for more of the way than it leaves."""
_NEAR = 1 / 6
"""Share of the frame, half a cell of the grid of positions: how far from its mean place what is followed may go."""
_OFF_AXIS = math.tan(math.radians(22.5))
"""An eighth of the compass: of a flatter slant only the larger part is named."""


def camera_sentence(camera: CameraEvidence, *, follows: str = "") -> str:
    """ "The camera pans right and zooms in slowly, then pans back left.". `follows`: "the dog", what it follows."""
    if not camera.labels:
        return "The camera motion could not be measured."
    shakes = "shake" in camera.labels
    if not camera.phases:
        return "The camera shakes." if shakes else "The camera is static."
    clauses: list[str] = []
    done: set[CameraLabel] = set()
    for i, group in enumerate(camera.phases):
        verbs = " and ".join(_camera_verb(label, done) for label in group)
        adverb = f" {camera.speed_adverb}" if i == 0 and camera.speed_adverb else ""
        clauses.append(f"{verbs}{adverb}")
        done.update(group)
    if follows:
        return f"The camera {_sequence(clauses)}, following {follows}{', and shakes' if shakes else ''}."
    return f"The camera {_sequence(clauses)}{' while it shakes' if shakes else ''}."


def followed(evidence: Evidence) -> TrackEvidence | None:
    """The one instance that the camera follows (or the first of two of different classes in one place: a horse and its
    rider); None where it follows none, or where several keep their places and nobody knows which was meant."""
    found = [track for track in evidence.tracks if is_followed(track, evidence.camera)]
    if len(found) == 2 and found[0].class_name != found[1].class_name:
        (left, top, right, bottom), other = (np.median(track.boxes_xyxy, axis=0) for track in found)
        together = left < other[2] and other[0] < right and top < other[3] and other[1] < bottom
        return found[0] if together else None
    return found[0] if len(found) == 1 else None


def is_followed(track: TrackEvidence, camera: CameraEvidence) -> bool:
    """Whether it travels in the world, keeps near its place in the picture, and the camera turns with it."""
    if not track.motion_world.moving or not any(label.startswith(("pan", "tilt")) for label in camera.labels):
        return False
    world, image = (math.hypot(*m.displacement_xy) for m in (track.motion_world, track.motion_image))
    points = track.centroids_xy.astype(np.float64)
    away = float(np.hypot(*(points - points.mean(0)).T).max())
    return world > _LEAST_TRAVEL and world > _FOLLOWED_RATIO * image and away < _NEAR


def picture_note(track: TrackEvidence, camera: CameraEvidence, *, moves: bool) -> str:
    """What to add to a position that the camera's movement makes differ from the movement in the world: " in the
    picture because the camera pans right", " in the picture" (not said of what leaves it), or "". `moves`: from cell
    to cell."""
    world, image = track.motion_world, track.motion_image
    turns = bool(set(camera.labels) - {"static", "shake"})
    picture = "" if track.out_of_frame_at_end else " in the picture"
    if not moves:
        return picture if turns and world.moving else ""
    along = sum(a * b for a, b in zip(world.displacement_xy, image.displacement_xy, strict=True))
    if world.moving and along > 0:
        return ""
    if not turns:
        return "" if camera.labels else picture
    return f"{picture} because the camera {_cause(image.displacement_xy, camera)}"


def rests_before_still_camera(track: TrackEvidence, camera: CameraEvidence) -> bool:
    """Whether what little it moved in the picture was below both thresholds: the camera's and its own in the world."""
    return bool(camera.labels) and not set(camera.labels) - {"static", "shake"} and not track.motion_world.moving


def _cause(shift_xy: tuple[float, float], camera: CameraEvidence) -> str:
    """The camera's pan and tilt that shift the picture this way, as verbs; "moves" where there is none."""
    x, y = shift_xy
    causes: list[CameraLabel] = []
    if abs(x) > _OFF_AXIS * abs(y):
        causes.append("pan_right" if x < 0 else "pan_left")
    if abs(y) > _OFF_AXIS * abs(x):
        causes.append("tilt_up" if y > 0 else "tilt_down")
    return " and ".join(_CAMERA[label] for label in causes if label in camera.labels) or "moves"


def _camera_verb(label: CameraLabel, done: set[CameraLabel]) -> str:
    verb = _CAMERA[label]
    partner = _OPPOSITE[label]
    return f"{verb.split()[0]} {_BACK[label]}" if partner in done else verb


def _sequence(clauses: Sequence[str]) -> str:
    """a; a, then b; a, then b, then c; longer ones end in "and so on"."""
    if len(clauses) > 3:
        return f"{', then '.join(clauses[:3])}, and so on"
    return ", then ".join(clauses)
