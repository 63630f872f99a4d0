"""Perceptual hashes of a clip's frames, and how far two clips are apart by them.

DCT hash (the "pHash" of Zauner, 2010): a 32x32 grey picture, its 8x8 lowest frequencies without the mean, one bit each
for above the median. A clip is several frames' hashes, so that one alike frame does not make two clips one.
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

BITS = 64
HASH_FPS = 2.0
"""Frames hashed per second of clip."""
MOST_HASHES = 20
_SIDE, _LOW = 32, 8


def frame_hash(image_rgb: NDArray[np.uint8], *, mirrored: bool = False) -> int:
    """64-bit hash of a picture uint8 [H, W, 3]; `mirrored`: of its left-right mirror image."""
    grey = cv2.cvtColor(image_rgb, cv2.COLOR_RGB2GRAY)
    small = cv2.resize(grey, (_SIDE, _SIDE), interpolation=cv2.INTER_AREA).astype(np.float32)
    if mirrored:
        small = np.ascontiguousarray(small[:, ::-1])
    low = cv2.dct(small)[: _LOW + 1, : _LOW + 1]
    # The first row and column hold the mean and the light's slope, which every exposure changes.
    bits = (low[1:, 1:] > np.median(low[1:, 1:])).ravel()
    return int.from_bytes(np.packbits(bits).tobytes(), "big")


def distance(one: Sequence[int], other: Sequence[int]) -> float:
    """Mean bits (0-64) by which the frames of the shorter clip differ from their nearest frames of the other.

    Frames need not be at the same times, so a trimmed copy is near too. 64 where either has no frame.
    """
    if not one or not other:
        return float(BITS)
    short, long = sorted((np.array(one, np.uint64), np.array(other, np.uint64)), key=len)
    apart = np.bitwise_count(short[:, None] ^ long[None, :])
    return float(apart.min(axis=1).mean())


class HashIndex:
    """Clips so far; finds the nearest one. Memory: 16 bytes per hashed frame."""

    def __init__(self) -> None:
        self._names: list[str] = []
        self._starts: list[int] = []
        self._hashes: NDArray[np.uint64] = np.zeros(1024, np.uint64)
        self._count = 0

    def add(self, name: str, hashes: Sequence[int]) -> None:
        """Remember a clip; one without hashes is never found."""
        if not hashes:
            return
        while self._count + len(hashes) > len(self._hashes):
            self._hashes = np.concatenate([self._hashes, np.zeros_like(self._hashes)])
        self._names.append(name)
        self._starts.append(self._count)
        self._hashes[self._count : self._count + len(hashes)] = np.array(hashes, np.uint64)
        self._count += len(hashes)

    def nearest(self, hashes: Sequence[int], mirrored: Sequence[int]) -> tuple[str, float, bool] | None:
        """(name, distance in bits, whether the mirror image is nearer) of the nearest clip, the first of equals; None
        where there is none."""
        if not self._names or not hashes:
            return None
        best: tuple[str, float, bool] | None = None
        for own, is_mirror in ((hashes, False), (mirrored, True)):
            apart = np.bitwise_count(np.array(own, np.uint64)[:, None] ^ self._hashes[None, : self._count])
            lengths = np.diff([*self._starts, self._count])
            forth = np.minimum.reduceat(apart, self._starts, axis=1).mean(axis=0)
            back = np.add.reduceat(apart.min(axis=0), self._starts) / lengths
            far = np.where(lengths >= len(own), forth, back)
            nearest = int(far.argmin())
            if best is None or far[nearest] < best[1]:
                best = self._names[nearest], float(far[nearest]), is_mirror
        return best
