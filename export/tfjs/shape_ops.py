"""Operators that move numbers: shapes, joins, parts, gathers, paddings."""

from __future__ import annotations

import numpy as np

from edgecap.export.tfjs.conversion import Conversion, first_axes
from edgecap.export.tfjs.model import TfjsNode

_END = int(np.iinfo(np.int64).max)


def passed_on(to: Conversion, node: TfjsNode) -> None:
    """Identity."""
    to.put_same(node, node.inputs[0])


def transpose(to: Conversion, node: TfjsNode) -> None:
    """A constant order of axes; one that only changes how a picture is held costs nothing."""
    order, held = [int(axis) for axis in to.known(node, 1)], to.held(node.inputs[0])
    if held.channels_first:
        order = first_axes(order)
    if len(order) == 4 and [order[i] for i in (0, 3, 1, 2)] == [0, 1, 2, 3]:
        to.put(node, held.name, channels_first=True)
    elif order == list(range(len(order))):
        to.put(node, held.name)
    else:
        to.put(node, to.writer.node("Transpose", [held.name], perm=order))


def reshape(to: Conversion, node: TfjsNode) -> None:
    """To a constant or computed shape."""
    to.put(node, to.writer.node("Reshape", [to.plain(node.inputs[0]), to.whole(node.inputs[1])]))


def concat(to: Conversion, node: TfjsNode) -> None:
    """ConcatV2: the last input is the axis."""
    axis, joined = int(to.known(node, len(node.inputs) - 1)), node.inputs[:-1]
    first = to.all_first(joined)
    names = [to.first(tensor) if first else to.plain(tensor) for tensor in joined]
    to.put(node, to.writer.node("Concat", names, axis=first_axes([axis])[0] if first else axis), channels_first=first)


def pad(to: Conversion, node: TfjsNode) -> None:
    """Pad with zeros, PadV2 with a number, MirrorPad with the picture itself."""
    amounts = to.known(node, 1)
    first = to.is_first(node.inputs[0]) or (len(amounts) == 4 and not amounts[[0, 3]].any())
    value = float(to.known(node, 2)) if node.op == "PadV2" else 0.0
    mode = "constant" if node.op != "MirrorPad" else node.get("mode", "REFLECT").lower()
    if mode == "symmetric":
        to.refuse(node, "mode SYMMETRIC is not covered")
    if first:
        amounts = amounts[[0, 3, 1, 2]]
    inputs = [to.first(node.inputs[0]) if first else to.plain(node.inputs[0])]
    inputs.append(to.writer.ints(*(int(one) for one in amounts.T.reshape(-1))))
    if mode == "constant":
        inputs.append(to.writer.scalar(value))
    to.put(node, to.writer.node("Pad", inputs, mode=mode), channels_first=first)


def shape(to: Conversion, node: TfjsNode) -> None:
    """Shape and Size, int32."""
    made = to.writer.node(node.op, [to.plain(node.inputs[0])])
    to.put(node, to.writer.cast(made, "int32"))


def expand_dims(to: Conversion, node: TfjsNode) -> None:
    """A new axis of size 1."""
    axes = to.writer.ints(*(int(axis) for axis in np.atleast_1d(to.known(node, 1))))
    to.put(node, to.writer.node("Unsqueeze", [to.plain(node.inputs[0]), axes]))


def squeeze(to: Conversion, node: TfjsNode) -> None:
    """Without the named axes of size 1, or without all of them."""
    axes = node.get("squeeze_dims") or []
    to.put(node, to.writer.node("Squeeze", [to.plain(node.inputs[0]), *([to.writer.ints(*axes)] if axes else [])]))


def pack(to: Conversion, node: TfjsNode) -> None:
    """Tensors of one shape along a new axis."""
    axis = node.get("axis", 0)
    parts = [to.writer.node("Unsqueeze", [to.plain(tensor), to.writer.ints(axis)]) for tensor in node.inputs]
    to.put(node, to.writer.node("Concat", parts, axis=axis))


def unpack(to: Conversion, node: TfjsNode) -> None:
    """The tensors along an axis, each without it."""
    axis, count, source = node.get("axis", 0), node.get("num"), to.plain(node.inputs[0])
    parts = (
        [source] if count == 1 else to.writer.node_of("Split", [source], outputs=count, axis=axis, num_outputs=count)
    )
    for index, part in enumerate(parts):
        to.put(node, to.writer.node("Squeeze", [part, to.writer.ints(axis)]), output=index)


def split(to: Conversion, node: TfjsNode) -> None:
    """Split (axis, tensor) into equal parts; SplitV (tensor, sizes, axis) into parts of given sizes."""
    equal = node.op == "Split"
    axis = int(to.known(node, 0 if equal else 2))
    source = node.inputs[1 if equal else 0]
    first = to.is_first(source)
    name, axis = (to.first(source), first_axes([axis])[0]) if first else (to.plain(source), axis)
    if equal:
        count = node.get("num_split")
        parts = to.writer.node_of("Split", [name], outputs=count, axis=axis, num_outputs=count)
    else:
        sizes = [int(size) for size in to.known(node, 1)]
        parts = to.writer.node_of("Split", [name, to.writer.ints(*sizes)], outputs=len(sizes), axis=axis)
    for index, part in enumerate(parts):
        to.put(node, part, channels_first=first, output=index)


