"""From a NanoDet of TensorFlow.js to the detector role of a pack: graph, INT8, TensorRT's twin, and what each loses.

In: an `ExportJob`, the `TfjsModel`. Out: `RoleExport`. No torch anywhere.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray

from edgecap.engines.errors import ExportError, UsageError
from edgecap.engines.graph.letterbox import fit_image, letterbox
from edgecap.engines.graph.spec import GraphSpec
from edgecap.engines.packs.specs import DetectorSpec
from edgecap.export.job import Comparison, ExportJob, RoleExport
from edgecap.export.onnx.graph_walk import name_nodes
from edgecap.export.onnx.parity import GraphParity, compare_outputs
from edgecap.export.onnx.precision import Converted, static_cpu, to_fp16
from edgecap.export.onnx.quantise import QUANTISED_OPS
from edgecap.export.onnx.sensitivity import run_model
from edgecap.export.tfjs.convert import convert, safe_name
from edgecap.export.tfjs.model import TfjsModel
from edgecap.export.tfjs.replay import replay
from edgecap.export.tfjs.roles.agreement import HALF_BOXES, INT8_BOXES, compare_detectors
from edgecap.export.tfjs.roles.nanodet import IMAGES, MEAN_BGR, OUTPUTS, STD_BGR, ScoreScale, detector_graph, network

STRIDE = 32
PAD_VALUE = 114
SIDES = (128, 1280)
"""Least and most pixels of the picture's long side; the network takes any multiple of 32."""
NMS_IOU = 0.6
"""NanoDet's own test configuration."""
CPU_OPS = (*QUANTISED_OPS, "LeakyRelu", "Split")
"""All between two convolutions: 15.6 ms at 288x512 on one thread, 19.3 without the two, 29.4 in fp32."""
CALIBRATION_PICTURES = 64
PARITY_PICTURES = 24
REPLAYED_PICTURES = 2
"""One takes a second in NumPy."""
_FILES = {"fp32": "detector.fp32.onnx", "fp16": "detector.fp16.onnx", "int8": "detector.int8.onnx"}
_NAMES = {"fp32": "fp32", "fp16": "fp16", "int8": "int8-static"}


@dataclass(frozen=True, slots=True)
class DetectorPlan:
    """What to make of the model."""

    model: TfjsModel
    labels: tuple[str, ...]
    """Class names by id, COCO spelling."""
    scale: ScoreScale
    score_threshold: float
    """Of the scaled score."""
    image_side: int
    """Long side of the picture in pixels, as a rule."""
    note: str
    """What a reader of the pack should know, in one line."""
    source: str = ""
    """Origin in one line, for pack.json; "" = the checkpoint's own label."""
    judged_score: float | None = None
    """Score from which a box counts when two forms are compared; None = `score_threshold`. Boxes that are more often
    wrong than right come and go with the last bit."""


def export_detector(job: ExportJob, plan: DetectorPlan) -> RoleExport:
    """Write the role's graphs into `job.folder`. Raises `UsageError` for int4, `ExportError` and `CheckpointError` as
    the converter does."""
    if job.precision == "int4":
        raise UsageError("--precision int4: a detector's convolutions have no 4-bit form; use int8, fp16 or fp32")
    job.say(f"{plan.model.path.name}: converting to ONNX")
    graph = detector_graph(plan.model, scale=plan.scale)
    classes = network(plan.model)[2]
    if classes != len(plan.labels):
        raise ExportError(f"{plan.model.path}: knows {classes} classes, {len(plan.labels)} labels were given")
    name_nodes(graph)
    parity, calibration = _pictures(job, plan)
    job.say(f"{plan.model.path.name}: replaying in NumPy, for the parity check")
    comparisons = [_against_replay(plan.model, [feed["images"] for feed in parity[:REPLAYED_PICTURES]])]
    exact = run_model(graph, parity)
    written: dict[str, GraphSpec] = {}
    kept_high: dict[str, str] = {}
    for form in dict.fromkeys((job.precision, *(("fp16",) if job.with_twins else ()))):
        spec = _graph_spec(_FILES[form], _NAMES[form], plan)
        job.say(f"{spec.file}: writing")
        made = _lowered(graph, form, calibration)
        made.save(job.folder / spec.file, spec)
        written[form] = spec
        if form != "fp32":
            comparisons.append(_against_fp32(spec.file, form, exact, run_model(made.model, parity), plan))
        if form == job.precision:
            kept_high = dict(itertools.islice(made.kept_high.items(), 8))
    return RoleExport(
        role="detector",
        spec=DetectorSpec(
            written[job.precision],
            image_side=plan.image_side,
            stride=STRIDE,
            pad_value=PAD_VALUE,
            score_threshold=plan.score_threshold,
            nms_iou=NMS_IOU,
            labels=plan.labels,
            scores="raw" if plan.scale == ScoreScale() else "probability",
        ),
        licence=job.checkpoint.licence or "not stated",
        source=f"{plan.source or job.checkpoint.label}; {plan.note}",
        comparisons=tuple(comparisons),
        twins={"detector.graph": written["fp16"]} if job.with_twins else {},
        kept_high=kept_high,
    )


