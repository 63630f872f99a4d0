"""Masks of boxed instances as a pack's segmenter: crops of the picture through small networks, inside one graph.

The encoder only scales pixels. The decoder cuts a crop per box, runs a network on it and lays the answer over the box
enlarged by `MARGIN` (`SegmenterSpec.mask_frame` "box"). With two networks the detector's class ids choose: one for
people, one for everything else.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import helper

from edgecap.engines.graph.spec import TensorSpec
from edgecap.export.tfjs.onnx_writer import TYPES, OnnxWriter
from edgecap.export.tfjs.roles.crops import Window, aligned_crops, crops, window_of, within

MARGIN = 0.1
"""The logits cover the box enlarged on each side by this share of its size."""
SIDE = 96
"""Logits a side: a mask of U2-Netp's third output has 40, MediaPipe's 256 over a larger square."""
SLACK = 0.04
"""Beyond the box by this share of its size a mask may go unpunished: detectors' boxes are not exact."""
OUTSIDE = 6.0
"""Logits taken off at the rim of the enlarged box, less towards the box: what sticks out is seldom the instance."""
IMAGES = TensorSpec("images", "uint8", (1, 3, "height", "width"))
PICTURE = TensorSpec("picture", "float32", (1, 3, "height", "width"))
BOXES = TensorSpec("boxes_xyxy", "float32", ("boxes", 4))
CLASS_IDS = TensorSpec("class_ids", "int64", ("boxes",))
OUTPUTS = (TensorSpec("mask_logits", "float32", ("boxes", SIDE, SIDE)), TensorSpec("quality", "float32", ("boxes",)))
_LEAST = 1e-4
"""Probabilities nearer to 0 or 1 than this make no larger logits."""


@dataclass(frozen=True, slots=True)
class MaskNet:
    """A network that finds the instance in the middle of a crop."""

    model: onnx.ModelProto
    """One input [K, 3, side, side] (or [K, side, side, 3]), one output [K, 1, h, w] (or [K, h, w, 1]), K free; all its
    names begin with a prefix of its own."""
    window: Window
    channels_last: bool
    probabilities: bool
    """True: the output is a probability; False: a logit."""
    mean: tuple[float, float, float] = (0.0, 0.0, 0.0)
    std: tuple[float, float, float] = (1.0, 1.0, 1.0)
    """Of pixels 0-1, RGB: the network is given (pixel - mean) / std."""
    kept_fp32: str = ""
    """Why INT8 leaves this network alone; "" = it doesn't."""


def encoder_graph() -> onnx.ModelProto:
    """images uint8 -> picture float32, 0-1."""
    write = OnnxWriter()
    write.node("Mul", [write.cast("images", "float32"), write.scalar(1 / 255)], output="picture")
    return write.model("encoder", [IMAGES], [PICTURE])


def decoder_graph(
    person: MaskNet, thing: MaskNet | None = None, *, person_id: int = 0, branching: bool = True
) -> onnx.ModelProto:
    """picture, boxes_xyxy (and class_ids where there is a `thing`) -> mask_logits, quality.

    `branching`: each network runs on its own boxes and not at all without any (If; crops by RoiAlign; for CPUs). False:
    both run on all boxes and the class chooses (standard data flow, GridSample; for TensorRT).
    """
    write = OnnxWriter()
    if thing is None:
        logits = _logits(write, person, BOXES.name, branching=branching)
    else:
        is_person = write.node("Equal", [CLASS_IDS.name, write.constant(np.int64(person_id))])
        choose = _branched if branching else _both
        logits = choose(write, person, thing, is_person)
    logits = write.node("Squeeze", [logits, write.ints(1)])
    write.node("Sub", [logits, write.constant(outside_prior()[None])], output="mask_logits")
    _quality(write, "mask_logits")
    inputs = [PICTURE, BOXES, *([] if thing is None else [CLASS_IDS])]
    return write.model("decoder", inputs, OUTPUTS)


def outside_prior() -> NDArray[np.float32]:
    """What each logit loses for being outside its box, float32 [SIDE, SIDE]: 0 up to `SLACK`, then rising."""
    at = (np.arange(SIDE) + 0.5) / SIDE * (1 + 2 * MARGIN) - MARGIN  # of the box: 0 and 1 are its borders
    beyond = np.maximum(np.maximum(-at, at - 1), 0)
    rise = np.clip((beyond - SLACK) / (MARGIN - SLACK), 0, 1)
    prior: NDArray[np.float32] = (OUTSIDE * np.maximum(rise[:, None], rise[None])).astype(np.float32)
    return prior


def _logits(write: OnnxWriter, net: MaskNet, boxes_xyxy: str, *, branching: bool) -> str:
    """Logits [K, 1, SIDE, SIDE] over the enlarged boxes."""
    picture = PICTURE.name
    seen = _looked(write, net, boxes_xyxy, branching=branching)
    found = net.model.graph.output[0].name
    write.include(net.model)
    maps = write.node("Transpose", [found], perm=[0, 3, 1, 2]) if net.channels_last else found
    if net.probabilities:
        maps = write.node("Clip", [maps, write.scalar(_LEAST), write.scalar(1 - _LEAST)])
        maps = write.node("Log", [write.node("Div", [maps, write.node("Sub", [write.scalar(1.0), maps])])])
    wanted = window_of(write, boxes_xyxy, picture, Window(SIDE, MARGIN, square=False))
    return within(write, maps, seen, wanted, SIDE)


