"""A pack's detector graph: one frame in, boxes out."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from edgecap.engines.graph.letterbox import Letterbox, boxes_to_frame, fit_image, letterbox
from edgecap.engines.graph.session import Session
from edgecap.engines.packs.specs import DetectorSpec
from edgecap.runtime.data.boxes import iou_matrix
from edgecap.runtime.data.detections import Detections
from edgecap.runtime.data.frame import Frame


class PackDetector:
    """Runs the pack's detector and keeps what passes its threshold and suppression. `labels`: class names by id."""

    def __init__(self, spec: DetectorSpec, session: Session) -> None:
        self._spec, self._session = spec, session
        self.labels = spec.labels

    def detect(self, frame: Frame) -> Detections:
        """Boxes of one frame, best first (see `Detections`); boxes that leave nothing inside the frame are dropped."""
        spec = self._spec
        height, width = frame.image_rgb.shape[:2]
        placement = letterbox((width, height), image_side=spec.image_side, stride=spec.stride)
        images = fit_image(frame.image_rgb, placement, pad_value=spec.pad_value)[None]
        found = self._session.run({spec.graph.inputs[0].name: images})
        embedding = found.get("embedding")
        return _select(
            found["boxes_xyxy"][0],
            found["scores"][0],
            found["class_ids"][0],
            placement,
            spec,
            None if embedding is None else np.asarray(embedding[0], np.float32),
        )


def _select(
    boxes: NDArray[np.float32],
    scores: NDArray[np.float32],
    class_ids: NDArray[np.int64],
    placement: Letterbox,
    spec: DetectorSpec,
    embedding: NDArray[np.float32] | None,
) -> Detections:
    boxes = boxes_to_frame(np.asarray(boxes, np.float32), placement)
    solid = ((boxes[:, 2:] - boxes[:, :2]) > 0).all(1)
    chosen = np.flatnonzero(solid & (scores >= spec.score_threshold))
    chosen = chosen[np.argsort(-scores[chosen], kind="stable")]
    chosen = chosen[suppress(boxes[chosen], max_iou=spec.nms_iou)]
    return Detections(
        boxes_xyxy=boxes[chosen],
        scores=np.clip(scores[chosen], 0, 1).astype(np.float32),
        class_ids=class_ids[chosen].astype(np.int64),
        embedding=embedding,
    )


def suppress(boxes_xyxy: NDArray[np.float32], *, max_iou: float) -> NDArray[np.int64]:
    """Indices to keep of boxes float32 [N, 4] sorted best first: each overlaps no kept better one by more than
    `max_iou`."""
    overlap = iou_matrix(boxes_xyxy, boxes_xyxy)
    kept: list[int] = []
    for i in range(len(boxes_xyxy)):
        if not (overlap[i, kept] > max_iou).any():
            kept.append(i)
    return np.array(kept, np.int64)
