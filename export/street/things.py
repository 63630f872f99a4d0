"""U2-Netp (Qin et al. 2020, arXiv 2005.09007; Apache-2.0) as the mask network of everything that is not a person.

In: rembg's u2netp.onnx. Out: `MaskNet`. It finds what stands out in a picture; in the crop of a box that is the thing.
Its third side output is enough: on DAVIS a mean J of .794 at 160 px and 30 ms on one thread, where the first, the
network's own answer, has .806 in 110 ms.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray

from edgecap.engines.errors import CheckpointError
from edgecap.export.job import Comparison
from edgecap.export.onnx.parity import GraphParity, compare_outputs
from edgecap.export.onnx.sensitivity import run_model
from edgecap.export.tfjs.free_axes import free_axes
from edgecap.export.tfjs.onnx_writer import OPSET
from edgecap.export.tfjs.roles.crops import Window
from edgecap.export.tfjs.roles.masks import MaskNet
from edgecap.export.tfjs.tidy import drop_unread, tidy

SIDE = 160
MARGIN = 0.05
"""Around the box. Mean J on DAVIS's seven things, frames 640 px wide: .834 with 0, .838 with .03, .845 with .05; over
all ten sequences .794 with .10 and .780 with .15."""
MEAN = (0.485, 0.456, 0.406)
STD = (0.229, 0.224, 0.225)
_INPUT, _THIRD = "input.1", "1962"
"""Names in the file: the picture, and the third side output behind its sigmoid."""
_PREFIX = "thing_net/"


def thing_net(file: Path) -> tuple[MaskNet, Comparison]:
    """The network, and how far it is from the file as it came. Raises `CheckpointError` for another file."""
    import onnxslim

    original = onnx.load(str(file))
    made = {name: node for node in original.graph.node for name in node.output}
    sigmoid = made.get(_THIRD)
    resize = made.get(sigmoid.input[0]) if sigmoid is not None else None
    if sigmoid is None or resize is None or (sigmoid.op_type, resize.op_type) != ("Sigmoid", "Resize"):
        raise CheckpointError(f"{file}: is not rembg's U2-Netp (no third side output {_THIRD}); fetch it again")
    logits = resize.input[0]
    whole = _cut(original, logits)
    slim = onnxslim.slim(_sized(whole))
    named = onnx.compose.add_prefix(onnx.version_converter.convert_version(slim, OPSET), _PREFIX)
    model = tidy(onnx.shape_inference.infer_shapes(named))
    _fourth_channel(model)
    model.ir_version = 9
    net = MaskNet(
        free_axes(model, {0: "crops"}),
        Window(SIDE, MARGIN, square=False),
        channels_last=False,
        probabilities=False,
        mean=MEAN,
        std=STD,
    )
    return net, _compared(whole, net.model, logits)


def _cut(model: onnx.ModelProto, output: str) -> onnx.ModelProto:
    """The part that `output` needs, its picture's size free as the file allows."""
    whole = onnx.ModelProto()
    whole.CopyFrom(model)
    del whole.graph.output[:], whole.graph.value_info[:]
    whole.graph.output.append(onnx.helper.make_tensor_value_info(output, onnx.TensorProto.FLOAT, None))
    drop_unread(whole)
    shape = whole.graph.input[0].type.tensor_type.shape
    for axis, name in ((0, "crops"), (2, "height"), (3, "width")):
        shape.dim[axis].dim_param = name
    return whole


def _sized(model: onnx.ModelProto) -> onnx.ModelProto:
    """One crop of `SIDE` pixels, all shapes known: the file computes every size when it runs."""
    sized = onnx.ModelProto()
    sized.CopyFrom(model)
    for axis, size in ((0, 1), (2, SIDE), (3, SIDE)):
        sized.graph.input[0].type.tensor_type.shape.dim[axis].dim_value = size
    return onnx.shape_inference.infer_shapes(sized)


def _fourth_channel(model: onnx.ModelProto) -> None:
    """A channel of zeros more for the first convolution, in place: ONNX Runtime's INT8 kernels take inputs by fours
    and one of three channels cost a fifth of the network's milliseconds."""
    conv = next(node for node in model.graph.node if node.op_type == "Conv")
    weight = next(one for one in model.graph.initializer if one.name == conv.input[1])
    wider = np.pad(onnx.numpy_helper.to_array(weight), ((0, 0), (0, 1), (0, 0), (0, 0)))
    weight.CopyFrom(onnx.numpy_helper.from_array(wider, weight.name))
    pads = onnx.numpy_helper.from_array(np.array([0, 0, 0, 0, 0, 1, 0, 0], np.int64), f"{_PREFIX}one_channel")
    model.graph.initializer.append(pads)
    given, conv.input[0] = conv.input[0], f"{_PREFIX}four_channels"
    padded = onnx.helper.make_node("Pad", [given, pads.name], [conv.input[0]], name=conv.input[0])
    model.graph.node.insert(0, padded)


def _compared(whole: onnx.ModelProto, model: onnx.ModelProto, logits: str) -> Comparison:
    noise: NDArray[np.float32] = np.random.default_rng(0).normal(0, 1, (1, 3, SIDE, SIDE)).astype(np.float32)
    smooth = np.cumsum(np.cumsum(noise, 2), 3) / 40
    feeds = [noise, smooth.astype(np.float32)]
    wanted = [{"logits": one[logits]} for one in run_model(whole, [{_INPUT: feed} for feed in feeds])]
    given, found = model.graph.input[0].name, model.graph.output[0].name
    got = [{"logits": one[found]} for one in run_model(model, [{given: feed} for feed in feeds])]
    parity = GraphParity("segmenter_decoder.fp32.onnx (U2-Netp)", "u2netp.onnx", 2, compare_outputs(wanted, got))
    return Comparison(parity, {"relative_l2": ("max", 1e-3)})