def _looked(write: OnnxWriter, net: MaskNet, boxes_xyxy: str, *, branching: bool) -> str:
    """Give the network its crops, under the name of its input; the rectangles that they show."""
    window = net.window
    seen = window_of(write, boxes_xyxy, PICTURE.name, window)
    cut = aligned_crops if branching else partial(crops, beyond="zeros")
    pixels = cut(write, PICTURE.name, seen, window.side // 2 if window.halved else window.side)
    if window.halved:
        pixels = write.node("Resize", [pixels, "", write.floats(1.0, 1.0, 2.0, 2.0)], mode="linear")
    _given(write, net, pixels)
    return seen


def _given(write: OnnxWriter, net: MaskNet, pixels: str) -> None:
    """Crops [K, 3, side, side], 0-1, as the network is given them."""
    if net.mean != (0.0, 0.0, 0.0):
        pixels = write.node("Sub", [pixels, write.constant(np.asarray(net.mean, np.float32).reshape(1, 3, 1, 1))])
    if net.std != (1.0, 1.0, 1.0):
        pixels = write.node("Mul", [pixels, write.constant(1 / np.asarray(net.std, np.float32).reshape(1, 3, 1, 1))])
    given = net.model.graph.input[0].name
    if net.channels_last:
        write.node("Transpose", [pixels], output=given, perm=[0, 2, 3, 1])
    else:
        write.node("Identity", [pixels], output=given)


def crop_graph(net: MaskNet) -> onnx.ModelProto:
    """picture, boxes_xyxy -> what the network is given; for calibration."""
    write = OnnxWriter()
    side = net.window.side
    _looked(write, net, BOXES.name, branching=True)
    axes = ("boxes", side, side, 3) if net.channels_last else ("boxes", 3, side, side)
    return write.model("crops", [PICTURE, BOXES], [TensorSpec(net.model.graph.input[0].name, "float32", axes)])


def _both(write: OnnxWriter, person: MaskNet, thing: MaskNet, is_person: str) -> str:
    sides = [_logits(write, net, BOXES.name, branching=False) for net in (person, thing)]
    return write.node("Where", [write.node("Unsqueeze", [is_person, write.ints(1, 2, 3)]), *sides])


def _branched(write: OnnxWriter, person: MaskNet, thing: MaskNet, is_person: str) -> str:
    """ONNX Runtime refuses an empty batch inside a network, hence If."""
    count = write.node("Shape", [BOXES.name], start=0, end=1)
    shape = write.node("Concat", [count, write.ints(1, SIDE, SIDE)], axis=0)
    maps = write.node("Expand", [write.scalar(0.0), shape])
    for name, net, chosen in (
        ("person", person, is_person),
        ("thing", thing, write.node("Not", [is_person])),
    ):
        rows = write.node("Transpose", [write.node("NonZero", [chosen])], perm=[1, 0])
        some = write.node("Greater", [write.node("Size", [rows]), write.constant(np.int64(0))])
        maps = write.node(
            "If",
            [some],
            then_branch=_body(f"branch_{name}/", partial(_filled, net, rows, maps)),
            else_branch=_body(f"branch_no_{name}/", partial(_unchanged, maps)),
        )
    return maps


def _filled(net: MaskNet, rows: str, maps: str, inner: OnnxWriter) -> str:
    """`maps` with the network's answers at `rows` [n, 1]."""
    boxes = inner.node("GatherND", [BOXES.name, rows])
    return inner.node("ScatterND", [maps, rows, _logits(inner, net, boxes, branching=True)])


def _unchanged(maps: str, inner: OnnxWriter) -> str:
    return inner.node("Identity", [maps])


def _body(prefix: str, fill: Callable[[OnnxWriter], str]) -> onnx.GraphProto:
    inner = OnnxWriter(prefix)
    made = fill(inner)
    output = helper.make_tensor_value_info(made, TYPES["float32"], [f"{prefix}boxes", 1, SIDE, SIDE])
    return helper.make_graph(inner.nodes, prefix.strip("/"), [], [output], inner.weights)


def _quality(write: OnnxWriter, logits: str) -> None:
    """The mean probability over the mask: how sure the network is of what it calls the instance."""
    sure = write.node("Sigmoid", [logits])
    inside = write.cast(write.node("Greater", [logits, write.scalar(0.0)]), "float32")
    total = write.node("ReduceSum", [write.node("Mul", [sure, inside]), write.ints(1, 2)], keepdims=0)
    area = write.node("ReduceSum", [inside, write.ints(1, 2)], keepdims=0)
    write.node("Div", [total, write.node("Max", [area, write.scalar(1.0)])], output="quality")
