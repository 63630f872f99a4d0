"""Timings of the hot host-side loops (pytest-benchmark; `pytest --benchmark-enable`), on the sizes of a 640x360
stream.

No time is asserted: each benchmark checks the result it timed.
"""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from edgecap.runtime.data.mask import Mask
from edgecap.runtime.measure.measure import measure
from edgecap.runtime.measure.palette import MOST_VIEWS, colour_table, palette
from edgecap.runtime.output import rle
from tests.runtime.drawn_windows import Body, View, straight, window

SIZE_WH = (640, 360)


@pytest.fixture(scope="module")
def blob() -> Mask:
    """A body of about 100 x 140 pixels with a ragged edge."""
    noise = cv2.GaussianBlur(np.random.default_rng(0).normal(0, 1, (360, 640)), (0, 0), 4)
    y, x = np.mgrid[:360, :640]
    return Mask.from_full(np.hypot((x - 320) / 50, (y - 180) / 70) + 3 * noise < 1)


def test_bench_rle_encode(benchmark, blob):
    encoded = benchmark(rle.encode, blob)
    assert np.array_equal(rle.decode(encoded).full(), blob.full())


def test_bench_rle_decode(benchmark, blob):
    decoded = benchmark(rle.decode, rle.encode(blob))
    assert decoded.area_pixels == blob.area_pixels


def test_bench_palette(benchmark, blob):
    image = np.random.default_rng(1).integers(0, 256, (360, 640, 3)).astype(np.uint8)
    shares = benchmark(palette, [(image, blob)] * MOST_VIEWS)
    assert sum(c.share for c in shares) == pytest.approx(1.0)


def test_bench_colour_table(benchmark):
    table = benchmark(colour_table.__wrapped__)
    assert np.array_equal(table, colour_table())


def test_bench_measure_a_window_of_five_seconds(benchmark):
    bodies = [Body(straight(0.2 + 0.2 * k, 0.3, vx=0.02 * k), jitter=0.003) for k in range(4)]
    drawn = window(bodies, lambda t: View(x=0.5 + 0.05 * t))
    assert len(benchmark(measure, drawn).tracks) == 4
