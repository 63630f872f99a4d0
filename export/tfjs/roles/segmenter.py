"""From mask networks to the segmenter role of a pack: encoder, decoder, INT8, TensorRT's twins, and what each loses.

In: an `ExportJob`, `MaskNet`s, scenes. Out: `RoleExport`. Each network is quantised by itself, on the crops that it is
given, and then put into the decoder: Q/DQ pairs inside are all that changes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray

from edgecap.engines.errors import ExportError, UsageError
from edgecap.engines.graph.spec import GraphSpec
from edgecap.engines.packs.specs import SegmenterSpec
from edgecap.export.job import Comparison, ExportJob, Limits, RoleExport
from edgecap.export.onnx.graph_walk import name_nodes
from edgecap.export.onnx.parity import GraphParity, compare_outputs, mask_iou
from edgecap.export.onnx.precision import Converted, static_cpu, to_fp16
from edgecap.export.onnx.sensitivity import run_model
from edgecap.export.tfjs.roles.masks import (
    BOXES,
    CLASS_IDS,
    IMAGES,
    MARGIN,
    OUTPUTS,
    PICTURE,
    MaskNet,
    crop_graph,
    decoder_graph,
    encoder_graph,
)
from edgecap.export.tfjs.roles.scenes import PAD_VALUE, STRIDE, Scene, of_classes

IMAGE_SIDE = 640
"""Long side of the picture that crops are cut from, in pixels."""
SIDES = (128, 640, 1280)
MOST_BOXES = 24
INT8_MASKS: Limits = {"mask_iou": ("min", 0.9)}
HALF_MASKS: Limits = {"mask_iou": ("min", 0.97)}
_PARITY_SHARE = 4
_SEEN = 0.02
"""Share of its map that a mask must cover to be compared: the IoU of a few pixels says little."""
_RANGES = {"height": SIDES, "width": SIDES}


@dataclass(frozen=True, slots=True)
class SegmenterPlan:
    """What the decoder is made of."""

    person: MaskNet
    thing: MaskNet | None
    """For boxes of other classes; None: `person` for all."""
    person_id: int
    """The detector's class id of a person."""
    source: str
    """Models and their origin in one line, for pack.json."""
    licence: str
    originals: tuple[Comparison, ...]
    """The networks against what they were converted from."""


