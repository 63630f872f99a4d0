"""The operators of pictures [B, H, W, C] in NumPy: convolutions, pooling, resizing, padding. See `replay.py`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from edgecap.export.tfjs.model import TfjsNode

Array = NDArray[Any]
Values = Sequence[Array]


def activated(node: TfjsNode, value: Array, extra: Values) -> Array:
    """Bias and activation that are fused into a node; `extra`: its inputs behind the weights."""
    rest = list(extra)
    for fused in node.get("fused_ops") or []:
        if fused in ("BiasAdd", "Prelu"):
            given = rest.pop(0)
            value = value + given if fused == "BiasAdd" else np.where(value > 0, value, value * given)
        elif fused == "Relu6":
            value = np.clip(value, 0, 6)
        elif fused == "Relu":
            value = np.maximum(value, 0)
        elif fused == "Sigmoid":
            value = 0.5 * (1 + np.tanh(0.5 * value))
        elif fused == "Elu":
            value = np.where(value > 0, value, np.expm1(np.minimum(value, 0)))
        elif fused == "LeakyRelu":
            value = np.where(value > 0, value, value * np.float32(node.get("leakyrelu_alpha", 0.2)))
        else:
            raise NotImplementedError(fused)
    return np.asarray(value)


def _windows(node: TfjsNode, picture: Array, kernel: Sequence[int], fill: float) -> Array:
    """Every window of a picture: [B, out_h, out_w, C, kernel_h, kernel_w]."""
    strides = node.get("strides")[1:3]
    dilations = (node.get("dilations") or [1, 1, 1, 1])[1:3]
    spans = [(size - 1) * dilation + 1 for size, dilation in zip(kernel, dilations, strict=True)]
    amounts = [(0, 0)] * 4
    if node.get("padding") == "EXPLICIT":
        spare = node.get("explicit_paddings")
        amounts = [(spare[2 * axis], spare[2 * axis + 1]) for axis in range(4)]
    elif node.get("padding") == "SAME":
        for axis, (span, stride) in enumerate(zip(spans, strides, strict=True), start=1):
            size = picture.shape[axis]
            total = max((int(np.ceil(size / stride)) - 1) * stride + span - size, 0)
            amounts[axis] = (total // 2, total - total // 2)
    padded = np.pad(picture, amounts, constant_values=fill)
    found = sliding_window_view(padded, tuple(spans), axis=(1, 2))[:, :: strides[0], :: strides[1]]
    return found[..., :: dilations[0], :: dilations[1]]


def _conv(node: TfjsNode, x: Values) -> Array:
    found = _windows(node, x[0], x[1].shape[:2], 0.0)
    return activated(node, np.tensordot(found, x[1], axes=([4, 5, 3], [0, 1, 2])), x[2:])


def _depthwise(node: TfjsNode, x: Values) -> Array:
    found = _windows(node, x[0], x[1].shape[:2], 0.0)
    made = np.einsum("bhwcij,ijcm->bhwcm", found, x[1], optimize=True)
    return activated(node, made.reshape(*made.shape[:3], -1), x[2:])


def _transposed_conv(node: TfjsNode, x: Values) -> Array:
    """Every input pixel spreads the kernel over the output: the gradient of a convolution."""
    (_, high, wide, _), weight, picture = (int(one) for one in x[0]), x[1], x[2]
    step_y, step_x = node.get("strides")[1:3]
    kernel_y, kernel_x = weight.shape[:2]
    rows, columns = picture.shape[1:3]
    same = node.get("padding") == "SAME"
    top = max((rows - 1) * step_y + kernel_y - high, 0) // 2 if same else 0
    left = max((columns - 1) * step_x + kernel_x - wide, 0) // 2 if same else 0
    whole = np.zeros((len(picture), high + kernel_y + step_y, wide + kernel_x + step_x, weight.shape[2]), np.float32)
    for y in range(kernel_y):
        for x_ in range(kernel_x):
            spread = picture @ weight[y, x_].T
            whole[:, y : y + rows * step_y : step_y, x_ : x_ + columns * step_x : step_x][:, :rows, :columns] += spread
    return np.asarray(whole[:, top : top + high, left : left + wide])


def _pooled(node: TfjsNode, x: Values) -> Array:
    kernel = node.get("ksize")[1:3]
    if node.op == "MaxPool":
        return np.asarray(_windows(node, x[0], kernel, -np.inf).max((4, 5)))
    count = _windows(node, np.ones_like(x[0]), kernel, 0.0).sum((4, 5))
    return np.asarray(_windows(node, x[0], kernel, 0.0).sum((4, 5)) / count)


def _resized(node: TfjsNode, x: Values) -> Array:
    value = x[0]
    for axis, size in ((1, int(x[1][0])), (2, int(x[1][1]))):
        value = _resized_along(node, value, axis=axis, size=size)
    return value


def _resized_along(node: TfjsNode, value: Array, *, axis: int, size: int) -> Array:
    held, places = value.shape[axis], np.arange(size, dtype=np.float64)
    corners, centres = node.get("align_corners", False), node.get("half_pixel_centers", False)
    if corners and size > 1:
        at = places * (held - 1) / (size - 1)
    else:
        at = (places + 0.5) * held / size - 0.5 if centres else places * held / size
    if node.op == "ResizeNearestNeighbor":
        near = np.floor(at + 0.5) if corners or centres else np.floor(at)
        return np.asarray(np.take(value, np.clip(near, 0, held - 1).astype(int), axis))
    at = np.clip(at, 0, held - 1)
    low = np.floor(at).astype(int)
    shape = [1] * value.ndim
    shape[axis] = size
    share = (at - low).astype(np.float32).reshape(shape)
    high = np.take(value, np.minimum(low + 1, held - 1), axis)
    return np.asarray(np.take(value, low, axis) * (1 - share) + high * share)


def _padded(node: TfjsNode, x: Values) -> Array:
    amounts = [(int(a), int(b)) for a, b in x[1]]
    if node.op == "MirrorPad":
        return np.pad(x[0], amounts, mode="reflect")
    return np.pad(x[0], amounts, constant_values=float(x[2]) if node.op == "PadV2" else 0.0)


def _depth_to_space(node: TfjsNode, x: Values) -> Array:
    (batch, high, wide, channels), block = x[0].shape, node.get("block_size")
    parts = x[0].reshape(batch, high, wide, block, block, channels // block**2)
    return parts.transpose(0, 1, 3, 2, 4, 5).reshape(batch, high * block, wide * block, -1)


PICTURE_OPERATORS: Mapping[str, Callable[[TfjsNode, Values], Any]] = {
    **dict.fromkeys(("Conv2D", "_FusedConv2D"), _conv),
    **dict.fromkeys(("DepthwiseConv2dNative", "FusedDepthwiseConv2dNative"), _depthwise),
    "Conv2DBackpropInput": _transposed_conv,
    **dict.fromkeys(("MaxPool", "AvgPool"), _pooled),
    **dict.fromkeys(("ResizeBilinear", "ResizeNearestNeighbor"), _resized),
    **dict.fromkeys(("Pad", "PadV2", "MirrorPad"), _padded),
    "DepthToSpace": _depth_to_space,
}
