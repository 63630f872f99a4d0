"""Recipe `yolo`: YOLO11 and YOLO26 of ultralytics -> the detector role.

In: a .pt file of ultralytics, or the folder that `export.yolo_checkpoint` made of one. Out: `RoleExport`. ultralytics
is AGPL-3.0 and no dependency: `make yolo` puts it into .yolo, and PYTHONPATH=.yolo makes it visible. Segmentation
checkpoints give their boxes; masks are the segmenter role's.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgecap.engines.packs.pack import sha256_of
from edgecap.export.checkpoint.checkpoint import Checkpoint
from edgecap.export.detectors.options import DetectorOptions
from edgecap.export.detectors.yolo_checkpoint import unpack
from edgecap.export.job import ExportJob, Role, RoleExport, read_options

IMAGE_SIDE = 640
STRIDE = 32
LEAST_SIDE, MOST_SIDE = 128, 1280
"""128: four cells of the coarsest map each way give 336 cells for 300 boxes."""
PAD_VALUE = 114
"""The grey that ultralytics letterboxes with in training."""
SCORE_THRESHOLD = 0.25
"""ultralytics' own default; the tracker decides what becomes of boxes below 0.4."""
NMS_IOU = 0.7
"""ultralytics' own default, for one-to-many heads."""
NMS_IOU_END_TO_END = 0.9
"""A one-to-one head suppresses nothing, but a cell can come under two names (see `export.dfine`)."""
_NOTE = (
    "padded right and bottom (ultralytics pads on all sides); {head}; suppression is class-agnostic; "
    "masks of a segmentation model are not exported; AGPL-3.0 covers the weights and ultralytics' layers"
)
_HEAD = "the heads: logits from -15 to 5 and distances up to the whole picture would share a scale"


class Yolo:
    """See `export.job.Recipe`."""

    name = "yolo"
    role: Role = "detector"
    architectures: tuple[str, ...] = ("DetectionModel", "SegmentationModel")
    extra = "yolo"
    notice = (
        "YOLO11 and YOLO26 (ultralytics) are AGPL-3.0: whoever ships or serves a pack made from them owes its users "
        "the source of the whole work, or needs ultralytics' enterprise licence. The pack will state it."
    )

    def __init__(self) -> None:
        self._unpacked: list[TemporaryDirectory[str]] = []  # removed when the process ends

    def open_checkpoint(self, path: Path, *, source: str | None = None, revision: str | None = None) -> Checkpoint:
        """A folder of `export.yolo_checkpoint`, or a .pt file, which is unpacked first. Raises `CheckpointError`."""
        if path.suffix == ".pt":
            scratch = TemporaryDirectory(prefix="edgecap-yolo-")
            self._unpacked.append(scratch)
            folder = unpack(path, Path(scratch.name))
            digest = f"sha256:{sha256_of(path)}"
            opened = Checkpoint.open(folder, source=source or str(path), revision=revision or digest)
        else:
            opened = Checkpoint.open(path, source=source, revision=revision)
        opened.require(self.architectures, recipe=self.name)
        return opened

    def __call__(self, job: ExportJob) -> RoleExport:
        """Options: see `DetectorOptions`. Raises `MissingExtraError` without ultralytics, `CheckpointError` where the
        folder is no YOLO11 or YOLO26 detector."""
        options = read_options(DetectorOptions, job.options, recipe=self.name)
        checkpoint = job.checkpoint
        checkpoint.require(self.architectures, recipe=self.name)
        labels = options.class_names(checkpoint, count=_classes(checkpoint))
        from edgecap.export.detectors.fold_batch_norm import fold_norms
        from edgecap.export.detectors.role import DetectorPlan, export_detector
        from edgecap.export.detectors.yolo_graph import BOXES, YoloGraph, build

        network, reference = build(checkpoint), build(checkpoint)
        graph = YoloGraph(network)
        fold_norms(graph)
        side = options.image_side or IMAGE_SIDE
        plan = DetectorPlan(
            graph=graph,
            reference=_reference(reference),
            labels=labels,
            image_side=side,
            stride=STRIDE,
            pad_value=PAD_VALUE,
            score_threshold=options.score_threshold or SCORE_THRESHOLD,
            nms_iou=NMS_IOU_END_TO_END if graph.end_to_end else NMS_IOU,
            boxes=BOXES,
            embedding=graph.box_head[-1][0].conv.in_channels,
            height_width=(LEAST_SIDE, side, max(MOST_SIDE, side)),
            kept_fp32=dict.fromkeys(("box_head.*", "class_head.*"), _HEAD),
            note=_NOTE.format(head="one-to-one head" if graph.end_to_end else "one-to-many head"),
            licence="AGPL-3.0",
            strict_trace=False,
            twin=options.twin,
        )
        return export_detector(job, plan)


YOLO = Yolo()


def _classes(checkpoint: Checkpoint) -> int | None:
    """Classes of the head by the layer table; None where there is no table (`build` reports it)."""
    table = (checkpoint.config.get("ultralytics") or {}).get("yaml") or {}
    count = table.get("nc") if isinstance(table, dict) else None
    return count if isinstance(count, int) else None


def _reference(network: Any) -> Callable[[NDArray[np.uint8]], dict[str, NDArray[Any]]]:
    """ultralytics' own network and head arithmetic on one picture uint8 [1, 3, H, W]; only the choice of the best 300
    cells of a one-to-many head is made here."""
    import torch

    seen: list[torch.Tensor] = []
    network.model[-1].register_forward_pre_hook(lambda module, inputs: seen.append(inputs[0][-1]))

    @torch.no_grad()
    def run(images: NDArray[np.uint8]) -> dict[str, NDArray[Any]]:
        seen.clear()
        height, width = images.shape[2:]
        found = network(torch.from_numpy(images).float() / 255)[0]
        rows = (found[0] if isinstance(found, tuple) else found)[0]  # a segmentation head gives (rows, mask prototypes)
        if network.model[-1].end2end:
            corners, scores, class_ids = rows[:, :4], rows[:, 4], rows[:, 5].long()
        else:
            scores, class_ids = rows[4 : 4 + network.model[-1].nc].max(0)
            scores, cells = scores.topk(300)
            class_ids, (x, y, w, h) = class_ids[cells], rows[:4, cells]
            corners = torch.stack([x - w / 2, y - h / 2, x + w / 2, y + h / 2], 1)
        relative = corners / torch.tensor([width, height, width, height])
        return {
            "boxes_xyxy": relative[None].numpy(),
            "scores": scores[None].numpy(),
            "class_ids": class_ids[None].numpy(),
            "embedding": seen[0].mean((2, 3)).numpy(),
        }

    return run
