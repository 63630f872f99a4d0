"""What poses show, in sentences: wording, provenance, and that the verifier accepts every one of them."""

from __future__ import annotations

import itertools
from dataclasses import replace

import pytest

from edgecap.runtime.data.evidence import ColourShare, Evidence, Motion, Relation
from edgecap.runtime.data.person import FACINGS, Act, FacingSpan, PartColours, PersonEvidence
from edgecap.runtime.data.question import Answer
from edgecap.runtime.data.record import DomainVerdict
from edgecap.runtime.describe.captioner import Captioner
from edgecap.runtime.describe.person_sentences import only_sits, person_action_sentence, worn_sentence
from edgecap.runtime.describe.sentences import global_sentence
from edgecap.runtime.verify.verifier import check_instance
from tests.runtime.fake_records import LABELS, RIGHT, STILL, make_record, make_track, make_window

WINDOW = make_window()


def act(name, start=0.0, end=1.75, **more):
    return Act(name, start, end, **more)


def person(*acts, facings=(), clothes=()):
    spans = tuple(FacingSpan(name, start, end) for name, start, end in facings)
    return PersonEvidence(8, 0.0, 1.75, tuple(acts), spans, tuple(clothes))


def track(evidence, motion=STILL, **changes):
    return replace(make_track(WINDOW, 7, motion=motion), person=evidence, **changes)


def worn(part, *names, **more):
    return PartColours(part, tuple(ColourShare(name, 0.5) for name in names), **more)


BACK = Motion("static", True, (0.0, 0.0), None, 0.2, False, False, True, True, ("right", "left"))


@pytest.mark.parametrize(
    ("evidence", "motion", "expected"),
    [
        (person(act("walking"), facings=[("left", 0, 1)]), RIGHT, "walks to the right, facing left"),
        (person(act("walking")), RIGHT, "walks to the right, and the camera follows"),
        (person(act("walking", 0.0, 0.5)), RIGHT, "walks to the right"),
        (person(act("walking")), BACK, "walks to the right and back"),
        (person(act("walking")), STILL, "walks a few steps"),
        (person(act("running")), RIGHT, "runs to the right"),
        (person(facings=[("left", 0, 1)]), RIGHT, "moves to the right, facing left"),
        (person(facings=[("left", 0, 1)]), STILL, "stays in place, facing left"),
        (person(act("standing"), facings=[("camera", 0, 1)]), STILL, "stands, facing the camera"),
        (person(act("standing"), facings=[("away", 0, 1)]), STILL, "stands, facing away from the camera"),
        (person(act("sitting")), STILL, "sits"),
        (person(act("standing", 0, 0.75), act("walking", 1, 1.75)), RIGHT, "stands, then walks to the right"),
        (person(act("jumping", 0.5, 0.75)), RIGHT, "moves to the right, jumping at times"),
        (person(act("crouching", 0.5, 0.75)), STILL, "stays in place, crouching at times"),
        (person(act("standing", 0.5, 0.75)), RIGHT, "moves to the right"),
        (person(act("riding", on_class="bicycle")), RIGHT, "rides the bicycle to the right"),
        (person(act("riding", on_class="horse")), STILL, "sits on the horse"),
        (person(act("standing"), act("arm_raised", side="right")), STILL, "stands, and raises the right arm"),
        (person(act("standing"), act("waving", side="left")), STILL, "stands, and waves with the left arm"),
        (
            person(act("arm_raised", side="left"), act("arm_raised", side="right")),
            STILL,
            "stays in place, and raises both arms",
        ),
        (
            person(act("standing"), act("turning", 0.8, 1.0), facings=[("left", 0, 0.8), ("right", 1, 1.75)]),
            STILL,
            "stands, first facing left, then right",
        ),
        (person(act("standing"), facings=[("left", 0, 0.8), ("camera", 1, 1.75)]), STILL, "stands"),
    ],
)  # fmt: skip
def test_action_sentences(evidence, motion, expected):
    said = person_action_sentence(track(evidence, motion), camera_follows="follows" in expected)
    assert said == f"The person {expected}."


def test_nearing_is_said_with_the_walk():
    near = track(person(act("walking")), RIGHT, depth="approaching")
    assert person_action_sentence(near) == "The person walks to the right, coming closer."
    assert person_action_sentence(replace(near, motion_world=STILL)) == "The person walks, coming closer."


@pytest.mark.parametrize(
    ("clothes", "expected"),
    [
        ([worn("upper", "red")], "a red top"),
        ([worn("upper", "orange", "white")], "an orange and white top"),
        ([worn("upper", "black"), worn("lower", "blue", to_ankles=True)], "a dark top and blue trousers"),
        ([worn("lower", "blue")], "blue lower clothes"),
        (
            [worn("headwear", "red"), worn("lower", "black", to_ankles=True), worn("shoes", "white")],
            "red headwear, dark trousers and white shoes",
        ),
    ],
)  # fmt: skip
def test_appearance_sentences(clothes, expected):
    assert worn_sentence(track(person(clothes=clothes))) == f"A person in {expected}."


