"""From a MoveNet of TensorFlow.js to the pose role of a pack: graph, INT8, and what it loses.

In: an `ExportJob`, the `TfjsModel`, scenes with people. Out: `RoleExport`. There is no twin: the crops go through the
network one after another in a Scan, which TensorRT-RTX refuses, so that poses stay with ONNX Runtime.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import onnx

from edgecap.engines.errors import ExportError, UsageError
from edgecap.engines.graph.spec import GraphSpec
from edgecap.engines.packs.specs import PoseSpec
from edgecap.export.job import Comparison, ExportJob, Limits, RoleExport
from edgecap.export.onnx.graph_walk import name_nodes
from edgecap.export.onnx.parity import GraphParity, compare_outputs
from edgecap.export.onnx.precision import Converted, static_cpu, to_fp16
from edgecap.export.onnx.sensitivity import run_model
from edgecap.export.tfjs.convert import safe_name
from edgecap.export.tfjs.model import TfjsModel
from edgecap.export.tfjs.replay import replay
from edgecap.export.tfjs.roles.pose import BOXES, IMAGES, KEYPOINTS, OUTPUTS, crop_graph, pose_graph, pose_net
from edgecap.export.tfjs.roles.scenes import PAD_VALUE, STRIDE, Scene

IMAGE_SIDE = 960
"""Long side of the picture that crops are cut from, in pixels."""
SIDES = (128, 960, 1280)
MOST_BOXES = 24
SEEN = 0.3
"""Score from which MoveNet's own example draws a keypoint."""
NEAR = 0.05
"""Of the box's longer side: two keypoints this close show the same joint."""
LOWERED: Limits = {"keypoints_near": ("min", 0.85)}
_PRECISIONS = {"fp32": "fp32", "fp16": "fp16", "int8": "int8-static"}


def export_pose(job: ExportJob, model: TfjsModel, scenes: Sequence[Scene], *, source: str, licence: str) -> RoleExport:
    """Write the role's graph into `job.folder`. Raises `UsageError` for int4, `ExportError` without scenes."""
    if job.precision == "int4":
        raise UsageError("--precision int4: convolutions have no 4-bit form; use int8, fp16 or fp32")
    if not scenes:
        raise ExportError("no people to compare poses on; calibrate on videos with people in them")
    net, side = pose_net(model)
    name_nodes(net)
    held = max(1, len(scenes) // 4)
    feeds = [_feed(scene) for scene in scenes[:held]]
    crops = [one["crops"] for one in run_model(crop_graph(side), [_feed(s) for s in scenes[held:] or scenes])]
    single = [{net.graph.input[0].name: found[row : row + 1]} for found in crops for row in range(len(found))]
    job.say("pose: replaying in NumPy, for the parity check")
    comparisons = [_against_replay(model, net, single[:2])]
    exact = run_model(pose_graph(net, side), feeds)
    made = _lowered(net, job.precision, single)
    graph = pose_graph(made.model, side)
    file = f"pose.{job.precision}.onnx"
    ranges = {"height": SIDES, "width": SIDES, "boxes": (1, 4, MOST_BOXES)}
    spec = GraphSpec(file, _PRECISIONS[job.precision], (IMAGES, BOXES), OUTPUTS, ranges)
    job.say(f"{file}: writing")
    Converted(graph, {}, 0).save(job.folder / file, spec)
    if job.precision != "fp32":
        comparisons.append(_compared(file, exact, run_model(graph, feeds), scenes[:held]))
    return RoleExport(
        role="pose",
        spec=PoseSpec(spec, IMAGE_SIDE, STRIDE, PAD_VALUE, KEYPOINTS, "person", SEEN),
        licence=licence,
        source=source,
        comparisons=tuple(comparisons),
        kept_high=dict(list(made.kept_high.items())[:4]),
    )


def _feed(scene: Scene) -> dict[str, Any]:
    return {"images": scene.images, "boxes_xyxy": scene.boxes_xyxy}


def _lowered(net: onnx.ModelProto, precision: str, feeds: Sequence[dict[str, Any]]) -> Converted:
    if precision == "fp32":
        return Converted(net, {}, 0)
    return to_fp16(net, feeds=feeds[:1]) if precision == "fp16" else static_cpu(net, feeds)


def _against_replay(model: TfjsModel, net: onnx.ModelProto, feeds: Sequence[dict[str, Any]]) -> Comparison:
    given, placeholder = net.graph.input[0].name, model.inputs[0].name
    [output] = model.outputs
    wanted = [{"keypoints": replay(model, {placeholder: feed[given]})[output]} for feed in feeds]
    got = [{"keypoints": one[net.graph.output[0].name]} for one in run_model(net, feeds)]
    assert net.graph.output[0].name.endswith(safe_name(output))
    parity = GraphParity("pose.fp32.onnx", "TensorFlow.js graph in NumPy", len(feeds), compare_outputs(wanted, got))
    return Comparison(parity, {"relative_l2": ("max", 1e-3)})


def _compared(file: str, exact: Any, got: Any, scenes: Sequence[Scene]) -> Comparison:
    """Share of the seen keypoints that stay within `NEAR` of the box's longer side."""
    near = seen = 0
    for r, g, scene in zip(exact, got, scenes, strict=True):
        pixels = np.array(scene.images.shape[:1:-1], np.float32)  # width, height
        sides = ((scene.boxes_xyxy[:, 2:] - scene.boxes_xyxy[:, :2]) * pixels).max(1)
        moved = np.linalg.norm((g["keypoints_xy"] - r["keypoints_xy"]) * pixels, axis=2) / sides[:, None]
        sure = r["scores"] >= SEEN
        seen, near = seen + int(sure.sum()), near + int((moved[sure] <= NEAR).sum())
    figures = {"keypoints": float(seen), "keypoints_near": near / seen if seen else 1.0}
    return Comparison(GraphParity(file, "fp32", len(exact), compare_outputs(exact, got), figures), LOWERED)
