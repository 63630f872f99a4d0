"""From a detector in torch to one role of a pack: fp32 ONNX, the CPU's precision, TensorRT's twin, and what each loses.

In: `DetectorPlan` (what `export.dfine` or `export.yolo` made of a checkpoint) and the `ExportJob`. Out: `RoleExport`.
The graph of every plan is: images uint8 [B,3,H,W] -> boxes_xyxy [B,N,4], scores [B,N], class_ids [B,N],
embedding [B,E], as `engines.specs.DetectorSpec` says.
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Literal

import numpy as np
import onnx
import torch
from numpy.typing import NDArray

from edgecap.engines.errors import ExportError, UsageError
from edgecap.engines.graph.letterbox import fit_image, letterbox
from edgecap.engines.graph.spec import GraphSpec, TensorSpec
from edgecap.engines.packs.specs import DetectorSpec
from edgecap.export.detectors.options import Twin
from edgecap.export.detectors.parity import (
    HALF_AS_GOOD,
    INT8_AS_GOOD,
    SAME_NUMBERS,
    Arrays,
    found_again,
    judge,
)
from edgecap.export.job import ExportJob, Limits, RoleExport
from edgecap.export.onnx.graph import open_graph, run_session
from edgecap.export.onnx.graph_walk import matching, name_nodes
from edgecap.export.onnx.precision import Converted, static_cpu, static_symmetric, to_fp16
from edgecap.export.onnx.quantise import QUANTISED_OPS
from edgecap.export.onnx.sensitivity import sensitivity
from edgecap.export.onnx.torch_graph import write_module

Form = Literal["fp32", "fp16", "int8", "int8-symmetric"]

CALIBRATION_PICTURES = 64
PARITY_PICTURES = 16
SENSITIVITY_SECONDS = 60.0
CPU_OPS = (*QUANTISED_OPS, "Sigmoid", "Mul")
"""SiLU's two operators too: yolo11n takes 29 ms with them and 35 ms without (one thread, 640 px), at the same error."""
ATTENTION = "attention and layer norms: no convolution, and sums of parts of unlike size"
TRANSFORMER = "transformer layers: they carry coordinates of the whole picture beside offsets of a pixel"
_ATTENTION_OPS = frozenset({"MatMul", "Gemm", "Softmax", "LayerNormalization", "Erf"})
_FORMS: dict[Form, tuple[str, str]] = {
    "fp32": ("detector.fp32.onnx", "fp32"),
    "fp16": ("detector.fp16.onnx", "fp16"),
    "int8": ("detector.int8.onnx", "int8-static"),
    "int8-symmetric": ("detector.int8-symmetric.onnx", "int8-static"),
}
"""Form -> file, precision as the pack writes it."""
_LIMITS: dict[Form, Limits] = {"fp16": HALF_AS_GOOD, "int8": INT8_AS_GOOD, "int8-symmetric": INT8_AS_GOOD}
_TWINS: dict[Twin, Form] = {"fp16": "fp16", "int8": "int8-symmetric"}


@dataclass(frozen=True, slots=True)
class DetectorPlan:
    """What a recipe made of a checkpoint.

    `graph`: the module to export. `reference`: the untouched network with its own arithmetic, same names; the graph
    is judged against it. `boxes`, `embedding`: N and E. `height_width`: ranges (least, usual, most) in pixels where
    the picture's sides are free (multiples of `stride`), None where they are `image_side` both. `kept_fp32`: pattern
    over nodes and weights -> why INT8 leaves it alone. `note`: what a reader of the pack should know, in one line.
    `licence`: where the model card names none. `strict_trace`: see `write_module`.
    """

    graph: torch.nn.Module
    reference: Callable[[NDArray[np.uint8]], Arrays]
    labels: tuple[str, ...]
    image_side: int
    stride: int
    pad_value: int
    score_threshold: float
    nms_iou: float
    boxes: int
    embedding: int
    height_width: tuple[int, int, int] | None
    kept_fp32: Mapping[str, str]
    note: str
    licence: str
    strict_trace: bool
    twin: Twin = "fp16"

    def graph_spec(self, file: str, precision: str) -> GraphSpec:
        """The contract of every form of this detector."""
        free = self.height_width is not None
        sides: tuple[int | str, int | str] = ("height", "width") if free else (self.image_side, self.image_side)
        outputs = (
            TensorSpec("boxes_xyxy", "float32", ("batch", self.boxes, 4)),
            TensorSpec("scores", "float32", ("batch", self.boxes)),
            TensorSpec("class_ids", "int64", ("batch", self.boxes)),
            TensorSpec("embedding", "float32", ("batch", self.embedding)),
        )
        ranges = {"batch": (1, 1, 8)}
        if self.height_width is not None:
            ranges |= {"height": self.height_width, "width": self.height_width}
        return GraphSpec(file, precision, (TensorSpec("images", "uint8", ("batch", 3, *sides)),), outputs, ranges)

    def feed(self, picture_rgb: NDArray[np.uint8]) -> Arrays:
        """One picture uint8 [H, W, 3] as the runtime feeds it."""
        height, width = picture_rgb.shape[:2]
        placement = letterbox((width, height), image_side=self.image_side, stride=self.stride)
        return {"images": fit_image(picture_rgb, placement, pad_value=self.pad_value)[None]}


