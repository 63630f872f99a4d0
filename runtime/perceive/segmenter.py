"""A pack's box-prompted segmenter: encode the frame once, decode all boxes in one batch."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from edgecap.engines.graph.letterbox import (
    Letterbox,
    boxes_to_frame,
    boxes_to_padded,
    enlarge_boxes,
    fit_image,
    letterbox,
)
from edgecap.engines.graph.session import Session
from edgecap.engines.packs.specs import SegmenterSpec
from edgecap.runtime.data.frame import Frame
from edgecap.runtime.data.mask import Mask

_BOXES, _CLASS_IDS = "boxes_xyxy", "class_ids"
WHOLE_PICTURE = np.array([[0, 0, 1, 1]], np.float32)
"""The box [1, 4] of a logit map that covers the whole padded picture."""


class Segmenter:
    """Masks for boxes. Every output of the encoder graph is fed to the decoder under the same name."""

    def __init__(self, spec: SegmenterSpec, encoder: Session, decoder: Session) -> None:
        self._spec, self._encoder, self._decoder = spec, encoder, decoder
        names = [t.name for t in spec.decoder.inputs]
        self._embedding_names = [name for name in names if name not in (_BOXES, _CLASS_IDS)]
        self._takes_classes = _CLASS_IDS in names
        graph = decoder.spec  # of what is open: a stored engine's ranges bind, those of the pack's own graph may not
        count = next(t.axes[0] for t in graph.inputs if t.name == _BOXES)
        self._most_boxes = graph.ranges[count][2] if isinstance(count, str) and count in graph.ranges else None

    def masks(
        self, frame: Frame, boxes_xyxy: NDArray[np.float32], class_ids: NDArray[np.int64] | None = None
    ) -> tuple[tuple[Mask, ...], NDArray[np.float32]]:
        """One mask per box [K, 4] (relative to the frame) and its predicted IoU float32 [K] (0-1).

        `class_ids` [K]: the detector's, for a decoder that takes them; None = not known.
        A pixel that two masks claim goes to the one with the larger logit, so the masks never overlap. No box, no
        graph run.
        """
        if len(boxes_xyxy) == 0:
            return (), np.zeros(0, np.float32)
        spec = self._spec
        height, width = frame.image_rgb.shape[:2]
        placement = letterbox((width, height), image_side=spec.image_side, stride=spec.stride)
        prompts = boxes_to_padded(boxes_xyxy, placement)
        per_box: dict[str, NDArray[Any]] = {_BOXES: prompts}
        if self._takes_classes:
            per_box[_CLASS_IDS] = np.full(len(prompts), -1, np.int64) if class_ids is None else class_ids
        found = self._decode(self._encode(frame, placement), per_box)
        logits = np.asarray(found["mask_logits"], np.float32)
        quality = np.clip(np.asarray(found["quality"], np.float32), 0, 1)
        reach = enlarge_boxes(prompts, margin=spec.box_margin)
        covered = reach if spec.mask_frame == "box" else np.tile(WHOLE_PICTURE, (len(reach), 1))
        masks = claimed_pixels(
            logits,
            padded_to_pixels(covered, placement, (width, height)),
            _clipped_pixels(reach, placement, (width, height)),
            size_wh=(width, height),
            threshold=spec.mask_threshold,
        )
        return masks, quality

    def _encode(self, frame: Frame, placement: Letterbox) -> dict[str, NDArray[Any]]:
        images = fit_image(frame.image_rgb, placement, pad_value=self._spec.pad_value)[None]
        found = self._encoder.run({self._spec.encoder.inputs[0].name: images})
        return {name: found[name] for name in self._embedding_names}

    def _decode(self, embeddings: dict[str, NDArray[Any]], per_box: dict[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
        """All boxes at once; in parts where there are more than a compiled decoder takes."""
        count = len(per_box[_BOXES])
        most = self._most_boxes or count
        parts = [
            self._decoder.run({**embeddings, **{name: v[start : start + most] for name, v in per_box.items()}})
            for start in range(0, count, most)
        ]
        return {name: np.concatenate([part[name] for part in parts]) for name in ("mask_logits", "quality")}


def claimed_pixels(
    logits: NDArray[np.float32],
    covered_px: NDArray[np.float64],
    regions_px: NDArray[np.int64],
    *,
    size_wh: tuple[int, int],
    threshold: float,
) -> tuple[Mask, ...]:
    """One mask per logit map of [K, h, w]; a pixel that several claim goes to the largest logit above `threshold`.

    Map k covers the rectangle `covered_px[k]` of the frame (float64 [K, 4], may reach outside it) and claims pixels in
    `regions_px[k]` alone (int64 [K, 4], half-open, inside the frame); none where that is empty. Maps are resampled
    bilinearly at pixel centres.
    """
    width, height = size_wh
    best = np.full((height, width), threshold, np.float32)
    owner = np.full((height, width), -1, np.int16)
    for k, (x0, y0, x1, y1) in enumerate(regions_px.tolist()):
        if x1 > x0 and y1 > y0:
            local = _resample(logits[k], covered_px[k], (x0, y0, x1, y1))
            held = best[y0:y1, x0:x1]
            wins = local > held
            held[wins] = local[wins]
            owner[y0:y1, x0:x1][wins] = k
    return tuple(
        Mask.from_part(owner[y0:y1, x0:x1] == k, origin_xy=(x0, y0), size_wh=size_wh)
        for k, (x0, y0, x1, y1) in enumerate(regions_px.tolist())
    )


def padded_to_pixels(
    boxes_padded: NDArray[np.float32], placement: Letterbox, size_wh: tuple[int, int]
) -> NDArray[np.float64]:
    """Boxes [K, 4] relative to the padded picture -> frame pixels float64 [K, 4], not clipped."""
    (w, h), (pw, ph), (width, height) = placement.content_wh, placement.padded_wh, size_wh
    factor = np.array([pw / w * width, ph / h * height, pw / w * width, ph / h * height])
    return np.asarray(boxes_padded * factor, np.float64)


def _clipped_pixels(
    boxes_padded: NDArray[np.float32], placement: Letterbox, size_wh: tuple[int, int]
) -> NDArray[np.int64]:
    """Whole pixels [K, 4] (half-open) that the boxes touch inside the frame."""
    scaled = boxes_to_frame(boxes_padded, placement) * np.array([*size_wh, *size_wh], np.float32)
    return np.concatenate([np.floor(scaled[:, :2]), np.ceil(scaled[:, 2:])], 1).astype(np.int64)


def _resample(
    logits: NDArray[np.float32], covered_px: NDArray[np.float64], region: tuple[int, int, int, int]
) -> NDArray[np.float32]:
    """Logits [h, w] that cover the rectangle `covered_px` -> bilinear values at the pixel centres of `region`."""
    (rows, cols), (left, top, right, bottom), (x0, y0, x1, y1) = logits.shape, covered_px, region
    step_x, step_y = cols / (right - left), rows / (bottom - top)
    back = np.array([[step_x, 0, (x0 + 0.5 - left) * step_x - 0.5], [0, step_y, (y0 + 0.5 - top) * step_y - 0.5]])
    return cv2.warpAffine(
        logits, back, (x1 - x0, y1 - y0), flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP, borderMode=cv2.BORDER_REPLICATE
    ).astype(np.float32, copy=False)