def top_k(to: Conversion, node: TfjsNode) -> None:
    """TopKV2: values and int32 indices over the last axis."""
    count = to.writer.ints(int(to.known(node, 1)))
    values, indices = to.writer.node_of("TopK", [to.plain(node.inputs[0]), count], outputs=2, axis=-1)
    to.put(node, values)
    to.put(node, to.writer.cast(indices, "int32"), output=1)


def arg_max(to: Conversion, node: TfjsNode) -> None:
    """Index of the largest along a constant axis; the first of equal ones."""
    axis = int(to.known(node, 1))
    found = to.writer.node("ArgMax", [to.plain(node.inputs[0])], axis=axis, keepdims=0)
    wide = node.get("output_type", "DT_INT64") == "DT_INT64"
    to.put(node, found if wide else to.writer.cast(found, "int32"))


def gather(to: Conversion, node: TfjsNode) -> None:
    """GatherV2 along a constant axis, and GatherNd."""
    if node.op == "GatherNd":
        made = to.writer.node("GatherND", [to.plain(node.inputs[0]), to.whole(node.inputs[1])])
    else:
        if node.get("batch_dims", 0):
            to.refuse(node, "batch_dims other than 0 is not covered")
        names = [to.plain(tensor) for tensor in node.inputs[:2]]
        made = to.writer.node("Gather", names, axis=int(to.known(node, 2)))
    to.put(node, made)


def tile(to: Conversion, node: TfjsNode) -> None:
    """Repeated along each axis."""
    to.put(node, to.writer.node("Tile", [to.plain(node.inputs[0]), to.whole(node.inputs[1])]))


def fill(to: Conversion, node: TfjsNode) -> None:
    """A computed shape full of one number."""
    to.put(node, to.writer.node("Expand", [to.plain(node.inputs[1]), to.whole(node.inputs[0])]))


def part(to: Conversion, node: TfjsNode) -> None:
    """Slice: constant begin and size per axis, -1 = to the end."""
    begin, size = to.known(node, 1).astype(np.int64), to.known(node, 2).astype(np.int64)
    end = np.where(size < 0, _END, begin + size)
    to.put(
        node, to.writer.node("Slice", [to.plain(node.inputs[0]), to.writer.constant(begin), to.writer.constant(end)])
    )


def strided_part(to: Conversion, node: TfjsNode) -> None:
    """StridedSlice with constant limits; an ellipsis or new axes beside dropped ones are refused."""
    begin, end, step = (to.known(node, index) for index in (1, 2, 3))
    mask = {kind: node.get(f"{kind}_mask", 0) for kind in ("begin", "end", "shrink_axis", "ellipsis", "new_axis")}
    if mask["ellipsis"] or (mask["new_axis"] and mask["shrink_axis"]):
        to.refuse(node, "an ellipsis, or new axes beside dropped ones, are not covered")
    limits: list[tuple[int, int, int, int]] = []  # start, end, axis, step, as ONNX's Slice takes them
    dropped, added = list[int](), list[int]()
    for index in range(len(begin)):
        if mask["new_axis"] >> index & 1:
            added.append(index)
            continue
        axis, first, last, by = len(limits), int(begin[index]), int(end[index]), int(step[index])
        if mask["shrink_axis"] >> index & 1:
            last = first + 1 if first != -1 else _END
            dropped.append(axis)
        else:
            first = (0 if by > 0 else _END) if mask["begin"] >> index & 1 else first
            last = (_END if by > 0 else -_END) if mask["end"] >> index & 1 else last
        limits.append((first, last, axis, by))
    name, write = to.plain(node.inputs[0]), to.writer
    if limits:
        name = write.node("Slice", [name, *(write.ints(*column) for column in zip(*limits, strict=True))])
    if dropped:
        name = write.node("Squeeze", [name, write.ints(*dropped)])
    if added:
        name = write.node("Unsqueeze", [name, write.ints(*added)])
    to.put(node, name)


def depth_to_space(to: Conversion, node: TfjsNode) -> None:
    """Channels into blocks of pixels."""
    made = to.writer.node("DepthToSpace", [to.first(node.inputs[0])], blocksize=node.get("block_size"), mode="DCR")
    to.put(node, made, channels_first=True)


SHAPE_OPS = {
    **dict.fromkeys(("Identity", "StopGradient"), passed_on),
    **dict.fromkeys(("Pad", "PadV2", "MirrorPad"), pad),
    **dict.fromkeys(("Shape", "Size"), shape),
    **dict.fromkeys(("Split", "SplitV"), split),
    **dict.fromkeys(("GatherV2", "GatherNd"), gather),
    "Transpose": transpose,
    "Reshape": reshape,
    "ConcatV2": concat,
    "ExpandDims": expand_dims,
    "Squeeze": squeeze,
    "Pack": pack,
    "Unpack": unpack,
    "TopKV2": top_k,
    "ArgMax": arg_max,
    "Tile": tile,
    "Fill": fill,
    "Slice": part,
    "StridedSlice": strided_part,
    "DepthToSpace": depth_to_space,
}
