"""Pictures with boxes on them: what mask and pose graphs are calibrated and compared on.

Out: `Scene`, from an `ExportJob`'s pictures and a detector graph, or with boxes that are laid over every picture.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray

from edgecap.engines.graph.letterbox import fit_image, letterbox
from edgecap.export.job import ExportJob
from edgecap.export.onnx.sensitivity import run_model
from edgecap.export.tfjs.roles.agreement import reported

STRIDE = 32
PAD_VALUE = 114
MOST_BOXES = 4
"""Of one picture: many boxes of one picture look alike."""
_LAID = np.array([[0.05, 0.1, 0.45, 0.95], [0.5, 0.05, 0.95, 0.9], [0.3, 0.2, 0.7, 0.8]], np.float32)


@dataclass(frozen=True, slots=True)
class Scene:
    """One padded picture and its boxes."""

    images: NDArray[np.uint8]
    """[1, 3, H, W] RGB, H and W multiples of 32."""
    boxes_xyxy: NDArray[np.float32]
    """[K, 4] relative to the padded picture, K at least 1."""
    class_ids: NDArray[np.int64]
    """[K], the detector's."""

    @property
    def feed(self) -> Mapping[str, NDArray[Any]]:
        """As a mask decoder takes it, its picture 0-1."""
        picture = (self.images * np.float32(1 / 255)).astype(np.float32)
        return {"picture": picture, "boxes_xyxy": self.boxes_xyxy, "class_ids": self.class_ids}

    def only(self, keep: NDArray[np.bool_]) -> Scene | None:
        """The boxes of a mask bool [K]; None without any."""
        return Scene(self.images, self.boxes_xyxy[keep], self.class_ids[keep]) if keep.any() else None


def laid_scenes(job: ExportJob, *, count: int, image_side: int) -> list[Scene]:
    """Three boxes at fixed places over each of `count` pictures, all of class 0."""
    pictures = itertools.islice(job.pictures(), count)
    return [Scene(_padded(picture, image_side), _LAID, np.zeros(len(_LAID), np.int64)) for picture in pictures]


def detected_scenes(
    job: ExportJob, detector: onnx.ModelProto, *, count: int, image_side: int, threshold: float, nms_iou: float
) -> list[Scene]:
    """The best boxes that a detector finds; pictures on which it finds none are left out."""
    scenes = []
    images = [_padded(picture, image_side) for picture in itertools.islice(job.pictures(), count)]
    for one, outputs in zip(images, run_model(detector, [{"images": image} for image in images]), strict=True):
        found = reported(outputs, threshold=threshold, nms_iou=nms_iou)
        kept = slice(0, MOST_BOXES)
        if len(found.scores):
            scenes.append(Scene(one, found.xyxy[kept].astype(np.float32), found.class_ids[kept].astype(np.int64)))
    return scenes


def of_classes(scenes: Sequence[Scene], ids: Sequence[int], *, inside: bool) -> list[Scene]:
    """The boxes whose class is (or is not) among `ids`; scenes without any are left out."""
    chosen = (scene.only(np.isin(scene.class_ids, ids) == inside) for scene in scenes)
    return [scene for scene in chosen if scene is not None]


def _padded(picture_rgb: NDArray[np.uint8], image_side: int) -> NDArray[np.uint8]:
    height, width = picture_rgb.shape[:2]
    placed = letterbox((width, height), image_side=image_side, stride=STRIDE)
    return fit_image(picture_rgb, placed, pad_value=PAD_VALUE)[None]
