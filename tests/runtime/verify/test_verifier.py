"""Every objection has a text that meets it and a near one that does not."""

from __future__ import annotations

from dataclasses import replace

import pytest

from edgecap.bench.world.classes import CLASSES
from edgecap.bench.world.ground_truth import sentences
from edgecap.runtime.data.evidence import Evidence
from edgecap.runtime.data.question import Answer, FieldName
from edgecap.runtime.verify.verifier import check_form, check_instance, check_scene
from tests.runtime.fake_records import CAMERA, LABELS, RIGHT, STILL, make_evidence, make_track, make_window

WINDOW = make_window()
PERSON = make_track(WINDOW, 7, motion=RIGHT)  # red .6, blue .3, black .1


def _answer(text: str, field: FieldName = "appearance", *, truncated: bool = False) -> Answer:
    return Answer(7, field, text, 9, 0.9, truncated)


def _codes(reasons: tuple) -> list[str]:
    return [r.code for r in reasons]


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("", "empty"),
        ("  ", "empty"),
        ("A person in a red", "unfinished"),
        ("- A person.", "list"),
        ("1. A person.", "list"),
        ("A person.\nA dog.", "list"),
        ("It walks. It walks.", "repeated"),
        ("it walks on and on it walks on and on it walks on and on now.", "repeated"),
        ("It walks and loud music is heard.", "sound"),
        ("The dog barks.", "sound"),
        ("It appears to walk.", "hedge"),
        ("It looks like a person.", "hedge"),
        ("It may be a person.", "hedge"),
        ("A person with no visible hat.", "absent"),
        ("There is no text on it.", "absent"),
        ("A person on a blurred background.", "picture"),
        ("In frame 3 it turns.", "picture"),
        ("In the last frame it turns.", "picture"),
        ("It turns at 2.5 s.", "picture"),
        (f"A person {'very ' * 60}tall.", "long"),
        ("A very very very tall person.", "repeated"),
        ("**A person.**", "markup"),
        ("Appearance: a person.", "markup"),
        ("A person <s>.", "markup"),
        ("\u72ac\u304c\u8d70\u308b.", "script"),
        ("Its engine hums.", "sound"),
        ("A person, or maybe a dog.", "hedge"),
        ("A red or orange car.", "hedge"),
        ("It appears calm.", "hedge"),
        ("No people are there.", "absent"),
        ("A person without a hat.", "absent"),
        ("It turns after three seconds.", "picture"),
        ("It turns at 0:03.", "picture"),
    ],
)
def test_form_objects(text: str, code: str) -> None:
    assert code in _codes(check_form(_answer(text)))


@pytest.mark.parametrize(
    "text",
    [
        "A person in a red shirt and blue trousers.",
        "A bicycle with blue wheels and a red frame.",
        "It walks and waves an arm.",
        "A soundly built car.",
        "A person holding a mask.",
        "It appears at the gate and no longer moves.",
        'A sign that reads "NO PARKING: maybe 10:30" hangs there.',
        "It walks towards the left side of the frame, and ends on the left side of the frame.",
        "It was built in May.",
        "An appearance of red.",
    ],
)
def test_form_lets_plain_sentences_pass(text: str) -> None:
    assert check_form(_answer(text)) == ()


def test_truncated_answer_is_unfinished_even_with_a_full_stop() -> None:
    assert _codes(check_form(_answer("It walks.", truncated=True))) == ["unfinished"]


def test_length_limit_is_the_field_s() -> None:
    text = " ".join(f"w{i}" for i in range(24)) + " end."
    assert check_form(_answer(text, "appearance")) == ()
    assert _codes(check_form(_answer(text, "global"))) == ["long"]


