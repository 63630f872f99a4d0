"""The picture side of Qwen2.5-VL: graph files in the precision asked for, their parity, what each kind of layer costs.

In: the plan, the job, views and what PyTorch makes of them. Out: `PartExport`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgecap.engines.errors import ParityError
from edgecap.export.decoder.captioner_role import PartExport
from edgecap.export.job import Comparison, ExportJob, Limits, Precision
from edgecap.export.onnx.graph import open_graph
from edgecap.export.onnx.parity import GraphParity, compare_tensors
from edgecap.export.qwen.plan import QwenPlan
from edgecap.export.qwen.vision_graph import VisionFormat, vision_spec, write_vision
from edgecap.export.qwen.vision_linears import KEPT_HIGH, KEPT_HIGH_FP16

_FORMATS: dict[Precision, VisionFormat] = {"fp32": "fp32", "fp16": "fp16", "int8": "int8", "int4": "int8"}
_LIMITS: dict[VisionFormat, Limits] = {
    "fp32": {"relative_l2": ("max", 1e-4)},
    "fp16": {"relative_l2": ("max", 0.01), "cosine": ("min", 0.9999)},
    "int8": {"relative_l2": ("max", 0.1), "cosine": ("min", 0.995)},
}
"""On random weights at true shapes, two blocks deep, relative L2 was 1e-6 (fp32), 5e-4 (fp16), 0.018 (int8)."""


@dataclass(frozen=True, slots=True)
class SeenViews:
    """Normalised views of each bucket, float32 [1,3,h,w], and PyTorch's tokens of them, float32 [1,T,H]."""

    pixels: tuple[NDArray[np.float32], ...]
    tokens: tuple[NDArray[np.float32], ...]

    def __repr__(self) -> str:
        return f"SeenViews({[p.shape for p in self.pixels]})"


def export_vision(
    plan: QwenPlan, weights: Mapping[str, NDArray[Any]], seen: SeenViews, job: ExportJob, *, work: Path
) -> PartExport:
    """Write the graph of `job.precision` and the fp16 twin into `job.folder`; what is only compared, into `work`."""
    precision = _FORMATS[job.precision]
    twin: VisionFormat | None = "fp16" if job.with_twins else None
    comparisons, specs = [], {}
    for kind in dict.fromkeys(k for k in ("fp32", precision, twin) if k is not None):
        job.say(f"vision tower, {kind}")
        folder = job.folder if kind in (precision, twin) else work
        path = folder / f"captioner.vision.{kind}.onnx"
        specs[kind] = vision_spec(plan.vision, file=path.name, vision_format=kind, buckets_wh=plan.buckets_wh)
        write_vision(weights, plan.vision, path, specs[kind], vision_format=kind)
        comparisons.append(Comparison(vision_parity(path, seen), _LIMITS[kind]))
        if folder == work:
            for part in (path, path.with_name(f"{path.name}.data")):
                part.unlink(missing_ok=True)
    kept = (KEPT_HIGH if precision == "int8" else {}) | (KEPT_HIGH_FP16 if "fp16" in specs else {})
    return PartExport(specs[precision], specs[twin] if twin else None, tuple(comparisons), dict(kept))


def vision_parity(path: Path, seen: SeenViews) -> GraphParity:
    """Distance of the graph's tokens from PyTorch's, over a view of every bucket. Raises `ParityError` where the graph
    gives values that are not finite."""
    session = open_graph(path)
    got = [np.asarray(session.run(["tokens"], {"pixels": pixels})[0], np.float32) for pixels in seen.pixels]
    try:
        tensor = compare_tensors("tokens", list(seen.tokens), got)
    except ValueError as error:
        raise ParityError(f"{path.name}: {error}; export with another --precision") from error
    return GraphParity(path.name, "PyTorch fp32", len(got), (tensor,))


def bucket_views(
    pictures: Sequence[NDArray[np.uint8]], buckets_wh: Sequence[tuple[int, int]]
) -> list[NDArray[np.uint8]]:
    """One view per bucket, uint8 [1,h,w,3]: pictures in turn, squeezed to the bucket's size."""
    import cv2

    return [
        cv2.resize(pictures[i % len(pictures)], size, interpolation=cv2.INTER_AREA).astype(np.uint8)[None]
        for i, size in enumerate(buckets_wh)
    ]
