"""Lost tracks taken up again: looks decide, where they can; and second boxes on one object are no second object."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from edgecap.runtime.perceive.returns import returning
from edgecap.runtime.perceive.track import Track
from edgecap.runtime.perceive.tracker import Tracker
from edgecap.runtime.perceive.tracker_settings import TrackerSettings
from tests.runtime.perceive.test_tracker import BLUE, Play, at

REMEMBERS = TrackerSettings(remember_seconds=30.0)


def _play(settings):
    play = Play()
    play.tracker = Tracker(settings)
    return play


def _identity(play, *, frames=4, **step):
    """The identity of the last box after `frames` steps."""
    for _ in range(frames):
        given = play.step(**step)
    return play.tracker.identity(given[-1])


def _away(play, seconds):
    for _ in range(round(seconds * 8)):
        play.step([])


@pytest.mark.parametrize(("seconds", "settings", "same"), [
    (6, REMEMBERS, True), (29, REMEMBERS, True), (31, REMEMBERS, False), (6, TrackerSettings(), False),
])  # fmt: skip
def test_a_return_within_the_memory_keeps_the_identity(seconds, settings, same):
    play = _play(settings)
    first = _identity(play, boxes=[at(0.3)])
    _away(play, seconds)
    assert (_identity(play, boxes=[at(0.7)]) == first) is same


@pytest.mark.parametrize("other", [
    {"colours": [BLUE]}, {"classes": [1]}, {"boxes": [at(0.7, w=0.2, h=0.4)]},
], ids=["looks", "class", "size"])  # fmt: skip
def test_another_one_is_another_one(other):
    play = _play(REMEMBERS)
    first = _identity(play, boxes=[at(0.3)])
    _away(play, 6)
    assert _identity(play, **({"boxes": [at(0.7)]} | other)) != first


def test_where_another_looks_alike_nobody_is_recognised():
    play = _play(REMEMBERS)
    first = _identity(play, boxes=[at(0.1), at(0.3)])
    _away(play, 0)
    for _ in range(40):
        play.step([at(0.1)])
    assert _identity(play, boxes=[at(0.1), at(0.7)]) != first


def test_a_kicked_ball_keeps_its_identity_across_a_jump():
    play = _play(REMEMBERS)
    first = _identity(play, boxes=[at(0.3, w=0.05, h=0.09)])
    assert _identity(play, boxes=[at(0.42, w=0.05, h=0.09)], frames=1) == first
    assert _identity(play, boxes=[at(0.95, w=0.05, h=0.09)], frames=1) != first  # ten sides in an eighth of a second


def test_earlier_frames_of_a_return_get_its_identity():
    play = _play(replace(REMEMBERS, sure_score=0.8))
    first = _identity(play, boxes=[at(0.3)], scores=[0.9])
    _away(play, 6)
    doubtful = play.step([at(0.7)], scores=[0.5])[0]
    for _ in range(4):
        play.step([at(0.7)], scores=[0.9])
    assert doubtful != first and play.tracker.identity(doubtful) == first


def _track(track_id, x, times, votes):
    track = Track(track_id, np.array([x, 0.3, 0.1, 0.1]), votes, np.full(4, 0.25, np.float32), times[-1])
    track.times.clear()
    track.times.extend(times)
    track.first_seconds = times[0]
    return track


@pytest.mark.parametrize(("shared", "same"), [(2, True), (3, False)])
def test_two_seen_in_the_same_frames_are_two(shared, same):
    old = _track(1, 0.3, [0.0, 0.125, 0.25, 0.375, 0.5], {0: 4.0})
    new = _track(2, 0.32, [*[0.5 - 0.125 * n for n in range(shared)][::-1], 0.625, 0.75], {0: 3.0})
    assert (returning(new, [old], []) is old) is same


@pytest.mark.parametrize(("x_size", "same"), [(0.1, True), (0.13, False)])
def test_a_doubtful_kind_must_agree_in_size(x_size, same):
    """A ball that is a frisbee to the detector for a while: one vote in ten is shared."""
    old = _track(1, 0.3, [0.0, 0.1], {0: 0.9, 1: 0.1})
    new = _track(2, 0.3, [0.2, 0.3], {1: 1.0})
    new.state[2:] = x_size
    assert (returning(new, [old], []) is old) is same


@pytest.mark.parametrize(("shift", "expected"), [(0.02, 1), (0.07, 2)])
def test_a_second_box_on_one_object_proves_nothing(shift, expected):
    play = _play(TrackerSettings(shadow_iou=0.5, duplicate_iou=1.0))
    for _ in range(3):
        play.step([at(0.3)])
    for _ in range(8):
        given = play.step([at(0.3), at(0.3 + shift)])
    assert sum(play.tracker.is_confirmed(i) for i in given if i is not None) == expected


@pytest.mark.parametrize(("side", "expected"), [(0.12, 1), (0.05, 2)])
def test_a_part_of_an_object_is_no_second_one(side, expected):
    """The body of a dog inside the dog; a quarter of the area or less is a small one before a large one."""
    play = _play(TrackerSettings(shadow_iou=0.5))
    for n in range(8):
        given = play.step([at(0.3 + n / 100, w=0.15, h=0.3), at(0.3 + n / 100, w=side, h=2 * side)])
    assert sum(play.tracker.is_confirmed(i) for i in given if i is not None) == expected


def test_the_latest_times_stay_when_tracks_are_joined():
    old = _track(1, 0.3, [n / 8 for n in range(64)], {0: 4.0})
    new = _track(2, 0.3, [9.0, 9.125], {0: 2.0})
    new.continue_from(old)
    assert len(new.times) == 64 and list(new.times)[-3:] == [63 / 8, 9.0, 9.125]
