"""Relations on windows that are drawn from their truth, and their sentences word for word."""

from __future__ import annotations

import numpy as np
import pytest

from edgecap.runtime.data.evidence import Relation
from edgecap.runtime.data.window import Window
from edgecap.runtime.describe.relation_sentences import act_sentences, instance_names, relation_sentences
from edgecap.runtime.measure.measure import measure
from tests.runtime.drawn_windows import Body, View, layered, straight, window

PERSON, DOG, CAR = 0, 1, 2


def names_of(rows: tuple[Relation, ...], one: int, other: int) -> set[str]:
    return {r.name for r in rows if (r.subject_id, r.object_id) == (one, other)}


def said(drawn: Window) -> tuple[tuple[Relation, ...], tuple[str, ...]]:
    evidence = measure(drawn)
    return evidence.relations, relation_sentences(evidence.relations, evidence)


def test_sides_are_given_once_per_pair_from_the_more_important_one() -> None:
    rows, sentences = said(window([Body(straight(0.2, 0.3), size=(0.2, 0.2)), Body(straight(0.8, 0.3), class_id=DOG)]))
    assert [(r.name, r.subject_id, r.object_id) for r in rows] == [("left_of", 1, 2)]
    assert rows[0].start_seconds == 0.0 and rows[0].end_seconds == pytest.approx(4.875)
    assert sentences == ("The person is to the left of the dog.",)


def test_above_excludes_left() -> None:
    rows, sentences = said(
        window([Body(straight(0.5, 0.12), size=(0.2, 0.12)), Body(straight(0.53, 0.45), class_id=DOG)])
    )
    assert names_of(rows, 1, 2) == {"above"} and sentences == ("The person is above the dog.",)


def test_inside_the_dead_zone_nothing_is_said_of_sides() -> None:
    rows, _ = said(window([Body(straight(0.5, 0.28)), Body(straight(0.53, 0.28), class_id=DOG)]))
    assert {r.name for r in rows} == {"near"}


@pytest.mark.parametrize("pan", [0.0, 0.08], ids=["still camera", "panning camera"])
def test_who_approaches_is_who_moves_whatever_the_camera_does(pan: float) -> None:
    drawn = window(
        [Body(straight(0.2, 0.28, vx=0.09), class_id=DOG), Body(straight(0.9, 0.28), class_id=CAR)],
        lambda t: View(x=0.5 + pan * (t - 2.5)),
    )
    rows, sentences = said(drawn)
    assert "approaches" in names_of(rows, 1, 2) and "approaches" not in names_of(rows, 2, 1)
    assert sentences == ("The dog approaches the car.",)


def test_both_coming_is_one_sentence() -> None:
    drawn = window(
        [Body(straight(0.15, 0.28, vx=0.06), class_id=DOG), Body(straight(0.85, 0.28, vx=-0.06), class_id=CAR)]
    )
    assert said(drawn)[1] == ("The dog and the car approach each other.",)


def test_following_is_no_approach() -> None:
    drawn = window(
        [Body(straight(0.1, 0.28, vx=0.1), class_id=DOG), Body(straight(0.35, 0.28, vx=0.1), class_id=PERSON)]
    )
    rows, sentences = said(drawn)
    assert names_of(rows, 1, 2) >= {"follows"} and not names_of(rows, 2, 1) & {"follows"}
    assert not {r.name for r in rows} & {"approaches", "moves_away_from"}
    assert sentences == ("The dog follows the person.",)


def test_going_away() -> None:
    drawn = window([Body(straight(0.4, 0.28, vx=0.1), class_id=DOG), Body(straight(0.2, 0.28), class_id=PERSON)])
    assert said(drawn)[1] == ("The dog moves away from the person.",)


@pytest.mark.parametrize(
    ("front", "order", "sentence"),
    [(1, "in front", "The dog crosses in front of the car."), (2, "behind", "The dog crosses behind the car.")],
    ids=["in front", "behind"],
)
def test_crossing_knows_who_is_in_front_from_the_masks(front: int, order: str, sentence: str) -> None:
    dog = Body(straight(0.1, 0.3, vx=0.16), size=(0.1, 0.1), class_id=DOG)
    car = Body(straight(0.5, 0.28), size=(0.16, 0.2), class_id=CAR)
    drawn = layered(window([dog, car]), front=front, back=3 - front)
    rows, sentences = said(drawn)
    crossing = [r for r in rows if r.name == "crosses"]
    assert [(r.subject_id, r.object_id, r.order) for r in crossing] == [(1, 2, order)]
    assert names_of(rows, front, 3 - front) >= {"in_front_of"}
    assert crossing[0].start_seconds < 2.5 < crossing[0].end_seconds
    assert sentences == (sentence,)


def test_overlap_without_hiding_has_no_order() -> None:
    """Two masks that both claim every pixel (a segmenter's seam) tell nothing of depth."""
    drawn = window([Body(straight(0.1, 0.3, vx=0.16), class_id=DOG), Body(straight(0.5, 0.28), class_id=CAR)])
    rows, sentences = said(drawn)
    assert "in_front_of" not in {r.name for r in rows}
    assert sentences == ("The dog passes the car.",)


