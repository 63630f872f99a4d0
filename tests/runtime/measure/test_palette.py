"""Basic colour terms: our own colours and the world's, flat, compressed, blurred, noisy and dark."""

from __future__ import annotations

from pathlib import Path

import av
import cv2
import numpy as np
import pytest

from edgecap.bench.world import COLOURS
from edgecap.bench.world.colours import JITTER, tinted
from edgecap.runtime.data.mask import Mask
from edgecap.runtime.measure.palette import (
    MOST_VIEWS,
    PROTOTYPES,
    TERMS,
    best_views,
    colour_table,
    palette,
)

SIZE = 96
GROUND = (236, 238, 240)


def colour_name(rgb):
    """The term that the table has for one sRGB colour."""
    return TERMS[int(colour_table()[tuple(int(c) * len(colour_table()) // 256 for c in rgb)])]


def _disc(rgb, *, outline=True, ground=GROUND):
    """A disc with a dark outline on a light ground; its mask covers disc and outline."""
    image = np.full((SIZE, SIZE, 3), ground, np.uint8)
    cv2.circle(image, (48, 48), 26, rgb, -1, cv2.LINE_AA)
    if outline:
        cv2.circle(image, (48, 48), 26, (38, 36, 44), 2, cv2.LINE_AA)
    y, x = np.mgrid[:SIZE, :SIZE]
    return image, Mask.from_full(np.hypot(x - 48, y - 48) <= 27)


def _noisy(image):
    return np.clip(image + np.random.default_rng(1).normal(0, 9, image.shape), 0, 255).astype(np.uint8)


DEGRADED = {
    "flat": lambda image: image,
    "blurred": lambda image: cv2.GaussianBlur(image, (0, 0), 1.3),
    "noisy": _noisy,
    "low light": lambda image: cv2.convertScaleAbs(image, alpha=0.5),
    "low light, blurred, noisy": lambda image: _noisy(
        cv2.convertScaleAbs(cv2.GaussianBlur(image, (0, 0), 1.0), alpha=0.6)
    ),
}


@pytest.mark.parametrize("name", COLOURS)
@pytest.mark.parametrize("how", DEGRADED.values(), ids=DEGRADED.keys())
def test_the_worlds_colours(name, how):
    image, mask = _disc(COLOURS[name])
    found = palette([(how(image), mask)])
    assert found[0].name == name
    assert found[0].share > 0.75
    assert sum(c.share for c in found) == pytest.approx(1.0)


@pytest.mark.parametrize("name", COLOURS)
def test_the_worlds_jitter_keeps_the_name(name):
    for corner in np.ndindex(2, 2, 2):
        moved = np.clip(np.array(COLOURS[name]) + (np.array(corner) * 2 - 1) * JITTER, 0, 255)
        assert colour_name(moved) == name


@pytest.mark.parametrize("name", sorted(set(COLOURS) - {"black", "gray", "brown"}))
def test_the_worlds_light_and_dark_shades_keep_the_name(name):
    for amount in (0.16, -0.15):
        assert colour_name(tinted(COLOURS[name], amount)) in {name, "gray" if name == "white" else name}


def test_colours_survive_h264(tmp_path: Path):
    path = tmp_path / "discs.mp4"
    pictures = {name: _disc(rgb)[0] for name, rgb in COLOURS.items()}
    with av.open(str(path), "w") as sink:
        stream = sink.add_stream("libx264", rate=8, options={"crf": "28"})
        stream.width = stream.height = SIZE
        stream.pix_fmt = "yuv420p"
        for image in pictures.values():
            sink.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
        sink.mux(stream.encode())
    mask = _disc((0, 0, 0))[1]
    with av.open(str(path)) as source:
        decoded = [frame.to_ndarray(format="rgb24") for frame in source.decode(video=0)]
    assert [palette([(image, mask)])[0].name for image in decoded] == list(pictures)


def test_two_parts_and_a_thin_outline():
    image, mask = _disc(COLOURS["red"])
    image[48:][(image[48:] == COLOURS["red"]).all(-1)] = COLOURS["blue"]
    first, second = palette([(image, mask)])[:2]
    assert {first.name, second.name} == {"red", "blue"}
    assert first.share + second.share > 0.97
    assert all(0.4 < c.share < 0.6 for c in (first, second))


def test_shares_are_pooled_over_views_and_later_views_ignored():
    red, mask = _disc(COLOURS["red"])
    green, _ = _disc(COLOURS["green"])
    assert [c.name for c in palette([(red, mask), (green, mask), (red, mask)])[:2]] == ["red", "green"]
    assert {c.name for c in palette([(red, mask)] * MOST_VIEWS + [(green, mask)] * 9)} == {"red"}


def test_a_sliver_is_counted_whole():
    image = np.full((SIZE, SIZE, 3), COLOURS["orange"], np.uint8)
    thin = np.zeros((SIZE, SIZE), bool)
    thin[10:60, 40] = True
    assert palette([(image, Mask.from_full(thin))])[0].name == "orange"


def test_nothing_to_see_gives_nothing():
    empty = Mask.from_full(np.zeros((SIZE, SIZE), bool))
    assert palette([]) == ()
    assert palette([(np.zeros((SIZE, SIZE, 3), np.uint8), empty)]) == ()
    with pytest.raises(ValueError, match="two sizes"):
        palette([(np.zeros((SIZE, SIZE + 2, 3), np.uint8), _disc((0, 0, 0))[1])])


def test_the_table_knows_every_term_and_its_own_prototypes():
    assert set(PROTOTYPES) == set(TERMS)
    assert set(np.unique(colour_table())) == set(range(len(TERMS)))
    wrong = [(name, rgb) for name, rows in PROTOTYPES.items() for rgb in rows if colour_name(rgb) != name]
    assert not wrong


def test_best_views_prefer_whole_bodies_and_drop_small_ones():
    areas = np.array([0.1, 0.3, 0.2, 0.25, 0.02, 0.03], np.float32)
    clean = np.array([True, True, True, False, True, True])
    assert best_views(areas, clean, count=3) == [1, 2]
    assert best_views(areas[:1], clean[:1]) == [0]


@pytest.mark.parametrize(("level", "name"), [(76, "black"), (84, "gray"), (180, "gray"), (188, "white")])
def test_gray_ends_at_80_and_182(level, name):
    assert colour_name((level,) * 3) == name
