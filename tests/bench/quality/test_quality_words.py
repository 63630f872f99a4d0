"""Fields, camera, hallucination and the pooled table on captions whose faults are put in by hand."""

from __future__ import annotations

import json

import pytest

from edgecap.bench.quality.camera import camera_counts
from edgecap.bench.quality.evaluate import blind_said, evaluate_clip, oracle_said, pool
from edgecap.bench.quality.facts import Heading
from edgecap.bench.quality.fields import EIGHT_WAYS, FOUR_WAYS, angle_between, cells_where_seen, way_of
from edgecap.bench.quality.report import BARS, bar_lines, check_bars, figure_lines, figures_json
from edgecap.bench.quality.tally import Tally
from edgecap.bench.quality.truth_facts import released_rule
from edgecap.bench.quality.vocabulary import are_neighbours, cells_in, class_of, colours_in, mentions_in
from tests.bench.quality.tiny_clips import STILL, instance, said_of, statement, track, two_dogs


def test_tally_arithmetic() -> None:
    tally = Tally(right=6, silent=2, wrong=2)
    assert (tally.hit, tally.precision, tally.recall, tally.total) == (0.8, 0.75, 0.6, 10)
    assert tally.f1 == pytest.approx(2 * 0.75 * 0.6 / 1.35)
    assert (Tally(silent=3).precision, Tally().recall, Tally().f1) == (0.0, 0.0, 0.0)


@pytest.mark.parametrize(
    ("text", "colours"),
    [
        ("A person in a red shirt and blue trousers.", ("red", "blue")),
        ("A grey dog with a golden vest.", ("gray", "yellow")),
        ("A reddish thing.", ()),
        ("An orange car with an orange stripe.", ("orange", "orange")),
    ],
    ids=["two", "synonyms", "no part of a word", "twice"],
)
def test_colour_words(text: str, colours: tuple[str, ...]) -> None:
    assert colours_in(text) == colours


def test_cells_and_neighbours() -> None:
    text = "The dog moves from top-left to bottom-right and out of frame in the end."
    assert cells_in(text) == ("top-left", "bottom-right")
    assert are_neighbours("top-left", "center-middle")
    assert not are_neighbours("top-left", "top-right")
    assert released_rule(0.5, 0.1) == "center-middle", "the released code has no top"
    assert released_rule(0.9, 0.5) == "bottom-right"


def test_mentions_are_counted_one_by_one_and_the_longest_phrase_wins() -> None:
    assert mentions_in("Two dogs and a dog eat a hot dog near people.") == ("dog", "dog", "hot dog", "person")
    assert mentions_in("A sports ball and a ball.") == ("sports ball", "sports ball")
    assert mentions_in("A carpet and a scarf.") == ()
    assert class_of("Bike") == "bicycle"


def test_directions() -> None:
    four = [way_of(a, FOUR_WAYS) for a in (0, 44, 90, 180, 270, 359)]
    assert four == ["right", "right", "down", "left", "up", "right"]
    assert [way_of(a, EIGHT_WAYS) for a in (45, 200, 300)] == ["down-right", "left", "up-right"]
    assert angle_between(350, 20) == 30
    assert angle_between(90, 270) == 180


def test_oracle_is_perfect_in_every_figure() -> None:
    truth = two_dogs()
    figures = pool([evaluate_clip(truth, oracle_said(truth))])
    zero = {"hallucinated_instances", "invented_instances", "omission", "id_switches", "unknown_ids"}
    zero |= {"chair_i", "chair_s", "colour_leakage"}
    for name, value in figures.values.items():
        expected = 0.0 if name in zero or name.startswith("angle_error") else 1.0
        assert value == expected, name
    for name, tally in figures.fields.items():
        if "released" not in name:
            assert tally.precision == tally.recall == 1.0, name
    assert all(r.met for tier in ("clean",) for r in check_bars(figures, tier=tier))


def test_a_silent_captioner_is_not_rewarded() -> None:
    truth = two_dogs()
    said = said_of(truth, statements=(), masks={}, camera_labels=frozenset(), global_text="", background_text="")
    figures = pool([evaluate_clip(truth, said)])
    assert figures.values["recall"] == figures.values["object_recall"] == figures.values["camera_exact"] == 0.0
    assert figures.values["chair_i"] == 0.0
    assert figures.values["omission"] == 1.0
    assert figures.fields["class"].hit == 0.0
    assert not any(r.met for r in check_bars(figures, tier="clean") if r.bar.figure in ("recall", "class", "idf1"))


def test_faults_show_where_they_are() -> None:
    truth = two_dogs()
    base = oracle_said(truth)
    changed = statement(
        base,
        1,
        class_name="horse",
        appearance="A green horse with a red vest.",
        position="dog moves from top-middle to bottom-right.",
        heading_image=STILL,
        heading_world=Heading((0.1, 0.1), 45.0, True),
    )
    result = evaluate_clip(truth, said_of(truth, statements=changed))
    fields = result.fields.tallies
    assert fields["class"] == Tally(right=1, wrong=1)
    assert fields["colour"] == Tally(right=1, wrong=1)
    assert fields["second colour"] == Tally(wrong=1), "the cat has one colour and is not asked"
    assert fields["no second colour invented"] == Tally(right=1)
    assert fields["position start"] == fields["position end"] == Tally(right=1, wrong=1)
    assert fields["position start, neighbour"] == Tally(right=2)
    assert fields["direction 4+static image static"] == Tally(right=1, wrong=1), "said still, but it moves"
    assert fields["direction 8 world static"] == Tally(right=1, wrong=1)
    assert result.fields.angle_errors == {"world static": (45.0,)}
    seen = result.hallucination
    # mentions: global dog, cat; appearances horse, cat; no object in the actions or the background; class
    # fields are no sentences
    assert (seen.mentions, seen.false_mentions, seen.clips_with_false) == (4, 1, 1)
    assert seen.chair_i == pytest.approx(1 / 4)
    # the green is the cat's; the red is the dog's own (second) colour
    assert (seen.colour_answers, seen.leaked_colours) == (3, 1)


