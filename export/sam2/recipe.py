"""Recipe sam2: a SAM2 or SAM2.1 checkpoint of transformers -> a segmenter with video memory.

| --precision | image encoder on CPU | the four others on CPU | TensorRT twins |
|---|---|---|---|
| fp32 | fp32 | fp32 | fp16 |
| int8 | INT8, dynamic | fp32 | fp16 |
| fp16 | fp16 | fp16 | fp16 |

Parity is judged in two ways: every file against its module, on what the modules saw while they followed two objects
through the first pictures; and the masks of the whole chain against transformers' own Sam2VideoModel on those pictures.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from numpy.typing import NDArray

from edgecap.engines.errors import ExportError, UsageError
from edgecap.engines.graph.onnx_session import open_onnx_session
from edgecap.export.job import Comparison, ExportJob, Role, RoleExport, read_options
from edgecap.export.onnx.parity import GraphParity, mask_iou
from edgecap.export.sam2.contracts import segmenter_spec
from edgecap.export.sam2.settings import Sam2Options, Sam2Settings, read_settings, sized_config
from edgecap.runtime.data.frame import Frame
from edgecap.runtime.perceive.memory.segmenter import MemorySegmenter

PICTURES = 4
BOXES = np.array([[0.1, 0.2, 0.5, 0.8], [0.45, 0.35, 0.9, 0.95]], np.float32)
"""Prompts of the parity run, relative to the picture; their position doesn't matter to parity."""
QUERY_CHUNK = 512
"""Queries of memory attention at once: at 1024 px it keeps the score matrix at 59 MB per object instead of 470."""
IOU_LIMITS = {"fp32": 0.99, "fp16": 0.97, "int8": 0.9}
_PATHS = {
    "encoder": "segmenter.encoder",
    "decoder": "segmenter.decoder",
    "memory_attention": "segmenter.memory.attention",
    "memory_encoder": "segmenter.memory.encoder",
    "memory_decoder": "segmenter.memory.decoder",
}


class Sam2:
    """See `Recipe`."""

    name = "sam2"
    role: Role = "segmenter"
    architectures = ("Sam2VideoModel", "Sam2Model")
    extra = "export"
    notice = ""

    def __call__(self, job: ExportJob) -> RoleExport:
        """See `Recipe.__call__`."""
        if job.precision == "int4":
            raise UsageError("recipe sam2 has no int4 (4-bit weights speed up token decoders); use fp32, fp16 or int8")
        job.checkpoint.require(self.architectures, recipe=self.name)
        options = read_options(Sam2Options, job.options, recipe=self.name)
        settings = read_settings(job.checkpoint, image_side=options.image_side)
        pictures = list(islice(job.pictures(), PICTURES))
        if len(pictures) < 2:
            raise ExportError(f"parity needs at least 2 pictures, got {len(pictures)}; give a longer calibration video")
        return _export(job, settings, pictures)


def _export(job: ExportJob, settings: Sam2Settings, pictures: Sequence[NDArray[np.uint8]]) -> RoleExport:
    from transformers import Sam2VideoModel

    from edgecap.export.sam2.reference import propagate_reference
    from edgecap.export.sam2.torch_sessions import modules_of, sessions, torch_sessions
    from edgecap.export.sam2.writer import write_graphs

    job.say(f"reading {job.checkpoint.architecture} from {job.checkpoint.folder}, {settings.image_side} px")
    model = job.checkpoint.load(Sam2VideoModel, config=sized_config(job.checkpoint, settings.image_side))
    job.say(f"PyTorch on {len(pictures)} pictures, for the parity check")
    original = [step.mask_logits > 0 for step in propagate_reference(model, settings, pictures, {0: BOXES})]
    noted = torch_sessions(modules_of(model, settings, query_chunk=QUERY_CHUNK), settings)
    exact = segmenter_spec(settings, dict.fromkeys(noted, "fp32"))
    follow(MemorySegmenter(exact, sessions(noted)), pictures)
    with TemporaryDirectory(dir=job.folder, prefix=".work") as work:
        written = write_graphs(noted, settings, job, work=Path(work))
    spec = segmenter_spec(settings, {part: graph.precision for part, graph in written.graphs.items()})
    files = {part: open_onnx_session(job.folder / graph.file, graph) for part, graph in written.graphs.items()}
    opened = MemorySegmenter(spec, sessions(files))
    comparisons = [
        *written.comparisons,
        judge_masks(original, follow(opened, pictures), limit=IOU_LIMITS[job.precision]),
    ]
    return RoleExport(
        role="segmenter",
        spec=spec,
        licence=job.checkpoint.licence or "not stated by the model card",
        source=job.checkpoint.label,
        comparisons=tuple(comparisons),
        twins={_PATHS[part]: graph for part, graph in written.twins.items()},
        kept_high=written.kept_high,
    )


def follow(segmenter: MemorySegmenter, pictures: Sequence[NDArray[np.uint8]]) -> list[NDArray[np.bool_]]:
    """Masks [K, h, w] over the padded picture, per picture, of the objects in `BOXES` of the first."""
    masks = []
    for index, picture in enumerate(pictures):
        frame = Frame(index=index, pts_seconds=float(index), image_rgb=picture)
        found = segmenter.start(frame, BOXES) if index == 0 else segmenter.step(frame)
        masks.append((found.mask_logits > 0) & (found.presence > 0)[:, None, None])
    return masks


def judge_masks(original: Sequence[NDArray[np.bool_]], got: Sequence[NDArray[np.bool_]], *, limit: float) -> Comparison:
    """Mask IoU of the whole chain against transformers' Sam2VideoModel; `limit`: of the mean."""
    values = np.concatenate([mask_iou(a, b) for a, b in zip(original, got, strict=True)])
    figures = {"mask_iou": float(values.mean()), "mask_iou_least": float(values.min()), "masks": float(len(values))}
    parity = GraphParity("segmenter, five graphs in a row", "transformers Sam2VideoModel", len(got), (), figures)
    return Comparison(parity, {"mask_iou": ("min", limit)})


SAM2 = Sam2()
