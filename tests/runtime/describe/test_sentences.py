"""Sentences: every one is checked for grammar, and against the Evidence it was made of."""

from __future__ import annotations

import re
from dataclasses import replace
from itertools import product

import numpy as np
import pytest

from edgecap.runtime.data.evidence import CameraEvidence, ColourShare, Evidence, Motion
from edgecap.runtime.describe import sentences as words
from edgecap.runtime.english import plural
from edgecap.runtime.measure.measure import measure
from edgecap.runtime.measure.motion import DIRECTIONS
from tests.runtime.drawn_windows import Body, View, straight, window

STILL = Motion("static", False, (0.0, 0.0), None, 0.0, False, False, False, False)
CAMERA = CameraEvidence(("static",), 0.0, 0.0, 1.0, 0.0, 0.0, "", 0.9)


def _track(where, view=lambda t: View(), **options):
    (track,) = measure(window([Body(where, **options)], view)).tracks
    return track


TRACK = _track(straight(0.5, 0.28))


def _moving(direction="right", **flags):
    facts = {"stops": False, "starts": False, "turns": False, "returns": False, "headings": (direction,), **flags}
    return Motion(
        direction,
        True,
        (0.3, 0.0),
        0.0,
        0.1,
        facts["stops"],
        facts["starts"],
        facts["turns"],
        facts["returns"],
        facts["headings"],
    )


def _position(**changes):
    return words.position_sentence(replace(TRACK, **changes))


def test_position_measured_from_windows():
    assert words.position_sentence(TRACK) == "The person stays at center-middle."
    assert words.position_sentence(_track(straight(0.15, 0.1, vx=0.06, vy=0.05))) == (
        "The person moves from top-left to center-middle."
    )
    assert words.position_sentence(_track(straight(0.5, 0.28, vx=0.2))) == (
        "The person moves from center-middle to center-right and out of frame in the end."
    )
    there_and_back = _track(lambda t: (0.2 + 0.2 * (2.5 - abs(t - 2.5)), 0.3))
    assert (
        words.position_sentence(there_and_back)
        == "The person moves from center-left to center-right and back to center-left."
    )


def test_jitter_over_a_cells_border_is_neither_a_move_nor_a_stay():
    track = _track(straight(1 / 3, 0.28), jitter=0.004)
    assert set(track.cells) == {"center-left", "center-middle"}
    ends = replace(track, position_start="center-left", position_end="center-middle")
    assert words.position_sentence(ends) == "The person stays between center-left and center-middle."
    same = replace(track, position_start="center-left", position_end="center-left")
    assert words.position_sentence(same) == "The person stays at center-left."


def test_position_of_what_leaves_from_its_first_cell():
    assert _position(out_of_frame_at_end=True) == "The person is at center-middle, then moves out of frame in the end."


MOTIONS = {
    "still": (STILL, "It stays in place."),
    "moves": (_moving(), "It moves to the right."),
    "diagonal": (_moving("up-left"), "It moves up and to the left."),
    "stops": (_moving(stops=True), "It moves to the right, then stops."),
    "starts": (_moving("down", starts=True), "It stays in place at first, then moves down."),
    "starts and stops": (
        _moving(starts=True, stops=True),
        "It stays in place at first, then moves to the right, then stops.",
    ),
    "turns": (_moving("down-right", turns=True, headings=("right", "down")), "It moves to the right, then down."),
    "returns": (
        _moving("static", turns=True, returns=True, headings=("left", "right")),
        "It moves to the left and back.",
    ),
    "wanders back": (
        _moving("static", turns=True, returns=True, headings=("left", "up", "right")),
        "It moves around and back to where it was.",
    ),
    "wanders": (
        _moving("up", turns=True, headings=("left", "up", "right", "up")),
        "It moves up, changing direction.",
    ),
    "bends a little": (_moving("right", headings=("right", "up-right")), "It moves to the right."),
}


@pytest.mark.parametrize("row", MOTIONS.values(), ids=MOTIONS.keys())
def test_motion_sentences(row):
    motion, expected = row
    assert words.motion_sentence(replace(TRACK, motion_world=motion, motion_image=motion)) == expected


def test_depth_in_words():
    assert words.motion_sentence(replace(TRACK, depth="approaching")) == "It comes closer."
    assert words.motion_sentence(
        replace(TRACK, depth="receding", motion_world=_moving("left"), motion_image=_moving("left"))
    ) == ("It moves to the left, going farther away.")


def _camera(*phases, shake=False, adverb="slowly"):
    labels = sorted({label for group in phases for label in group} | ({"shake"} if shake else set())) or ["static"]
    return replace(CAMERA, labels=tuple(labels), phases=phases, speed_adverb=adverb if phases else "")


CAMERAS = {
    "static": (_camera(), "The camera is static."),
    "shake": (_camera(shake=True), "The camera shakes."),
    "pan": (_camera(("pan_right",)), "The camera pans right slowly."),
    "both": (_camera(("pan_left", "zoom_in"), adverb="quickly"), "The camera pans left and zooms in quickly."),
    "out and back": (_camera(("pan_right",), ("pan_left",)), "The camera pans right slowly, then pans back left."),
    "roll and shake": (_camera(("roll_left",), shake=True), "The camera rolls to the left slowly while it shakes."),
    "unknown": (replace(CAMERA, labels=()), "The camera motion could not be measured."),
    "long": (
        _camera(("tilt_up",), ("zoom_out",), ("tilt_down",), ("zoom_in",)),
        "The camera tilts up slowly, then zooms out, then tilts back down, and so on.",
    ),
}


@pytest.mark.parametrize("row", CAMERAS.values(), ids=CAMERAS.keys())
def test_camera_sentences(row):
    camera, expected = row
    assert words.camera_sentence(camera) == expected