def test_poses_that_show_nothing_leave_the_other_sentences():
    for nothing in (None, person()):
        assert person_action_sentence(track(nothing)) == worn_sentence(track(nothing)) == ""
    record = make_record()
    plain = Captioner(None).describe(WINDOW, record.evidence, DomainVerdict("unchecked", None, None)).instances[0]
    assert {plain.action.provenance, plain.appearance.provenance} == {"computed"}


def test_a_hand_wears_nothing():
    hand = track(PersonEvidence(0, 0.0, 1.75), palette=(ColourShare("pink", 0.8),))
    assert worn_sentence(hand) == "A person."
    assert worn_sentence(replace(hand, palette=(ColourShare("blue", 0.8),))) == ""  # said of the whole
    assert worn_sentence(replace(hand, person=None)) == worn_sentence(replace(hand, person=person())) == ""


def test_fields_from_poses_say_so():
    evidence = Evidence(
        make_record().evidence.camera,
        (track(person(act("standing"), clothes=[worn("upper", "green")])), track(person(act("sitting")), track_id=8)),
    )
    one, two = Captioner(None).describe(WINDOW, evidence, DomainVerdict("unchecked", None, None)).instances
    assert (one.action.provenance, one.appearance.provenance) == ("pose", "pose")
    assert (two.action.provenance, two.appearance.provenance) == ("pose", "computed")
    assert one.appearance.text == "A person in a green top." and two.action.text == "The person sits."


@pytest.mark.parametrize(("shift", "expected"), [(0.07, "stands"), (0.09, "moves to the right")])
def test_who_only_stands_is_where_they_were(shift, expected):
    motion = replace(RIGHT, displacement_xy=(shift, 0.0))
    assert person_action_sentence(track(person(act("standing")), motion)) == f"The person {expected}."


def test_who_only_sits_passes_and_follows_nobody():
    sitter = track(person(act("sitting")))
    assert only_sits(sitter)
    assert not only_sits(track(person(act("sitting", 0, 0.5))))  # for a while
    assert not only_sits(track(person(act("sitting", 0, 1), act("walking", 1, 1.75)))) and not only_sits(track(None))
    other = replace(make_track(WINDOW, 9), class_name="dog")
    evidence = Evidence(make_record().evidence.camera, (sitter, other), (Relation("follows", 7, 9, 0.0, 1.0, 0.9),))
    verdict = DomainVerdict("unchecked", None, None)
    assert Captioner(None).describe(WINDOW, evidence, verdict).instances[0].action.text == "The person sits."
    walker = replace(evidence, tracks=(track(person(act("walking"))), other))
    assert "follows" in Captioner(None).describe(WINDOW, walker, verdict).instances[0].action.text


def test_the_verifier_accepts_every_such_sentence():
    lists = [
        (act("walking"),), (act("running"),), (act("standing"),), (act("sitting"),), (act("crouching"),),
        (act("riding", on_class="motorcycle"),), (act("jumping", 0.5, 0.7),),
        (act("standing", 0, 0.8), act("walking", 1, 1.7)),
        (act("standing"), act("waving", side="left")), (act("arm_raised", side="both"),),
    ]  # fmt: skip
    clothes = [worn("upper", "black"), worn("lower", "blue", to_ankles=True)]
    for acts, way, motion, depth in itertools.product(
        lists, FACINGS, (STILL, RIGHT), ("constant", "approaching", "receding")
    ):
        one = track(person(*acts, facings=[(way, 0, 1)], clothes=clothes), motion, depth=depth)
        labels = (*LABELS, "motorcycle")
        for field, text in (("action", person_action_sentence(one)), ("appearance", worn_sentence(one))):
            answer = Answer(7, field, text, 0, 1.0, truncated=False)
            reasons = check_instance(answer, one, labels, seen=("person", "motorcycle"))
            assert not reasons, (text, reasons)


def test_a_rider_is_on_the_mount_in_the_global_sentence():
    rider = track(person(act("riding", on_class="horse", on_track_id=9)))
    horse = replace(rider, track_id=9, class_name="horse", person=None)
    camera = make_record().evidence.camera
    assert global_sentence(Evidence(camera, (horse, rider))).startswith("A person on a red horse; the camera")
    assert global_sentence(Evidence(camera, (rider,))).startswith("A person; the camera")
    second = replace(rider, track_id=8)
    assert global_sentence(Evidence(camera, (horse, rider, second))).startswith(
        "A person on a red horse and a person; "
    )