def _graph_spec(file: str, precision: str, plan: DetectorPlan) -> GraphSpec:
    least, most = SIDES
    sides = (least, plan.image_side, max(most, plan.image_side))
    ranges = {"batch": (1, 1, 8), "height": sides, "width": sides}
    return GraphSpec(file, precision, (IMAGES,), OUTPUTS, ranges)


def _pictures(job: ExportJob, plan: DetectorPlan) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Feeds to compare on, and others to calibrate on."""
    pictures = itertools.islice(job.pictures(), CALIBRATION_PICTURES + PARITY_PICTURES)
    feeds = [_feed(picture, plan) for picture in pictures]
    held = min(PARITY_PICTURES, max(1, len(feeds) // 4))
    return feeds[:held], feeds[held:] or feeds


def _feed(picture_rgb: NDArray[np.uint8], plan: DetectorPlan) -> dict[str, NDArray[Any]]:
    height, width = picture_rgb.shape[:2]
    placed = letterbox((width, height), image_side=plan.image_side, stride=STRIDE)
    return {"images": fit_image(picture_rgb, placed, pad_value=PAD_VALUE)[None]}


def _lowered(graph: onnx.ModelProto, form: str, calibration: Sequence[dict[str, NDArray[Any]]]) -> Converted:
    if form == "fp32":
        return Converted(graph, {}, 0)
    if form == "fp16":
        return to_fp16(graph, feeds=calibration[:1])
    return static_cpu(graph, calibration, ops=CPU_OPS)


def _against_replay(model: TfjsModel, images: Sequence[NDArray[np.uint8]]) -> Comparison:
    """The bare network against its TensorFlow.js graph, at the size that the file states, on parts of real pictures."""
    made = convert(model)
    name = made.graph.input[0].name
    high, wide = (dim.dim_value for dim in made.graph.input[0].type.tensor_type.shape.dim[2:])
    feeds = []
    for one in images:
        picture = np.resize(one[0, ::-1].transpose(1, 2, 0), (high, wide, 3)).astype(np.float32)
        scaled = (picture - np.asarray(MEAN_BGR, np.float32)) / np.asarray(STD_BGR, np.float32)
        feeds.append({name: np.ascontiguousarray(scaled.transpose(2, 0, 1)[None])})
    placeholder = model.inputs[0].name
    original = [replay(model, {placeholder: feed[name]}) for feed in feeds]
    named = [{safe_name(output): value for output, value in one.items()} for one in original]
    tensors = compare_outputs(named, run_model(made, feeds))
    graph = GraphParity("detector.fp32.onnx", "TensorFlow.js graph in NumPy", len(feeds), tensors)
    return Comparison(graph, {"relative_l2": ("max", 1e-3)})


def _against_fp32(file: str, form: str, exact: Any, got: Any, plan: DetectorPlan) -> Comparison:
    limits = HALF_BOXES if form == "fp16" else INT8_BOXES
    threshold = plan.score_threshold if plan.judged_score is None else plan.judged_score
    return compare_detectors(file, "fp32", exact, got, threshold=threshold, nms_iou=NMS_IOU, limits=limits)