def test_camera_measured_from_a_window():
    evidence = measure(window(view=lambda t: View(x=0.5 + 0.09 * (2.5 - abs(t - 2.5)))))
    assert words.camera_sentence(evidence.camera) == "The camera pans right slowly, then pans back left."


PALETTES = {
    "one": ((("red", 0.95),), "car", "A red car."),
    "an": ((("orange", 0.9),), "umbrella", "An orange umbrella."),
    "mostly": ((("white", 0.7), ("gray", 0.1), ("blue", 0.1)), "object", "A mostly white object."),
    "some": ((("red", 0.6), ("blue", 0.25)), "bus", "A mostly red bus with some blue."),
    "two": ((("red", 0.5), ("blue", 0.4)), "dog", "A red and blue dog."),
    "three": ((("red", 0.4), ("blue", 0.3), ("green", 0.3)), "kite", "A red, blue and green kite."),
    "none": ((), "elephant", "An elephant."),
    "white in the shade": ((("gray", 0.57), ("white", 0.35)), "dog", "A dog with some white."),
    "brown in flat light": ((("gray", 0.6), ("brown", 0.29)), "cow", "A cow with some brown."),
    "black in the sun": ((("black", 0.65), ("gray", 0.32)), "bird", "A mostly black bird."),
    "gray with shadows": ((("gray", 0.6), ("black", 0.3)), "elephant", "A mostly gray elephant."),
    "gray alone": ((("gray", 0.9),), "elephant", "A gray elephant."),
    "tyres and panes": ((("red", 0.5), ("black", 0.4)), "car", "A mostly red car."),
    "a black car": ((("black", 0.7), ("gray", 0.2)), "car", "A mostly black car."),
    "a dun horse": (
        (("white", 0.44), ("gray", 0.32), ("brown", 0.22)),
        "horse",
        "A white horse with some brown.",
    ),
    "scattered": (tuple((n, 0.1) for n in ("red", "blue", "green")), "bus", "A bus."),
}


@pytest.mark.parametrize("row", PALETTES.values(), ids=PALETTES.keys())
def test_appearance_sentences(row):
    shares, class_name, expected = row
    track = replace(TRACK, class_name=class_name, palette=tuple(ColourShare(n, s) for n, s in shares))
    assert words.appearance_sentence(track) == expected


def _cast(*names):
    return tuple(
        replace(TRACK, class_name=n.split(" ", 1)[1], palette=(ColourShare(n.split(" ", 1)[0], 0.9),)) for n in names
    )


def test_global_sentence():
    pan = _camera(("pan_right",), adverb="steadily")
    assert words.global_sentence(Evidence(pan, _cast("blue dog", "blue dog", "red car"))) == (
        "Two blue dogs and a red car; the camera pans right steadily."
    )
    assert words.global_sentence(Evidence(CAMERA, ())) == "No instance is reported; the camera is static."
    many = _cast("red car", "blue dog", "green bus", "orange umbrella", "white bird", "pink person", "pink person")
    long = _camera(("pan_right", "zoom_in"), ("pan_left",), ("tilt_up",), shake=True)
    for camera, cast in product((CAMERA, pan, long), (many, many * 3, many[:3])):
        sentence = words.global_sentence(Evidence(camera, cast))
        assert len(sentence.split()) <= 20
        assert "two" in sentence.lower() or "people" not in sentence or len(cast) > 7


@pytest.mark.parametrize(
    ("noun", "expected"),
    [
        ("person", "people"),
        ("bus", "buses"),
        ("bench", "benches"),
        ("knife", "knives"),
        ("sheep", "sheep"),
        ("mouse", "mice"),
        ("red teddy bear", "red teddy bears"),
        ("toothbrush", "toothbrushes"),
        ("cell phone", "cell phones"),
        ("skis", "skis"),
        ("wine glass", "wine glasses"),
        ("toy", "toys"),
        ("box", "boxes"),
        ("pony", "ponies"),
        ("broccoli", "broccoli"),
    ],
)
def test_plurals(noun, expected):
    assert plural(noun) == expected


def test_every_sentence_of_every_combination_is_well_formed():
    flags = [
        dict(zip(("stops", "starts", "turns", "returns"), values, strict=True))
        for values in product((False, True), repeat=4)
    ]
    sentences: set[str] = set()
    for facts, direction, depth, leaves in product(
        flags, ("static", *DIRECTIONS), ("constant", "approaching"), (False, True)
    ):
        headings = ("right", "up") if facts["turns"] else ("right",)
        motion = _moving(direction, **facts, headings=headings)
        track = replace(TRACK, motion_world=motion, motion_image=motion, depth=depth, out_of_frame_at_end=leaves)
        sentences |= {words.position_sentence(track), words.motion_sentence(track), words.action_sentence(track)}
    for sentence in sentences:
        assert re.fullmatch(r"[A-Z][a-z]*( [a-z-]+,?)* [a-z-]+\.", sentence), sentence
        assert "None" not in sentence and "  " not in sentence and "static" not in sentence
        assert not re.search(r"\b(\w+) \1\b", sentence), sentence


def test_words_follow_the_measurement_of_noisy_windows():
    rng = np.random.default_rng(4)
    for _ in range(12):
        vx, vy = rng.uniform(-0.08, 0.08, 2)
        track = _track(straight(0.5 - 2.4 * vx, 0.28 - 2.4 * vy), jitter=0.003)
        sentence = words.motion_sentence(track)
        assert ("to the right" in sentence) == ("right" in track.motion_world.direction)
        assert ("stays in place." in sentence) == (not track.motion_world.moving)