@pytest.mark.parametrize(
    ("text", "banned"),
    [
        pytest.param(
            "A person in a green shirt and red trousers.",
            ("green",),
            id="blue is near green, but leaves no trace of it",
        ),
        pytest.param("A person in a yellow shirt and red trousers.", ("yellow",), id="yellow is nowhere"),
        pytest.param(
            "A person in a golden shirt and red trousers.", ("golden",), id="a synonym is banned as it was said"
        ),
        pytest.param("A person in a red shirt and blue trousers.", (), id="right"),
        pytest.param("A person in a crimson shirt.", (), id="synonym of the largest"),
        pytest.param("A person in a white shirt.", ("white",), id="largest not named, absent named"),
    ],
)
def test_colours_against_the_palette(text: str, banned: tuple[str, ...]) -> None:
    reasons = check_instance(_answer(text), PERSON, LABELS)
    assert {w for r in reasons for w in r.banned_words} == set(banned)
    assert bool(reasons) == bool(banned)


def test_a_neighbour_that_is_named_itself_vouches_for_no_other() -> None:
    blue = make_track(WINDOW, 7, palette=(("white", 0.7), ("blue", 0.27), ("purple", 0.03)))
    assert check_instance(_answer("A person in purple and white."), blue, LABELS) == (), "blue with a trace of purple"
    [reason] = check_instance(_answer("A person in a blue shirt, a white cap and purple trousers."), blue, LABELS)
    assert reason.banned_words == ("purple",)


def test_a_trace_is_measured_by_what_it_lies_on() -> None:
    gray = make_track(WINDOW, 7, palette=(("gray", 0.7), ("yellow", 0.29), ("black", 0.01)))
    [reason] = check_instance(_answer("A person in a black shirt and yellow trousers."), gray, LABELS)
    assert reason.banned_words == ("black",), "one pixel of seventy is an outline on gray, not a black that looks gray"


@pytest.mark.parametrize(
    ("text", "banned"),
    [
        ("A gray car.", ("gray",)),
        ("A gray and red car.", ("gray",)),
        ("This car, gray and red, drives off.", ("gray",)),
        ("A red sedan, gray, drives off.", ("gray",)),
        ("A red car with gray tires.", ()),
        ("A red car drives on, and gray tires turn.", ()),
        ("A red and orange car.", ()),
    ],
)
def test_a_colour_said_of_the_whole_must_be_more_than_its_tyres(text: str, banned: tuple[str, ...]) -> None:
    shares = (("red", 0.4), ("orange", 0.35), ("yellow", 0.2), ("gray", 0.05))
    reasons = check_instance(_answer(text), make_track(WINDOW, 7, class_name="car", palette=shares), ("person", "car"))
    assert {w for r in reasons if r.code == "colour" for w in r.banned_words} == set(banned)


@pytest.mark.parametrize(
    ("text", "banned"),
    [
        ("A person in a rose-colored shirt.", ("rose",)),
        ("A person in a wine-coloured shirt.", ()),
        ("A person in a tangerine shirt.", ("tangerine",)),
        ("A person in red clothes rose from a chair beside a rose.", ()),
    ],
)
def test_shades_are_named_by_things_too(text: str, banned: tuple[str, ...]) -> None:
    red = make_track(WINDOW, 7, palette=(("red", 0.6), ("blue", 0.4)))
    assert {w for r in check_instance(_answer(text), red, LABELS) for w in r.banned_words} == set(banned)


def test_dominant_colour_must_be_named() -> None:
    green = make_track(WINDOW, 7, palette=(("green", 0.8), ("pink", 0.2)))
    reasons = check_instance(_answer("A person in pink clothes."), green, LABELS)
    assert [str(r) for r in reasons] == ["colour: green fills 80% and is not named"]
    assert reasons[0].banned_words == (), "pink is there: forbidding it would be wrong"


def test_without_a_palette_no_colour_is_judged() -> None:
    assert check_instance(_answer("A person in a yellow shirt."), replace(PERSON, palette=()), LABELS) == ()


def test_a_class_that_is_spelt_like_a_colour_is_no_colour() -> None:
    fruit = make_track(WINDOW, 7, class_name="orange", palette=(("blue", 1.0),))
    assert check_instance(_answer("A blue orange."), fruit, LABELS) == ()


