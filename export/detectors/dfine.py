"""Recipe `dfine`: D-FINE, RT-DETR and RT-DETRv2 of transformers -> the detector role.

In: a checkpoint folder of the hub (Apache-2.0 models: ustc-community/dfine-*, PekingU/rtdetr*). Out: `RoleExport`.
Sources: D-FINE (Peng et al. 2024), RT-DETR (Zhao et al. 2024).
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from edgecap.engines.errors import CheckpointError, UsageError
from edgecap.export.detectors.options import DetectorOptions
from edgecap.export.job import ExportJob, Role, RoleExport, read_options

if TYPE_CHECKING:
    from edgecap.export.detectors.detr_graph import PixelScale

SCORE_THRESHOLD = 0.3
"""Below what the authors show (0.4 in D-FINE's, 0.6 in RT-DETR's inference scripts): the tracker lets a track that is
already there go on with a doubtful box."""
NMS_IOU = 0.9
"""A DETR makes one box per thing, so two boxes that nearly coincide are one query under two names, and the better name
stays. Less would cost things that stand before each other."""
PAD_VALUE = 0
"""Black: what both training recipes fill a zoomed-out picture with."""
_NOTE = "pictures keep their shape and are padded right and bottom to a square; the model was trained on stretched ones"


class DFine:
    """See `export.job.Recipe`."""

    name = "dfine"
    role: Role = "detector"
    architectures: tuple[str, ...] = (
        "DFineForObjectDetection",
        "RTDetrForObjectDetection",
        "RTDetrV2ForObjectDetection",
    )
    extra = "export"
    notice = ""

    def __call__(self, job: ExportJob) -> RoleExport:
        """Options: see `DetectorOptions`. Raises `CheckpointError` where the folder is no such detector or names no
        classes."""
        options = read_options(DetectorOptions, job.options, recipe=self.name)
        checkpoint = job.checkpoint
        checkpoint.require(self.architectures, recipe=self.name)
        count = len(checkpoint.config.get("id2label") or {})  # transformers makes the head as wide as this table
        labels = options.class_names(checkpoint, count=count or None)
        settings = _preprocessor(checkpoint.folder)
        side = _image_side(checkpoint.folder, checkpoint.config, settings, options.image_side)
        _enough_cells(checkpoint.config, side)

        import transformers

        from edgecap.export.detectors.detr_graph import DetrGraph, folded_batch_norm
        from edgecap.export.detectors.role import DetectorPlan, export_detector

        job.say(f"reading {checkpoint.architecture} from {checkpoint.folder}")
        network = checkpoint.load(getattr(transformers, checkpoint.architecture))
        if not network.config.use_focal_loss:
            raise CheckpointError(
                f"{checkpoint.folder}: use_focal_loss is false, so its scores aren't sigmoids; no recipe takes it"
            )
        scale = _pixel_scale(settings)
        plan = DetectorPlan(
            graph=DetrGraph(folded_batch_norm(network), scale),
            reference=_reference(network, scale),
            labels=labels,
            image_side=side,
            stride=side,
            pad_value=PAD_VALUE,
            score_threshold=options.score_threshold or SCORE_THRESHOLD,
            nms_iou=NMS_IOU,
            boxes=network.config.num_queries,
            embedding=network.config.encoder_hidden_dim,
            height_width=None,
            kept_fp32={},
            note=_NOTE,
            licence="not stated",
            strict_trace=True,
            twin=options.twin,
        )
        return export_detector(job, plan)


DFINE = DFine()


def _preprocessor(folder: Path) -> dict[str, Any]:
    """preprocessor_config.json, {} where the folder has none."""
    path = folder / "preprocessor_config.json"
    if not path.is_file():
        return {}
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise CheckpointError(f"{path}: is not JSON ({error}); fetch it again") from error
    if not isinstance(content, dict):
        raise CheckpointError(f"{path}: expected a JSON object, got {type(content).__name__}; fetch it again")
    return content


def _image_side(folder: Path, config: dict[str, Any], settings: dict[str, Any], asked: int | None) -> int:
    """Pixels: as asked, else the checkpoint's own size, else 640. The model's anchor table, where it has one, binds."""
    size = settings.get("size")
    trained = [size["height"], size["width"]] if isinstance(size, dict) and {"height", "width"} <= set(size) else None
    fixed = config.get("anchor_image_size")
    table = [fixed, fixed] if isinstance(fixed, int) else list(fixed) if fixed else None
    for sides, where in ((table, "config.json: anchor_image_size"), (trained, "preprocessor_config.json: size")):
        if sides and (sides[0] != sides[1] or sides[0] % 32) and (asked is None or sides is table):
            raise CheckpointError(
                f"{folder}: {where} is {sides}, this recipe needs a square of a multiple of 32; "
                "set image_side=640, or export a checkpoint without a fixed size"
            )
    if table and asked not in (None, table[0]):
        raise UsageError(f"image_side={asked}: the checkpoint's anchors are fixed for {table[0]}; leave the option out")
    return asked or int((table or trained or [640])[0])


def _enough_cells(config: dict[str, Any], side: int) -> None:
    """The decoder begins from the best `num_queries` cells of the feature maps: there have to be so many."""
    strides, queries = config.get("feat_strides", [8, 16, 32]), int(config.get("num_queries", 300))
    cells = sum((side // stride) ** 2 for stride in strides)
    if cells < queries:
        raise UsageError(
            f"image_side={side}: gives {cells} cells in the feature maps, fewer than the model's {queries} queries; "
            "choose a larger image_side, e.g. image_side=320"
        )


def _pixel_scale(settings: dict[str, Any]) -> PixelScale:
    """The checkpoint's own; these detectors are trained on pixels of 0-1, not normalised."""
    from edgecap.export.detectors.detr_graph import PixelScale

    factor = float(settings.get("rescale_factor", 1 / 255)) if settings.get("do_rescale", True) else 1.0
    if not settings.get("do_normalize", False):
        return PixelScale(factor, (0.0, 0.0, 0.0), (1.0, 1.0, 1.0))
    return PixelScale(factor, tuple(settings["image_mean"]), tuple(settings["image_std"]))


def _reference(network: Any, scale: PixelScale) -> Callable[[NDArray[np.uint8]], dict[str, NDArray[Any]]]:
    """transformers' own network and post-processing on one picture uint8 [1, 3, S, S]."""
    import torch

    @torch.no_grad()
    def run(images: NDArray[np.uint8]) -> dict[str, NDArray[Any]]:
        mean, std = (torch.tensor(values).reshape(1, 3, 1, 1) for values in (scale.mean, scale.std))
        found = network(pixel_values=(torch.from_numpy(images).float() * scale.factor - mean) / std)
        pairs = found.logits.sigmoid().flatten(1)
        scores, index = pairs.topk(found.logits.shape[1])
        centre_x, centre_y, width, height = found.pred_boxes[0, index[0] // found.logits.shape[2]].unbind(1)
        corners = (centre_x - width / 2, centre_y - height / 2, centre_x + width / 2, centre_y + height / 2)
        return {
            "boxes_xyxy": torch.stack(corners, 1)[None].numpy(),
            "scores": scores.numpy(),
            "class_ids": (index % found.logits.shape[2]).numpy(),
            "embedding": found.encoder_last_hidden_state[-1].mean((2, 3)).numpy(),
        }

    return run