def export_detector(job: ExportJob, plan: DetectorPlan) -> RoleExport:
    """Write the role's graphs into `job.folder`. Raises `UsageError` for a precision that detectors have not,
    `ExportError` where there are no pictures."""
    if job.precision == "int4":
        raise UsageError("--precision int4: a detector's convolutions have no 4-bit form; use int8, fp16 or fp32")
    calibration, parity = _pictures(job, plan)
    forms: tuple[Form, ...] = (job.precision, *((_TWINS[plan.twin],) if job.with_twins else ()))
    written: dict[Form, tuple[GraphSpec, Converted]] = {}
    rows: tuple[dict[str, Any], ...] = ()
    with TemporaryDirectory(dir=job.folder) as scratch:
        fp32 = Path(scratch) / _FORMS["fp32"][0]
        _write_fp32(plan, fp32, calibration[0], job.say)
        original, exact = [plan.reference(feed["images"]) for feed in parity], run_session(open_graph(fp32), parity)
        comparisons = [judge(fp32.name, "pytorch", original, exact, limits=SAME_NUMBERS)]
        for form in dict.fromkeys(forms):
            spec = plan.graph_spec(*_FORMS[form])
            job.say(f"{spec.file}: writing")
            made = _lowered(onnx.load(str(fp32)), form, plan, calibration)
            made.save(job.folder / spec.file, spec)
            written[form] = spec, made
            if form != "fp32":
                got = run_session(open_graph(job.folder / spec.file), parity)
                comparisons.append(judge(spec.file, "fp32", exact, got, limits=_LIMITS[form]))
        if job.precision == "int8":
            rows = _sensitivity(onnx.load(str(fp32)), plan, parity, job.say)
    return RoleExport(
        role="detector",
        spec=DetectorSpec(
            written[forms[0]][0],
            image_side=plan.image_side,
            stride=plan.stride,
            pad_value=plan.pad_value,
            score_threshold=plan.score_threshold,
            nms_iou=plan.nms_iou,
            labels=plan.labels,
        ),
        licence=job.checkpoint.licence or plan.licence,
        source=f"{job.checkpoint.label}; {plan.note}",
        comparisons=tuple(comparisons),
        twins={"detector.graph": written[forms[1]][0]} if job.with_twins else {},
        kept_high=_by_reason(written[forms[0]][1].kept_high),
        sensitivity=rows,
    )


