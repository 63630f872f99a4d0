"""What a text says of classes, colours, ways, places and the camera, against what was measured."""

from __future__ import annotations

from dataclasses import replace
from typing import get_args

import numpy as np
import pytest

from edgecap.runtime.data.caption import Caption, FieldText
from edgecap.runtime.data.evidence import Motion
from edgecap.runtime.data.question import Answer, FieldName
from edgecap.runtime.pipeline.messages import Described
from edgecap.runtime.pipeline.write import WriteStep
from edgecap.runtime.verify.appearance import mentions
from edgecap.runtime.verify.motion import ways_in
from edgecap.runtime.verify.reasons import REASONS, ReasonCode, VerifierCounts, code_of, verifier_counts
from edgecap.runtime.verify.verifier import check_instance, check_scene, seen_classes
from tests.runtime.fake_records import CAMERA, LABELS, RIGHT, STILL, make_evidence, make_record, make_track, make_window

WINDOW = make_window()
PERSON = make_track(WINDOW, 7, motion=RIGHT)  # red .6, blue .3, black .1; runs along the top left
COCO = ("person", "dog", "car", "truck", "sink", "cup", "horse")
UP_LEFT = Motion("left", True, (-0.3, -0.02), 184.0, 0.1, False, False, True, False, ("up-left", "down-left"))


def _codes(text: str, field: FieldName = "action", *, track: object = PERSON, labels: object = COCO) -> list[str]:
    answer = Answer(7, field, text, 9, 0.9, False)
    reasons = check_instance(answer, track, labels, camera=CAMERA, seen={"person", "dog"})  # type: ignore[arg-type]
    return [r.code for r in reasons]


def test_the_list_of_codes_is_closed_and_documented() -> None:
    assert set(REASONS) == set(get_args(ReasonCode))
    assert all(text and not text.endswith(".") for text in REASONS.values())


@pytest.mark.parametrize(
    ("text", "labels"),
    [
        ("A puppy beside a lorry.", ["dog", "truck"]),
        ("It sinks, and the sink is full.", ["sink"]),
        ("Two men and a hot dog.", ["person", "dog"]),
        ("A football.", []),
        ("Soundly built.", []),
    ],
)
def test_mentions_by_other_names(text: str, labels: list[str]) -> None:
    assert [m.label for m in mentions(text, COCO)] == labels


@pytest.mark.parametrize(
    ("text", "codes"),
    [
        pytest.param("A man walks.", [], id="another name of its class"),
        pytest.param("A puppy walks.", ["class"], id="another name of another class"),
        pytest.param("Near a small dog, a man walks.", [], id="behind a preposition is no subject"),
        pytest.param("A man walks past a truck.", ["class"], id="a truck was not seen"),
        pytest.param("A man walks with a cup.", [], id="small things escape a detector"),
        pytest.param("A man in red walks past a green meadow.", [], id="the meadow's colour"),
        pytest.param("A man in red walks past a green dog.", [], id="the dog's colour"),
        pytest.param("A man in a green coat walks.", ["colour"], id="his own"),
    ],
)
def test_classes_and_colours_in_free_prose(text: str, codes: list[str]) -> None:
    assert _codes(text) == codes


@pytest.mark.parametrize(
    ("text", "ways"),
    [
        ("It walks to the left.", ["left"]),
        ("It enters from the left.", ["right"]),
        ("It moves from right to left.", ["left"]),
        ("It drifts up and to the left.", ["left", "up"]),
        ("It runs leftward.", ["left"]),
        ("It flies towards the top of the frame.", ["up"]),
        ("It walks to the left of the dog.", []),
        ("It lifts its left arm.", []),
        ("It walks and looks to the left.", []),
        ("It walks up the street.", []),
        ("It moves from top-left to bottom-left.", []),
        ("It left the car.", []),
    ],
)
def test_ways_that_a_text_says(text: str, ways: list[str]) -> None:
    assert sorted({way for way, _ in ways_in(text)}) == ways


@pytest.mark.parametrize(
    ("text", "motion", "codes"),
    [
        ("It walks upward.", RIGHT, ["direction"]),
        ("It walks to the right.", RIGHT, []),
        ("It flies upward.", UP_LEFT, ["direction"]),
        ("It flies up and to the left.", UP_LEFT, []),
        ("It walks in place.", STILL, []),
        ("It moves its head.", STILL, []),
        ("It comes closer to the camera.", RIGHT, ["depth"]),
        ("It comes closer to the dog.", RIGHT, []),
        ("It recedes into the distance.", RIGHT, ["depth"]),
    ],
)
def test_ways_and_depth_against_the_path(text: str, motion: Motion, codes: list[str]) -> None:
    assert _codes(text, track=replace(PERSON, motion_world=motion, motion_image=motion)) == codes


def test_what_comes_closer_may_be_said_to_walk() -> None:
    near = replace(PERSON, motion_world=STILL, motion_image=STILL, depth="approaching")
    assert _codes("It walks towards the camera.", track=near) == []
    assert _codes("It moves away from the camera.", track=near) == ["depth"]


