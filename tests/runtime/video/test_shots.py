"""Shots joined from rendered scenes at 8 frames a second, with cuts, flashes, gaps and dissolves at known times."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from edgecap.bench.world import VALIDATION_SEED_START, Renderer, make_scene
from edgecap.runtime.data.frame import Frame
from edgecap.runtime.data.window import Observation
from edgecap.runtime.video.shots import ShotBoundaries
from edgecap.runtime.video.windows import WindowBuilder

FPS = 8
Pictures = list[NDArray[np.uint8]]


def shot(seed: int, tier: str, *, seconds: int = 4) -> Pictures:
    scene = make_scene(seed=VALIDATION_SEED_START + seed, tier=tier, duration_seconds=float(seconds), size_wh=(160, 90))
    renderer = Renderer(scene)
    return [renderer.render(24 // FPS * i).image_rgb for i in range(seconds * FPS)]


@pytest.fixture(scope="module")
def scenes() -> dict[str, Pictures]:
    return {"a": shot(2, "moving"), "b": shot(3, "moving"), "c": shot(7, "clean"), "d": shot(9, "clean")}


def cuts_of(pictures: Sequence[NDArray[np.uint8]]) -> list[float]:
    shots: ShotBoundaries[int] = ShotBoundaries(sample_seconds=1 / FPS)
    out: list[tuple[int, bool]] = []
    for i, picture in enumerate(pictures):
        out += shots.feed(Frame(i, i / FPS, picture), i)
        assert i - len(out) < 2 * FPS + 1, "no frame is held back for more than two seconds"
    out += shots.finish()
    assert [i for i, _ in out] == list(range(len(pictures))), "every frame comes back, once, in order"
    return [i / FPS for i, is_cut in out if is_cut]


def interrupted(pictures: Pictures, count: int, by: Pictures | int) -> Pictures:
    """`count` frames from 1.5 s replaced by a grey level or by another shot's."""
    other = [np.full_like(pictures[0], by)] * count if isinstance(by, int) else by[:count]
    return [*pictures[:12], *other, *pictures[12 + count :]]


@pytest.mark.parametrize("name", ["a", "c"])
@pytest.mark.parametrize(
    ("count", "by"),
    [
        pytest.param(1, 250, id="camera-flash"),
        pytest.param(3, 255, id="long-flash"),
        pytest.param(2, 0, id="black-blink"),
        pytest.param(8, 0, id="second-of-black"),
        pytest.param(12, 128, id="gray-gap"),
        pytest.param(3, "b", id="three-frames-of-another-shot"),
    ],
)
def test_an_interruption_is_no_cut(scenes: dict[str, Pictures], name: str, count: int, by: int | str) -> None:
    other = scenes[by] if isinstance(by, str) else by
    assert cuts_of(interrupted(scenes[name], count, other)) == []


def test_cuts_stay_where_they_are(scenes: dict[str, Pictures]) -> None:
    assert cuts_of(scenes["a"] + scenes["c"] + scenes["b"] + scenes["d"]) == [4.0, 8.0, 12.0]
    assert cuts_of(scenes["a"] + scenes["c"][:8] + scenes["a"]) == [4.0, 5.0], "a second of another shot is a shot"


@pytest.mark.parametrize(
    ("blank_frames", "want"), [(2, [4.25]), (8, [5.0]), (24, [4.0, 7.0])], ids=["quarter", "one", "three"]
)
@pytest.mark.parametrize("level", [0, 255])
def test_a_blank_between_two_shots(
    scenes: dict[str, Pictures], blank_frames: int, want: list[float], level: int
) -> None:
    blank = [np.full_like(scenes["a"][0], level)] * blank_frames
    assert cuts_of(scenes["a"] + blank + scenes["c"]) == want


def blended(first: Pictures, second: Pictures, frames: int) -> Pictures:
    """The last frames of one shot and the first of the other over each other."""
    shares = [(i + 1) / (frames + 1) for i in range(frames)]
    pairs = zip(first[-frames:], second[:frames], shares, strict=True)
    mixed = [np.round(a * (1 - share) + b * share).astype(np.uint8) for a, b, share in pairs]
    return first[:-frames] + mixed + second[frames:]


@pytest.mark.parametrize("pair", ["ab", "cd", "ac"])
@pytest.mark.parametrize("frames", [4, 8, 12, 16, 20])
def test_a_dissolve_is_one_cut_near_its_middle(scenes: dict[str, Pictures], pair: str, frames: int) -> None:
    [found] = cuts_of(blended(scenes[pair[0]], scenes[pair[1]], frames))
    assert found == pytest.approx((32 - frames / 2) / FPS, abs=0.3)


