"""Sentences about the camera and about what it moves in the picture: each rule on both sides, and no contradiction."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from edgecap.runtime.data.evidence import Evidence
from edgecap.runtime.data.question import Answer
from edgecap.runtime.data.record import DomainVerdict
from edgecap.runtime.describe import sentences as words
from edgecap.runtime.describe.camera_sentences import camera_sentence, followed, is_followed
from edgecap.runtime.describe.captioner import Captioner
from edgecap.runtime.measure.measure import measure
from edgecap.runtime.output.paragraph import _POSITION
from edgecap.runtime.verify.place import camera_claims
from edgecap.runtime.verify.verifier import check_instance
from tests.runtime.drawn_windows import LABELS, Body, View, straight, window

INSIDE = DomainVerdict("inside", None, None)
PAN = lambda t: View(x=0.5 + 0.1 * t)  # noqa: E731


def _measured(*bodies: Body, view=lambda t: View(), **options) -> Evidence:
    return measure(window(list(bodies), view, **options))


def test_what_rests_is_moved_by_the_camera() -> None:
    evidence = _measured(Body(straight(0.85, 0.3)), view=PAN)
    (track,) = evidence.tracks
    assert words.action_sentence(track) == "The person stays in place."
    assert words.position_sentence(track, evidence.camera) == (
        "The person moves from center-right to center-middle in the picture because the camera pans right."
    )
    assert _POSITION.fullmatch(words.position_sentence(track, evidence.camera))


@pytest.mark.parametrize(
    ("view", "cause"),
    [
        pytest.param(lambda t: View(y=0.28 - 0.06 * t), "tilts up", id="tilt"),
        pytest.param(lambda t: View(x=0.5 - 0.08 * t, y=0.28 - 0.06 * t), "pans left and tilts up", id="both"),
        pytest.param(lambda t: View(zoom=1.15**t), "moves", id="zoom: neither a pan nor a tilt did it"),
    ],
)
def test_the_cause_is_the_part_of_the_movement_that_shifts_it(view, cause: str) -> None:
    evidence = _measured(Body(straight(0.38, 0.12), size=(0.06, 0.06)), view=view)
    text = words.position_sentence(evidence.tracks[0], evidence.camera)
    assert text.endswith(f" in the picture because the camera {cause}."), text


def test_what_leaves_because_of_the_camera() -> None:
    evidence = _measured(Body(straight(0.25, 0.3), size=(0.2, 0.2)), view=lambda t: View(x=0.5 + 0.15 * t))
    text = words.position_sentence(evidence.tracks[0], evidence.camera)
    assert text.endswith(" out of frame in the end because the camera pans right."), text


def test_before_a_camera_that_could_not_be_measured_only_the_picture_is_spoken_of() -> None:
    evidence = _measured(Body(straight(0.2, 0.3, vx=0.1)), missing_steps=tuple(range(1, 40)))
    (track,) = evidence.tracks
    assert evidence.camera.labels == ()
    assert words.motion_sentence(track, camera=evidence.camera) == "It moves to the right in the picture."
    still = _measured(Body(straight(0.2, 0.3)), missing_steps=tuple(range(1, 40)))
    assert words.motion_sentence(still.tracks[0], camera=still.camera) == "It stays in place in the picture."
    assert words.motion_sentence(still.tracks[0]) == "It stays in place."


def test_what_moves_itself_needs_no_camera_to_explain_it() -> None:
    still = _measured(Body(straight(0.2, 0.3, vx=0.1)))
    assert words.position_sentence(still.tracks[0], still.camera) == (
        "The person moves from center-left to center-right."
    )
    faster = _measured(Body(straight(0.3, 0.3, vx=0.15)), view=lambda t: View(x=0.5 + 0.06 * t))
    assert "picture" not in words.position_sentence(faster.tracks[0], faster.camera)
    overtaken = _measured(Body(straight(0.7, 0.3, vx=0.05)), view=lambda t: View(x=0.5 + 0.12 * t))
    assert "because the camera pans right" in words.position_sentence(overtaken.tracks[0], overtaken.camera)


def test_small_drift_before_a_still_camera_is_a_stay() -> None:
    evidence = _measured(Body(straight(0.34, 0.3)), view=lambda t: View(x=0.5 + 0.008 * t))
    (track,) = evidence.tracks
    assert evidence.camera.labels == ("static",) and not track.motion_world.moving
    assert words.position_sentence(replace(track, motion_image=replace(track.motion_image, moving=True)),
                                   evidence.camera).startswith("The person stays ")  # fmt: skip


def test_the_camera_follows_the_one_that_keeps_its_place() -> None:
    evidence = _measured(Body(straight(0.4, 0.3, vx=0.1)), view=lambda t: View(x=0.4 + 0.1 * t))
    assert followed(evidence) == evidence.tracks[0]
    caption = Captioner(None).describe(
        window([Body(straight(0.4, 0.3, vx=0.1))], lambda t: View(x=0.4 + 0.1 * t)), evidence, INSIDE
    )
    assert caption.instances[0].action.text == "The person moves to the right, and the camera follows it."
    assert caption.camera.text == "The camera pans right slowly, following the person."
    assert caption.instances[0].position.text == "The person stays at center-middle in the picture."


@pytest.mark.parametrize(
    ("pan", "speed", "follows"),
    [
        pytest.param(0.10, 0.14, True, id="within half a cell"),
        pytest.param(0.10, 0.18, False, id="too far from its place"),
        pytest.param(0.05, 0.08, True, id="most of its way"),
        pytest.param(0.04, 0.09, False, id="less than half of its way"),
    ],
)
def test_followed_is_what_the_camera_keeps_in_its_place(pan: float, speed: float, follows: bool) -> None:
    body = Body(straight(0.5, 0.3, vx=speed), size=(0.1, 0.1))
    evidence = _measured(body, view=lambda t: View(x=0.6 + pan * t))
    assert is_followed(evidence.tracks[0], evidence.camera) == follows


def test_a_still_camera_follows_nothing() -> None:
    evidence = _measured(Body(straight(0.4, 0.3, vx=0.1)), view=lambda t: View(x=0.4 + 0.1 * t))
    still = replace(evidence.camera, labels=("static",), phases=())
    assert not is_followed(evidence.tracks[0], still)
    assert not is_followed(evidence.tracks[0], replace(still, labels=()))


def test_a_pair_of_two_kinds_in_one_place_is_followed_and_a_group_is_not() -> None:
    def moving(y: float, class_id: int) -> Body:
        return Body(straight(0.4, y, vx=0.1), size=(0.1, 0.16), class_id=class_id)

    view = lambda t: View(x=0.4 + 0.1 * t)  # noqa: E731
    rider = _measured(moving(0.2, 0), moving(0.3, 1), view=view)
    assert followed(rider) == rider.tracks[0] and all(is_followed(t, rider.camera) for t in rider.tracks)
    assert followed(_measured(moving(0.12, 0), moving(0.44, 1), view=view)) is None  # apart
    assert followed(_measured(moving(0.2, 0), moving(0.3, 0), view=view)) is None  # of one class


def test_following_and_shaking_in_one_sentence() -> None:
    evidence = _measured(Body(straight(0.4, 0.3, vx=0.1)), view=lambda t: View(x=0.4 + 0.1 * t))
    shaking = replace(evidence.camera, labels=("pan_right", "shake"))
    assert camera_sentence(shaking, follows="the dog") == (
        "The camera pans right slowly, following the dog, and shakes."
    )
    assert camera_sentence(replace(shaking, labels=("shake",), phases=()), follows="the dog") == "The camera shakes."


def _random_evidence(rng: np.random.Generator) -> Evidence:
    """One to three bodies that rest or move, before a camera that rests, drifts, turns, zooms, shakes or is lost."""
    kind = rng.integers(6)
    vx, vy, zoom = rng.uniform(-0.12, 0.12, 2) if kind else np.zeros(2), 0.28, rng.uniform(0.9, 1.12)
    (px, py), back, swing = vx, rng.random() < 0.3, 0.015 * float(kind == 3)

    def view(t: float) -> View:
        s = min(t, 5 - t) if back else t
        jitter = swing * np.sin(2 * np.pi * 3.3 * t)
        return View(x=0.5 + px * s + jitter, y=vy + 0.5 * py * s + jitter, zoom=zoom**t if kind == 2 else 1.0)

    bodies = []
    for class_id in range(rng.integers(1, 4)):
        speed = rng.uniform(-0.12, 0.12, 2) * (rng.random() < 0.6)
        where = straight(rng.uniform(0.2, 0.8), rng.uniform(0.12, 0.44), vx=speed[0], vy=speed[1] / 2)
        bodies.append(Body(where, size=(0.08, 0.1), class_id=class_id, jitter=0.001))
    missing = tuple(range(1, 40, 2)) if kind == 5 else ()
    return _measured(*bodies, view=view, missing_steps=missing, seed=int(rng.integers(1000)))


@pytest.mark.parametrize("seed", range(60))
def test_the_fields_of_a_caption_never_contradict_each_other(seed: int) -> None:
    evidence = _random_evidence(np.random.default_rng(seed))
    labels = evidence.camera.labels
    caption = Captioner(None).describe(window([]), evidence, INSIDE)
    turning = any(label.startswith(("pan", "tilt")) for label in labels)
    assert "following" not in caption.camera.text or turning
    for instance, track in zip(caption.instances, evidence.tracks, strict=True):
        action, position = instance.action.text, instance.position.text
        by_camera = "because the camera" in position
        assert camera_claims(position) <= set(labels)
        assert not by_camera or set(labels) - {"static", "shake"}
        assert "camera follows" not in action or turning
        if action.endswith("stays in place.") and "moves from" in position:
            assert "in the picture" in position or by_camera, (action, position, labels)
        if turning and " moves " in action and "stays at" in position:
            assert position.endswith("in the picture."), (action, position, labels)
        answer = Answer(track.track_id, "action", f"{action} {position}", 0, 1.0, truncated=False)
        reasons = check_instance(answer, track, LABELS, camera=evidence.camera, seen=set(LABELS))
        assert not reasons, (answer.text, reasons)
