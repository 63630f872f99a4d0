"""COCO run lengths against a plain numpy reading of the format, and strings made by COCO's own library."""

from __future__ import annotations

import numpy as np
import pytest

from edgecap.runtime.data.mask import Mask
from edgecap.runtime.output import rle


def _plain_counts(full):
    """Column-major runs, the zeros first, by walking the pixels."""
    counts, value = [0], False
    for pixel in full.ravel(order="F"):
        if pixel != value:
            counts.append(0)
            value = pixel
        counts[-1] += 1
    return counts


def _plain_string(counts):
    text = ""
    for i, count in enumerate(counts):
        value = count - counts[i - 2] if i > 2 else count
        while True:
            low, value = value & 31, value >> 5
            done = value == (-1 if low & 16 else 0)
            text += chr(48 + low + (0 if done else 32))
            if done:
                break
    return text


def _random_full(seed):
    rng = np.random.default_rng(seed)
    height, width = rng.integers(1, 40, 2)
    kind = seed % 4
    if kind == 0:
        return rng.random((height, width)) < rng.random()
    full = np.zeros((height, width), bool)
    y, x = rng.integers(0, height), rng.integers(0, width)
    full[y : y + rng.integers(1, 20), x : x + rng.integers(1, 20)] = True
    if kind == 2:
        full[:, x:] = True  # full columns: runs that join over columns
    return ~full if kind == 3 else full


@pytest.mark.parametrize("seed", range(60))
def test_counts_string_and_back(seed):
    full = _random_full(seed)
    mask = Mask.from_full(full)
    counts = rle.encode_counts(mask)
    assert counts.tolist() == _plain_counts(full)
    text = rle.counts_to_string(counts)
    assert text == _plain_string(counts.tolist())
    assert rle.string_to_counts(text).tolist() == counts.tolist()
    again = rle.decode(rle.encode(mask))
    assert again.size_wh == mask.size_wh
    assert np.array_equal(again.full(), full)


def test_large_counts_survive():
    full = np.zeros((1080, 1920), bool)
    full[500:700, 100:1900] = True
    assert np.array_equal(rle.decode(rle.encode(Mask.from_full(full))).full(), full)


def test_empty_and_full():
    empty = Mask.from_full(np.zeros((4, 6), bool))
    assert rle.encode_counts(empty).tolist() == [24]
    assert rle.decode(rle.encode(empty)).area_pixels == 0
    whole = Mask.from_full(np.ones((4, 6), bool))
    assert rle.encode_counts(whole).tolist() == [0, 24]
    assert rle.decode(rle.encode(whole)).area_pixels == 24


def test_a_rectangle_with_empty_rows_around_its_pixels_is_encoded_by_its_pixels():
    loose = Mask((1, 1), np.array([[False, False], [False, True]]), (4, 5))
    assert rle.encode_counts(loose).tolist() == _plain_counts(loose.full())


# Made once with pycocotools 2.0.11, `mask.encode(np.asfortranarray(full))`, for the masks drawn below.
COCO_STRINGS = {
    "ring": "Sa0=Q14L4M2M4M2N2O0O2N2O^OD0;MM02O00O030LO60JO80H080H080H080HO:0F180H080H080H080H160J140M01001N033E0"
    "<b01N2N101N2N3L3N3L4L_d0",
    "corner": "0P3iZ2WM`fM00000000000000000000000",
    "noise": "01400080E010O0`00C0M0300080E010O0`00C0M0300080E010O0`00C0M030007",
}


def coco_masks():
    """The masks whose strings stand in `COCO_STRINGS`."""
    y, x = np.mgrid[:48, :64]
    radius = np.hypot(x - 30, y - 25)
    noise = np.array([[(7 * i * i + 13 * j + i * j) % 5 == 0 for j in range(17)] for i in range(11)])
    return {"ring": (radius < 20) & (radius > 9), "corner": (x > 50) & (y > 40) | (x < 2), "noise": noise}


@pytest.mark.parametrize("name", COCO_STRINGS)
def test_the_same_string_as_cocos_library(name):
    full = coco_masks()[name]
    encoded = rle.encode(Mask.from_full(full))
    assert encoded["counts"] == COCO_STRINGS[name]
    assert encoded["size"] == list(full.shape)
    assert np.array_equal(rle.decode({"size": list(full.shape), "counts": COCO_STRINGS[name]}).full(), full)


def test_wrong_size_is_refused():
    with pytest.raises(ValueError, match="sum to 30"):
        rle.decode_counts(np.array([24]), size_wh=(5, 6))
    with pytest.raises(ValueError, match="run lengths"):
        rle.decode_counts(np.array([-1, 31]), size_wh=(5, 6))


@pytest.mark.parametrize("text", ["00 ", "ab~", "é", "0P"])
def test_broken_strings_are_refused(text):
    with pytest.raises(ValueError, match="not a COCO run-length string"):
        rle.string_to_counts(text)
