"""A person mask of TensorFlow.js (MediaPipe Selfie) as a `MaskNet`: [B, S, S, 3] pixels 0-1 -> probability."""

from __future__ import annotations

from collections.abc import Sequence

from edgecap.engines.errors import CheckpointError
from edgecap.export.job import Comparison
from edgecap.export.onnx.parity import GraphParity, compare_outputs
from edgecap.export.onnx.sensitivity import run_model
from edgecap.export.tfjs.convert import convert
from edgecap.export.tfjs.free_axes import free_axes
from edgecap.export.tfjs.model import TfjsModel
from edgecap.export.tfjs.replay import replay
from edgecap.export.tfjs.roles.crops import Window
from edgecap.export.tfjs.roles.masks import MaskNet, crop_graph
from edgecap.export.tfjs.roles.scenes import Scene

MARGIN = 0.05
"""Around the box; the network saw people filling its picture. Mean J on DAVIS's people falls with more."""
_KEPT_FP32 = "4.6 ms in fp32, and INT8 is hardly faster; on DAVIS's people its masks lose .01 of J"
_PREFIX = "person_net/"


def person_net(model: TfjsModel) -> MaskNet:
    """Raises `CheckpointError` where inputs and outputs are others, and as `convert` does."""
    made = convert(model, prefix=_PREFIX)
    shapes = [[dim.dim_value for dim in v.type.tensor_type.shape.dim] for v in (*made.graph.input, *made.graph.output)]
    side = shapes[0][1] if shapes and len(shapes[0]) == 4 else 0
    if shapes != [[1, side, side, 3], [1, side, side, 1]]:
        raise CheckpointError(
            f"{model.path}: is not a person mask: expected a picture [1, S, S, 3] and a map [1, S, S, 1], got {shapes}"
        )
    # A square, because the network knows people in their own proportions: squashed, J falls from .68 to .61.
    # Half of its pixels are enough: mean J of DAVIS's people .720, and .717 with all of them.
    window = Window(side, MARGIN, square=True, halved=True)
    return MaskNet(free_axes(made, {0: "crops"}), window, channels_last=True, probabilities=True, kept_fp32=_KEPT_FP32)


def against_replay(model: TfjsModel, net: MaskNet, scenes: Sequence[Scene]) -> Comparison:
    """The network against its TensorFlow.js graph on one crop of a picture: logits where the graph ends in a sigmoid,
    because without a person in it all its probabilities are near 0."""
    given = net.model.graph.input[0].name
    scene = scenes[0]
    feed = {"picture": scene.feed["picture"], "boxes_xyxy": scene.boxes_xyxy[:1]}
    crop = run_model(crop_graph(net), [feed])[0][given]
    [output] = model.outputs
    last = model.nodes[output]
    compared = last.inputs[0] if last.op == "Sigmoid" else output
    wanted = [{"map": replay(model, {model.inputs[0].name: crop}, outputs=[compared])[compared]}]
    graph = convert(model, outputs=[compared], prefix=_PREFIX)
    got = [{"map": next(iter(run_model(graph, [{given: crop}])[0].values()))}]
    name = "segmenter_decoder.fp32.onnx (person)"
    parity = GraphParity(name, "TensorFlow.js graph in NumPy", 1, compare_outputs(wanted, got))
    return Comparison(parity, {"relative_l2": ("max", 1e-3)})