def _pictures(job: ExportJob, plan: DetectorPlan) -> tuple[list[Arrays], list[Arrays]]:
    """Feeds for calibration and for parity, different ones where there are at least two pictures."""
    count = (
        CALIBRATION_PICTURES + PARITY_PICTURES if job.precision == "int8" or plan.twin == "int8" else PARITY_PICTURES
    )
    feeds = [plan.feed(picture) for picture in itertools.islice(job.pictures(), count)]
    if not feeds:
        raise ExportError("no pictures to compare on: give a video, or leave the option out to use the synthetic world")
    held = min(PARITY_PICTURES, max(1, len(feeds) // 4))
    return feeds[held:] or feeds, feeds[:held]


def _write_fp32(plan: DetectorPlan, path: Path, example: Arrays, say: Callable[[str], None]) -> None:
    """Batch (and sides, where free) must be neither 0 nor 1 in the example, or the exporter takes them as fixed."""
    from torch.export import Dim

    say(f"{path.name}: tracing the network")
    images = torch.from_numpy(np.concatenate([example["images"]] * 2))
    free: dict[int, Any] = {0: Dim("batch", min=1, max=64)}
    if plan.height_width is not None:
        least, _, most = (side // plan.stride for side in plan.height_width)
        free[2] = plan.stride * Dim("rows", min=least, max=most)
        free[3] = plan.stride * Dim("columns", min=least, max=most)
    spec = plan.graph_spec(path.name, "fp32")
    write_module(plan.graph, [images], path, spec, dynamic_shapes=[free], strict=plan.strict_trace)


def _lowered(model: onnx.ModelProto, form: Form, plan: DetectorPlan, calibration: Sequence[Arrays]) -> Converted:
    name_nodes(model)
    if form == "fp32":
        return Converted(model, {}, 0)
    if form == "fp16":
        return to_fp16(model, feeds=calibration[:1])
    patterns = list(plan.kept_fp32)
    if form == "int8-symmetric":
        whole = static_symmetric(model, calibration, exclude=[*patterns, *_no_convolution(model)]).model
        return to_fp16(whole, feeds=calibration[:1])
    attention = sorted(attention_nodes(model))
    made = static_cpu(model, calibration, exclude=[*patterns, *attention], ops=CPU_OPS)
    reasons = {**dict.fromkeys(attention, ATTENTION), **_reasons(model, plan.kept_fp32)}
    kept = {name: reasons.get(name, why) for name, why in made.kept_high.items()}
    return Converted(made.model, kept | dict.fromkeys(_no_convolution(model), TRANSFORMER), made.lowered)


def _reasons(model: onnx.ModelProto, kept_fp32: Mapping[str, str]) -> dict[str, str]:
    return {name: kept_fp32[pattern] for name, pattern in matching(model.graph.node, list(kept_fp32)).items()}


def _sensitivity(
    model: onnx.ModelProto, plan: DetectorPlan, feeds: Sequence[Arrays], say: Callable[[str], None]
) -> tuple[dict[str, Any], ...]:
    """What each stretch of convolutions costs in boxes found again; a few pictures are enough to rank them."""
    name_nodes(model)
    say(f"measuring what each layer loses in INT8, at most {SENSITIVITY_SECONDS:g} s")
    return sensitivity(
        model,
        feeds[:4],
        most_rows=24,
        budget_seconds=SENSITIVITY_SECONDS,
        figure=found_again,
        exclude=[*matching(model.graph.node, list(plan.kept_fp32)), *_no_convolution(model)],
    )


def _no_convolution(model: onnx.ModelProto) -> list[str]:
    """Matrix products: no INT8 form touches them here."""
    return [node.name for node in model.graph.node if node.op_type in ("MatMul", "Gemm")]


def attention_nodes(model: onnx.ModelProto) -> set[str]:
    """Names of the arithmetic from which a MatMul, softmax or layer norm is reached, or that one reaches, with no
    convolution in between."""
    plain = [node for node in model.graph.node if node.op_type != "Conv"]
    after, before = set[str](), set[str]()
    for node in plain:
        if node.op_type in _ATTENTION_OPS or after.intersection(node.input):
            after.update(node.output)
    for node in reversed(plain):
        if node.op_type in _ATTENTION_OPS or before.intersection(node.output):
            before.update(node.input)
    return {
        node.name
        for node in plain
        if node.op_type in CPU_OPS and (after.intersection(node.output) or before.intersection(node.input))
    }


def _by_reason(kept_high: Mapping[str, str]) -> dict[str, str]:
    """Reason by reason: the first node's name and how many more, so that a manifest stays readable."""
    first: dict[str, str] = {}
    for name, reason in kept_high.items():
        first.setdefault(reason, name)
    counts = Counter(kept_high.values())
    return {
        name + (f" and {counts[reason] - 1} more" if counts[reason] > 1 else ""): reason
        for reason, name in first.items()
    }
