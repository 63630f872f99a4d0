"""Checks of what a text says a thing does with its place: travel, rest, left, right, up, down, nearer, farther.

In: a text about one instance and its `TrackEvidence`. Out: `Reason`s. A way is refused only where
neither the path in the picture nor the one in the world has it: the model sees the picture, people speak of the world.
"""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Iterator

from edgecap.runtime.data.evidence import Motion, TrackEvidence
from edgecap.runtime.verify.form import pattern_of
from edgecap.runtime.verify.reasons import Reason
from edgecap.runtime.verify.words import lexicon
from edgecap.runtime.verify.words import motion as lexicon_motion

_LEAST_PART = 0.25
"""Part of a displacement along a way that makes saying the way right, or at least not wrong: an eighth of the compass
away from it there are 0.38 of it left."""
_LEAST_SHIFT = 0.01
"""Frame widths; a shorter displacement has no way."""

_SIDE = r"(?P<{}>left|right|top|bottom)"
_OF_FRAME = r"(?! of (?!(?:the |this )?(?:frame|picture|image|screen|view|scene|shot|video)\b))"
_GOAL = re.compile(
    r"\b(?:to|towards?|into) (?:the |its )?(?:far |lower |upper |top |bottom )?(?P<way>left|right|top|bottom)\b(?!-)"
    + _OF_FRAME
    + r"(?! (?:arm|leg|hand|paw|foot|front|rear|wing|eye|ear)\b)"
)
_WARD = re.compile(r"\b(?P<way>left|right|up|down)wards?\b")
_BARE = re.compile(
    r"(?<!-)(?<!upper )(?<!lower )(?<!top )(?<!bottom )(?<!the )\b(?P<way>left|right|up|down)\b"
    r"(?=[.,;!]|$| and\b| then\b| across\b| through\b| toward| in the (?:frame|picture)|-(?:left|right)\b)"
)
_SECOND = re.compile(r"\b(?:up|down)-(?P<way>left|right)\b")
_ORIGIN = re.compile(rf"\bfrom (?:the )?(?:far )?{_SIDE.format('way')}\b(?!-)" + _OF_FRAME)
_OPPOSITE = {"left": "right", "right": "left", "up": "down", "down": "up"}
_NAMES = {"top": "up", "bottom": "down"}
_AXES = {"right": (1.0, 0.0), "left": (-1.0, 0.0), "down": (0.0, 1.0), "up": (0.0, -1.0)}

_NO_TRAVEL = re.compile(
    r" (?:(?:its|his|her|their|an? (?:arm|leg|hand|paw)|in place|on the spot|shoes?)\b|from (?:top|center|bottom)-"
    r"|out of frame in the end)"
)
_IN_PICTURE = re.compile(r"[^.;]*\bin the picture\b")
_AT_REST_IN_PICTURE = re.compile(r" in the picture\b")
_VIEWER = r"(?:the |our )?(?:camera|viewer|lens|observer|foreground|front of the frame)\b"
_LOOKS = "".join(f"(?<!{verb} )" for verb in ("faces", "facing", "looks", "looking", "turns", "turning", "turned"))
"""Who faces away from the camera does not go away from it."""
_COMES = re.compile(
    rf"\b{_LOOKS}(?:towards? {_VIEWER}|approach(?:es|ing) {_VIEWER}|"
    rf"(?:com|get|mov|draw|grow)(?:e?s|ing) (?:closer|nearer)(?! to (?!{_VIEWER}))|grows larger|gets bigger)"
)
_GOES = re.compile(
    rf"\b{_LOOKS}(?:away from (?:the )?(?:camera|viewer|lens|observer)|into the (?:distance|background)|"
    r"reced(?:es|ing)\b|(?:mov|go|get)(?:e?s|ing) (?:farther|further) away(?! from (?!the (?:camera|viewer)))|"
    r"grows smaller|gets smaller)"
)


def motion_reasons(text: str, track: TrackEvidence) -> list[Reason]:
    """Travel denied or claimed against the world motion, a way that neither reference has, and nearing or going that
    the size does not show."""
    lowered = text.lower()
    return [*_travel(lowered, track), *_ways(lowered, track), *_depth(lowered, track)]


def ways_in(text: str) -> list[tuple[str, str]]:
    """(way, phrase) for every way that something is said to go: left, right, up or down; "from the left" counts as
    right. "Lifts its left arm" and "looks to the left" say no way."""
    lowered = text.lower()
    found = []
    for sentence in re.finditer(r"[^.!;]+[.!;]?", lowered):
        for way, match in _matches(sentence.group()):
            if _travels_before(sentence.group()[: match.start()]):
                found.append((way, match.group()))
    return found


