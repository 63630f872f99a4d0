"""Observations to and from `supervision.Detections`, the field's common carrier of boxes, masks and ids.

`supervision` is not a dependency of edgecap: it is imported when a function here is called. Its layout (class
`supervision.detection.core.Detections`; checked with 0.31.2): `xyxy` float32 [N, 4] in pixels, `mask` bool [N, H, W] or
None, `confidence` float32 [N], `class_id` and `tracker_id` int64 [N], `data["class_name"]` str [N].
"""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from typing import Any

import numpy as np

from edgecap.engines.errors import MissingExtraError
from edgecap.runtime.data.detections import Detections
from edgecap.runtime.data.mask import Mask
from edgecap.runtime.data.window import Observation


def to_supervision(observation: Observation, *, labels: Sequence[str]) -> Any:
    """One analysed frame's instances as `supervision.Detections`, pixels of the frame's working size.

    `labels`: the detector's, `Window.labels`. Raises `MissingExtraError` where supervision is not installed.
    """
    supervision = _supervision()
    height, width = observation.frame.image_rgb.shape[:2]
    instances = observation.instances
    scale = np.array([width, height, width, height], np.float32)
    boxes = [i.box_xyxy * scale for i in instances]
    masks = [i.mask.full() for i in instances]
    return supervision.Detections(
        xyxy=np.array(boxes, np.float32).reshape(-1, 4),
        mask=np.array(masks, np.bool_).reshape(-1, height, width),
        confidence=np.array([i.score for i in instances], np.float32),
        class_id=np.array([i.class_id for i in instances], np.int64),
        tracker_id=np.array([i.track_id for i in instances], np.int64),
        data={"class_name": np.array([labels[i.class_id] for i in instances], np.str_)},
    )


def from_supervision(detections: Any, *, size_wh: tuple[int, int]) -> Detections:
    """`supervision.Detections` of one frame as ours: relative boxes cut to the frame, best score first.

    `size_wh`: the frame's size in pixels. Boxes that lie outside the frame are left out. ValueError where it carries no
    `confidence` or no `class_id` (what is not known is not made up), or masks of another size.
    """
    if detections.confidence is None or detections.class_id is None:
        raise ValueError(
            f"expected confidence and class_id for every box; got {detections.confidence = }, "
            f"{detections.class_id = }; set them before the conversion"
        )
    width, height = size_wh
    if detections.mask is not None and detections.mask.shape[1:] != (height, width):
        raise ValueError(f"masks of another frame: {detections.mask.shape = }, {size_wh = }")
    scale = np.array([width, height, width, height], np.float32)
    boxes = np.clip(np.asarray(detections.xyxy, np.float32) / scale, np.float32(0), np.float32(1))
    inside = np.flatnonzero((boxes[:, 2] > boxes[:, 0]) & (boxes[:, 3] > boxes[:, 1]))
    scores = np.asarray(detections.confidence, np.float32)
    order = inside[np.argsort(-scores[inside], kind="stable")]
    masks = None if detections.mask is None else tuple(Mask.from_full(detections.mask[i] > 0) for i in order)
    return Detections(boxes[order], scores[order], np.asarray(detections.class_id, np.int64)[order], masks)


def _supervision() -> Any:
    try:
        return importlib.import_module("supervision")
    except ImportError as error:
        raise MissingExtraError(
            f"supervision is not installed ({error}); it is not part of edgecap: pip install supervision"
        ) from error
