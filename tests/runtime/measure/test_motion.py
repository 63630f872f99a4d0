"""Motion in the picture and in the world, with exact and with noisy inputs; no picture is rendered."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from edgecap.runtime.measure.body_position import body_position
from edgecap.runtime.measure.camera_path import camera_path
from edgecap.runtime.measure.motion import DIRECTIONS, depth, image_motion, octant, world_motion
from edgecap.runtime.measure.tracklet import tracklets
from tests.runtime.drawn_windows import ASPECT, Body, View, straight, window

JITTER = 0.003


def _motions(drawn, track_id=1):
    path = camera_path(drawn.observations, aspect=ASPECT)
    (tracklet,) = [one for one in tracklets(drawn) if one.track_id == track_id]
    body = body_position(tracklet, drawn, path)
    return image_motion(body, path), world_motion(body, path), depth(body)


@pytest.mark.parametrize("index", range(8), ids=DIRECTIONS)
def test_eight_directions_under_a_still_camera(index):
    angle = np.radians(45 * index + 12)
    image, world, how_deep = _motions(
        window(
            [
                Body(
                    straight(
                        0.5 - 0.1 * np.cos(angle),
                        0.28 - 0.1 * np.sin(angle),
                        vx=0.04 * np.cos(angle),
                        vy=0.04 * np.sin(angle),
                    ),
                    jitter=JITTER,
                )
            ]
        )
    )
    assert image.direction == world.direction == DIRECTIONS[index]
    assert world.angle_degrees == pytest.approx(45 * index + 12, abs=4)
    assert not (world.stops or world.starts or world.turns or world.returns)
    assert world.headings == (DIRECTIONS[index],)
    assert world.speed_per_second == pytest.approx(0.04, rel=0.25)
    assert how_deep == "constant"


def test_octant_borders():
    assert octant(np.array([1.0, 0.0])) == "right"
    assert octant(np.array([0.0, 1.0])) == "down"
    assert octant(np.array([1.0, np.tan(np.radians(22))])) == "right"
    assert octant(np.array([1.0, np.tan(np.radians(23))])) == "down-right"


@pytest.mark.parametrize("seed", range(6))
def test_jitter_of_a_mask_at_rest_is_no_movement(seed):
    image, world, _ = _motions(window([Body(straight(0.4, 0.3), jitter=JITTER)], seed=seed))
    for motion in (image, world):
        assert motion.direction == "static" and not motion.moving
        assert motion.angle_degrees is None and motion.speed_per_second == 0.0 and motion.headings == ()


@pytest.mark.parametrize(
    "view",
    [
        lambda t: View(x=0.5 + 0.12 * t),
        lambda t: View(y=ASPECT / 2 - 0.05 * t),
        lambda t: View(zoom=1.1**t, x=0.5 - 0.03 * t),
        lambda t: View(roll=5 * t),
        lambda t: View(x=0.5 + 0.2 * (2.5 - abs(t - 2.5))),
    ],
    ids=["pan", "tilt", "zoom and pan", "roll", "out and back"],
)
def test_at_rest_in_the_world_under_a_moving_camera(view):
    image, world, how_deep = _motions(window([Body(straight(0.62, 0.33), jitter=JITTER)], view))
    assert image.moving
    assert not world.moving and world.direction == "static"
    assert how_deep == "constant"


def test_the_camera_follows():
    image, world, _ = _motions(
        window([Body(straight(0.4, 0.3, vx=0.1), jitter=JITTER)], lambda t: View(x=0.4 + 0.1 * t))
    )
    assert not image.moving
    assert world.direction == "right"
    assert world.displacement_xy[0] == pytest.approx(0.1 * 39 / 8, rel=0.05)


def test_object_and_camera_move_apart():
    image, world, _ = _motions(
        window([Body(straight(0.5, 0.4, vy=-0.05), jitter=JITTER)], lambda t: View(x=0.5 + 0.09 * t))
    )
    assert world.direction == "up"
    assert image.direction in ("left", "up-left")


def test_shake_of_the_camera_is_no_movement_in_picture_or_world():
    def view(t):
        return View(x=0.5 + 0.015 * np.sin(2 * np.pi * 4.3 * t), y=ASPECT / 2 + 0.015 * np.sin(2 * np.pi * 3.4 * t + 1))

    image, world, _ = _motions(window([Body(straight(0.4, 0.3), jitter=JITTER)], view))
    assert not image.moving and not world.moving


@pytest.mark.parametrize("seed", range(4))
def test_noise_of_the_camera_estimate_is_no_movement(seed):
    rng = np.random.default_rng(seed)
    drawn = window([Body(straight(0.4, 0.3), jitter=JITTER)], lambda t: View(x=0.5 + 0.06 * t))
    noisy = [
        o
        if o.camera_step is None
        else replace(
            o, camera_step=o.camera_step + np.array([[0, 0, 1], [0, 0, 1], [0, 0, 0]]) * rng.normal(0, 0.0008, (3, 3))
        )
        for o in drawn.observations
    ]
    assert not _motions(replace(drawn, observations=tuple(noisy)))[1].moving


def _goes(kind):
    return {
        "stops": lambda t: (0.3 + 0.12 * min(t, 2.5), 0.3),
        "starts": lambda t: (0.3 + 0.12 * max(t - 2.5, 0), 0.3),
        "turns": lambda t: (0.3 + 0.1 * min(t, 2.5), 0.2 + 0.1 * max(t - 2.5, 0)),
        "returns": lambda t: (0.3 + 0.12 * (2.5 - abs(t - 2.5)), 0.3),
        "steady": lambda t: (0.3 + 0.08 * t, 0.3),
    }[kind]


@pytest.mark.parametrize("kind", ["stops", "starts", "turns", "returns", "steady"])
@pytest.mark.parametrize("pan", [0.0, 0.06], ids=["still camera", "panning"])
def test_stops_starts_turns_returns(kind, pan):
    _, motion, _ = _motions(window([Body(_goes(kind), jitter=JITTER)], lambda t: View(x=0.5 + pan * t)))
    found = {name for name in ("stops", "starts", "turns", "returns") if getattr(motion, name)}
    # There and back is a turn of 180 degrees as well.
    assert found == {"returns": {"returns", "turns"}, "steady": set()}.get(kind, {kind})
    assert motion.moving
    assert motion.headings == {"turns": ("right", "down"), "returns": ("right", "left")}.get(kind, ("right",))
    if kind == "returns":
        assert motion.direction == "static"


def test_a_window_may_catch_a_standstill_in_the_middle():
    _, motion, _ = _motions(
        window([Body(lambda t: (0.2 + 0.15 * (min(t, 1.5) + max(t - 3.5, 0)), 0.3), jitter=JITTER)])
    )
    assert motion.direction == "right" and not motion.stops and not motion.starts and not motion.turns


@pytest.mark.parametrize("kind", ["enter", "leave"])
def test_movement_behind_the_border_counts_by_the_free_side_of_the_box(kind):
    # Half of the time only a part of the body shows, whose centroid moves half as fast as the body.
    where = straight(-0.05, 0.3, vx=0.1) if kind == "enter" else straight(0.62, 0.3, vx=0.1)
    image, world, how_deep = _motions(window([Body(where, size=(0.3, 0.2))], seconds=4))
    for motion in (image, world):
        assert motion.direction == "right" and not motion.starts and not motion.stops
        assert motion.displacement_xy[0] == pytest.approx(0.1 * 31 / 8, rel=0.06)
    assert how_deep == "constant"


def test_never_whole_in_the_picture():
    _, motion, _ = _motions(window([Body(straight(0.15, 0.3, vx=0.1), size=(1.3, 0.2))], seconds=3))
    assert motion.direction in ("static", "right")
    assert motion.displacement_xy[0] >= 0


def test_at_rest_while_another_passes_in_front():
    def uncovered(t):
        return straight(0.5, 0.3)(t)

    passer = Body(straight(0.1, 0.3, vx=0.2), size=(0.12, 0.25))
    drawn = window([Body(uncovered, size=(0.2, 0.2)), passer], seconds=4)
    hidden = []
    for o in drawn.observations:
        front = next((i for i in o.instances if i.track_id == 2), None)
        rows = []
        for i in o.instances:
            if i.track_id == 1 and front is not None:
                left = i.mask.full() & ~front.mask.full()
                i = replace(i, mask=type(i.mask).from_full(left))
                i = replace(i, box_xyxy=i.mask.box_xyxy)
            rows.append(i)
        hidden.append(replace(o, instances=tuple(rows)))
    _, motion, how_deep = _motions(replace(drawn, observations=tuple(hidden)))
    assert motion.direction == "static"
    assert how_deep == "constant"


@pytest.mark.parametrize(
    ("growth", "expected"), [(1.5, "approaching"), (1 / 1.5, "receding"), (1.1, "constant"), (1.0, "constant")]
)
@pytest.mark.parametrize("zoom", [1.0, 1.12], ids=["still camera", "zooming"])
def test_depth_with_the_cameras_zoom_divided_out(growth, expected, zoom):
    assert _motions(window([Body(straight(0.5, 0.28), growth=growth)], lambda t: View(zoom=zoom**t)))[2] == expected


def test_coming_in_is_no_approach():
    assert _motions(window([Body(straight(-0.08, 0.28, vx=0.05), size=(0.2, 0.2))]))[2] == "constant"


def test_missing_camera_steps_leave_the_longest_stretch():
    drawn = window([Body(straight(0.3, 0.3, vx=0.06))], lambda t: View(x=0.5 + 0.06 * t), missing_steps=(8,))
    _, world, _ = _motions(drawn)
    assert world.direction == "right"
    assert world.displacement_xy[0] == pytest.approx(0.06 * 31 / 8, rel=0.06)


def test_one_and_two_observations_do_not_move():
    for seconds in (1 / 8, 2 / 8):
        image, world, how_deep = _motions(window([Body(straight(0.3, 0.3, vx=0.01))], seconds=seconds))
        assert (image.direction, world.direction, how_deep) == ("static", "static", "constant")
