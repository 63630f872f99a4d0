"""The four visual prompts: what each leaves of the surroundings."""

from __future__ import annotations

import numpy as np
import pytest

from edgecap.runtime.describe.views import RING_RGB, SOLID_RGB, isolate

CROP = np.random.default_rng(3).integers(0, 255, (64, 48, 3), np.uint8)
INSIDE = np.zeros((64, 48), bool)
INSIDE[20:44, 16:32] = True
ALPHA = INSIDE.astype(np.float32)


@pytest.mark.parametrize("kind", ["blur", "solid", "crop", "ring"])
def test_the_instance_itself_is_untouched(kind) -> None:
    out = isolate(CROP, ALPHA, kind)
    inner = np.s_[24:40, 20:28]  # the ring may cross the corners
    np.testing.assert_array_equal(out[inner], CROP[inner])
    assert out.shape == CROP.shape and out.dtype == np.uint8


def test_blur_keeps_colours_and_no_texture() -> None:
    out = isolate(CROP, ALPHA, "blur")[~INSIDE].astype(float)
    assert out.std() < 0.3 * CROP[~INSIDE].std()


def test_solid_is_one_colour() -> None:
    assert (isolate(CROP, ALPHA, "solid")[~INSIDE] == SOLID_RGB).all()


def test_crop_is_the_picture() -> None:
    np.testing.assert_array_equal(isolate(CROP, ALPHA, "crop"), CROP)


def test_ring_draws_around_and_changes_little_else() -> None:
    before = CROP.copy()
    out = isolate(CROP, ALPHA, "ring")
    changed = (out != CROP).any(2)
    assert 0.02 < changed.mean() < 0.2 and (out == RING_RGB).all(2).any()
    rows, columns = np.flatnonzero(changed.any(1)), np.flatnonzero(changed.any(0))
    assert rows[0] < 20 and rows[-1] > 43 and columns[0] < 16 and columns[-1] > 31
    np.testing.assert_array_equal(CROP, before)


def test_nothing_to_ring() -> None:
    np.testing.assert_array_equal(isolate(CROP, np.zeros_like(ALPHA), "ring"), CROP)
