"""COCO run-length encoding of a Mask, both forms: counts, and the compressed string.

Counts are the lengths of alternating runs of 0 and 1 down the columns (column-major), beginning with the
zeros (the first count may be 0). The string writes each count, from the fourth on as the difference to the
count two before it, in groups of five bits, lowest first, sign-extended: `chr(48 + bits + 32 if more
follow)`. Definition: the COCO data format (cocodataset.org, "format-data") and its published mask API; this
is our own code.

The loops release the GIL.
"""

from __future__ import annotations

from typing import TypedDict

import numpy as np
from numpy.typing import NDArray

from edgecap.engines.compiled import compiled
from edgecap.runtime.data.mask import Mask


class CocoRle(TypedDict):
    """The JSON object of the COCO format. `size` is [height, width]; `counts` the compressed string."""

    size: list[int]
    counts: str


def encode(mask: Mask) -> CocoRle:
    """The mask as the COCO JSON object with a compressed string."""
    width, height = mask.size_wh
    return {"size": [height, width], "counts": counts_to_string(encode_counts(mask))}


def decode(rle: CocoRle) -> Mask:
    """The mask of a COCO JSON object. ValueError where the runs do not fill the picture."""
    height, width = rle["size"]
    return decode_counts(string_to_counts(rle["counts"]), size_wh=(width, height))


def encode_counts(mask: Mask) -> NDArray[np.int64]:
    """Uncompressed counts int64 [R]; their sum is width x height, their number may be odd or even."""
    width, height = mask.size_wh
    left, top = mask.origin_xy
    counts: NDArray[np.int64] = _runs(np.ascontiguousarray(mask.bits), left, top, width, height)
    return counts


def decode_counts(counts: NDArray[np.int64], *, size_wh: tuple[int, int]) -> Mask:
    """The mask of uncompressed counts. ValueError where the counts are negative or do not sum to width x
    height."""
    width, height = size_wh
    if (counts < 0).any() or int(counts.sum()) != width * height:
        raise ValueError(
            f"run lengths must be >= 0 and sum to {width * height} for {size_wh = }; got "
            f"{int(counts.sum()) = }, {int(counts.min(initial=0)) = }: was the mask encoded for another picture size?"
        )
    full = np.empty(width * height, np.bool_)
    _fill(np.ascontiguousarray(counts, np.int64), full)
    return Mask.from_full(full.reshape(width, height).T)


def counts_to_string(counts: NDArray[np.int64]) -> str:
    """Compressed COCO string of counts int64 [R]."""
    packed: NDArray[np.uint8] = _pack(np.ascontiguousarray(counts, np.int64))
    return packed.tobytes().decode("ascii")


def string_to_counts(text: str) -> NDArray[np.int64]:
    """Counts int64 [R] of a compressed COCO string. ValueError for characters that the format does not
    have."""
    raw = np.frombuffer(text.encode("utf-8", "surrogatepass"), np.uint8)
    if len(raw) and (raw.min() < 48 or raw.max() > 111 or (int(raw[-1]) - 48) & 32):
        raise ValueError(
            f"not a COCO run-length string: {text[:40]!r} (expected '0' to 'o', the last one closing a number)"
        )
    counts: NDArray[np.int64] = _unpack(raw)
    return counts


@compiled
def _runs(bits: NDArray[np.bool_], left: int, top: int, width: int, height: int) -> NDArray[np.int64]:
    rows, columns = bits.shape
    out = np.empty(columns * (rows + 1) + 2, np.int64)  # a column has at most (rows + 1) / 2 runs of ones
    count, last_end, run_end = 0, 0, -1
    # Runs are found per column of the rectangle; one that ends where the next begins is joined to it.
    for x in range(columns):
        base = (left + x) * height + top
        y = 0
        while y < rows:
            if not bits[y, x]:
                y += 1
                continue
            start = base + y
            while y < rows and bits[y, x]:
                y += 1
            if start == run_end:
                out[count - 1] += base + y - start
            else:
                out[count] = start - last_end
                out[count + 1] = base + y - start
                count += 2
            run_end = last_end = base + y
    if last_end < width * height or count == 0:
        out[count] = width * height - last_end
        count += 1
    return out[:count].copy()


@compiled
def _fill(counts: NDArray[np.int64], out: NDArray[np.bool_]) -> None:
    at = 0
    for i in range(len(counts)):
        out[at : at + counts[i]] = i % 2 == 1
        at += counts[i]


@compiled
def _pack(counts: NDArray[np.int64]) -> NDArray[np.uint8]:
    out = np.empty(len(counts) * 13 + 1, np.uint8)
    size = 0
    for i in range(len(counts)):
        value = counts[i] - counts[i - 2] if i > 2 else counts[i]
        more = True
        while more:
            bits = value & 31
            value >>= 5
            more = value != -1 if bits & 16 else value != 0
            out[size] = 48 + bits + (32 if more else 0)
            size += 1
    return out[:size].copy()


@compiled
def _unpack(raw: NDArray[np.uint8]) -> NDArray[np.int64]:
    out = np.empty(len(raw), np.int64)
    count, at = 0, 0
    while at < len(raw):
        value, shift, more = 0, 0, True
        while more:
            bits = int(raw[at]) - 48
            value |= (bits & 31) << shift
            more = (bits & 32) != 0
            at += 1
            shift += 5
            if not more and bits & 16:
                value |= -1 << shift
        if count > 2:
            value += out[count - 2]
        out[count] = value
        count += 1
    return out[:count].copy()
