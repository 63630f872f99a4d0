"""Positions and angles by hand; against transformers in tests/export/qwen/test_mrope.py."""

from __future__ import annotations

import numpy as np
import pytest

from edgecap.engines.errors import PackError
from edgecap.engines.packs.specs import RopeSpec
from edgecap.runtime.decode.rotary import Rotary, picture_positions, positions_of, text_positions

MROPE = RopeSpec(theta=10_000.0, sections=(1, 1, 2), merge=2)
PLAIN = RopeSpec(theta=10_000.0, sections=(), merge=1)


def test_text_after_a_picture_goes_on_past_its_longer_side() -> None:
    positions, after = positions_of([2, (2, 3), 2], rope=MROPE)
    assert positions.T.tolist() == [
        [0, 1, 2, 2, 2, 2, 2, 2, 5, 6],
        [0, 1, 2, 2, 2, 3, 3, 3, 5, 6],
        [0, 1, 2, 3, 4, 2, 3, 4, 5, 6],
    ]
    assert after == 7 < len(positions)


@pytest.mark.parametrize("rope", [PLAIN, None], ids=["plain", "none"])
def test_without_sections_a_position_is_an_index(rope: RopeSpec | None) -> None:
    positions, after = positions_of([2, (2, 3), 2], rope=rope)
    assert after == 10 and (positions == np.arange(10)[:, None]).all()


def test_no_parts_are_no_positions() -> None:
    positions, after = positions_of([], rope=MROPE)
    assert positions.shape == (0, 3) and after == 0


def test_angles_follow_the_axis_of_their_section() -> None:
    cos, sin = Rotary(MROPE, head_dim=8).angles(np.array([[3, 5, 7]]))
    frequencies = 10_000.0 ** -(np.arange(4) / 4)
    turns = np.array([3, 5, 7, 7]) * frequencies
    np.testing.assert_allclose(cos[0], np.cos([*turns, *turns]), atol=1e-6)
    np.testing.assert_allclose(sin[0], np.sin([*turns, *turns]), atol=1e-6)
    assert cos.dtype == sin.dtype == np.float32


def test_plain_angles_ignore_rows_and_columns() -> None:
    rotary = Rotary(PLAIN, head_dim=8)
    mixed, text = np.array([[3, 50, 70]]), text_positions(3, count=1)
    for got, want in zip(rotary.angles(mixed), rotary.angles(text), strict=True):
        np.testing.assert_array_equal(got, want)
    assert picture_positions(4, grid_hw=(1, 2)).tolist() == [[4, 4, 4], [4, 4, 5]]


def test_sections_that_do_not_cover_the_head_are_refused() -> None:
    with pytest.raises(PackError, match=r"sections \[1, 1, 2\] cover 4 frequencies, a head of 16 has 8"):
        Rotary(MROPE, head_dim=16)