def _matches(sentence: str) -> Iterator[tuple[str, re.Match[str]]]:
    for pattern in (_GOAL, _WARD, _BARE, _SECOND):
        for m in pattern.finditer(sentence):
            yield _NAMES.get(m["way"], m["way"]), m
    for m in _ORIGIN.finditer(sentence):
        yield _OPPOSITE[_NAMES.get(m["way"], m["way"])], m


def _travels_before(head: str) -> bool:
    """Whether the last verb before a way is one that takes the whole thing along."""
    last = None
    for m in _verbs().finditer(head):
        last = m
    return last is not None and last.group() not in lexicon_motion.GESTURE_VERBS


def _verbs() -> re.Pattern[str]:
    motion = lexicon_motion
    return pattern_of((*motion.TRAVEL_VERBS, *motion.COMING_VERBS, *motion.GESTURE_VERBS))


def _travel(text: str, track: TrackEvidence) -> Iterator[Reason]:
    crosses = track.motion_image.moving  # what a moving camera moves may be said to move in the picture
    travels = [
        m
        for m in pattern_of(lexicon_motion.TRAVEL_VERBS).finditer(text)
        if _is_travel(text, m) and not (crosses and _IN_PICTURE.match(text[m.end() :]))
    ]
    rests = [
        m.group()
        for m in pattern_of(lexicon_motion.REST_PHRASES).finditer(text)
        if crosses or not _AT_REST_IN_PICTURE.match(text[m.end() :])
    ]
    moving = track.motion_world.moving
    steps = track.person is not None and any(act.name in ("walking", "running") for act in track.person.acts)
    if travels and not rests and not moving and not steps and track.depth == "constant":
        yield Reason("motion", f"says {travels[0].group()!r}, it does not move", tuple({m.group() for m in travels}))
    if rests and not travels and moving:
        yield Reason("motion", f"says {rests[0]!r}, it moves", tuple(dict.fromkeys(rests)))


def _is_travel(text: str, verb: re.Match[str]) -> bool:
    """Not a noun ("the red sails"), not a part ("moves its head"), not on the spot, not from cell to cell
    (in the picture, that is, where a moving camera moves a thing at rest)."""
    before = re.findall(r"[a-z]+", text[: verb.start()])[-1:]
    if before and (before[0] in ("its", "the", "a", "his", "her", "of", "two", "with") or before[0] in lexicon.COLOURS):
        return False
    return not _NO_TRAVEL.match(text[verb.end() :])


def _ways(text: str, track: TrackEvidence) -> Iterator[Reason]:
    motions = (track.motion_image, track.motion_world)
    if not any(m.moving for m in motions):
        return  # a way said of a thing at rest is travel said of it
    said = dict(ways_in(text))
    for way, phrase in said.items():
        if not any(_has(m, way, said) for m in motions):
            goes = sorted({m.direction for m in motions if m.moving})
            yield Reason("direction", f"says {phrase!r}, it goes {' or '.join(goes)}", _bans(way, phrase))


def _has(motion: Motion, way: str, said: Collection[str]) -> bool:
    """Whether a path goes that way: on the whole, or on a straight stretch (on a slanting one if both its ways are
    `said`: a bob on the way left is no "up"). One that comes back, or winds without clear stretches, may."""
    if not motion.moving:
        return False
    if motion.returns or (motion.turns and not motion.headings):
        return True
    if way in motion.direction or any(way in h and set(h.split("-")) <= set(said) for h in motion.headings):
        return True
    x, y = motion.displacement_xy
    length = math.hypot(x, y)
    along = x * _AXES[way][0] + y * _AXES[way][1]
    return length > _LEAST_SHIFT and along >= _LEAST_PART * length


def _bans(way: str, phrase: str) -> tuple[str, ...]:
    """Words for a second try to leave out; "from the left" (which is to the right) and "up" only as they were said."""
    said_so = way in ("left", "right") and "from" not in phrase
    return (way, f"{way}ward", f"{way}wards") if said_so else (phrase,)


def _depth(text: str, track: TrackEvidence) -> Iterator[Reason]:
    for pattern, depth in ((_COMES, "approaching"), (_GOES, "receding")):
        if (m := pattern.search(text)) and track.depth != depth:
            said = "does not change its size" if track.depth == "constant" else f"is {track.depth}"
            yield Reason("depth", f"says {m.group()!r}, it {said}", (m.group(),))
