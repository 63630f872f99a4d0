"""Is what the model said fit to print? Pure functions from a text (and what was measured) to reasons
against it.

In: an `Answer` and the `Evidence` that bears on it. Out: `Reason`s, empty where there is no objection. The checks
object only to what is measurably wrong or outside the form; they do not grade style. Their parts: form.py (needs
no Evidence), appearance.py (classes, counts, colours), motion.py, people.py (acts, clothes by part),
place.py (positions, camera); every code they may give is in `reasons.REASONS`.

A refused answer is asked for again with the offending words forbidden; after that the text comes from the Evidence.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Mapping, Sequence

from edgecap.runtime.data.evidence import CameraEvidence, Evidence, TrackEvidence
from edgecap.runtime.data.question import Answer
from edgecap.runtime.data.window import Window
from edgecap.runtime.verify.appearance import (
    class_reasons,
    colour_reasons,
    inventory_reasons,
    mentions,
    untracked_reasons,
)
from edgecap.runtime.verify.form import check_form, unquoted
from edgecap.runtime.verify.motion import motion_reasons
from edgecap.runtime.verify.people import person_reasons
from edgecap.runtime.verify.place import camera_reasons, position_reasons
from edgecap.runtime.verify.reasons import Reason

__all__ = ["Reason", "check_form", "check_instance", "check_scene", "seen_classes"]


def check_instance(
    answer: Answer,
    track: TrackEvidence,
    labels: Sequence[str],
    *,
    camera: CameraEvidence | None = None,
    seen: Collection[str] = (),
) -> tuple[Reason, ...]:
    """Reasons against an appearance or action answer about `track`; `labels` is the detector's list.

    `camera`: what it says of the camera is checked against this; None: not checked. `seen`: classes of all that is
    tracked in the window, reported or not; empty: other classes than the instance's own are not checked.
    """
    text = unquoted(answer.text)
    reasons = [
        *check_form(answer),
        *class_reasons(text, track.class_name, labels, seen),
        *colour_reasons(text, track, labels, is_appearance=answer.field == "appearance"),
        *motion_reasons(text, track),
        *person_reasons(text, track),
        *position_reasons(text, track),
    ]
    return (*reasons, *(camera_reasons(text, camera) if camera is not None else ()))


def check_scene(
    answer: Answer, evidence: Evidence, labels: Sequence[str], *, seen: Mapping[str, int] | None = None
) -> tuple[Reason, ...]:
    """Reasons against an answer about the whole picture: it may not name a class that was not tracked, and a global
    answer no more of one than were (`seen`: how many of each in the window, as `seen_classes` has them; None: the
    reported ones). Where a sentence of it is about one instance only, it is checked against that
    instance's motion and place; what it says of the camera against the camera's. A camera answer may not guess a
    movement where none could be measured."""
    text = unquoted(answer.text)
    reasons = list(check_form(answer))
    seen = Counter(t.class_name for t in evidence.tracks) if seen is None else seen
    if answer.field in ("background", "camera"):
        reasons += untracked_reasons(text, seen, labels)
    else:
        reasons += inventory_reasons(text, evidence.tracks, labels, seen)
        for sentence in re.split(r"(?<=[.!;])\s", text):
            if (track := _only_one_in(sentence, evidence.tracks, labels)) is not None:
                checks = (motion_reasons, person_reasons, position_reasons)
                reasons += [reason for check in checks for reason in check(sentence, track)]
    return (*reasons, *camera_reasons(text, evidence.camera, guesses=answer.field != "camera"))


def seen_classes(window: Window, evidence: Evidence) -> dict[str, int]:
    """Tracks of every class in the window: all confirmed ones by the class most of their frames have, and at least the
    reported ones by their vote. More than are reported, where `max_instances` leaves some out."""
    votes: dict[int, Counter[int]] = {}
    for observation in window.observations:
        for instance in observation.instances:
            votes.setdefault(instance.track_id, Counter())[instance.class_id] += 1
    tracked = Counter(window.labels[vote.most_common(1)[0][0]] for vote in votes.values())
    return dict(tracked | Counter(t.class_name for t in evidence.tracks))


def _only_one_in(sentence: str, tracks: Sequence[TrackEvidence], labels: Sequence[str]) -> TrackEvidence | None:
    """The track that a sentence must be about: it names one class, and there is one track of it."""
    named = {m.label for m in mentions(sentence, labels)}
    about = [t for t in tracks if t.class_name in named]
    return about[0] if len(named) == 1 and len(about) == 1 else None
