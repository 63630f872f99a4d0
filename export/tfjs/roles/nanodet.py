"""NanoDet's network as the detector contract of a pack: pixels in, the best boxes with their probabilities out.

In: a converted NanoDet (RangiLyu/nanodet, Apache-2.0). Out: one graph: images uint8 [B, 3, H, W] RGB -> boxes_xyxy
float32 [B, N, 4] relative, scores float32 [B, N], class_ids int64 [B, N].

A side's distance is the mean of a softmax over 11 bins (Generalized Focal Loss, Li et al. 2020, arXiv 2006.04388), in
strides of 8, 16 and 32 pixels from the centre of a cell.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import onnx

from edgecap.engines.errors import CheckpointError
from edgecap.engines.graph.spec import TensorSpec
from edgecap.export.tfjs.convert import convert
from edgecap.export.tfjs.free_axes import free_axes
from edgecap.export.tfjs.model import TfjsModel
from edgecap.export.tfjs.onnx_writer import OnnxWriter

BINS = 11
BOXES = 100
"""Best boxes of a picture that the graph gives."""
MEAN_BGR = (103.53, 116.28, 123.675)
STD_BGR = (57.375, 57.12, 58.395)
"""ImageNet's, as NanoDet's training configuration states them."""
OUTPUTS = (
    TensorSpec("boxes_xyxy", "float32", ("batch", BOXES, 4)),
    TensorSpec("scores", "float32", ("batch", BOXES)),
    TensorSpec("class_ids", "int64", ("batch", BOXES)),
)
IMAGES = TensorSpec("images", "uint8", ("batch", 3, "height", "width"))
_PREFIX = "net/"


@dataclass(frozen=True, slots=True)
class ScoreScale:
    """From a network's score to the probability that the box is right (Platt 1999): the logit times `slope` plus
    `offset`. (1, 0) leaves scores as they are."""

    slope: float = 1.0
    offset: float = 0.0


@dataclass(frozen=True, slots=True)
class _Level:
    """One of the three maps: names of its outputs [B, cells, classes] and [B, cells, 4 * BINS]."""

    stride: int
    classes: str
    distances: str


def network(model: TfjsModel) -> tuple[onnx.ModelProto, tuple[_Level, ...], int]:
    """The bare network with free batch, height and width; its levels; how many classes it knows.

    Raises `CheckpointError` where the model's outputs are not NanoDet's.
    """
    made = convert(model, prefix=_PREFIX)
    shape = [dim.dim_value for dim in made.graph.input[0].type.tensor_type.shape.dim]
    sizes = {
        output.name: tuple(dim.dim_value for dim in output.type.tensor_type.shape.dim) for output in made.graph.output
    }
    levels, widths = [], set()
    for stride in (8, 16, 32):
        cells = (shape[2] // stride) * (shape[3] // stride) if len(shape) == 4 else 0
        here = [(name, size[2]) for name, size in sizes.items() if len(size) == 3 and size[1] == cells]
        distances = [name for name, width in here if width == 4 * BINS]
        classes = [(name, width) for name, width in here if width != 4 * BINS]
        if len(distances) != 1 or len(classes) != 1:
            raise CheckpointError(
                f"{model.path}: is not a NanoDet: expected classes and {4 * BINS} distances per cell at strides 8, 16 "
                f"and 32, got outputs {', '.join(f'{name} {list(size)}' for name, size in sizes.items())}"
            )
        levels.append(_Level(stride, classes[0][0], distances[0]))
        widths.add(classes[0][1])
    free = free_axes(made, {0: "batch", 2: "height", 3: "width"})
    return free, tuple(levels), widths.pop()


def detector_graph(model: TfjsModel, *, scale: ScoreScale) -> onnx.ModelProto:
    """The whole detector. Raises as `network` and `convert` do."""
    net, levels, _ = network(model)
    write = OnnxWriter()
    pixels = write.node("Gather", [write.cast("images", "float32"), write.ints(2, 1, 0)], axis=1)
    mean = write.constant(np.asarray(MEAN_BGR, np.float32).reshape(1, 3, 1, 1))
    std = write.constant((1 / np.asarray(STD_BGR, np.float32)).reshape(1, 3, 1, 1))
    write.node("Mul", [write.node("Sub", [pixels, mean]), std], output=net.graph.input[0].name)
    write.include(net)
    shape = write.node("Shape", ["images"])
    height, width = (write.slice(shape, axis, axis + 1, axis=0) for axis in (2, 3))
    boxes = [_boxes(write, level, height, width) for level in levels]
    scores = [write.node("ReduceMax", [level.classes, write.ints(2)], keepdims=0) for level in levels]
    ids = [write.node("ArgMax", [level.classes], axis=2, keepdims=0) for level in levels]
    all_boxes, all_scores, all_ids = (write.node("Concat", parts, axis=1) for parts in (boxes, scores, ids))
    best, chosen = write.node_of("TopK", [all_scores, write.ints(BOXES)], outputs=2, axis=1)
    write.node("GatherElements", [all_ids, chosen], output="class_ids", axis=1)
    places = write.node("Expand", [write.node("Unsqueeze", [chosen, write.ints(2)]), write.ints(1, 1, 4)])
    corners = write.node("GatherElements", [all_boxes, places], axis=1)
    sides = write.cast(write.node("Concat", [width, height, width, height], axis=0), "float32")
    write.node("Div", [corners, sides], output="boxes_xyxy")
    _probabilities(write, best, scale)
    return write.model("detector", [IMAGES], OUTPUTS)


def _boxes(write: OnnxWriter, level: _Level, height: str, width: str) -> str:
    """Boxes of every cell in pixels: [B, cells, 4]."""
    bins = write.node("Softmax", [write.node("Reshape", [level.distances, write.ints(0, -1, 4, BINS)])], axis=-1)
    reach = write.constant((np.arange(BINS, dtype=np.float32) * level.stride).reshape(BINS, 1))
    distances = write.node("Squeeze", [write.node("MatMul", [bins, reach]), write.ints(3)])
    columns = write.node("Div", [width, write.ints(level.stride)])
    rows = write.node("Div", [height, write.ints(level.stride)])
    count = write.node("Squeeze", [write.node("Mul", [columns, rows])])
    cells = write.node("Range", [write.constant(np.int64(0)), count, write.constant(np.int64(1))])
    centres = []
    for place in (write.node("Mod", [cells, columns]), write.node("Div", [cells, columns])):
        middle = write.node("Add", [write.cast(place, "float32"), write.floats(0.5)])
        middle = write.node("Mul", [middle, write.floats(float(level.stride))])
        centres.append(write.node("Unsqueeze", [middle, write.ints(1)]))
    centre = write.node("Concat", centres, axis=1)
    low = write.node("Sub", [centre, write.slice(distances, 0, 2, axis=2)])
    high = write.node("Add", [centre, write.slice(distances, 2, 4, axis=2)])
    return write.node("Concat", [low, high], axis=2)


def _probabilities(write: OnnxWriter, best: str, scale: ScoreScale) -> None:
    if scale == ScoreScale():
        write.node("Identity", [best], output="scores")
        return
    clipped = write.node("Clip", [best, write.scalar(1e-6), write.scalar(1 - 1e-6)])
    odds = write.node("Div", [clipped, write.node("Sub", [write.scalar(1.0), clipped])])
    moved = write.node("Mul", [write.node("Log", [odds]), write.scalar(scale.slope)])
    write.node("Sigmoid", [write.node("Add", [moved, write.scalar(scale.offset)])], output="scores")
