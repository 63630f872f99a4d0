"""MoveNet (single pose) on boxes: crops of the picture, one after another, through the network; one graph.

images uint8 [1, 3, H, W] RGB, boxes_xyxy float32 [K, 4] relative -> keypoints_xy float32 [K, 17, 2] relative to the
picture, scores float32 [K, 17]. The network itself gives y, x, score of a square crop.
"""

from __future__ import annotations

import numpy as np
import onnx

from edgecap.engines.errors import CheckpointError
from edgecap.engines.graph.spec import TensorSpec
from edgecap.export.onnx.scan_over_batch import one_by_one
from edgecap.export.tfjs.convert import convert
from edgecap.export.tfjs.model import TfjsModel
from edgecap.export.tfjs.onnx_writer import OnnxWriter
from edgecap.export.tfjs.roles.crops import Window, crops, size_of, window_of

KEYPOINTS = (
    "nose", "left eye", "right eye", "left ear", "right ear", "left shoulder", "right shoulder", "left elbow",
    "right elbow", "left wrist", "right wrist", "left hip", "right hip", "left knee", "right knee", "left ankle",
    "right ankle",
)  # fmt: skip
"""COCO's order, which MoveNet keeps."""
MARGIN = 0.12
"""Around the box, then made square: limbs must not touch the crop's border."""
IMAGES = TensorSpec("images", "uint8", (1, 3, "height", "width"))
BOXES = TensorSpec("boxes_xyxy", "float32", ("boxes", 4))
OUTPUTS = (
    TensorSpec("keypoints_xy", "float32", ("boxes", len(KEYPOINTS), 2)),
    TensorSpec("scores", "float32", ("boxes", len(KEYPOINTS))),
)
_PREFIX = "pose_net/"


def pose_net(model: TfjsModel) -> tuple[onnx.ModelProto, int]:
    """The network on one crop int32 [1, S, S, 3], and S. Raises `CheckpointError` for other inputs or outputs."""
    made = convert(model, prefix=_PREFIX)
    shapes = [[dim.dim_value for dim in v.type.tensor_type.shape.dim] for v in (*made.graph.input, *made.graph.output)]
    side = shapes[0][1] if shapes and len(shapes[0]) == 4 else 0
    if shapes != [[1, side, side, 3], [1, 1, len(KEYPOINTS), 3]]:
        raise CheckpointError(
            f"{model.path}: is not a MoveNet: expected a picture [1, S, S, 3] and keypoints [1, 1, 17, 3], got {shapes}"
        )
    return made, side


def crop_graph(side: int) -> onnx.ModelProto:
    """images, boxes_xyxy -> what the network is given, int32 [K, S, S, 3]; for calibration."""
    write = OnnxWriter()
    _crops(write, side, "crops")
    return write.model("crops", [IMAGES, BOXES], [TensorSpec("crops", "int32", ("boxes", side, side, 3))])


def pose_graph(net: onnx.ModelProto, side: int) -> onnx.ModelProto:
    """`net`: `pose_net`'s, or a lower precision of it."""
    write = OnnxWriter()
    each = one_by_one(net)
    seen = _crops(write, side, each.graph.input[0].name)
    write.include(each)
    points = write.node("Squeeze", [each.graph.output[0].name, write.ints(1)])  # [K, 17, 3]: y, x, score
    low = write.slice(seen, 0, 2, axis=1)
    span = write.node("Sub", [write.slice(seen, 2, 4, axis=1), low])
    places = write.node("Gather", [points, write.ints(1, 0)], axis=2)
    pixels = write.node("Mul", [places, write.node("Unsqueeze", [span, write.ints(1)])])
    pixels = write.node("Add", [pixels, write.node("Unsqueeze", [low, write.ints(1)])])
    sides = write.node("Concat", list(size_of(write, "images")), axis=0)
    write.node("Div", [pixels, sides], output="keypoints_xy")
    write.node("Gather", [points, write.constant(np.int64(2))], output="scores", axis=2)
    return write.model("pose", [IMAGES, BOXES], OUTPUTS)


def _crops(write: OnnxWriter, side: int, output: str) -> str:
    """Writes the crops under `output`; the name of their rectangles in pixels."""
    window = Window(side, MARGIN, square=True)
    seen = window_of(write, BOXES.name, "images", window)
    pixels = write.node("Round", [crops(write, write.cast("images", "float32"), seen, side)])
    write.node("Transpose", [write.cast(pixels, "int32")], output=output, perm=[0, 2, 3, 1])
    return seen
