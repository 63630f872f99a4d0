"""False twins differ from their true texts in the planted statement only, and a trial is counted as what it is."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from edgecap.bench.quality.facts import Heading, TrueInstance
from edgecap.bench.quality.planted import words as planted_words
from edgecap.bench.quality.planted.planted import (
    PlantedReport,
    Trial,
    Watched,
    plant,
    planted_json,
    planted_lines,
    try_pair,
)
from edgecap.bench.quality.planted.texts import KINDS, Form, Kind, Pair, Subject, make_pair
from edgecap.bench.quality.vocabulary import CELLS
from edgecap.bench.world.classes import CLASSES
from edgecap.cli.main import main
from edgecap.runtime.data.evidence import CameraEvidence, ColourShare, Motion, TrackEvidence
from edgecap.runtime.verify.reasons import VerifierCounts
from edgecap.runtime.verify.words.lexicon import COLOURS

LABELS = tuple(c.name for c in CLASSES)
RIGHTWARD, RESTING = Heading((0.3, 0.0), 5.0, True), Heading((0.0, 0.0), None, False)
DOG = TrueInstance(
    instance_id=1,
    class_name="dog",
    primary_colour="red",
    secondary_colour="blue",
    cell_start="top-left",
    cell_end="top-right",
    released_start="center-left",
    released_end="center-right",
    gone_at_end=False,
    heading_image=RIGHTWARD,
    heading_world=RIGHTWARD,
    action_text="It runs and wags its tail.",
    appearance_text="A red dog with a blue vest.",
)
SUBJECT = Subject(DOG, frozenset({"dog"}), frozenset({"top-left", "top-middle", "top-right"}), "in a meadow")
RIGHT = Motion("right", True, (0.8, 0.0), 0.0, 0.1, False, False, False, False, ("right",))
TRACK = TrackEvidence(
    track_id=3,
    class_name="dog",
    class_confidence=1.0,
    mean_score=0.9,
    pts_seconds=np.arange(8.0),
    centroids_xy=np.stack([np.linspace(0.1, 0.9, 8), np.full(8, 0.15)], 1).astype(np.float32),
    boxes_xyxy=np.zeros((8, 4), np.float32),
    areas=np.full(8, 0.1, np.float32),
    cells=("top-left",) * 8,
    position_start="top-left",
    position_end="top-right",
    out_of_frame_at_end=False,
    motion_image=RIGHT,
    motion_world=RIGHT,
    depth="constant",
    palette=(ColourShare("red", 0.6), ColourShare("blue", 0.4)),
    born=False,
    lost=False,
)
CAMERA = CameraEvidence(("static",), 0.0, 0.0, 1.0, 0.0, 0.0, "", 0.9)
WATCHED = Watched("moving_000001", SUBJECT, TRACK, CAMERA, LABELS, frozenset({"dog"}))


def _pairs(kind: Kind, form: Form, count: int = 30) -> list[Pair]:
    rng = np.random.default_rng(1)
    return [p for _ in range(count) if (p := make_pair(kind, form, SUBJECT, rng)) is not None]


@pytest.mark.parametrize("form", ["closed", "free"])
@pytest.mark.parametrize("kind", KINDS)
def test_a_false_twin_differs_in_the_planted_words_only(kind: Kind, form: Form) -> None:
    pairs = _pairs(kind, form)
    assert len(pairs) == 30 and len({p.false_text for p in pairs}) >= 3
    for pair in pairs:
        assert pair.planted in pair.false_text and pair.true_text != pair.false_text
        assert pair.true_text.endswith(".") and pair.false_text.endswith(".")
        true, false = (
            set(t.lower().replace(".", "").replace(",", "").split()) for t in (pair.true_text, pair.false_text)
        )
        planted = set(pair.planted.lower().replace(",", "").split())
        assert false - true <= planted | {"a", "an"}, pair


def test_what_is_planted_is_false() -> None:
    for form in ("closed", "free"):
        colours = {p.planted for p in _pairs("colour", form, 200)}
        shades = {s for c in ("red", "blue") for s in (c, *planted_words.COLOUR_SHADES[c])}
        assert not colours & shades and len(colours & set(COLOURS)) == 9
        assert {p.planted for p in _pairs("class", form, 200)}.isdisjoint({"dog", "puppy", "hound"})
        for pair in _pairs("direction", form, 60):
            assert "right" not in pair.planted.replace("from right", ""), pair.planted
        cells = {p.planted.removeprefix("at ") for p in _pairs("position", form, 100)}
        assert cells == set(CELLS) - SUBJECT.visited


def test_a_thing_at_rest_carries_no_direction() -> None:
    still = replace(SUBJECT, truth=replace(DOG, heading_world=RESTING, heading_image=RESTING))
    assert make_pair("direction", "closed", still, np.random.default_rng(0)) is None
    assert make_pair("colour", "free", still, np.random.default_rng(0)) is not None


def test_a_way_that_the_picture_has_is_not_planted_as_false() -> None:
    followed = replace(SUBJECT, truth=replace(DOG, heading_image=Heading((-0.3, 0.0), 180.0, True)))
    rng = np.random.default_rng(0)
    ways = {p.planted for _ in range(40) if (p := make_pair("direction", "closed", followed, rng)) is not None}
    assert ways == {"up", "down"}


def test_trials_are_balanced_and_repeatable() -> None:
    trials = plant([WATCHED], count=60)
    assert [t.pair for t in plant([WATCHED], count=60)] == [t.pair for t in trials]
    counts = {
        (k, f): sum((t.pair.kind, t.pair.form) == (k, f) for t in trials) for k in KINDS for f in ("closed", "free")
    }
    assert set(counts.values()) == {5}
    assert plant([], count=60) == []


def test_the_verifier_on_true_evidence() -> None:
    trials = plant([WATCHED], count=240)
    assert sum(t.false_alarm for t in trials) == 0
    for kind in ("class", "direction"):
        assert all(t.caught for t in trials if t.pair.kind == kind), kind


def test_a_true_text_that_is_refused_earns_no_catch() -> None:
    yellow = replace(WATCHED, track=replace(TRACK, palette=(ColourShare("yellow", 1.0),)))
    trial = try_pair(yellow, Pair("colour", "closed", "look", "appearance", "A red dog.", "A pink dog.", "pink"))
    assert trial.refused and trial.false_alarm and not trial.caught
    trial = try_pair(WATCHED, Pair("sound", "closed", "look", "appearance", "A red dog.", "A pink dog.", "pink"))
    assert trial.refused and not trial.caught, "refused, but not for a sound"


def test_the_table_adds_up() -> None:
    pair = _pairs("colour", "closed", 1)[0]
    caught = Trial("c", pair, ("colour",), ())
    missed = Trial("c", replace(pair, form="free"), (), ("class",))
    report = PlantedReport((0, 1), 2, (caught, missed), VerifierCounts(9, 1, 0, {"colour": 1}))
    lines = planted_lines(report, misses=5)
    assert lines[2].split() == ["colour", "2", "1", "50.0%", "1/1", "0/1", "1", "of", "2"]
    assert lines[8].split()[:4] == ["all", "2", "1", "50.0%"]
    assert "10 fields asked: 10.0% rejected" in lines[10] and lines[11].startswith("missed colour")
    found = planted_json(report)
    assert found["groups"]["colour closed"] == {"planted": 1, "caught": 1, "refused": 1, "false_alarms": 0}
    assert found["groups"]["colour free"]["false_alarms"] == 1 and found["own_fields"]["repaired"] == 1


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--count", "0"], "--count must be at least 1; got 0"),
        (["--misses", "-1"], "--misses must be at least 0; got -1"),
        (["--clips", "0"], "--clips must be at least 1; got 0"),
        (["--seed-start", "100000"], "held-out seeds are 0 to 99999"),
    ],
)
def test_bench_verify_refuses_what_it_cannot_do(
    arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["bench", "verify", *arguments])
    assert ended.value.code == 2
    error = capsys.readouterr().err
    assert said in error and error.count("\n") == 1
