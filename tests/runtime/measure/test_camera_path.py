"""Camera labels from exact steps: the sign conventions of the reference's golden table, and what fools end-point
methods."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from edgecap.runtime.measure.camera_labels import camera_evidence
from edgecap.runtime.measure.camera_path import camera_path
from tests.runtime.drawn_windows import ASPECT, View, window

CENTRE_Y = ASPECT / 2


def _labels(view, **options):
    return camera_evidence(window(view=view, **options).observations, aspect=ASPECT).labels


def _four_borders(*, top, bottom, left, right):
    """A step that moves the middles of the four borders by these pixels of 1280x720 (least squares over
    similarities)."""
    size = np.array([1280.0, 720.0])
    points = np.array([(640, 0), (640, 720), (0, 360), (1280, 360)], float)
    moves = np.array([top, bottom, left, right], float)
    rows = [r for (x, y) in points for r in ((x, -y, 1, 0), (y, x, 0, 1))]
    a, b, c, d = np.linalg.lstsq(np.array(rows), (points + moves).ravel(), rcond=None)[0]
    scale = np.diag([*(1 / size), 1.0])
    return scale @ np.array([[a, -b, c], [b, a, d], [0, 0, 1]]) @ np.linalg.inv(scale)


# docs/spec/instancecap.md 2.3, in its pixels. What it calls Undetermined is a roll and has its own label here.
# Its last row (top and bottom move, left and right stand still) is no movement of a camera, and is left out.
GOLDEN = {
    "all borders left": ((-100, 0), (-100, 0), (-100, 0), (-100, 0), ("pan_right",)),
    "all borders right": ((100, 0), (100, 0), (100, 0), (100, 0), ("pan_left",)),
    "all borders down": ((0, 90), (0, 90), (0, 90), (0, 90), ("tilt_up",)),
    "all borders up": ((0, -90), (0, -90), (0, -90), (0, -90), ("tilt_down",)),
    "borders outward": ((0, -90), (0, 90), (-90, 0), (90, 0), ("zoom_in",)),
    "borders inward": ((0, 90), (0, -90), (90, 0), (-90, 0), ("zoom_out",)),
    "hardly": ((10, 5), (10, 5), (10, 5), (10, 5), ("static",)),
    "picture turns counter-clockwise": ((-100, 0), (100, 0), (0, 100), (0, -100), ("roll_right",)),
    "picture turns clockwise": ((100, 0), (-100, 0), (0, -100), (0, 100), ("roll_left",)),
    "left and down": ((-100, 90), (-100, 90), (-100, 90), (-100, 90), ("pan_right", "tilt_up")),
}


@pytest.mark.parametrize("row", GOLDEN.values(), ids=GOLDEN.keys())
def test_golden_table_of_sign_conventions(row):
    top, bottom, left, right, expected = row
    count = 33
    moves = {"top": top, "bottom": bottom, "left": left, "right": right}
    step = _four_borders(**{name: tuple(v / (count - 1) for v in move) for name, move in moves.items()})
    drawn = window(seconds=count / 8).observations
    observations = [replace(o, camera_step=None if i == 0 else step) for i, o in enumerate(drawn)]
    assert camera_evidence(observations, aspect=720 / 1280).labels == expected


PATHS = {
    "pan right": (lambda t: View(x=0.5 + 0.08 * t), ("pan_right",)),
    "pan left, slow": (lambda t: View(x=0.5 - 0.055 * t), ("pan_left",)),
    "tilt down": (lambda t: View(y=CENTRE_Y + 0.09 * t), ("tilt_down",)),
    "zoom in": (lambda t: View(zoom=1.06**t), ("zoom_in",)),
    "zoom out": (lambda t: View(zoom=1.08**-t), ("zoom_out",)),
    "roll right": (lambda t: View(roll=3 * t), ("roll_right",)),
    "roll left": (lambda t: View(roll=-3 * t), ("roll_left",)),
    "pan and zoom": (lambda t: View(x=0.5 + 0.08 * t, zoom=1.1**t), ("pan_right", "zoom_in")),
    "pan, roll and zoom": (lambda t: View(x=0.5 - 0.1 * t, zoom=1.1**-t, roll=0.0), ("pan_left", "zoom_out")),
    "out and back": (lambda t: View(x=0.5 + 0.12 * (2.5 - abs(t - 2.5))), ("pan_left", "pan_right")),
    "a pan with a pause": (lambda t: View(x=0.5 + 0.15 * (min(t, 1.5) + max(t - 3.5, 0))), ("pan_right",)),
    "still": (lambda t: View(), ("static",)),
    "drift under the threshold": (lambda t: View(x=0.5 + 0.01 * t, zoom=1.012**t, roll=0.6 * t), ("static",)),
}


@pytest.mark.parametrize("path", PATHS.values(), ids=PATHS.keys())
@pytest.mark.parametrize("fps", [6.0, 8.0, 15.0])
def test_labels_of_paths(path, fps):
    view, expected = path
    assert _labels(view, fps=fps) == expected


@pytest.mark.parametrize("hertz", [3.0, 3.6, 4.4, 5.0, 5.9])
@pytest.mark.parametrize("drift", [0.0, 0.1])
def test_shake_is_found_even_where_sampling_aliases_it(hertz, drift):
    def view(t):
        return View(
            x=0.5 + drift * t + 0.012 * np.sin(2 * np.pi * hertz * t + 0.7),
            y=CENTRE_Y + 0.011 * np.sin(2 * np.pi * (hertz - 0.3) * t + 2.0),
        )

    assert _labels(view) == (("pan_right", "shake") if drift else ("shake",))


@pytest.mark.parametrize(
    ("shift", "expected"),
    [
        pytest.param((0.05, 0.0), ("static",), id="5 % of the width"),
        pytest.param((0.075, 0.0), ("pan_right",), id="7.5 % of the width: 13 % of the height"),
        pytest.param((0.0, 0.08 * ASPECT), ("static",), id="8 % of the height"),
        pytest.param((0.0, 0.12 * ASPECT), ("tilt_down",), id="12 % of the height: less than a pan of the width"),
    ],
)
def test_each_axis_has_its_own_threshold(shift, expected):
    x, y = shift
    assert _labels(lambda t: View(x=0.5 + x * t / 4.875, y=CENTRE_Y + y * t / 4.875)) == expected


@pytest.mark.parametrize("portrait", [False, True], ids=["16:9", "9:16"])
def test_thresholds_are_shares_of_the_frame_s_own_sides(portrait):
    aspect = 16 / 9 if portrait else 9 / 16
    observations = window(seconds=5).observations
    for share, expected in ((0.08, ("static",)), (0.12, ("tilt_up",))):
        step = np.eye(3)
        step[1, 2] = share / (len(observations) - 1)  # of the height, downward: the picture's content
        steady = [replace(o, camera_step=None if i == 0 else step) for i, o in enumerate(observations)]
        assert camera_evidence(steady, aspect=aspect).labels == expected


@pytest.mark.parametrize(
    ("slope", "expected"),
    [
        pytest.param(0.35, ("pan_right",), id="19 degrees off level"),
        pytest.param(0.5, ("pan_right", "tilt_down"), id="27 degrees off level"),
        pytest.param(2.0, ("pan_right", "tilt_down"), id="63 degrees"),
        pytest.param(3.0, ("tilt_down",), id="72 degrees: nearly upright"),
    ],
)
def test_a_slant_is_named_by_the_nearest_of_eight_ways(slope, expected):
    scale = 0.1 / max(1.0, slope / 1.5)
    assert _labels(lambda t: View(x=0.5 + scale * t, y=CENTRE_Y + slope * scale * t)) == expected


@pytest.mark.parametrize(
    ("amplitude", "speed", "expected"),
    [
        pytest.param(0.0045, 0.0, ("static",), id="a fairly steady hand"),
        pytest.param(0.009, 0.0, ("shake",), id="twice that"),
        pytest.param(0.012, 0.08, ("pan_right", "shake"), id="it goes back in a slow pan"),
        pytest.param(0.012, 0.3, ("pan_right",), id="a fast pan never goes back"),
    ],
)
def test_shake_is_strong_and_outweighs_the_intended_movement(amplitude, speed, expected):
    def view(t):
        swing = amplitude * np.sin(2 * np.pi * 3.1 * t + 0.3)
        return View(x=0.5 + speed * t + swing, y=CENTRE_Y + amplitude * np.sin(2 * np.pi * 2.7 * t + 1.0))

    assert _labels(view) == expected


@pytest.mark.parametrize("seconds", [1.6, 2.5, 4.0])
def test_there_and_back_is_two_sweeps_and_no_shake(seconds):
    def view(t):
        hand = 0.002 * np.sin(2 * np.pi * 3.7 * t)  # so that the rest changes its sign
        return View(x=0.5 + 0.4 * np.sin(np.pi * np.clip((t - 0.4) / seconds, 0, 1)) + hand, y=CENTRE_Y + hand)

    found = camera_evidence(window(view=view).observations, aspect=ASPECT)
    assert found.labels == ("pan_left", "pan_right")
    assert found.phases == (("pan_right",), ("pan_left",))


@pytest.mark.parametrize(
    ("degrees", "expected"),
    [
        pytest.param(7, ("pan_right",), id="what a lens bends"),
        pytest.param(13, ("pan_right", "roll_right"), id="far more"),
    ],
)
def test_a_roll_during_a_long_pan_must_be_more_than_the_lens_makes_of_it(degrees, expected):
    assert _labels(lambda t: View(x=0.5 + 0.16 * t, roll=degrees * t / 4.875)) == expected
    assert _labels(lambda t: View(roll=degrees * t / 4.875)) == ("roll_right",)


def test_slow_sway_of_a_hand_is_neither_tilt_nor_shake():
    assert _labels(lambda t: View(x=0.5 + 0.015 * np.sin(2 * t), y=CENTRE_Y + 0.015 * np.sin(1.5 * t + 1))) == (
        "static",
    )


def test_a_missing_step_goes_on_as_its_neighbours():
    fast = lambda t: View(x=0.5 + 0.4 * t)  # noqa: E731
    found = camera_evidence(window(view=fast, missing_steps=(9, 20, 21, 33)).observations, aspect=ASPECT)
    assert found.labels == ("pan_right",) and found.shake_amplitude == 0.0
    assert found.pan_total == pytest.approx(0.4 * 39 / 8, rel=0.01)


def test_a_sudden_start_is_no_shake():
    found = camera_evidence(window(view=lambda t: View(x=0.5 + 0.3 * max(t - 2.5, 0))).observations, aspect=ASPECT)
    assert found.labels == ("pan_right",)
    assert found.shake_amplitude < 0.004


def test_noise_of_the_estimate_is_neither_shake_nor_movement():
    rng = np.random.default_rng(5)
    observations = []
    for i, o in enumerate(window(seconds=10).observations):
        step = np.eye(3) + rng.normal(0, 0.0008, (3, 3)) * [[1, 1, 1], [1, 1, 1], [0, 0, 0]]
        observations.append(replace(o, camera_step=None if i == 0 else step))
    assert camera_evidence(observations, aspect=ASPECT).labels == ("static",)


def test_zoom_and_roll_about_the_centre_are_no_pan():
    found = camera_evidence(window(view=lambda t: View(zoom=1.2**t, roll=6 * t)).observations, aspect=ASPECT)
    assert found.labels == ("roll_right", "zoom_in")
    assert found.pan_total < 0.005
    assert found.tilt_total < 0.005
    assert found.zoom_total == pytest.approx(1.2 ** (39 / 8), rel=0.02)
    assert found.roll_total_degrees == pytest.approx(6 * 39 / 8, rel=0.02)


def test_phases_keep_order_and_simultaneity():
    def view(t):
        return View(x=0.5 + 0.15 * min(t, 2.5) - 0.12 * max(t - 3.0, 0), zoom=1.2 ** min(t, 2.5))

    found = camera_evidence(window(view=view, seconds=6).observations, aspect=ASPECT)
    assert found.phases == (("pan_right", "zoom_in"), ("pan_left",))


@pytest.mark.parametrize(("speed", "adverb"), [(0.06, "slowly"), (0.14, "steadily"), (0.3, "quickly")])
def test_speed_adverb(speed, adverb):
    found = camera_evidence(window(view=lambda t: View(x=0.5 + speed * t)).observations, aspect=ASPECT)
    assert found.speed_adverb == adverb


def test_missing_steps_claim_nothing_and_a_single_gap_is_bridged():
    pan = lambda t: View(x=0.5 + 0.1 * t)  # noqa: E731
    some = camera_evidence(window(view=pan, missing_steps=tuple(range(1, 40, 3))).observations, aspect=ASPECT)
    assert some.labels == () and some.confidence == 0.0
    one = camera_evidence(window(view=pan, missing_steps=(20,)).observations, aspect=ASPECT)
    assert one.labels == ("pan_right",)
    assert 0.85 < one.confidence < 0.9
    alone = camera_evidence(window(seconds=1 / 8).observations, aspect=ASPECT)
    assert alone.labels == ()


def test_between_composes_steps_and_refuses_gaps():
    path = camera_path(
        window(view=lambda t: View(x=0.5 + 0.1 * t, zoom=1.1**t, roll=4 * t), missing_steps=(30,)).observations,
        aspect=ASPECT,
    )
    world = np.array([0.4, 0.3, 1.0])
    views = [View(x=0.5 + 0.1 * k / 8, zoom=1.1 ** (k / 8), roll=4 * k / 8).matrix() for k in (3, 25)]
    assert path.between(source=25, target=3) @ (views[1] @ world) == pytest.approx(views[0] @ world)
    with pytest.raises(ValueError, match="no camera path from observation 35 to 3"):
        path.between(source=35, target=3)
