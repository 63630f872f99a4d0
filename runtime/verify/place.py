"""Checks of where a text says a thing is, and of how it says the camera moves.

In: a text and `TrackEvidence` or `CameraEvidence`. Out: `Reason`s. The grid is the method's 3x3
(docs/spec/instancecap.md 2.7); in free prose "the left side" is the left half.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from edgecap.runtime.data.evidence import CameraEvidence, TrackEvidence
from edgecap.runtime.verify.reasons import Reason
from edgecap.runtime.verify.words.motion import CAMERA_NOUNS

_CELL_MARGIN, _HALF_MARGIN = 0.04, 0.06
"""Share of the frame by which a centroid may be outside a part and still be said to be in it: the error of a mask's
centroid, and of a glance."""

_FRAME = r"(?:frame|picture|image|screen|view|scene|shot|video)"
_ROWS = {"top": (0.0, 1 / 3), "upper": (0.0, 1 / 3), "center": (1 / 3, 2 / 3), "middle": (1 / 3, 2 / 3)}
_ROWS |= {"centre": (1 / 3, 2 / 3), "central": (1 / 3, 2 / 3), "lower": (2 / 3, 1.0), "bottom": (2 / 3, 1.0)}
_COLUMNS = {"left": (0.0, 1 / 3), "middle": (1 / 3, 2 / 3), "center": (1 / 3, 2 / 3), "right": (2 / 3, 1.0)}
_CELL = re.compile(
    r"\b(?P<row>top|upper|center|centre|lower|bottom)(?:-| )(?P<column>left|middle|center|right)\b"
    r"(?! (?:arm|leg|hand|paw|wheel|door|window|wing)\b)"
)
_PART = re.compile(
    rf"\b(?P<part>left|right|top|bottom|upper|lower)(?:-hand)? (?:(?:side|half|part|portion|edge|area|third) )?"
    rf"of the {_FRAME}\b"
)
_MIDDLE = re.compile(rf"\b(?:middle|center|centre) of the {_FRAME}\b")
_ENDS = r"(?:ends|ending|stops|stopping|arrives|arriving|finishes|finally) (?:at|in|on|up in|up at)"
_BEGINS = r"(?:begins|beginning|starts|starting|enters|entering|appears|appearing) (?:at|in|on)"
_GOAL = re.compile(rf"\b(?:to|towards?|into|for|{_ENDS})(?: the)?(?: far)? $")
_ORIGIN = re.compile(rf"\b(?:from|leaves|leaving|{_BEGINS})(?: the)?(?: far)? $")
_TOWARDS = re.compile(r"\b(?:to|towards?|into|for)(?: the)?(?: far)? $")
"""A half that it heads for need not be reached; the way there is checked by motion.py."""
_Box = tuple[float, float, float, float]
"""Left, right, top, bottom; shares of the frame."""
_TOP, _BOTTOM = (0.0, 1.0, 0.0, 0.5), (0.0, 1.0, 0.5, 1.0)
_HALVES: dict[str, _Box] = {"left": (0.0, 0.5, 0.0, 1.0), "right": (0.5, 1.0, 0.0, 1.0)}
_HALVES |= {"top": _TOP, "upper": _TOP, "bottom": _BOTTOM, "lower": _BOTTOM}

_CAMERA = re.compile(rf"\b(?:{'|'.join(CAMERA_NOUNS)})\b")
_CAMERA_VERBS: tuple[tuple[re.Pattern[str], str], ...] = (
    (re.compile(r"\bpan(?:s|ning|ned)?\b[^.;]*?\b(?P<way>left|right)"), "pan_"),
    (re.compile(r"\btilt(?:s|ing|ed)?\b[^.;]*?\b(?P<way>up|down)"), "tilt_"),
    (re.compile(r"\bzoom(?:s|ing|ed)?\b[^.;]*?\b(?P<way>in|out)\b"), "zoom_"),
    (re.compile(r"\broll(?:s|ing|ed)?\b[^.;]*?\b(?P<way>left|right)"), "roll_"),
)
_NOUNS = "|".join(CAMERA_NOUNS)
_SHAKES = re.compile(
    rf"\b(?:{_NOUNS}) (?:\w+ ){{0,2}}(?:shakes|shaking|jitters|jittering|trembles)\b|"
    rf"\b(?:shaky|shaking|jittery|jittering|handheld) (?:{_NOUNS})\b"
)
_STILL = re.compile(
    rf"\b(?:{_NOUNS}) (?:is|stays|remains|stands|holds|keeps) (?:\w+ )?(?:static|stationary|fixed|motionless|still)\b|"
    rf"\b(?:{_NOUNS}) does not move\b|\b(?:static|stationary|fixed|unmoving) (?:{_NOUNS})\b"
)
_OTHER_SUBJECT = re.compile(
    r"\b(?:shows|showing|of|that|which|while|as|where)\b|, (?:and )?(?:a|an|the|it|its)\b(?! camera)"
)


def position_reasons(text: str, track: TrackEvidence) -> list[Reason]:
    """Cells ("top-left", "upper left corner"), halves ("the left side of the frame") and "the middle of the frame"
    where the instance never is; a place behind "from" or "begins at" must be where it begins, one behind "to" or
    "ends at" where it ends."""
    return [
        Reason("position", f"says {phrase!r}, it {_where(track)}", (phrase,))
        for phrase, points, box, margin in _position_claims(text.lower(), track)
        if not _visits(points, box, margin)
    ]


def _position_claims(text: str, track: TrackEvidence) -> Iterator[tuple[str, NDArray[np.float32], _Box, float]]:
    """(phrase, centroids [N, 2] that it may be about, box that one of them must be in, margin)."""
    for m in _CELL.finditer(text):
        box = (*_COLUMNS[m["column"]], *_ROWS[m["row"]])
        returns = text[m.end() :].startswith(" and back")
        yield m.group(), track.centroids_xy if returns else _points(track, text[: m.start()]), box, _CELL_MARGIN
    for m in _PART.finditer(text):
        before = text[: m.start()]
        if not _TOWARDS.search(before):
            yield m.group(), _points(track, before), _HALVES[m["part"]], _HALF_MARGIN
    for m in _MIDDLE.finditer(text):
        yield m.group(), track.centroids_xy, (1 / 3, 2 / 3, 1 / 3, 2 / 3), _HALF_MARGIN


def camera_reasons(text: str, camera: CameraEvidence, *, guesses: bool = True) -> list[Reason]:
    """Pans, tilts, zooms, rolls, shaking and stillness said of the camera (view, shot...) against the labels measured;
    where none could be measured, nothing, or any such claim without `guesses`. "Follows it" is not checked."""
    if not camera.labels:
        said = [] if guesses else [phrase for _, phrase in _camera_claims(text.lower())]
        return [Reason("camera", f"says {phrase!r}, nothing could be measured", (phrase,)) for phrase in said]
    reasons = []
    for label, phrase in _camera_claims(text.lower()):
        if label not in camera.labels:
            measured = ", ".join(camera.labels)
            reasons.append(Reason("camera", f"says {phrase!r}, measured was {measured}", (phrase,)))
    return reasons


def camera_claims(text: str) -> set[str]:
    """The camera labels that a text claims, any case."""
    return {label for label, _ in _camera_claims(text.lower())}


def _camera_claims(text: str) -> Iterator[tuple[str, str]]:
    """(label, phrase) of what is said of the camera. Verbs count behind a word for it, up to what it shows ("view of",
    "while") or a comma that begins another subject."""
    for sentence in re.split(r"[.;!]", text):
        for pattern, label in ((_SHAKES, "shake"), (_STILL, "static")):
            if said := pattern.search(sentence):
                yield label, said.group()
        if camera := _CAMERA.search(sentence):
            clause = _OTHER_SUBJECT.split(sentence[camera.start() :])[0]
            for verb, prefix in _CAMERA_VERBS:
                for said in verb.finditer(clause):
                    yield prefix + said["way"], said.group()


def _points(track: TrackEvidence, before: str) -> NDArray[np.float32]:
    """Centroids [N, 2] that a phrase may be about: the first quarter of them behind "from", the last behind "to", else
    all."""
    points = track.centroids_xy
    quarter = max(1, len(points) // 4)
    if _ORIGIN.search(before):
        return points[:quarter]
    return points[-quarter:] if _GOAL.search(before) else points


def _visits(points: NDArray[np.float32], box: _Box, margin: float) -> bool:
    """Whether any point is in `box`, or as near as `margin`."""
    x, y = points[:, 0], points[:, 1]
    left, right, top, bottom = box
    return bool(((x >= left - margin) & (x <= right + margin) & (y >= top - margin) & (y <= bottom + margin)).any())


def _where(track: TrackEvidence) -> str:
    if track.position_start == track.position_end:
        return f"is at {track.position_start}"
    return f"goes from {track.position_start} to {track.position_end}"
