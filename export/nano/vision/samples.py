"""Cached frames -> training pictures: a random window at a random scale, dirtied as a camera and a codec would.

In: `cache.CachedFrame`. Out: `View`, from which `targets` makes what the losses ask. Everything is a function of the
frame and of the generator given, so a resumed run sees what an uninterrupted one would.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from edgecap.export.nano.vision.cache import CachedFrame

PAD_VALUE = 114
"""Grey of the padding; the same number stands in `DetectorSpec` and `SegmenterSpec`."""
IMAGE_SIDE = 384
"""Long side of the picture the models see at run time, pixels."""
STRIDE = 32
"""Sides of the padded picture are multiples of this."""
SCALE_JITTER = (0.7, 1.4)
"""Training scale relative to run time, log-uniform."""


@dataclass(frozen=True, slots=True)
class View:
    """One training picture and where it came from."""

    image: NDArray[np.uint8]
    """[3, h, w] RGB, padded right and bottom."""
    labels: NDArray[np.uint8]
    """[H, W] of the source frame (mirrored like the picture): 0 background, i + 1 instance i."""
    boxes_xyxy: NDArray[np.float32]
    """[n, 4] visible boxes in pixels of `image`, not clipped."""
    class_ids: NDArray[np.int64]
    """[n]."""
    visible_fractions: NDArray[np.float32]
    """[n] share of each instance that can be seen in the source frame."""
    visible_areas: NDArray[np.int64]
    """[n] pixels of each instance in `labels`."""
    scale: float
    """Pixels of `image` per pixel of the source."""
    origin_xy: tuple[int, int]
    """Source pixel of the picture's top left corner."""
    content_wh: tuple[int, int]
    """Part of `image` that is picture and not padding."""


def random_view(frame: CachedFrame, rng: np.random.Generator, *, size_wh: tuple[int, int]) -> View:
    """A window of `size_wh` at a jittered scale, mirrored half of the time, with camera and codec noise."""
    image, labels = frame.image(), frame.labels()
    boxes = frame.boxes_xyxy * np.tile(np.array(image.shape[1::-1], np.float32), 2)
    if rng.random() < 0.5:
        image, labels = image[:, ::-1], np.ascontiguousarray(labels[:, ::-1])
        boxes = np.stack([image.shape[1] - boxes[:, 2], boxes[:, 1], image.shape[1] - boxes[:, 0], boxes[:, 3]], 1)
    low, high = np.log(SCALE_JITTER[0]), np.log(SCALE_JITTER[1])
    scale = IMAGE_SIDE / max(image.shape[:2]) * float(np.exp(rng.uniform(low, high)))
    return _cut(frame, image, labels, boxes, rng, size_wh=size_wh, scale=scale)


def _cut(
    frame: CachedFrame,
    image: NDArray[np.uint8],
    labels: NDArray[np.uint8],
    boxes: NDArray[np.float32],
    rng: np.random.Generator,
    *,
    size_wh: tuple[int, int],
    scale: float,
) -> View:
    height, width = labels.shape
    window_w, window_h = min(width, int(size_wh[0] / scale)), min(height, int(size_wh[1] / scale))
    x0, y0 = int(rng.integers(0, width - window_w + 1)), int(rng.integers(0, height - window_h + 1))
    w, h = min(size_wh[0], round(window_w * scale)), min(size_wh[1], round(window_h * scale))
    shrink = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    small = _bytes(cv2.resize(image[y0 : y0 + window_h, x0 : x0 + window_w], (w, h), interpolation=shrink))
    canvas = np.full((3, size_wh[1], size_wh[0]), PAD_VALUE, np.uint8)
    canvas[:, :h, :w] = dirty(small, rng).transpose(2, 0, 1)
    moved = (boxes - np.array([x0, y0, x0, y0], np.float32)) * np.float32(scale)
    return View(
        canvas,
        labels,
        moved.astype(np.float32),
        frame.class_ids,
        frame.visible_fractions,
        frame.visible_areas,
        scale,
        (x0, y0),
        (w, h),
    )


def dirty(image: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.uint8]:
    """Exposure, gamma, white balance, blur, sensor noise and a JPEG round trip (4:2:0, as in H.264), each at random."""
    ramp = np.linspace(0.0, 1.0, 256) ** rng.uniform(0.75, 1.3) * rng.uniform(0.75, 1.2) + rng.uniform(-0.06, 0.06)
    gains = rng.uniform(0.95, 1.05, 3)
    table = np.clip(ramp[:, None] * gains * 255.0, 0, 255).astype(np.uint8)
    image = _bytes(cv2.LUT(image, table[None]))
    if rng.random() < 0.2:
        image = _bytes(cv2.GaussianBlur(image, (0, 0), rng.uniform(0.4, 1.1)))
    if rng.random() < 0.3:
        noise = rng.standard_normal(image.shape, np.float32) * np.float32(rng.uniform(2, 10))
        image = np.clip(image + noise, 0, 255).astype(np.uint8)
    if rng.random() < 0.35:
        quality = [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(55, 96))]
        # channels swapped on the way in and out: the codec weighs red and blue differently
        decoded = cv2.imdecode(cv2.imencode(".jpg", image[..., ::-1], quality)[1], cv2.IMREAD_COLOR)
        image = np.asarray(decoded, np.uint8)[..., ::-1]
    return image


def _bytes(image: NDArray[Any]) -> NDArray[np.uint8]:
    """OpenCV's result of a uint8 picture, typed as what it is."""
    return image.astype(np.uint8, copy=False)
