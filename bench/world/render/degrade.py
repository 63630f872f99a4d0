"""Stress tier: blur, low light and sensor noise, in the order a camera would add them."""

from __future__ import annotations

from functools import cache

import cv2
import numpy as np
from numpy.typing import NDArray

from edgecap.bench.world.scene import Scene
from edgecap.bench.world.seeds import generator

_BANK_SIZE = 1024


def degrade(image: NDArray[np.uint8], scene: Scene, frame_index: int) -> NDArray[np.uint8]:
    """`image` [H, W, 3] as the scene's camera would deliver it; the same array when nothing is to be done."""
    how = scene.degradation
    if how.blur_sigma_px > 0:
        image = np.asarray(cv2.GaussianBlur(image, (0, 0), how.blur_sigma_px * image.shape[0] / 360.0), np.uint8)
    if how.gain < 1.0:
        image = np.asarray(cv2.convertScaleAbs(image, alpha=how.gain), np.uint8)
    if how.noise_sigma > 0:
        image = _noisy(image, how.noise_sigma, generator(scene.seed, scene.tier, "noise", frame_index))
    return image


def _noisy(image: NDArray[np.uint8], sigma: float, rng: np.random.Generator) -> NDArray[np.uint8]:
    """Gaussian noise cut from a fixed bank at a random place: fresh normals would cost more than the whole frame."""
    height, width = image.shape[:2]
    bank = _noise_bank()
    rows = (np.arange(height) + int(rng.integers(_BANK_SIZE))) % _BANK_SIZE
    start = int(rng.integers(_BANK_SIZE))
    wide = np.take(bank, rows, axis=0)
    columns = (np.arange(width) + start) % _BANK_SIZE
    cut = np.take(wide, columns, axis=1)
    lighter = cv2.convertScaleAbs(np.maximum(cut, 0), alpha=sigma / 32.0)
    darker = cv2.convertScaleAbs(np.minimum(cut, 0), alpha=sigma / 32.0)
    return np.asarray(cv2.subtract(cv2.add(image, lighter), darker), np.uint8)


@cache
def _noise_bank() -> NDArray[np.int16]:
    """[1024, 1024, 3] normals times 32."""
    rng = np.random.default_rng(7)
    return np.clip(rng.standard_normal((_BANK_SIZE, _BANK_SIZE, 3), dtype=np.float32) * 32, -120, 120).astype(np.int16)
