"""Rules from poses: each on both sides of its threshold, on stick people in drawn windows; weak looks say nothing."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from edgecap.runtime.measure.measure import measure
from edgecap.runtime.measure.people import facing, going, posture
from edgecap.runtime.measure.people.looks import LEAST_HEIGHT_PIXELS, runs
from tests.runtime.drawn_people import HEIGHT, arm, legs, posed, standing, walking
from tests.runtime.drawn_windows import SIZE_WH, Body, View, straight, window

SIZE = (0.14, HEIGHT)
Y = 0.28


def person(joints, where=None, *, size=SIZE, view=lambda t: View(), seconds=4.0, others=(), **options):
    bodies = [Body(where or straight(0.5, Y), size=size), *others]
    tracks = measure(posed(window(bodies, view, seconds=seconds), joints, **options)).tracks
    return next(t.person for t in tracks if t.track_id == 1)


def acts(joints, *args, **options):
    found = person(joints, *args, **options)
    return {act.name for act in found.acts} if found else None


def faces(joints, *args, **options):
    return [span.facing for span in person(joints, *args, **options).facings]


def walker(t):
    return walking(2 * t)


def test_still_and_upright_is_standing():
    assert acts(lambda t: standing()) == {"standing"}
    assert acts(lambda t: standing(), straight(0.3, Y, vx=0.02)) == {"standing"}  # .05 heights a second
    assert acts(lambda t: standing(), straight(0.3, Y, vx=0.08)) == set()  # .19: neither still nor a walk


def test_who_reaches_out_stands_on_the_same_spot():
    def reaching(t):  # the middle of the box goes to and fro, the feet stay
        joints = standing("right")
        return {name: (x - 0.14 * np.sin(2 * t), y) for name, (x, y) in joints.items()}

    def swaying(t):
        return 0.5 + 0.14 * HEIGHT * np.sin(2 * t), Y

    assert acts(reaching, swaying) == {"standing"}


@pytest.mark.parametrize(("speed", "expected"), [(0.18, set()), (0.32, {"walking"}), (0.9, {"walking"}), (1.3, set())])
def test_steps_at_a_walks_speed_are_walking(speed, expected):
    seconds = min(4.0, 0.75 / (speed * HEIGHT))
    assert acts(walker, straight(0.12, Y, vx=speed * HEIGHT), seconds=max(seconds, 1.2)) == expected


def test_a_walk_needs_steps_and_a_run_bent_knees():
    assert acts(lambda t: standing("right"), straight(0.15, Y, vx=0.2), seconds=3.0) == set()  # rolls along
    fast = straight(0.1, 0.2, vx=1.8 * 0.25)
    small = {"size": (0.1, 0.25), "height": 0.25, "seconds": 1.75, "every": 1}
    assert acts(lambda t: walking(3 * t), fast, **small) == set()
    assert acts(lambda t: walking(3 * t, lift=1.9), fast, **small) == {"running"}
    assert acts(lambda t: walking(3 * t, lift=0.9), fast, **small) == set()  # a walker's knee


def test_the_camera_is_taken_out():
    panned = acts(lambda t: standing(), straight(0.5, Y), view=lambda t: View(x=0.5 - 0.08 * t), seconds=3.0)
    followed = acts(walker, straight(0.3, Y, vx=0.2), view=lambda t: View(x=0.3 + 0.2 * t), seconds=3.0)
    assert (panned, followed) == ({"standing"}, {"walking"})


def test_coming_nearer_with_steps_is_walking():
    bodies = [Body(straight(0.5, Y), size=(0.1, 0.3), growth=1.6)]
    drawn = window(bodies, seconds=4.0)
    near = [t.person for t in measure(posed(drawn, lambda t: walking(2 * t, "camera", stride=0.1), height=0.3)).tracks]
    still = [t.person for t in measure(posed(drawn, lambda t: standing(), height=0.3)).tracks]
    assert {a.name for a in near[0].acts} == {"walking"} and not still[0].acts


@pytest.mark.parametrize(
    ("thigh", "shank", "expected"),
    [(0.05, 0.24, {"sitting"}), (0.11, 0.24, {"sitting"}), (0.13, 0.24, set()), (0.05, 0.15, set())],
)
def test_level_thighs_over_hanging_shanks_are_sitting(thigh, shank, expected):
    assert acts(lambda t: legs(standing(), thigh=thigh, shank=shank)) == expected


def test_folded_legs_are_crouching_only_of_someone_who_also_stands():
    crouch = legs(standing(), thigh=-0.02, shank=0.15)
    assert acts(lambda t: crouch) == set()  # may sit on the ground
    assert acts(lambda t: crouch if 1.5 < t < 2.6 else standing()) >= {"crouching", "standing"}


def test_postures_name_what_they_see():
    assert posture._posture(0.85, 0.85, lean=10) == "upright"
    assert posture._posture(0.85, 0.85, lean=posture.BENT_DEGREES + 1) == "bent"
    assert posture._posture(posture.UPRIGHT_THIGH - 0.01, 0.85, lean=0) is None
    assert posture._posture(0.3, 0.85, lean=30) == "sitting"
    assert posture._posture(0.1, 0.2, lean=60) == "folded"
    assert posture._posture(0.1, 0.05, lean=0) is None  # cut off, not folded
    assert posture._posture(float("nan"), 0.8, lean=0) is None


def test_a_rise_and_fall_of_feet_and_body_is_a_jump():
    def hop(height):
        return lambda t: (0.5, 0.35 - height * max(0.0, 1 - ((t - 2.0) / 0.4) ** 2))

    small = {"size": (0.1, 0.3), "height": 0.3, "every": 1}
    assert "jumping" in acts(lambda t: standing(), hop(0.1), **small)
    assert "jumping" not in acts(lambda t: standing(), hop(0.03), **small)  # .1 heights
    assert "jumping" not in acts(lambda t: standing(), lambda t: (0.5, 0.35 - 0.03 * t), **small)


@pytest.mark.parametrize("way", ["left", "right", "camera", "away"])
def test_facing_by_shoulders_and_head(way):
    assert faces(lambda t: standing(way)) == [way]


def test_facing_is_left_open_where_it_is_not_clear():
    assert faces(lambda t: standing("camera", breadth=0.05)) == []  # shoulders too narrow, nose in the middle
    assert faces(lambda t: standing("right", nose=0.02)) == []
    assert faces(lambda t: standing("camera"), score=facing.FACE_SCORE - 0.05) == []
    assert faces(lambda t: standing("camera") if round(t * 4) % 2 else standing("left")) == []  # never two alike


def test_walkers_face_their_way_unless_the_head_says_otherwise():
    def walks(head):
        return lambda t: walking(2 * t, "right") | {"nose": (head, 0.07)}

    assert faces(walks(0.0), straight(0.2, Y, vx=0.2), seconds=3.0) == ["right"]
    assert faces(walks(-0.06), straight(0.2, Y, vx=0.2), seconds=3.0) == []


def test_a_turn_joins_opposite_facings():
    assert "turning" in acts(lambda t: standing("left" if t < 2 else "right"))
    assert "turning" not in acts(lambda t: standing("left" if t < 2 else "camera"))
    assert "turning" not in acts(lambda t: standing("left" if t < 3.6 else "right"))  # a glance


def test_who_spins_on_the_way_is_not_said_to_walk():
    def dancer(t):
        joints = walking(2 * t, "camera" if t < 1.5 else "away")
        return joints

    assert acts(dancer, straight(0.2, Y, vx=0.2), seconds=3.0) <= {"turning"}


def test_an_arm_above_the_head_is_raised_and_one_at_the_face_is_not():
    high = {"elbow": (0.03, -0.1), "wrist": (0.0, -0.25)}
    found = [a for a in person(lambda t: arm(standing(), "left", **high)).acts if a.name == "arm_raised"]
    assert [a.side for a in found] == ["left"]
    both = person(lambda t: arm(arm(standing(), "left", **high), "right", **high)).acts
    assert {a.side for a in both if a.name == "arm_raised"} == {"both"}
    assert "arm_raised" not in acts(lambda t: arm(standing(), "left", elbow=(0.08, 0.1), wrist=(-0.05, -0.1)))
    assert "arm_raised" not in acts(lambda t: arm(standing(), "left", **high) if 1 < t < 1.3 else standing())


def test_a_high_hand_that_swings_is_waving():
    def wave(swing):
        def joints(t):
            return arm(standing(), "right", elbow=(-0.08, 0.0), wrist=(-0.08 + swing * (-1) ** round(t * 4), -0.14))

        return joints

    assert [a.side for a in person(wave(0.06)).acts if a.name == "waving"] == ["right"]
    assert "waving" not in acts(wave(0.02))


def _rider(vx, *, thing_top=0.28, thing_vx=None, class_id=3, sits=False):
    labels = ("person", "dog", "car", "bicycle", "horse")
    bodies = [
        Body(straight(0.3, 0.25, vx=vx), size=(0.1, 0.34)),
        Body(
            straight(0.3, (thing_top + 0.5) / 2, vx=vx if thing_vx is None else thing_vx),
            size=(0.3, 0.5 - thing_top),
            class_id=class_id,
        ),
    ]
    legs_of = legs(standing("right"), thigh=0.05, shank=0.24) if sits else standing("right")
    drawn = posed(window(bodies, seconds=3.0), lambda t: legs_of, height=0.36)

    evidence = measure(replace(drawn, labels=labels))
    found = next(t.person for t in evidence.tracks if t.track_id == 1)
    assert not (evidence.relations and any(a.name == "riding" for a in found.acts)), "a rider passes no mount"
    return [(a.on_class, a.on_track_id) for a in found.acts if a.name == "riding"]


def test_who_goes_along_on_a_bicycle_rides_it():
    assert _rider(0.15) == [("bicycle", 2)]
    assert _rider(0.0, sits=True) == [("bicycle", 2)]
    assert _rider(0.0) == []  # may stand behind it
    assert _rider(0.15, thing_vx=0.0) == []  # passes it
    assert _rider(0.15, thing_top=0.02) == []  # as tall as the person
    assert _rider(0.0, class_id=4) == [("horse", 2)]
    assert _rider(0.15, class_id=2) == []  # nobody is seen to ride a car


def test_small_weak_and_short_looks_say_nothing():
    low = (LEAST_HEIGHT_PIXELS - 6) / SIZE_WH[0]
    for nothing in (
        person(lambda t: standing(), size=(0.1, low), height=low),
        person(lambda t: standing(), score=0.15),
    ):
        assert nothing.looks == 0 and not nothing.acts and not nothing.facings and not nothing.clothes
    assert person(lambda t: None) is None
    once = person(lambda t: standing() if t == 0 else None)
    assert once.looks == 1 and not once.acts and not once.facings


def test_things_have_no_person_and_windows_without_poses_none():
    (thing,) = measure(posed(window([Body(straight(0.5, Y), size=SIZE, class_id=1)]), lambda t: standing())).tracks
    (plain,) = measure(window([Body(straight(0.5, Y), size=SIZE)])).tracks
    assert thing.person is None and plain.person is None


def test_runs_bridge_one_gap_and_drop_single_looks():
    assert runs(["a", None, "a", "b", None, None, "c", "c"]) == [("a", 0, 2), ("c", 6, 7)]
    assert runs([]) == [] and runs(["a"], least=1) == [("a", 0, 0)]


def test_speeds_are_unknown_where_the_camera_is():
    drawn = posed(window([Body(straight(0.5, Y), size=SIZE)], missing_steps=tuple(range(1, 40))), lambda t: standing())
    found = measure(drawn).tracks[0].person
    assert not found.acts and found.looks > 3
    assert going.STILL_SPEED < going.WALKING_SPEED[0] < going.WALKING_SPEED[1] < going.RUNNING_SPEED