def test_what_the_camera_moves_may_be_said_to_move_in_the_picture() -> None:
    carried = replace(PERSON, motion_world=STILL, motion_image=RIGHT, depth="constant")
    assert _codes("It moves to the right in the picture.", track=carried) == []
    assert _codes("It moves to the right.", track=carried) == ["motion"]
    assert _codes("It stays in place in the picture.", track=replace(carried, motion_world=RIGHT)) == ["motion"]
    still = replace(carried, motion_image=STILL)
    assert _codes("It moves to the right in the picture.", track=still) == ["motion"]
    assert _codes("It stays in place in the picture.", track=replace(still, motion_world=RIGHT)) == []


CROSSING = replace(
    PERSON,
    centroids_xy=np.stack([np.linspace(0.1, 0.9, 8), np.full(8, 0.2)], 1).astype(np.float32),
    position_end="top-right",
)


@pytest.mark.parametrize(
    ("text", "codes"),
    [
        ("It moves from top-left to top-right.", []),
        ("It moves from top-right to top-left.", ["position", "position"]),
        ("It moves from top-left to top-middle.", ["position"]),
        ("It moves from top-left to top-middle and back to top-right.", []),
        ("It is in the upper middle.", []),
        ("It is in the lower left corner.", ["position"]),
        ("It is on the left side of the frame.", []),
        ("It is at the bottom of the picture.", ["position"]),
        ("It begins on the right side of the frame.", ["position"]),
        ("It is in the middle of the frame.", ["position"]),
        ("Its lower left leg is red.", []),
    ],
)
def test_places_against_the_path(text: str, codes: list[str]) -> None:
    assert _codes(text, track=CROSSING) == codes


@pytest.mark.parametrize(
    ("text", "codes"),
    [
        ("The camera pans left.", []),
        ("The camera slowly pans to the right.", ["camera"]),
        ("The camera pans left and zooms in.", ["camera"]),
        ("The shot is static.", ["camera"]),
        ("Shaky footage.", ["camera"]),
        ("The camera follows it.", []),
        ("The view of a kite that tilts up and down.", []),
    ],
)
def test_camera_words_against_the_camera(text: str, codes: list[str]) -> None:
    assert _codes(text) == codes
    answer = Answer(None, "background", text, 9, 0.9, False)
    unmeasured = replace(make_evidence(WINDOW), camera=replace(CAMERA, labels=()))
    assert [r.code for r in check_scene(answer, make_evidence(WINDOW), LABELS)] == codes
    assert check_scene(answer, unmeasured, LABELS) == ()


@pytest.mark.parametrize(
    ("text", "codes"),
    [
        ("A person runs to the right.", []),
        ("A red person runs to the right.", ["colour"]),  # clothes are red, not people
        ("A blue dog.", []),
        ("A green dog.", ["colour"]),
        ("A person runs to the left.", ["direction"]),
        ("A person and a dog run to the left.", []),
        ("A dog runs.", ["motion"]),
        ("A man and a dog.", []),
    ],
)
def test_a_scene_sentence_about_one_instance_is_held_against_it(text: str, codes: list[str]) -> None:
    reasons = check_scene(Answer(None, "global", text, 9, 0.9, False), make_evidence(WINDOW), LABELS)
    assert [r.code for r in reasons] == codes


def test_tracks_that_are_not_reported_are_seen_all_the_same() -> None:
    everything, evidence = make_evidence(WINDOW), replace(make_evidence(WINDOW), tracks=())
    assert seen_classes(WINDOW, everything) == {"person": 2, "dog": 1}  # the window's frames call both a person
    said = Answer(None, "global", "Two people walk.", 9, 0.9, False)
    assert [r.code for r in check_scene(said, evidence, LABELS)] == ["class"]
    assert check_scene(said, evidence, LABELS, seen=seen_classes(WINDOW, evidence)) == ()


def test_counts_of_a_run() -> None:
    good, cured = FieldText("a", "model"), FieldText("b", "model", rejections=("colour: pink is 0%",))
    lost = FieldText("c", "fallback", rejections=("colour: x", "unfinished: it ends with 'y'"))
    kept, computed = FieldText("d", "model", kept_from_clip=0), FieldText("e", "computed")
    counts = verifier_counts([Caption(good, (), cured, computed), Caption(lost, (), kept, computed)])
    assert counts == VerifierCounts(1, 1, 1, {"colour": 2, "unfinished": 1})
    assert (counts.asked, counts.rejected, (counts + counts).refusals["colour"]) == (3, 2, 4)
    assert counts.line() == (
        "3 fields asked: 66.7% rejected (33.3% repaired, 33.3% fallen back); colour 2, unfinished 1"
    )
    assert VerifierCounts().share(0) == 0.0
    assert code_of("colour: pink is 0%") == "colour"


def test_a_run_s_summary_counts_what_was_refused() -> None:
    step = WriteStep([])
    for number in range(2):
        assert not list(step.feed(Described(number, make_record(clip_index=number))))
    # Of each record: two appearances refused once and cured; the global sentence and two actions passed;
    # the background, unknown without a refusal, was never asked.
    assert step.verified == VerifierCounts(passed=6, repaired=4, fallen_back=0, refusals={"colour": 4})