def faded(pictures: Pictures, *, out: bool) -> Pictures:
    count = len(pictures)
    levels = [(count - i) / (count + 1) if out else (i + 1) / (count + 1) for i in range(count)]
    return [np.round(p * level).astype(np.uint8) for p, level in zip(pictures, levels, strict=True)]


def test_fades_are_one_cut_between_two_shots_and_none_at_the_ends(scenes: dict[str, Pictures]) -> None:
    a, c, black = scenes["a"], scenes["c"], [np.zeros_like(scenes["a"][0])] * 2
    [found] = cuts_of(a[:-8] + faded(a[-8:], out=True) + black + faded(c[:8], out=False) + c[8:])
    assert 3.75 <= found <= 4.75
    assert cuts_of(faded(a[:8], out=False) + a[8:]) == []
    assert cuts_of(a[:-8] + faded(a[-8:], out=True) + black) == []


@pytest.mark.parametrize(("seed", "tier"), [(5, "moving"), (8, "moving"), (8, "stress"), (11, "stress")])
def test_a_moving_camera_is_no_dissolve(seed: int, tier: str) -> None:
    assert cuts_of(shot(seed, tier)) == []


def test_at_one_frame_a_second_a_cut_is_a_cut_and_a_flash_is_not(scenes: dict[str, Pictures]) -> None:
    a, c = scenes["a"][::8], scenes["c"][::8]
    white = [np.full_like(a[0], 255)]
    for pictures, want in ((a + c, [4.0]), (a[:2] + white + a[2:] + c, [5.0])):
        shots: ShotBoundaries[float] = ShotBoundaries(sample_seconds=1.0)
        out = [pair for i, p in enumerate(pictures) for pair in shots.feed(Frame(i, float(i), p), float(i))]
        assert [at for at, is_cut in [*out, *shots.finish()] if is_cut] == want


@pytest.mark.parametrize(
    ("window", "cuts", "seconds", "want"),
    [
        pytest.param(5.0, [6.0], 12.0, [(0, 6), (6, 12)], id="rest-of-a-second-is-taken-in"),
        pytest.param(5.0, [7.5], 9.5, [(0, 5), (5, 7.5), (7.5, 9.5)], id="rest-of-2.5-stands"),
        pytest.param(9.0, [10.5], 14.5, [(0, 5.25), (5.25, 10.5), (10.5, 14.5)], id="past-ten-is-shared"),
        pytest.param(5.0, [1.25], 4.0, [(0, 1.25), (1.25, 4)], id="a-short-shot-is-a-clip"),
        pytest.param(2.0, [3.0, 4.0], 7.5, [(0, 3), (3, 4), (4, 7.5)], id="short-windows"),
    ],
)
def test_no_clip_below_two_seconds_inside_a_longer_shot(
    window: float, cuts: list[float], seconds: float, want: list[tuple[float, float]]
) -> None:
    builder = WindowBuilder(window, labels=())
    found = []
    for at in np.arange(0, seconds, 1 / FPS):
        observation = Observation(Frame(0, float(at), np.zeros((2, 2, 3), np.uint8)), (), None, 0.0)
        found += builder.add(observation, is_cut=float(at) in cuts, arrived_seconds=float(at))
    found += builder.finish(seconds)
    assert [(w.start_seconds, w.end_seconds) for w in found] == want
    assert [w.clip_index for w in found] == list(range(len(want)))
    assert sum(len(w.observations) for w in found) == round(seconds * FPS)
    assert all(w.arrived_seconds == w.observations[-1].frame.pts_seconds for w in found)


def test_the_last_clip_lasts_as_long_as_its_last_picture() -> None:
    builder = WindowBuilder(5.0, labels=())
    for at in np.arange(0, 4, 1 / FPS):
        observation = Observation(Frame(0, float(at), np.zeros((2, 2, 3), np.uint8)), (), None, 0.0)
        assert builder.add(observation, is_cut=False, arrived_seconds=0.0) == []
    [window] = builder.finish(24.0)
    assert (window.start_seconds, window.end_seconds) == (0.0, 24.0)


def test_a_dull_day_is_no_blank() -> None:
    """Snow under clouds: a fine pattern of little contrast, into which something darker walks."""
    pattern = np.random.default_rng(0).normal(100, 11, (27, 48, 1)).repeat(3, axis=2)
    fine = cv2.resize(np.clip(pattern, 0, 255).astype(np.uint8), (320, 180), interpolation=cv2.INTER_NEAREST)
    pictures = []
    for step in range(48):
        picture = fine.copy()
        picture[60:150, 320 - min(4 * max(step - 24, 0), 90) :] = 20
        pictures.append(picture)
    assert cuts_of(pictures) == []
