"""Matching, identity and mask figures on clips whose answers are known by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest

from edgecap.bench.quality.evaluate import evaluate_clip, pool
from edgecap.bench.quality.facts import Statement, TrackMasks, TrueClip
from edgecap.bench.quality.identity import IdentityCounts, identity_counts
from edgecap.bench.quality.masks import boundary_f, mask_scores
from edgecap.bench.quality.matching import (
    Matching,
    excused_tracks,
    heaviest_pairs,
    lies_on,
    match_clip,
    match_tracks,
    similarity_of,
)
from edgecap.runtime.data.mask import Mask
from tests.bench.quality.tiny_clips import SIZE_WH, said_of, square, track, two_dogs


def identity(truth: TrackMasks, said: TrackMasks, ignored: TrackMasks | None = None) -> IdentityCounts:
    return identity_counts(truth, said, ignored=ignored or {}, frame_count=10)


def test_heaviest_pairs_agree_with_all_permutations() -> None:
    from itertools import permutations

    rng = np.random.default_rng(3)
    for _ in range(20):
        weights = rng.random((4, 5)) * (rng.random((4, 5)) > 0.3)
        best = max(sum(weights[r, c] for r, c in enumerate(columns)) for columns in permutations(range(5), 4))
        assert sum(weights[r, c] for r, c in heaviest_pairs(weights)) == pytest.approx(best)


def test_similarity_is_over_the_union_of_frames() -> None:
    half = track(5, 5, frames=range(5))
    assert similarity_of(track(5, 5), track(5, 5), ignored={}) == 1.0
    assert similarity_of(track(5, 5), half, ignored={}) == 0.5
    assert similarity_of(half, track(5, 5), ignored=track(5, 5, frames=range(5, 10))) == 1.0, (
        "uncountable frames are left out"
    )
    # squares of 10x10 shifted by 5: intersection 50, union 150
    assert similarity_of(track(5, 5), track(10, 5), ignored={}) == pytest.approx(1 / 3)


def test_matching_needs_half_and_looks_at_no_class() -> None:
    truth = two_dogs()
    said = said_of(truth)
    assert [p[:2] for p in match_clip(truth, said).pairs] == [(1, 1), (2, 2)]
    swapped = {1: truth.masks[2], 2: truth.masks[1]}
    assert [p[:2] for p in match_tracks(truth.masks, swapped, ignored={})] == [(1, 2), (2, 1)]
    short = match_tracks(truth.masks, {1: {f: truth.masks[1][f] for f in range(4)}}, ignored={})
    assert short == [], "four of ten frames are less than half"


def test_unmatched_reports_are_fragments_or_inventions_or_ignored() -> None:
    truth = two_dogs(ignored={9: track(40, 40)})
    base = said_of(truth)
    extra = {3: {f: truth.masks[1][f] for f in range(3)}, 4: track(40, 5), 5: track(40, 40)}
    statements = base.statements + tuple(type(base.statements[0])(t, "dog", "", "", "", None, None) for t in extra)
    matching = match_clip(truth, said_of(truth, statements=statements, masks={**base.masks, **extra}))
    assert matching.unmatched == (3, 4), "5 lies on something ignored"
    assert matching.invented == (4,)
    assert matching.missed == ()


def big(x: int) -> dict[int, Mask]:
    """A square of 20 pixels, still for ten frames."""
    return {f: square(x, 30, side=20) for f in range(10)}


def reported(truth: TrueClip, extra: dict[int, dict[int, Mask]]) -> Matching:
    """The perfect caption of `truth` and statements about `extra` tracks, matched."""
    base = said_of(truth)
    more = tuple(Statement(t, "dog", "", "", "", None, None) for t in extra)
    statements = base.statements + more
    return match_clip(truth, said_of(truth, statements=statements, masks={**base.masks, **extra}))


def test_a_duplicate_is_a_hallucination_even_where_the_instance_is_hidden() -> None:
    hidden = track(5, 5, frames=range(5, 10))
    truth = two_dogs(masks={1: track(5, 5, frames=range(5)), 2: track(70, 30)}, ignored={1: hidden})
    assert reported(truth, {}).unmatched == ()
    assert reported(truth, {3: hidden}).unmatched == (3,), "the frames in which it hides excuse its own track only"
    assert reported(truth, {3: track(5, 5)}).unmatched == (3,)


def test_an_excuse_needs_half_the_overlap_and_is_given_once() -> None:
    truth = two_dogs(ignored={9: big(40)})
    inside, good, worse = track(45, 35), big(41), big(43)
    assert reported(truth, {3: inside}).unmatched == (3,), "inside it, but IoU 100/400"
    assert reported(truth, {3: good}).unmatched == ()
    assert reported(truth, {3: worse, 4: good}).unmatched == (3,), "one prediction per frame and instance"
    brief = {f: good[f] for f in range(5)} | {f: square(40, 5) for f in range(5, 10)}
    assert reported(truth, {3: brief}).unmatched == (3,), "five of ten frames are not more than half"


def test_excuses_frame_by_frame() -> None:
    truth, ignored = {1: {0: square(5, 5)}}, {1: {1: square(5, 5)}, 9: {0: square(40, 5), 1: square(8, 5)}}
    assert excused_tracks({7: square(40, 5)}, 0, truth=truth, ignored=ignored) == {7}
    assert excused_tracks({7: square(20, 5)}, 0, truth=truth, ignored=ignored) == frozenset()
    # IoU of a square shifted by one is 90/110, by two 80/120
    assert excused_tracks({7: square(6, 5)}, 1, truth=truth, ignored=ignored) == frozenset(), "1 has more of it than 9"
    assert excused_tracks({7: square(7, 5)}, 1, truth=truth, ignored=ignored) == {7}


def test_lies_on_counts_a_part_inside_too() -> None:
    small = {0: square(6, 6, side=4)}
    assert lies_on(small, [{0: square(5, 5)}])
    assert not lies_on(small, [{0: square(40, 5)}])
    assert not lies_on({}, [{0: square(5, 5)}])


def test_perfect_and_empty_identity() -> None:
    truth = two_dogs().masks
    perfect = identity(truth, truth)
    assert (perfect.idf1, perfect.hota, perfect.switches) == (1.0, 1.0, 0)
    assert identity({}, {}).idf1 == identity({}, {}).hota == 1.0
    assert identity(truth, {}).idf1 == identity(truth, {}).hota == 0.0
    assert identity({}, truth).hota == 0.0


def test_ids_swapped_in_the_middle() -> None:
    a, b = track(5, 5), track(70, 30)
    swapped = {1: {f: (a if f < 5 else b)[f] for f in range(10)}, 2: {f: (b if f < 5 else a)[f] for f in range(10)}}
    counts = identity({1: a, 2: b}, swapped)
    # identity: each prediction follows its truth for 5 of 10 frames
    assert (counts.idtp, counts.idfn, counts.idfp) == (10, 10, 10)
    assert counts.idf1 == 0.5
    assert counts.switches == 2
    # detection is perfect; every TP has TPA 5, FNA 5, FPA 5 -> 1/3
    assert counts.det_a.tolist() == [1.0] * 19
    assert counts.ass_a == pytest.approx(np.full(19, 1 / 3))
    assert counts.hota == pytest.approx(math.sqrt(1 / 3))


def test_a_missing_half_and_an_extra_track() -> None:
    a = track(5, 5)
    late = identity({1: a}, {7: {f: a[f] for f in range(5, 10)}})
    assert late.idf1 == pytest.approx(2 * 5 / (2 * 5 + 5))
    # DetA 5/10, AssA 5/10
    assert late.hota == pytest.approx(0.5)
    extra = identity({1: a}, {1: a, 2: track(70, 30)})
    assert extra.idf1 == pytest.approx(20 / 30)
    assert extra.det_a[0] == pytest.approx(0.5)
    ignored = identity({1: a}, {1: a, 2: track(70, 30)}, {5: track(70, 30)})
    assert (ignored.idf1, ignored.hota) == (1.0, 1.0), "a prediction on something ignored is taken out"
    near = identity({1: a}, {1: a, 2: track(70, 30)}, {5: track(75, 30)})
    assert near.idf1 == pytest.approx(20 / 30), "IoU 1/3 is no excuse"


def test_identity_excuses_hidden_frames_to_the_own_track_only() -> None:
    seen, hidden = track(5, 5, frames=range(6)), track(5, 5, frames=range(6, 10))
    assert identity({1: seen}, {1: {**seen, **hidden}}, {1: hidden}).idf1 == 1.0
    double = identity({1: seen}, {1: {**seen, **hidden}, 2: hidden}, {1: hidden})
    # 6 right, and 4 masks of the double
    assert (double.idtp, double.idfn, double.idfp) == (6, 0, 4)
    adrift = identity({1: seen}, {1: {**seen, **track(40, 5, frames=range(6, 10))}}, {1: hidden})
    assert adrift.idfp == 4, "where it hides, its track must still lie on it"


def test_hota_falls_with_iou_only_above_it() -> None:
    counts = identity({1: track(5, 5)}, {1: track(10, 5)})  # IoU 1/3 everywhere
    assert counts.tp.tolist() == [10.0] * 6 + [0.0] * 13, "alphas 0.05 to 0.30 accept, 0.35 does not"
    assert counts.hota == pytest.approx(6 / 19)


def test_counts_add_up() -> None:
    a = identity({1: track(5, 5)}, {1: track(5, 5)}) + identity({1: track(5, 5)}, {})
    assert a.idf1 == pytest.approx(20 / 30)
    assert a.det_a[0] == pytest.approx(0.5)


def test_mask_scores() -> None:
    perfect = mask_scores(track(5, 5), track(5, 5), ignored={})
    assert (perfect.j_both, perfect.f_both, perfect.j_union, perfect.f_union) == (1.0, 1.0, 1.0, 1.0)
    half = mask_scores(track(5, 5), track(5, 5, frames=range(5)), ignored={})
    assert (half.j_both, half.j_union, half.f_union) == (1.0, 0.5, 0.5)
    late = mask_scores(track(5, 5), track(5, 5, frames=range(5, 15)), ignored=track(5, 5, frames=range(10, 12)))
    assert late.j_union == 5 / 13, "two of five frames too many are neutral: it is still a little visible there"


def test_a_missed_instance_is_a_zero_among_the_masks() -> None:
    truth = two_dogs()
    half = {f: truth.masks[1][f] for f in range(5)}
    both = pool([evaluate_clip(truth, said_of(truth, masks={1: half, 2: truth.masks[2]}))]).values
    assert (both["mask_j"], both["mask_f"], both["mask_j_where_both"]) == (0.75, 0.75, 1.0)
    base = said_of(truth)
    missed = pool([evaluate_clip(truth, said_of(truth, statements=base.statements[:1], masks={1: half}))]).values
    assert (missed["mask_j"], missed["mask_f"], missed["mask_j_where_both"]) == (0.25, 0.25, 1.0)


def test_boundary_f() -> None:
    empty = Mask((0, 0), np.zeros((0, 0), bool), SIZE_WH)
    assert boundary_f(square(5, 5), square(5, 5)) == 1.0
    assert boundary_f(empty, empty) == 1.0
    assert boundary_f(square(5, 5), empty) == 0.0
    # tolerance here is ceil(0.008 * 110.1) = 1 pixel: a shift by one keeps the boundary, one by 20 loses all
    # of it
    assert boundary_f(square(5, 5), square(6, 5)) == 1.0
    assert boundary_f(square(5, 5), square(25, 5)) == 0.0
    assert 0.0 < boundary_f(square(5, 5), square(8, 5)) < 1.0
    assert boundary_f(square(0, 0), square(0, 0)) == 1.0, "a mask at the frame's edge has its boundary there too"
