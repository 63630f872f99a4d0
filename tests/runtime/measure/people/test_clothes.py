"""Clothes by part of stick people that are painted in colours: what is named, and what is left out."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from edgecap.runtime.data.mask import Mask
from edgecap.runtime.measure.measure import measure
from tests.runtime.drawn_people import HEIGHT, legs, painted, posed, standing
from tests.runtime.drawn_windows import Body, straight, window

SIZE = (0.14, HEIGHT)
Y = 0.28
RED, NAVY, WHITE, GRAY, SKIN = (200, 30, 30), (30, 60, 170), (240, 240, 240), (165, 165, 166), (190, 130, 90)
LEFT, RIGHT, TOP = 0.4, 0.6, Y - HEIGHT / 2


def dressed(upper, lower, *, shanks=None, feet=None, face=SKIN, head=(40, 30, 20), every=2):
    """Colours by part of a still person in front of the camera."""
    bands = [(0.0, 0.05, head), (0.05, 0.14, face), (0.14, 0.5, upper), (0.5, 0.72, lower)]
    bands += [(0.72, 0.955, lower if shanks is None else shanks), (0.955, 1.05, feet or lower)]
    boxes = {(LEFT, TOP + a * HEIGHT, RIGHT, TOP + b * HEIGHT): colour for a, b, colour in bands}
    drawn = painted(posed(window([Body(straight(0.5, Y), size=SIZE)]), lambda t: standing(), every=every), boxes)
    found = measure(drawn).tracks[0].person
    return {one.part: (one.colours[0].name, one.to_ankles) for one in found.clothes}


def test_clothes_by_part():
    assert dressed(RED, NAVY) == {"upper": ("red", False), "lower": ("blue", True)}
    assert dressed(WHITE, (10, 10, 10))["lower"] == ("black", True)
    assert dressed(RED, NAVY, shanks=SKIN)["lower"] == ("blue", False)  # shorts or a skirt


def test_skin_shade_and_hair_are_no_clothes():
    assert "lower" not in dressed(RED, SKIN)
    assert "upper" not in dressed(SKIN, NAVY)
    assert "upper" in dressed((90, 54, 26), NAVY, face=(240, 180, 190))  # brown, and the face is not
    assert "upper" not in dressed(GRAY, NAVY)  # may be white in the shade
    assert dressed((95, 95, 97), NAVY)["upper"][0] == "gray"
    assert "lower" not in dressed(RED, (52, 52, 56))  # too light for black: may be navy
    assert "headwear" not in dressed(RED, NAVY)


def test_a_lap_that_points_at_the_camera_has_no_colour():
    boxes = {(LEFT, TOP, RIGHT, TOP + HEIGHT): NAVY}
    drawn = window([Body(straight(0.5, Y), size=SIZE)])

    def parts(thigh):
        joints = legs(standing(), thigh=thigh, shank=0.24)
        (track,) = measure(painted(posed(drawn, lambda t: joints), boxes)).tracks
        return {one.part for one in track.person.clothes}

    assert "lower" in parts(0.2) and "lower" not in parts(0.1)


def test_looks_that_disagree_say_nothing():
    drawn = posed(window([Body(straight(0.5, Y), size=SIZE)]), lambda t: standing())
    observations = list(drawn.observations)
    half = len(observations) // 2
    one = painted(drawn, {(LEFT, TOP, RIGHT, TOP + HEIGHT): RED}).observations[:half]
    two = painted(drawn, {(LEFT, TOP, RIGHT, TOP + HEIGHT): NAVY}).observations[half:]

    (track,) = measure(replace(drawn, observations=(*one, *two))).tracks
    assert not track.person.clothes


def test_a_part_outside_the_mask_has_no_colour():
    drawn = posed(window([Body(straight(0.5, Y), size=SIZE)]), lambda t: standing())

    top = replace_masks(drawn, lambda bits: bits & (np.arange(bits.shape[0])[:, None] < bits.shape[0] * 0.6))
    (track,) = measure(replace(top, observations=painted(top, {(LEFT, 0.0, RIGHT, 0.56): RED}).observations)).tracks
    assert {one.part: one.to_ankles for one in track.person.clothes} == dict.fromkeys(
        ("headwear", "upper", "lower"), False
    )


def replace_masks(drawn, change):

    observations = []
    for observation in drawn.observations:
        instances = tuple(
            replace(i, mask=Mask(i.mask.origin_xy, change(i.mask.bits), i.mask.size_wh)) for i in observation.instances
        )
        observations.append(replace(observation, instances=instances))
    return replace(drawn, observations=tuple(observations))
