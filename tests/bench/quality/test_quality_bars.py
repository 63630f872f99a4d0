"""What the bars ask: shares of all true instances, rows, directions with still instances, clips that break off."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from edgecap.bench.quality.evaluate import evaluate_clip, oracle_said, pool
from edgecap.bench.quality.facts import Heading, SaidClip
from edgecap.bench.quality.fields import ways_accepted
from edgecap.bench.quality.report import BARS, value_of
from edgecap.bench.quality.run import scored_frames
from edgecap.bench.quality.tally import Tally
from edgecap.bench.world.ground_truth.clip_truth import ClipTruth
from tests.bench.quality.tiny_clips import STILL, instance, said_of, statement, track, two_dogs


def test_dlc_is_the_mean_of_two_means() -> None:
    truth = two_dogs()
    leaky = statement(oracle_said(truth), 1, appearance="A red dog with a green vest.")
    seen = evaluate_clip(truth, said_of(truth, statements=leaky)).hallucination
    # positives: dog (1 - 1) / 2, cat 1; negatives: dog -1 (green is the cat's), cat 1
    assert (seen.dlc_positives, seen.dlc_negatives, seen.dlc_negative_instances) == (1.0, 0.0, 2)
    assert seen.dlc_s == 0.25
    alone = replace(truth, instances=truth.instances[:1], masks={1: truth.masks[1]})
    seen = evaluate_clip(alone, oracle_said(alone)).hallucination
    assert (seen.dlc_negative_instances, seen.dlc_s) == (0, 1.0), "without negatives the positives stand alone"
    # pooled: positives 3 of 3 instances at 1, 1, 0; negatives over the two that have them
    pooled = evaluate_clip(truth, said_of(truth, statements=leaky)).hallucination + seen
    assert pooled.dlc_s == pytest.approx((2 / 3 + 0.0) / 2)
    same = two_dogs(instances=(instance(1), instance(2, first="blue", second="red")))
    assert evaluate_clip(same, oracle_said(same)).hallucination.dlc_negative_instances == 0, "no colour to take over"


def test_fields_are_shares_of_all_true_instances() -> None:
    truth = two_dogs()
    first = oracle_said(truth).statements[:1]
    figures = pool([evaluate_clip(truth, said_of(truth, statements=first, masks={1: truth.masks[1]}))])
    assert figures.fields["colour"].precision == 1.0
    for name in ("class", "colour", "position start", "position end", "direction 4+static world static"):
        assert value_of(figures, name) == 0.5, name
    crashed = SaidClip("tiny", 0, (), {}, frozenset(), "", "", 0, ("no record was written",), (), invalid_rows=1)
    both = pool([evaluate_clip(truth, oracle_said(truth)), evaluate_clip(truth, crashed)])
    for bar in BARS:
        if bar.at_least and "moving" not in bar.figure and bar.figure not in ("precision", "idf1"):
            assert value_of(both, bar.figure) == 0.5, bar.label


def test_schema_valid_counts_rows() -> None:
    truth = two_dogs()
    three = said_of(truth, rows=3, schema_errors=("a", "b"), invalid_rows=1)
    assert pool([evaluate_clip(truth, three)]).values["schema_valid"] == pytest.approx(2 / 3)
    assert pool([evaluate_clip(truth, three), evaluate_clip(truth, oracle_said(truth))]).values[
        "schema_valid"
    ] == pytest.approx(3 / 4)


@pytest.mark.parametrize(
    ("angle", "ways"),
    [
        (0.0, {"right"}),
        (34.0, {"right"}),
        (36.0, {"right", "down"}),
        (54.0, {"right", "down"}),
        (56.0, {"down"}),
        (135.0, {"down", "left"}),
        (230.0, {"left", "up"}),
        (310.0, {"up", "right"}),
        (350.0, {"right"}),
    ],
)
def test_near_a_diagonal_both_axes_are_right(angle: float, ways: set[str]) -> None:
    assert ways_accepted(angle) == ways


@pytest.mark.parametrize(
    ("true", "said", "score"),
    [
        (Heading((0.3, 0.0), 0.0, True), STILL, Tally(wrong=1)),
        (Heading((0.3, 0.0), 0.0, True), Heading((0.0, 0.3), 90.0, True), Tally(wrong=1)),
        (Heading((0.2, 0.2), 40.0, True), Heading((0.1, 0.3), 80.0, True), Tally(right=1)),
        (Heading((0.2, 0.2), 40.0, True), Heading((0.0, -0.3), 270.0, True), Tally(wrong=1)),
        (STILL, STILL, Tally(right=1)),
        (STILL, Heading((0.1, 0.0), 0.0, True), Tally(wrong=1)),
        (STILL, None, Tally(silent=1)),
    ],
    ids=["mover said still", "other axis", "near the diagonal", "opposite", "still", "still said moving", "silent"],
)
def test_direction_with_still_instances(true: Heading, said: Heading | None, score: Tally) -> None:
    truth = two_dogs(instances=(instance(1, heading=true),), masks={1: track(5, 5, step=7)})
    statements = statement(oracle_said(truth), 1, heading_image=said, heading_world=said)
    fields = evaluate_clip(truth, said_of(truth, statements=statements)).fields.tallies
    assert fields["direction 4+static world static"] == fields["direction 4+static image static"] == score
    assert ("direction within 22.5 world static" in fields) == true.moving


@pytest.mark.parametrize(
    ("analysed", "scored"),
    [
        ([], list(range(0, 24, 3))),
        ([0, 3, 6], [0, 3, 6, 9, 12, 15, 18, 21]),
        ([0, 3, 6, 9, 12, 15, 18, 21], [0, 3, 6, 9, 12, 15, 18, 21]),
        ([0, 3, 6, 9, 12, 15, 18], [0, 3, 6, 9, 12, 15, 18]),
    ],
    ids=["no record", "ended early", "to the end", "one frame of slack"],
)
def test_a_clip_that_ended_early_is_scored_to_its_end(analysed: list[int], scored: list[int]) -> None:
    clip = ClipTruth("tiny", (96, 54), 24.0, 24, "", "", (), np.zeros((24, 3, 3)), (), {})
    assert scored_frames(analysed, clip) == scored
    assert scored_frames([], replace(clip, num_frames=2)) == [0]