def export_segmenter(job: ExportJob, plan: SegmenterPlan, scenes: Sequence[Scene]) -> RoleExport:
    """Write the role's graphs into `job.folder`. Raises `UsageError` for int4, `ExportError` without scenes."""
    if job.precision == "int4":
        raise UsageError("--precision int4: convolutions have no 4-bit form; use int8, fp16 or fp32")
    if not scenes:
        raise ExportError("no boxes to compare masks on; calibrate on videos with people or things in them")
    held = max(1, len(scenes) // _PARITY_SHARE)
    parity, calibration = scenes[:held], list(scenes[held:]) or list(scenes)
    feeds = [_feed(scene, plan) for scene in parity]
    exact_graph = decoder_graph(plan.person, plan.thing, person_id=plan.person_id)
    exact = run_model(exact_graph, feeds)
    job.say("segmenter: writing encoder and decoder")
    encoder = _saved(job, encoder_graph(), "segmenter_encoder.fp32.onnx", "fp32", (IMAGES,), (PICTURE,))
    comparisons = list(plan.originals)
    kept: dict[str, str] = {}
    if job.precision == "fp32":
        decoder = _decoder(job, exact_graph, "fp32", plan)
    elif job.precision == "fp16":
        decoder, row = _half(job, plan, feeds, exact, "segmenter_decoder.fp16.onnx")
        comparisons.append(row)
    else:
        people = of_classes(calibration, [plan.person_id], inside=True) if plan.thing else calibration
        person, kept = _lowered(job, plan.person, people)
        thing = plan.thing
        if thing is not None:
            thing, more = _lowered(job, thing, of_classes(calibration, [plan.person_id], inside=False))
            kept |= more
        graph = decoder_graph(person, thing, person_id=plan.person_id)
        decoder = _decoder(job, graph, "int8-static", plan)
        comparisons.append(_compared(decoder.file, exact, run_model(graph, feeds), INT8_MASKS))
    twins: dict[str, GraphSpec] = {}
    if job.with_twins:
        twins["segmenter.decoder"], row = _half(job, plan, feeds, exact, "segmenter_decoder.trt-fp16.onnx")
        comparisons.append(row)
    return RoleExport(
        role="segmenter",
        spec=SegmenterSpec(encoder, decoder, IMAGE_SIDE, STRIDE, PAD_VALUE, "box", MARGIN, 0.0),
        licence=plan.licence,
        source=plan.source,
        comparisons=tuple(comparisons),
        twins=twins,
        kept_high=kept,
    )


def _feed(scene: Scene, plan: SegmenterPlan) -> dict[str, NDArray[Any]]:
    return {name: value for name, value in scene.feed.items() if plan.thing is not None or name != CLASS_IDS.name}


def _lowered(job: ExportJob, net: MaskNet, scenes: Sequence[Scene]) -> tuple[MaskNet, dict[str, str]]:
    """The network in INT8, calibrated on its own crops; as it is where no scene shows it anything."""
    name = net.model.graph.input[0].name
    kept = net.kept_fp32 or ("" if scenes else "no box of its classes in the calibration pictures")
    if kept:
        return net, {name.partition("/")[0]: kept}
    feeds: list[Mapping[str, NDArray[Any]]] = []
    for scene, found in zip(scenes, run_model(crop_graph(net), [_boxes_only(s) for s in scenes]), strict=True):
        feeds += [{name: found[name][row : row + 1]} for row in range(len(scene.boxes_xyxy))]
    job.say(f"segmenter: {name.partition('/')[0]} in INT8, calibrated on {len(feeds)} crops")
    model = onnx.ModelProto()
    model.CopyFrom(net.model)
    name_nodes(model)
    made = static_cpu(model, feeds)
    return replace(net, model=made.model), dict(list(made.kept_high.items())[:4])


def _boxes_only(scene: Scene) -> dict[str, NDArray[Any]]:
    return {name: value for name, value in scene.feed.items() if name != CLASS_IDS.name}


def _half(
    job: ExportJob, plan: SegmenterPlan, feeds: Sequence[dict[str, NDArray[Any]]], exact: Any, file: str
) -> tuple[GraphSpec, Comparison]:
    graph = decoder_graph(plan.person, plan.thing, person_id=plan.person_id, branching=False)
    name_nodes(graph)
    made = to_fp16(graph, feeds=feeds[:1])
    spec = _decoder_spec(file, "fp16", plan)
    made.save(job.folder / file, spec)
    return spec, _compared(file, exact, run_model(made.model, feeds), HALF_MASKS)


def _decoder(job: ExportJob, graph: onnx.ModelProto, precision: str, plan: SegmenterPlan) -> GraphSpec:
    file = f"segmenter_decoder.{precision.partition('-')[0]}.onnx"
    spec = _decoder_spec(file, precision, plan)
    return _saved(job, graph, file, precision, spec.inputs, spec.outputs)


def _decoder_spec(file: str, precision: str, plan: SegmenterPlan) -> GraphSpec:
    inputs = (PICTURE, BOXES) if plan.thing is None else (PICTURE, BOXES, CLASS_IDS)
    return GraphSpec(file, precision, inputs, OUTPUTS, {**_RANGES, "boxes": (1, 8, MOST_BOXES)})


def _saved(job: ExportJob, graph: onnx.ModelProto, file: str, precision: str, inputs: Any, outputs: Any) -> GraphSpec:
    ranges = {**_RANGES, "boxes": (1, 8, MOST_BOXES)} if BOXES in inputs else dict(_RANGES)
    spec = GraphSpec(file, precision, inputs, outputs, ranges)
    Converted(graph, {}, 0).save(job.folder / file, spec)
    return spec


def _compared(file: str, exact: Any, got: Any, limits: Limits) -> Comparison:
    """Mean IoU of the masks that the exact decoder drew, those of a few pixels left out."""
    same = []
    for r, g in zip(exact, got, strict=True):
        first, second = r["mask_logits"] > 0, g["mask_logits"] > 0
        seen = first.mean((1, 2)) > _SEEN
        same.append(mask_iou(first[seen], second[seen]))
    overlaps = np.concatenate(same)
    figures = {"masks": float(len(overlaps)), "mask_iou": float(overlaps.mean()) if len(overlaps) else 0.0}
    return Comparison(GraphParity(file, "fp32", len(exact), compare_outputs(exact, got), figures), limits)
