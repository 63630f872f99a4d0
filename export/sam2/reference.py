"""What transformers' own Sam2VideoModel makes of a clip: the yardstick of our propagation.

Frames come in one at a time (`streaming`), objects may be added at any frame; the model is run as its processor would
run it, on the same padded picture that the pack's graphs get.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgecap.engines.graph.letterbox import boxes_to_padded, fit_image, letterbox
from edgecap.export.sam2.settings import Sam2Settings


@dataclass(frozen=True, slots=True)
class ReferenceStep:
    """One frame: mask logits float32 [K, h, w] as the model gives them (-1024 where an object is absent) and presence
    logits [K], in the order in which the objects were added."""

    mask_logits: NDArray[np.float32]
    presence: NDArray[np.float32]


def propagate_reference(
    model: Any,
    settings: Sam2Settings,
    frames_rgb: Sequence[NDArray[np.uint8]],
    boxes_by_frame: Mapping[int, NDArray[np.float32]],
) -> list[ReferenceStep]:
    """Run all frames, uint8 [H, W, 3]. `boxes_by_frame`: frame index -> boxes of new objects [n, 4], relative to the
    frame; frame 0 must have some.

    Where an object is added to a frame, transformers (5.23) encodes *all* objects' memories of that frame as if they
    came from a box (`any` in `_batch_encode_memories`); ours do so for the new ones alone, as Meta's code does.
    """
    import torch
    from transformers.models.sam2_video.modeling_sam2_video import Sam2VideoInferenceSession

    session = Sam2VideoInferenceSession(dtype=torch.float32)
    mean, std = (torch.tensor(v).view(3, 1, 1) for v in (settings.mean, settings.std))
    steps = []
    for index, image in enumerate(frames_rgb):
        size_wh = (image.shape[1], image.shape[0])
        placement = letterbox(size_wh, image_side=settings.image_side, stride=settings.image_side)
        padded = torch.from_numpy(fit_image(image, placement, pad_value=settings.pad_value))
        for box in boxes_to_padded(boxes_by_frame.get(index, np.zeros((0, 4), np.float32)), placement):
            _add_box(session, index, torch.from_numpy(box) * settings.image_side)
        found = model(session, frame_idx=index, frame=(padded.float() / 255 - mean) / std)
        steps.append(ReferenceStep(found.pred_masks[:, 0].numpy(), found.object_score_logits[:, 0].numpy()))
        assert session.processed_frames is not None
        session.processed_frames.pop(index)  # the model never looks back at pixels
    return steps


def _add_box(session: Any, frame_index: int, box_px: Any) -> None:
    """A box is two points with labels 2 and 3: that is how the model's processor hands it over."""
    import torch

    number = session.get_obj_num()
    place_of = session.obj_id_to_idx(number)
    labels = torch.tensor([[[2, 3]]], dtype=torch.int32)
    session.add_point_inputs(place_of, frame_index, {"point_coords": box_px.view(1, 1, 2, 2), "point_labels": labels})
    session.obj_with_new_inputs.append(number)
