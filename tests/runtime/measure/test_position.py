"""The nine cells, and leaving the frame."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from edgecap.runtime.measure.position import CELLS, cell, cells, left_frame, well_seen
from edgecap.runtime.measure.tracklet import tracklets
from tests.runtime.drawn_windows import Body, View, straight, window

THIRD = 1 / 3


@pytest.mark.parametrize(
    ("x", "y", "expected"),
    [
        (0.1, 0.1, "top-left"),
        (0.5, 0.1, "top-middle"),
        (0.9, 0.1, "top-right"),
        (0.1, 0.5, "center-left"),
        (0.5, 0.5, "center-middle"),
        (0.9, 0.5, "center-right"),
        (0.1, 0.9, "bottom-left"),
        (0.5, 0.9, "bottom-middle"),
        (0.9, 0.9, "bottom-right"),
        (0.0, 0.0, "top-left"),
        (1.0, 1.0, "bottom-right"),
        (THIRD, 0.5, "center-middle"),
        (THIRD - 1e-9, 0.5, "center-left"),
        (2 * THIRD, 0.5, "center-right"),
        (2 * THIRD - 1e-9, 0.5, "center-middle"),
        (0.5, THIRD, "center-middle"),
        (0.5, THIRD - 1e-9, "top-middle"),
        (0.5, 2 * THIRD, "bottom-middle"),
        (0.5, 2 * THIRD - 1e-9, "center-middle"),
    ],
)
def test_cells_and_their_borders(x, y, expected):
    assert cell(x=x, y=y) == expected
    assert expected in CELLS


def _tracklet(drawn):
    (tracklet,) = tracklets(drawn)
    return tracklet


def _left(drawn):
    return left_frame(_tracklet(drawn), step_count=len(drawn.observations), end_seconds=drawn.end_seconds)


def test_cells_follow_the_visible_part():
    found = cells(_tracklet(window([Body(straight(0.1, 0.45, vx=0.2))], seconds=3)))
    assert found[0] == "bottom-left"
    assert found[-1] == "bottom-right"


def _areas(tracklet, areas):
    return dataclasses.replace(tracklet, areas=np.array(areas, np.float32))


def test_slivers_at_both_ends_are_not_yet_or_no_longer_where_it_is():
    tracklet = _tracklet(window([Body(straight(0.1, 0.45, vx=0.2))], seconds=3))
    areas = [0.01, 0.02, *[0.1] * (len(tracklet) - 5), 0.04, 0.029, 0.005]
    assert well_seen(_areas(tracklet, areas)) == (2, len(tracklet) - 3)


def test_an_approach_is_no_sliver():
    """It grows fivefold over the window, but never by more than a third of it within the reference time."""
    tracklet = _tracklet(window([Body(straight(0.1, 0.45, vx=0.1))], seconds=6))
    areas = 0.02 * 5 ** np.linspace(0, 1, len(tracklet))
    assert well_seen(_areas(tracklet, areas)) == (0, len(tracklet) - 1)
    assert well_seen(_areas(tracklet, areas[::-1])) == (0, len(tracklet) - 1)


@pytest.mark.parametrize("velocity", [(0.25, 0), (-0.25, 0), (0, 0.25), (0, -0.25), (0.2, 0.2)], ids=str)
def test_moving_out_across_each_border_is_out_of_frame(velocity):
    assert _left(window([Body(straight(0.5, 0.28, vx=velocity[0], vy=velocity[1]))]))


def test_a_camera_that_turns_away_also_puts_it_out_of_frame():
    assert _left(window([Body(straight(0.3, 0.28))], lambda t: View(x=0.5 + 0.2 * t)))


def test_lost_in_the_middle_is_not_out_of_frame():
    assert not _left(window([Body(lambda t: (0.3 + 0.05 * t, 0.28) if t < 3 else None)]))


def test_lost_at_rest_beside_the_border_is_not_out_of_frame():
    assert not _left(window([Body(lambda t: (0.06, 0.28) if t < 3 else None, jitter=0.001)]))


def test_lost_on_its_way_in_is_not_out_of_frame():
    assert not _left(window([Body(lambda t: (0.03 + 0.08 * t, 0.28) if t < 1 else None)]))


def test_fast_and_lost_just_before_the_border_is_out_of_frame():
    assert _left(window([Body(lambda t: (0.1 + 0.4 * t, 0.28) if t < 2.0 else None)], seconds=5))


def test_still_there_at_the_end_is_not_out_of_frame():
    assert not _left(window([Body(straight(0.3, 0.28, vx=0.13))]))