def test_position_is_scored_over_the_whole_life() -> None:
    truth = two_dogs()
    masks = {1: {f: truth.masks[1][f] for f in range(4, 10)}, 2: truth.masks[2]}
    late = statement(oracle_said(truth), 1, position="dog moves from top-middle to top-right.")
    tallies = evaluate_clip(truth, said_of(truth, statements=late, masks=masks)).fields.tallies
    assert cells_where_seen(truth, 1, masks[1]) == ("top-middle", "top-right")
    assert tallies["position start"] == Tally(right=1, wrong=1), "a late birth costs the start"
    assert tallies["position start, where seen"] == Tally(right=2)
    assert tallies["position end"] == tallies["position end, where seen"] == Tally(right=2)
    assert cells_where_seen(truth, 1, {}) is None
    sliver = two_dogs(
        masks={1: {f: truth.masks[1][f] for f in range(6)}, 2: truth.masks[2]},
        ignored={1: {f: truth.masks[1][f] for f in range(6, 10)}},
    )
    assert cells_where_seen(sliver, 1, truth.masks[1]) == ("top-left", "top-right"), "uncountable frames are seen too"


def test_recognition_gates_dlc() -> None:
    truth = two_dogs()
    right = evaluate_clip(truth, oracle_said(truth)).hallucination
    assert right.dlc_s == 1.0
    gated = statement(oracle_said(truth), 1, class_name="horse")
    # the dog: colours right and no leak, but min(0, .) of both; the cat: 1
    assert evaluate_clip(truth, said_of(truth, statements=gated)).hallucination.dlc_s == 0.5


def test_missed_and_invented_instances() -> None:
    truth = two_dogs()
    base = oracle_said(truth)
    other = type(base.statements[0])(8, "car", "A pink car.", "It drives.", "car stays at top-right.", None, None)
    said = said_of(truth, statements=(base.statements[0], other), masks={1: truth.masks[1], 8: track(40, 5)})
    figures = pool([evaluate_clip(truth, said)])
    assert figures.values["recall"] == figures.values["precision"] == 0.5
    assert figures.values["hallucinated_instances"] == figures.values["invented_instances"] == 0.5
    assert figures.values["count_exact"] == 1.0, "two reported, two true"
    assert figures.fields["class"] == Tally(right=1, silent=1)


def test_one_instance_under_two_ids() -> None:
    truth = two_dogs()
    base = oracle_said(truth)
    masks = {
        1: {f: truth.masks[1][f] for f in range(6)},
        3: {f: truth.masks[1][f] for f in range(6, 10)},
        2: truth.masks[2],
    }
    again = type(base.statements[0])(3, "dog", "", "", "", None, None)
    figures = pool([evaluate_clip(truth, said_of(truth, masks=masks, statements=(*base.statements, again)))])
    assert figures.values["id_consistency"] == 0.5
    assert figures.values["id_switches"] == 1.0
    assert figures.values["invented_instances"] == 0.0 < figures.values["hallucinated_instances"]


def test_camera_labels() -> None:
    counts = (
        camera_counts(frozenset({"pan_left", "zoom_in"}), frozenset({"pan_left", "shake"}))
        + camera_counts(frozenset({"static"}), frozenset({"static"}))
        + camera_counts(frozenset({"tilt_up"}), frozenset())
    )
    assert counts.exact == Tally(right=1, silent=1, wrong=1)
    # TP 2, FP 1 (shake), FN 2 (zoom_in, tilt_up)
    assert counts.micro_f1 == pytest.approx(4 / 7)
    assert counts.per_label()["tilt_up"] == (0.0, 0.0, 1)
    everything = camera_counts(frozenset({"pan_left"}), frozenset({"pan_left", "pan_right", "zoom_in"}))
    assert everything.listed.recall == 1.0 > everything.exact.recall


def test_blind_row_knows_priors_only() -> None:
    truths = [two_dogs(instances=(instance(1), instance(2, class_name=name))) for name in ("cat", "car", "bus")]
    figures = pool([evaluate_clip(t, s) for t, s in zip(truths, blind_said(truths), strict=True)])
    assert figures.fields["class"].precision == 0.5, "dog is half of all"
    assert figures.values["recall"] == 1.0, "it knows where instances are"


def test_report_names_every_bar_and_json_is_json() -> None:
    truth = two_dogs()
    figures = pool([evaluate_clip(truth, oracle_said(truth))])
    lines = bar_lines(check_bars(figures, tier="clean"))
    assert len(lines) == len([b for b in BARS if "clean" in b.tiers])
    assert check_bars(figures, tier="stress") == ()
    assert any("hota" in line for line in figure_lines(figures, oracle=figures, blind=figures))
    assert json.loads(json.dumps(figures_json(figures)))["fields"]["class"]["n"] == 2