def test_two_that_move_against_each_other_pass() -> None:
    drawn = window(
        [Body(straight(0.1, 0.28, vx=0.15), class_id=DOG), Body(straight(0.85, 0.28, vx=-0.15), class_id=CAR)]
    )
    rows, sentences = said(drawn)
    assert "passes" in {r.name for r in rows} and "crosses" not in {r.name for r in rows}
    assert sentences == ("The car and the dog pass each other.",)


def test_story_of_three_in_one_sentence_per_subject() -> None:
    def person(t: float) -> tuple[float, float]:
        return (0.3 + 0.1 * min(t, 3.0), 0.18)

    def dog(t: float) -> tuple[float, float]:
        return (0.1 + 0.1 * min(t, 3.0) + 0.3 * max(t - 4.0, 0.0), 0.2 + 0.12 * max(min(t - 3.0, 1.0), 0.0))

    car = Body(straight(0.55, 0.4), size=(0.16, 0.16), class_id=CAR)
    drawn = window([Body(dog, size=(0.08, 0.08), class_id=DOG), Body(person, size=(0.08, 0.12)), car], seconds=6.0)
    rows, sentences = said(layered(drawn, front=1, back=3))
    story = [s for s in sentences if s.startswith("The dog")]
    assert len(story) == 1 and story[0].startswith("The dog follows the person")
    assert "person, then crosses in front of the car" in story[0]
    assert said(layered(drawn, front=1, back=3))[0] == rows, "the same window gives the same rows"


def test_a_missing_camera_step_gives_sides_but_no_motion_across_it() -> None:
    bodies = [Body(straight(0.2, 0.28, vx=0.1), class_id=DOG), Body(straight(0.9, 0.28), class_id=CAR)]
    rows, _ = said(window(bodies, missing_steps=tuple(range(1, 40))))
    assert {r.name for r in rows} <= {"left_of", "near"} and rows


def test_fewer_than_two_instances_have_no_relations() -> None:
    drawn = window([Body(straight(0.5, 0.28))])
    assert said(drawn) == ((), ())
    assert said(window([])) == ((), ())


def test_jitter_about_the_threshold_is_one_state() -> None:
    drawn = window([Body(straight(0.42, 0.28), jitter=0.004), Body(straight(0.5, 0.28), class_id=DOG, jitter=0.004)])
    rows, _ = said(drawn)
    assert len([r for r in rows if r.name in ("left_of", "right_of")]) == 1


def test_names_tell_instances_apart() -> None:
    track = measure(
        window([Body(straight(0.3, 0.3)), Body(straight(0.7, 0.3)), Body(straight(0.5, 0.1), class_id=DOG)])
    )
    names = instance_names(track.tracks)
    assert sorted(names.values()) == ["the dog", "the first person", "the second person"]


def test_a_row_checks_itself() -> None:
    with pytest.raises(ValueError, match="subject_id = 1"):
        Relation("near", 1, 1, 0.0, 1.0, 0.5)
    with pytest.raises(ValueError, match="ends before"):
        Relation("near", 1, 2, 2.0, 1.0, 0.5)


def test_confidence_is_lower_near_the_threshold() -> None:
    def confidence(gap: float) -> float:
        rows, _ = said(window([Body(straight(0.5 - gap, 0.28)), Body(straight(0.5, 0.28), class_id=DOG)]))
        return float(np.mean([r.confidence for r in rows if r.name in ("left_of", "right_of")]))

    assert 0.3 < confidence(0.07) < confidence(0.2) <= 1.0


def acts(drawn: Window) -> dict[int, str]:
    evidence = measure(drawn)
    return act_sentences(evidence.relations, evidence.tracks)


def test_what_an_instance_does_to_others_stands_behind_its_own_action() -> None:
    dog = Body(straight(0.1, 0.3, vx=0.16), size=(0.1, 0.1), class_id=DOG)
    car = Body(straight(0.5, 0.28), size=(0.16, 0.2), class_id=CAR)
    assert acts(layered(window([dog, car]), front=1, back=2)) == {1: "It crosses in front of the car."}


def test_passing_each_other_is_said_once() -> None:
    drawn = window(
        [Body(straight(0.1, 0.28, vx=0.15), class_id=DOG), Body(straight(0.85, 0.28, vx=-0.15), class_id=CAR)]
    )
    (sentence,) = acts(drawn).values()
    assert sentence.startswith("It and the ")


def test_a_clear_approach_is_said_and_going_apart_is_not() -> None:
    towards = window([Body(straight(0.2, 0.28, vx=0.11), class_id=DOG), Body(straight(0.9, 0.28), class_id=CAR)])
    assert acts(towards) == {1: "It approaches the car."}
    apart = window([Body(straight(0.4, 0.28, vx=0.1), class_id=DOG), Body(straight(0.2, 0.28), class_id=PERSON)])
    assert acts(apart) == {}


def test_two_that_are_followed_share_a_verb() -> None:
    rows = [Relation("follows", 1, other, 0.0, 4.0, 0.9) for other in (2, 3)]
    drawn = window([Body(straight(0.1 + 0.3 * k, 0.28), class_id=c) for k, c in enumerate((DOG, CAR, PERSON))])
    assert act_sentences(rows, measure(drawn).tracks) == {1: "It follows the car and the person."}
