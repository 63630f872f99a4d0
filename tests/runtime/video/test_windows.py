"""Sampling, cuts and windows on times and pictures whose answers are known by construction."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pytest

from edgecap.bench.world import VALIDATION_SEED_START, Renderer, make_scene
from edgecap.engines.errors import UsageError
from edgecap.runtime.data.frame import Frame
from edgecap.runtime.data.window import Observation, Window
from edgecap.runtime.video.shots import ShotDetector
from edgecap.runtime.video.windows import FrameSampler, WindowBuilder

BLANK = np.zeros((2, 2, 3), np.uint8)


def frame(pts: float, image: np.ndarray = BLANK) -> Frame:
    return Frame(index=0, pts_seconds=pts, image_rgb=image)


@pytest.mark.parametrize(
    ("times", "want"),
    [
        pytest.param(np.arange(24) / 24, np.arange(0, 24, 3) / 24, id="24fps-every-third"),
        pytest.param(
            np.round(np.arange(24) / 24, 3), np.round(np.arange(0, 24, 3) / 24, 3), id="matroska-milliseconds"
        ),
        pytest.param([0, 0.04, 0.08, 0.12, 0.16, 0.2, 0.24, 0.28], [0, 0.16, 0.28], id="25fps-next-frame-after-grid"),
        pytest.param(np.arange(6) / 5, np.arange(6) / 5, id="slower-than-sampling-keeps-all"),
        pytest.param([0, 0.01, 2.0, 2.01, 2.02, 2.13], [0, 2.0, 2.13], id="vfr-gap-does-not-owe-frames"),
    ],
)
def test_sampler_keeps_by_time(times: Iterable[float], want: Iterable[float]) -> None:
    sampler = FrameSampler(8.0)
    assert [t for t in times if sampler.keep(t)] == list(want)


def test_sampler_refuses_zero() -> None:
    with pytest.raises(UsageError, match="above 0"):
        FrameSampler(0)


def build(
    times: Iterable[float], *, seconds: float = 5.0, duration: float | None = None, cuts: Iterable[float] = ()
) -> list[Window]:
    builder = WindowBuilder(seconds, labels=("dog",), duration_seconds=duration)
    cut_at = set(cuts)
    closed = [
        builder.add(
            Observation(frame=frame(t), instances=(), camera_step=None, camera_inliers=0.0),
            is_cut=t in cut_at,
            arrived_seconds=100 + t,
        )
        for t in times
    ]
    return [w for windows in (*closed, builder.finish()) for w in windows]


def spans(windows: list[Window]) -> list[tuple[float, float]]:
    return [(round(w.start_seconds, 3), round(w.end_seconds, 3)) for w in windows]


@pytest.mark.parametrize(
    ("seconds_long", "window", "want"),
    [
        pytest.param(15.0, 5.0, [(0, 5), (5, 10), (10, 15)], id="three-whole"),
        pytest.param(11.5, 5.0, [(0, 5), (5, 11.5)], id="short-rest-is-taken-in"),
        pytest.param(12.0, 5.0, [(0, 5), (5, 10), (10, 12)], id="2s-rest-stands-alone"),
        pytest.param(11.0, 10.0, [(0, 5.5), (5.5, 11)], id="rest-past-10s-is-shared"),
        pytest.param(1.0, 5.0, [(0, 1)], id="short-file"),
    ],
)
def test_windows_of_a_file(seconds_long: float, window: float, want: list[tuple[float, float]]) -> None:
    times = np.arange(0, seconds_long, 0.125)
    windows = build(times, seconds=window, duration=seconds_long)
    assert spans(windows) == want
    assert sum(len(w.observations) for w in windows) == len(times)
    assert [w.clip_index for w in windows] == list(range(len(want)))
    assert [w.ends_shot for w in windows] == [False] * (len(want) - 1) + [True]


def test_windows_without_known_duration_end_short() -> None:
    assert spans(build(np.arange(0, 11.5, 0.125))) == [(0, 5), (5, 11.5)]


@pytest.mark.parametrize("duration", [6.0, 9.5])
def test_a_header_that_promises_too_little_gives_no_endless_window(duration: float) -> None:
    windows = build(np.arange(0, 40, 0.125), seconds=8.5 if duration > 9 else 5.0, duration=duration)
    assert max(w.end_seconds - w.start_seconds for w in windows) <= 10.0
    assert sum(len(w.observations) for w in windows) == 320


def test_a_single_frame_lasts_as_long_as_a_frame() -> None:
    assert spans(build([0.0])) == [(0, 0.125)]
    assert spans(build([0.0], duration=0.04)) == [(0, 0.04)]
    assert spans(build([*np.arange(0, 3, 0.125), 3.0], cuts=[3.0], duration=3.1)) == [(0, 3), (3, 3.1)]
    assert spans(build([*np.arange(0, 3, 0.125), 3.0], cuts=[3.0], duration=30.0)) == [(0, 3), (3, 3.125)]


def test_cut_closes_a_window_and_begins_a_shot() -> None:
    windows = build(np.arange(0, 7, 0.125), cuts=[1.25, 4.0], duration=7.0)
    assert spans(windows) == [(0, 1.25), (1.25, 4), (4, 7)]
    assert [w.shot_index for w in windows] == [0, 1, 2]
    assert [w.ends_shot for w in windows] == [True, True, True]
    assert windows[0].observations[-1].frame.pts_seconds == 1.125
    assert windows[0].arrived_seconds == 101.125


def test_dropped_frames_belong_to_the_window_being_built() -> None:
    builder = WindowBuilder(2.0, labels=())
    windows: list[Window] = []
    for t in np.arange(0, 4, 0.5):
        windows += builder.add(Observation(frame(t), (), None, 0.0), is_cut=False, arrived_seconds=0)
        if t == 0.5:
            builder.note_dropped(3)
    windows += builder.finish()
    assert [w.dropped_frames for w in windows] == [3, 0]


def test_nothing_in_nothing_out_and_length_is_checked() -> None:
    assert WindowBuilder(5.0, labels=()).finish() == []
    with pytest.raises(UsageError, match="2 to 10"):
        WindowBuilder(1.5, labels=())


def world_frames(seed: int, tier: str, count: int = 10) -> list[np.ndarray]:
    renderer = Renderer(
        make_scene(seed=VALIDATION_SEED_START + seed, tier=tier, duration_seconds=4.0, size_wh=(320, 180))
    )
    return [renderer.render(3 * i).image_rgb for i in range(count)]


def test_shots_are_cut_between_scenes_and_nowhere_else() -> None:
    """Moving cameras and the stress tier's noise inside the shots; every change of scene is a cut."""
    detector = ShotDetector()
    shots = [
        world_frames(s, tier) for s, tier in ((2, "moving"), (3, "moving"), (4, "stress"), (6, "moving"), (7, "clean"))
    ]
    found = [detector.is_cut(frame(0.0, image)) for shot in shots for image in shot]
    assert [i for i, cut in enumerate(found) if cut] == [10, 20, 30, 40]


def test_flicker_and_whip_are_no_cuts() -> None:
    """A lamp switched down by a third, and a pan by a tenth of the width per frame."""
    rng = np.random.default_rng(5)
    wide = np.repeat(np.repeat(rng.integers(0, 255, (18, 90, 3), np.uint8), 10, 0), 10, 1)
    detector = ShotDetector()
    views = [wide[:, i * 32 : i * 32 + 320] for i in range(10)] + [(wide[:, 288:608] * 0.66).astype(np.uint8)] * 3
    assert not any(detector.is_cut(frame(0.0, view)) for view in views)


def test_a_still_picture_is_never_a_cut_whatever_rounding_says() -> None:
    """Found on a rendered clip: equal histograms summed to a hair over 1, and a root was taken of a negative number."""
    rng = np.random.default_rng(0)
    for colours in range(2, 122):
        image = rng.integers(0, 255, (colours, 3), np.uint8)[rng.integers(0, colours, (54, 96))]
        detector = ShotDetector()
        assert not any(detector.is_cut(Frame(i, i / 8, image)) for i in range(2))