@pytest.mark.parametrize(
    ("text", "banned"),
    [
        ("A dog in a red vest.", ("dog",)),
        ("Two dogs in red.", ("dogs",)),
        ("A red sports ball.", ("sports ball",)),
        ("A person in red with a dog.", ()),
        ("A red thing.", ()),
    ],
)
def test_subject_must_be_the_detector_s_class(text: str, banned: tuple[str, ...]) -> None:
    reasons = check_instance(_answer(text), PERSON, LABELS)
    assert [r.banned_words for r in reasons if r.code == "class"] == ([banned] if banned else [])


@pytest.mark.parametrize(
    ("text", "motion", "codes"),
    [
        pytest.param("It walks.", STILL, ["motion"], id="walks but rests"),
        pytest.param("It stands still.", RIGHT, ["motion"], id="rests but moves"),
        pytest.param("It walks.", RIGHT, [], id="walks and moves"),
        pytest.param("It stands still and waves an arm.", STILL, [], id="rests and gestures"),
        pytest.param("It stands still, then walks.", RIGHT, [], id="both"),
        pytest.param("It walks to the left.", RIGHT, ["direction"], id="left but right"),
        pytest.param("It walks to the right.", RIGHT, [], id="right and right"),
        pytest.param("It lifts its left arm and walks.", RIGHT, [], id="left is no direction here"),
    ],
)
def test_motion_words_against_the_world_motion(text: str, motion: object, codes: list[str]) -> None:
    track = replace(PERSON, motion_world=motion, motion_image=motion)
    assert _codes(check_instance(_answer(text, "action"), track, LABELS)) == codes


def test_direction_needs_both_references_against_it() -> None:
    left_in_picture = replace(PERSON, motion_image=replace(RIGHT, direction="left"))
    assert check_instance(_answer("It walks to the left.", "action"), left_in_picture, LABELS) == ()


@pytest.mark.parametrize(
    ("text", "codes"),
    [
        ("A person and a dog are on a beach.", []),
        ("A dog is on a beach.", []),
        ("A car and a dog are on a beach.", ["class"]),
        ("Two dogs and a person are on a beach.", ["count"]),
        ("Two people are on a beach.", ["count"]),
        ("A snow field lies under a pale sky.", []),
    ],
)
def test_global_sentence_against_the_inventory(text: str, codes: list[str]) -> None:
    assert _codes(check_scene(_answer(text, "global"), make_evidence(WINDOW), LABELS)) == codes


@pytest.mark.parametrize(
    ("text", "codes"),
    [
        ("A beach under a pale sky.", []),
        ("A beach with a person far away.", []),
        ("A road with parked cars.", ["class"]),
        ("A car and a sports ball lie on the grass.", ["class", "class"]),
        ("An orange sunset over a lake.", []),
    ],
)
def test_background_names_no_class_that_was_not_tracked(text: str, codes: list[str]) -> None:
    reasons = check_scene(_answer(text, "background"), make_evidence(WINDOW), LABELS)
    assert _codes(reasons) == codes
    assert all(word in text for reason in reasons for word in reason.banned_words)


def test_empty_scene_may_say_nothing_is_there() -> None:
    nothing = Evidence(CAMERA, ())
    assert check_scene(_answer("Nothing is on a beach.", "global"), nothing, LABELS) == ()
    assert _codes(check_scene(_answer("A dog is on a beach.", "global"), nothing, LABELS)) == ["class"]


def test_reference_sentences_of_the_world_pass() -> None:
    """The sentences that nano is trained to say, said truly, must never be refused."""
    labels = tuple(c.name for c in CLASSES)
    for spec in CLASSES:
        palette = (("red", 0.5), ("blue", 0.3), ("black", 0.2))
        for moving in (True, False):
            motion = RIGHT if moving else STILL
            track = make_track(WINDOW, 7, class_name=spec.name, motion=motion, palette=palette)
            said = [("appearance", sentences.appearance(spec.name, "red", "blue"))]
            said += [
                ("action", sentences.action(spec.name, moving, g)) for g in (None, *(g.name for g in spec.gestures))
            ]
            for field, text in said:
                assert check_instance(_answer(text, field), track, labels) == (), text
    for place in sentences._PLACES:
        assert check_scene(_answer(sentences.background(place), "background"), Evidence(CAMERA, ()), labels) == ()
