"""Convolutions, pooling, resizing, products: the operators that hold a network's work."""

from __future__ import annotations

from typing import Any

import numpy as np

from edgecap.export.tfjs.conversion import Conversion
from edgecap.export.tfjs.model import TfjsNode


def conv(to: Conversion, node: TfjsNode) -> None:
    """Conv2D, DepthwiseConv2dNative and their fused forms. Weights [h, w, in, out], or [h, w, in, multiplier]."""
    if node.get("data_format", "NHWC") != "NHWC":
        to.refuse(node, f"data_format is {node.get('data_format')}; NHWC is covered")
    weight, fused = to.known(node, 1), node.get("fused_ops") or []
    depthwise = "Depthwise" in node.op
    if depthwise:
        height, width, channels, multiplier = weight.shape
        stored = weight.transpose(2, 3, 0, 1).reshape(channels * multiplier, 1, height, width)
    else:
        stored = weight.transpose(3, 2, 0, 1)
    inputs = [to.first(node.inputs[0]), to.writer.constant(stored)]
    if "BiasAdd" in fused:
        inputs.append(to.writer.constant(to.known(node, 2).reshape(-1)))
    dilations = node.get("dilations") or [1, 1, 1, 1]
    made = to.writer.node(
        "Conv",
        inputs,
        strides=node.get("strides")[1:3],
        dilations=dilations[1:3],
        kernel_shape=list(stored.shape[2:]),
        group=weight.shape[2] if depthwise else 1,
        **_padding(to, node),
    )
    to.put(node, _activated(to, node, made, channels_first=True), channels_first=True)


def transposed_conv(to: Conversion, node: TfjsNode) -> None:
    """Conv2DBackpropInput: inputs are the output's shape, weights [h, w, out, in], the picture."""
    weight, stride = to.known(node, 1).transpose(3, 2, 0, 1), node.get("strides")[1:3]
    kernel = list(weight.shape[2:])
    extra: dict[str, Any] = {}
    if node.get("padding") == "SAME":  # the output is stride times the input
        spare = [max(k - s, 0) for k, s in zip(kernel, stride, strict=True)]
        before = [one // 2 for one in spare]
        extra["pads"] = [*before, *(one - b for one, b in zip(spare, before, strict=True))]
        extra["output_padding"] = [max(s - k, 0) for k, s in zip(kernel, stride, strict=True)]
    made = to.writer.node(
        "ConvTranspose",
        [to.first(node.inputs[2]), to.writer.constant(weight)],
        strides=stride,
        kernel_shape=kernel,
        **extra,
    )
    to.put(node, made, channels_first=True)


def pool(to: Conversion, node: TfjsNode) -> None:
    """MaxPool and AvgPool."""
    average = node.op == "AvgPool"
    extra: dict[str, Any] = {"count_include_pad": 0} if average else {}
    made = to.writer.node(
        "AveragePool" if average else "MaxPool",
        [to.first(node.inputs[0])],
        kernel_shape=node.get("ksize")[1:3],
        strides=node.get("strides")[1:3],
        **_padding(to, node),
        **extra,
    )
    to.put(node, made, channels_first=True)


def resize(to: Conversion, node: TfjsNode) -> None:
    """ResizeBilinear and ResizeNearestNeighbor to a height and width."""
    corners, centres = node.get("align_corners", False), node.get("half_pixel_centers", False)
    how: dict[str, Any] = {"coordinate_transformation_mode": "asymmetric"}
    if corners or centres:
        how["coordinate_transformation_mode"] = "align_corners" if corners else "half_pixel"
    how["mode"] = "linear"
    if node.op == "ResizeNearestNeighbor":
        how |= {"mode": "nearest", "nearest_mode": "round_prefer_ceil" if corners or centres else "floor"}
    picture = to.first(node.inputs[0])
    kept = to.writer.slice(to.writer.node("Shape", [picture]), 0, 2, axis=0)
    sizes = to.writer.node("Concat", [kept, to.whole(node.inputs[1])], axis=0)
    to.put(node, to.writer.node("Resize", [picture, "", "", sizes], **how), channels_first=True)


def matrix_product(to: Conversion, node: TfjsNode) -> None:
    """MatMul, BatchMatMulV2 and the fused form."""
    sides = []
    for tensor, flag in zip(node.inputs[:2], ("a", "b"), strict=True):
        turned = node.get(f"transpose_{flag}", False) or node.get(f"adj_{'x' if flag == 'a' else 'y'}", False)
        if turned and tensor in to.constants:
            sides.append(to.writer.constant(np.swapaxes(to.constants[tensor], -1, -2)))
        elif turned and node.op != "BatchMatMulV2":
            sides.append(to.writer.node("Transpose", [to.plain(tensor)], perm=[1, 0]))
        elif turned:
            to.refuse(node, "a computed side is transposed")
        else:
            sides.append(to.plain(tensor))
    made = to.writer.node("MatMul", sides)
    if "BiasAdd" in (node.get("fused_ops") or []):
        made = to.writer.node("Add", [made, to.plain(node.inputs[2])])
    to.put(node, _activated(to, node, made, channels_first=False))


def _padding(to: Conversion, node: TfjsNode) -> dict[str, Any]:
    padding = node.get("padding")
    if padding == "SAME":
        return {"auto_pad": "SAME_UPPER"}
    if padding == "EXPLICIT":
        spare = node.get("explicit_paddings")  # (before, after) of B, H, W, C
        return {"pads": [spare[2], spare[4], spare[3], spare[5]]}
    if padding != "VALID":
        to.refuse(node, f"padding is {padding!r}; SAME, VALID and EXPLICIT are covered")
    return {}


def _activated(to: Conversion, node: TfjsNode, name: str, *, channels_first: bool) -> str:
    """The activation that is fused into a node, after its bias."""
    for fused in node.get("fused_ops") or []:
        if fused == "BiasAdd":
            continue
        if fused == "Prelu":
            slope = node.inputs[3]
            name = to.writer.node("PRelu", [name, to.first(slope) if channels_first else to.plain(slope)])
        elif fused == "Relu6":
            name = to.writer.node("Clip", [name, to.writer.scalar(0), to.writer.scalar(6)])
        elif fused == "LeakyRelu":
            name = to.writer.node("LeakyRelu", [name], alpha=node.get("leakyrelu_alpha", 0.2))
        elif fused in ("Relu", "Elu", "Sigmoid", "Tanh"):
            name = to.writer.node(fused, [name])
        else:
            to.refuse(node, f"the fused operator {fused} is not covered")
    return name


LAYER_OPS = {
    **dict.fromkeys(("Conv2D", "_FusedConv2D", "DepthwiseConv2dNative", "FusedDepthwiseConv2dNative"), conv),
    "Conv2DBackpropInput": transposed_conv,
    **dict.fromkeys(("MaxPool", "AvgPool"), pool),
    **dict.fromkeys(("ResizeBilinear", "ResizeNearestNeighbor"), resize),
    **dict.fromkeys(("MatMul", "_FusedMatMul", "BatchMatMulV2"), matrix_product),
}
