"""Pixels into a graph and boxes back: the arithmetic that exporter and runtime must share."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Letterbox:
    """Where the picture is inside the padded input: its size in pixels, and the padded size, both (w, h)."""

    content_wh: tuple[int, int]
    padded_wh: tuple[int, int]


def letterbox(size_wh: tuple[int, int], *, image_side: int, stride: int) -> Letterbox:
    """Resize so that the long side is `image_side` (aspect kept), pad right and bottom to multiples of `stride`."""
    width, height = size_wh
    scale = image_side / max(width, height)
    w, h = max(1, round(width * scale)), max(1, round(height * scale))
    return Letterbox((w, h), (-(-w // stride) * stride, -(-h // stride) * stride))


def fit_image(image_rgb: NDArray[np.uint8], placement: Letterbox, *, pad_value: int) -> NDArray[np.uint8]:
    """uint8 [H, W, 3] -> uint8 [3, padded_h, padded_w], contiguous. Area filter when shrinking, bilinear otherwise."""
    (w, h), (pw, ph) = placement.content_wh, placement.padded_wh
    shrinking = image_rgb.shape[1] > w
    small = cv2.resize(image_rgb, (w, h), interpolation=cv2.INTER_AREA if shrinking else cv2.INTER_LINEAR)
    out = np.full((3, ph, pw), pad_value, np.uint8)
    out[:, :h, :w] = small.transpose(2, 0, 1)
    return out


def boxes_to_frame(boxes_xyxy: NDArray[np.float32], placement: Letterbox) -> NDArray[np.float32]:
    """Boxes [N, 4] relative to the padded input -> relative to the frame, clipped to 0-1."""
    (w, h), (pw, ph) = placement.content_wh, placement.padded_wh
    factor = np.array([pw / w, ph / h, pw / w, ph / h], np.float32)
    clipped: NDArray[np.float32] = np.clip(boxes_xyxy * factor, 0.0, 1.0).astype(np.float32)
    return clipped


def boxes_to_padded(boxes_xyxy: NDArray[np.float32], placement: Letterbox) -> NDArray[np.float32]:
    """Boxes [N, 4] relative to the frame -> relative to the padded input."""
    (w, h), (pw, ph) = placement.content_wh, placement.padded_wh
    return (boxes_xyxy * np.array([w / pw, h / ph, w / pw, h / ph], np.float32)).astype(np.float32)


def enlarge_boxes(boxes_xyxy: NDArray[np.float32], *, margin: float) -> NDArray[np.float32]:
    """Grow each box [N, 4] on every side by `margin` of its own width/height; not clipped."""
    wh = boxes_xyxy[:, 2:] - boxes_xyxy[:, :2]
    return np.concatenate([boxes_xyxy[:, :2] - margin * wh, boxes_xyxy[:, 2:] + margin * wh], 1).astype(np.float32)


def normalise_views(
    views_rgb: NDArray[np.uint8], *, mean: tuple[float, float, float], std: tuple[float, float, float]
) -> NDArray[np.float32]:
    """uint8 [n, S, S, 3] -> float32 [n, 3, S, S] as (x/255 - mean) / std."""
    scaled = views_rgb.astype(np.float32) / np.float32(255.0)
    pixels = (scaled - np.array(mean, np.float32)) / np.array(std, np.float32)
    return np.ascontiguousarray(pixels.transpose(0, 3, 1, 2), dtype=np.float32)
