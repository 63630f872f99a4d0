"""Clips made of one frame of a real video: a moved crop of it with motion blur, noise and compression, and before it a
real object that moves.

In: videos, of which some have the masks of an object. Out: frames with an exactly known camera.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from edgecap.bench.real.camera_moves import MOVES, CameraMove, draw_move
from edgecap.bench.real.sequences import RealSequence
from edgecap.runtime.data.frame import Frame
from edgecap.runtime.data.mask import Mask
from edgecap.runtime.video.source import open_source

SIZE_WH = (640, 360)
_SECONDS = 4.0
_SUB_FRAMES = 3
_READ_FRAMES = 60
_AREA = (0.05, 0.40)


@dataclass(frozen=True, slots=True)
class Footage:
    """Frames of one video, uint8 [h, w, 3] RGB, and the masks of its annotated object, bool [h, w], or ()."""

    name: str
    frames: tuple[NDArray[np.uint8], ...]
    masks: tuple[NDArray[np.bool_], ...]


@dataclass(frozen=True, slots=True)
class MovedClip:
    """`masks`: of the pasted object, per frame, where they are given to the estimator; else empty."""

    move: CameraMove
    frames: tuple[Frame, ...]
    masks: tuple[tuple[Mask, ...], ...]
    foreground: float
    """Share of the picture, 0 without an object."""


def read_footage(sequence: RealSequence) -> Footage:
    """The first frames of a sequence, at most 1280 wide. Raises as `open_source`."""
    frames = []
    with open_source(sequence.video, working_side=1280) as source:
        for frame in source:
            frames.append(frame.image_rgb)
            if len(frames) == _READ_FRAMES:
                break
    masks = sequence.masks() if sequence.truth_file is not None and sequence.kind == "davis" else ()
    return Footage(sequence.name, tuple(frames), tuple(np.asarray(m, bool) for m in masks[: len(frames)]))


def moved_clip(footage: Sequence[Footage], *, seed: int, fps: float) -> MovedClip:
    """The clip of a seed: the same for the same footage. The movement goes round `MOVES` with the seed; half of the
    clips have an object before them, half of those with its masks known."""
    rng = np.random.default_rng(seed)
    names = tuple(MOVES)
    count = round(_SECONDS * fps) + 1
    sub = np.linspace(-0.5, 0.5, _SUB_FRAMES) * rng.uniform(0.0, 0.7) / 24.0  # a shutter of 0 to 250 degrees at 24 fps
    times = (np.arange(count)[:, None] / fps + sub).ravel()
    order = np.argsort(times, kind="stable")
    move = draw_move(names[seed % len(names)], rng, times[order])
    picture = footage[int(rng.integers(len(footage)))]
    still = picture.frames[int(rng.integers(len(picture.frames)))]
    objects = [one for one in footage if one.masks and one is not picture]
    cast = objects[int(rng.integers(len(objects)))] if objects and rng.random() < 0.5 else None
    course = _object_course(rng, count)
    area, known = rng.uniform(*_AREA), bool(rng.random() < 0.5)
    noise, quality = rng.uniform(0, 5), int(rng.integers(35, 90))
    frames, masks = [], []
    for k in range(count):
        views = [
            _view(still, move.matrix(k * _SUB_FRAMES + s, size_wh=SIZE_WH, source_wh=_size(still)))
            for s in range(_SUB_FRAMES)
        ]
        image: NDArray[np.float32] = np.mean(views, axis=0, dtype=np.float32)
        mask = np.zeros((SIZE_WH[1], SIZE_WH[0]), bool)
        if cast is not None:
            image, mask = _pasted(image, cast, k, centre_xy=course[k], area=area)
        noisy = np.clip(image + noise * rng.standard_normal(image.shape, np.float32), 0, 255).astype(np.uint8)
        frames.append(Frame(k, k / fps, _compressed(noisy, quality)))
        masks.append((Mask.from_full(mask),) if known and mask.any() else ())
    return MovedClip(move, tuple(frames), tuple(masks), area if cast is not None else 0.0)


def _view(still: NDArray[np.uint8], matrix: NDArray[np.float64]) -> NDArray[np.uint8]:
    return cv2.warpPerspective(still, matrix, SIZE_WH, borderMode=cv2.BORDER_REFLECT_101).astype(np.uint8, copy=False)


def _object_course(rng: np.random.Generator, count: int) -> NDArray[np.float64]:
    """Its centre in the picture, shares [T, 2]: followed by the camera, or across the picture."""
    begin, end = rng.uniform(0.3, 0.7, 2), rng.uniform(0.3, 0.7, 2)
    if rng.random() < 0.5:
        begin[0], end[0] = (0.0, 1.0) if rng.random() < 0.5 else (1.0, 0.0)
    return begin + np.linspace(0, 1, count)[:, None] * (end - begin)


def _pasted(
    image: NDArray[np.float32], cast: Footage, index: int, *, centre_xy: NDArray[np.float64], area: float
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """The object's frame `index` (there and back where it has fewer) before the picture; where it now is."""
    last = len(cast.masks) - 1
    k = last - abs(last - index % (2 * last)) if last else 0
    bits = cast.masks[k]
    rows, columns = np.flatnonzero(bits.any(1)), np.flatnonzero(bits.any(0))
    if len(rows) == 0:
        return image, np.zeros(image.shape[:2], bool)
    width, height = SIZE_WH
    scale = float(np.sqrt(area * width * height / bits.sum()))
    middle = np.array([columns.mean(), rows.mean()])
    shift = centre_xy * SIZE_WH - scale * middle
    to_picture = np.array([[scale, 0, shift[0]], [0, scale, shift[1]]])
    alpha = cv2.warpAffine(bits.astype(np.float32), to_picture, SIZE_WH).astype(np.float32)
    body = cv2.warpAffine(cast.frames[k], to_picture, SIZE_WH)
    mixed = image * (1 - alpha[..., None]) + body * alpha[..., None]
    return mixed.astype(np.float32), np.asarray(alpha > 0.5, bool)


def _compressed(image: NDArray[np.uint8], quality: int) -> NDArray[np.uint8]:
    _, data = cv2.imencode(".jpg", image[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, quality])
    picture = cv2.imdecode(data, cv2.IMREAD_COLOR)
    if picture is None:
        raise ValueError(f"the picture can't be compressed; {image.shape = }, {quality = }")
    return np.ascontiguousarray(picture[..., ::-1]).astype(np.uint8, copy=False)


def _size(picture: NDArray[np.uint8]) -> tuple[int, int]:
    return picture.shape[1], picture.shape[0]
