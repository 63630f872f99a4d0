"""Anyone's detector as ours: a callable on an RGB array in, `Detections` out."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from edgecap.engines.errors import UsageError
from edgecap.runtime.data.detections import Detections
from edgecap.runtime.data.frame import Frame
from edgecap.runtime.data.mask import Mask

DetectFunction = Callable[[NDArray[np.uint8]], tuple[ArrayLike, ArrayLike, Sequence[str]]]
"""fn(rgb uint8 [H, W, 3]) -> (boxes_xyxy [N, 4] in pixels, scores [N] in 0-1, labels list[str] of N)."""


class LabelBook(Sequence[str]):
    """Class names by id, in the order they were first seen; grows while a detector reports new ones."""

    def __init__(self) -> None:
        self._names: list[str] = []
        self._ids: dict[str, int] = {}

    def id_of(self, name: str) -> int:
        """The id of a name, a new one for a new name."""
        if name not in self._ids:
            self._ids[name] = len(self._names)
            self._names.append(name)
        return self._ids[name]

    def __len__(self) -> int:
        return len(self._names)

    def __getitem__(self, index: int) -> str:  # type: ignore[override]  # no slices: ids only
        return self._names[index]

    def __iter__(self) -> Iterator[str]:
        return iter(tuple(self._names))


class CallableDetector:
    """Calls `function` on every analysed frame and checks what it returns.

    The function gives boxes and no masks, so an instance's mask is the ellipse inside its box (79 % of the box, without
    its corners): colours are measured in it, and a record's `used.segmenter` reports it.
    `labels`: names so far. Raises UsageError, with expected and got, for an answer of another form.
    """

    def __init__(self, function: DetectFunction, labels: LabelBook) -> None:
        self._function, self._book = function, labels

    @property
    def labels(self) -> tuple[str, ...]:
        """Class names by id, those seen so far."""
        return tuple(self._book)

    def detect(self, frame: Frame) -> Detections:
        """Boxes of one frame, best first; boxes without area inside the frame are dropped."""
        height, width = frame.image_rgb.shape[:2]
        boxes, scores, labels = _checked(self._function(frame.image_rgb))
        scale = np.array([width, height, width, height], np.float32)
        relative = np.clip(boxes / scale, np.float32(0), np.float32(1))
        inside = np.flatnonzero((relative[:, 2] > relative[:, 0]) & (relative[:, 3] > relative[:, 1]))
        order = inside[np.argsort(-scores[inside], kind="stable")]
        return Detections(
            boxes_xyxy=relative[order],
            scores=scores[order],
            class_ids=np.array([self._book.id_of(labels[i]) for i in order], np.int64),
            masks=tuple(ellipse_mask(relative[i], size_wh=(width, height)) for i in order),
        )


def ellipse_mask(box_xyxy: NDArray[np.float32], *, size_wh: tuple[int, int]) -> Mask:
    """The ellipse inside a relative box, as pixels of the frame; at least one pixel."""
    width, height = size_wh
    x0, y0 = min(width - 1, int(box_xyxy[0] * width)), min(height - 1, int(box_xyxy[1] * height))
    x1, y1 = max(x0 + 1, round(float(box_xyxy[2]) * width)), max(y0 + 1, round(float(box_xyxy[3]) * height))
    ys, xs = np.ogrid[0 : y1 - y0, 0 : x1 - x0]
    across, down = (xs + 0.5) / (x1 - x0) - 0.5, (ys + 0.5) / (y1 - y0) - 0.5
    return Mask(origin_xy=(x0, y0), bits=across**2 + down**2 <= 0.25, size_wh=size_wh)


def _checked(answer: object) -> tuple[NDArray[np.float32], NDArray[np.float32], list[str]]:
    expected = "expected detector(rgb) -> (boxes_xyxy [N, 4] in pixels, scores [N], labels list[str])"
    if not isinstance(answer, tuple) or len(answer) != 3:
        size = f" of {len(answer)}" if isinstance(answer, tuple) else ""
        raise UsageError(f"{expected}; got {type(answer).__name__}{size}")
    try:
        boxes = np.asarray(answer[0], np.float32).reshape(-1, 4)
        scores = np.asarray(answer[1], np.float32).reshape(-1)
    except (TypeError, ValueError) as error:
        raise UsageError(f"{expected}; got boxes or scores that are not numbers of that shape ({error})") from error
    if isinstance(answer[2], str) or not isinstance(answer[2], Sequence | np.ndarray):
        raise UsageError(f"{expected}; got labels of type {type(answer[2]).__name__}")
    labels = [str(name) for name in answer[2]]
    if not len(boxes) == len(scores) == len(labels):
        raise UsageError(f"{expected}; got {len(boxes)} boxes, {len(scores)} scores, {len(labels)} labels")
    if not (np.isfinite(boxes).all() and np.isfinite(scores).all()):
        raise UsageError(f"{expected}; got a box or score that is not a finite number")
    if len(scores) and not 0 <= float(scores.min()) <= float(scores.max()) <= 1:
        raise UsageError(f"{expected}, scores from 0 to 1; got {float(scores.min()):g} to {float(scores.max()):g}")
    if not all(labels):
        raise UsageError(f"{expected}; got an empty label")
    return boxes, scores, labels
