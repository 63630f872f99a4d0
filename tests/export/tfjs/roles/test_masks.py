"""Crops inside the graph, masks laid over boxes, the choice by class, and the roles that are made of them."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import onnx
import pytest
from numpy.typing import NDArray

from edgecap.engines.errors import CheckpointError
from edgecap.engines.graph.letterbox import enlarge_boxes
from edgecap.engines.graph.spec import TensorSpec
from edgecap.engines.packs.pack import SHIPPED_FOLDER, Pack
from edgecap.export.onnx.graph import open_graph
from edgecap.export.publish.publish import ExportOptions, publish
from edgecap.export.recipes import load_recipe, open_checkpoint
from edgecap.export.specimens.tfjs import TfjsWriter
from edgecap.export.tfjs.convert import convert
from edgecap.export.tfjs.free_axes import free_axes
from edgecap.export.tfjs.model import TfjsModel
from edgecap.export.tfjs.onnx_writer import OnnxWriter
from edgecap.export.tfjs.roles.crops import Window, crops, window_of
from edgecap.export.tfjs.roles.masks import BOXES as BOX_INPUT
from edgecap.export.tfjs.roles.masks import (
    MARGIN,
    OUTSIDE,
    PICTURE,
    SIDE,
    MaskNet,
    crop_graph,
    decoder_graph,
    outside_prior,
)
from edgecap.export.tfjs.roles.person_mask import person_net
from edgecap.export.tfjs.roles.pose import crop_graph as pose_crops
from edgecap.export.tfjs.roles.pose import pose_graph, pose_net
from edgecap.runtime.config import make_config
from edgecap.runtime.data.frame import Frame
from edgecap.runtime.perceive.pose import PoseEstimator
from edgecap.runtime.perceive.segmenter import Segmenter
from edgecap.runtime.pipeline.open import build_stages

Array = NDArray[Any]
RED, GREEN = 0, 1


def channel_net(folder: Path, channel: int, *, side: int = 32) -> TfjsModel:
    """A "person mask" that is as sure as a channel is bright: sigmoid(20 x - 10)."""
    writer = TfjsWriter()
    writer.placeholder("pixels", (1, side, side, 3))
    kernel = np.zeros((1, 1, 3, 1))
    kernel[0, 0, channel, 0] = 20
    writer.node("Conv2D", "c", ["pixels", writer.constant("w", kernel)], strides=[1, 1, 1, 1], padding="SAME")
    writer.node("AddV2", "a", ["c", writer.constant("b", np.array([-10.0]))])
    writer.node("Sigmoid", "probability", ["a"])
    return TfjsModel.open(writer.save(folder / f"mask{channel}.json", ["probability"]))


def thing(folder: Path) -> MaskNet:
    made = convert(channel_net(folder, GREEN), prefix="thing/")
    return MaskNet(free_axes(made, {0: "n"}), Window(32, 0.05, square=False), channels_last=True, probabilities=True)


def run(graph: onnx.ModelProto, path: Path, feeds: dict[str, Array]) -> dict[str, Array]:
    onnx.save(graph, str(path))
    session = open_graph(path)
    return dict(zip([o.name for o in session.get_outputs()], session.run(None, feeds), strict=True))


def picture(width: int = 96, height: int = 64) -> Array:
    """A red disc at (30, 30) and a green one at (70, 34), radius 14, on black; float32 [1, 3, H, W]."""
    image = np.zeros((height, width, 3), np.uint8)
    cv2.circle(image, (30, 30), 14, (255, 0, 0), -1)
    cv2.circle(image, (70, 34), 14, (0, 255, 0), -1)
    return (image.transpose(2, 0, 1)[None] / 255).astype(np.float32)


BOXES = np.array([[16 / 96, 16 / 64, 45 / 96, 45 / 64], [56 / 96, 20 / 64, 85 / 96, 49 / 64]], np.float32)


@pytest.mark.parametrize("square", [True, False])
def test_a_crop_is_what_opencv_cuts(square: bool, tmp_path: Path) -> None:
    """By RoiAlign, the picture's own pixels, and zeros beyond it; by GridSample the same but for the border."""
    rng = np.random.default_rng(0)
    smooth = cv2.GaussianBlur(rng.random((64, 96, 3)).astype(np.float32), (0, 0), 3)
    model = convert(channel_net(tmp_path, RED), prefix="n/")
    net = MaskNet(model, Window(32, 0.1, square=square), channels_last=True, probabilities=True)
    boxes = np.array([[0.2, 0.3, 0.5, 0.9], [-0.1, 0.4, 0.3, 1.2]], np.float32)
    feeds = {"picture": np.ascontiguousarray(smooth.transpose(2, 0, 1)[None]), "boxes_xyxy": boxes}
    [got] = run(crop_graph(net), tmp_path / "crop.onnx", feeds).values()
    writer = OnnxWriter()
    seen = window_of(writer, "boxes_xyxy", "picture", net.window)
    writer.node("Identity", [crops(writer, "picture", seen, 32, beyond="zeros")], output="crops")
    sampled = writer.model("crops", [PICTURE, BOX_INPUT], [TensorSpec("crops", "float32", ("boxes", 3, 32, 32))])
    [same] = run(sampled, tmp_path / "sampled.onnx", feeds).values()
    for one, other, box in zip(got, same, boxes * [96, 64, 96, 64], strict=True):
        half = (box[2:] - box[:2]) * 0.6
        half = np.full(2, half.max()) if square else half
        low, step = (box[:2] + box[2:]) / 2 - half, 2 * half / 32
        matrix = np.array([[step[0], 0, low[0] + step[0] / 2 - 0.5], [0, step[1], low[1] + step[1] / 2 - 0.5]])
        flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        wanted = cv2.warpAffine(smooth, matrix, (32, 32), flags=flags, borderMode=cv2.BORDER_REPLICATE)
        x, y = (low[axis] + (np.arange(32) + 0.5) * step[axis] for axis in (0, 1))
        inside = ((x > 0.5) & (x < 95.5))[None] & ((y > 0.5) & (y < 63.5))[:, None]
        beyond = ((x < -1) | (x > 97))[None] | ((y < -1) | (y > 65))[:, None]
        np.testing.assert_allclose(one[inside], wanted[inside], atol=0.02)
        np.testing.assert_allclose(other.transpose(1, 2, 0)[inside], wanted[inside], atol=0.02)
        assert not one[beyond].any() and not other.transpose(1, 2, 0)[beyond].any()


@pytest.mark.parametrize("branching", [True, False])
@pytest.mark.parametrize("ids", [[0, 5], [5, 0], [0, 0], [5, -1]])
def test_the_class_chooses_the_network(ids: list[int], branching: bool, tmp_path: Path) -> None:
    """People are looked for in red, all else in green: only the right class finds its disc."""
    graph = decoder_graph(person_net(channel_net(tmp_path, RED)), thing(tmp_path), branching=branching)
    feeds = {"picture": picture(), "boxes_xyxy": BOXES, "class_ids": np.array(ids)}
    got = run(graph, tmp_path / "d.onnx", feeds)
    assert got["mask_logits"].shape == (2, SIDE, SIDE) and got["quality"].shape == (2,)
    inside = got["mask_logits"][:, SIDE // 2, SIDE // 2] > 0
    assert inside.tolist() == [ids[0] == 0, ids[1] != 0]
    assert (got["quality"] > 0.9).tolist() == inside.tolist()


def test_no_box_gives_no_mask(tmp_path: Path) -> None:
    graph = decoder_graph(person_net(channel_net(tmp_path, RED)), thing(tmp_path))
    empty = {"boxes_xyxy": np.zeros((0, 4), np.float32), "class_ids": np.zeros(0, np.int64)}
    assert run(graph, tmp_path / "d.onnx", {"picture": picture(), **empty})["mask_logits"].shape == (0, SIDE, SIDE)


def test_the_map_covers_the_enlarged_box(tmp_path: Path) -> None:
    graph = decoder_graph(person_net(channel_net(tmp_path, RED)))
    got = run(graph, tmp_path / "d.onnx", {"picture": picture(), "boxes_xyxy": BOXES[:1]})["mask_logits"][0] > 0
    [reach] = enlarge_boxes(BOXES[:1], margin=MARGIN) * [96, 64, 96, 64]
    at = (np.arange(SIDE) + 0.5) / SIDE
    x, y = reach[0] + at * (reach[2] - reach[0]), reach[1] + at * (reach[3] - reach[1])
    wanted = (x[None] - 30.5) ** 2 + (y[:, None] - 30.5) ** 2 < 14**2
    assert (got & wanted).sum() / (got | wanted).sum() > 0.9


def test_beyond_the_box_a_mask_needs_to_be_surer() -> None:
    prior = outside_prior()
    inner = int(np.ceil(SIDE * MARGIN / (1 + 2 * MARGIN)))
    assert not prior[inner:-inner, inner:-inner].any()
    assert 0.8 * OUTSIDE < prior[0, SIDE // 2] <= OUTSIDE and (np.diff(prior[: SIDE // 2, SIDE // 2]) <= 0).all()


def test_another_network_is_no_person_mask(tmp_path: Path) -> None:
    writer = TfjsWriter()
    writer.placeholder("x", (1, 8, 8, 3))
    writer.node("Neg", "y", ["x"])
    with pytest.raises(CheckpointError, match="is not a person mask"):
        person_net(TfjsModel.open(writer.save(tmp_path / "m.json", ["y"])))


def test_the_recipe_makes_a_segmenter_that_the_runtime_opens(tmp_path: Path) -> None:
    recipe = load_recipe("tfjs")
    checkpoint = open_checkpoint(recipe, channel_net(tmp_path, RED).path)
    assert checkpoint.architecture == "PersonMask"
    made = publish(recipe, checkpoint, tmp_path / "pack", ExportOptions(precision="fp32"), say=lambda line: None)
    assert made.role == "segmenter" and set(Pack.open(tmp_path / "pack").spec.twins) == {"segmenter.decoder"}
    pack = Pack.open(tmp_path / "pack")
    spec = pack.spec.segmenter
    assert spec is not None
    stage = Segmenter(spec, pack.open_session(spec.encoder), pack.open_session(spec.decoder))
    image = np.ascontiguousarray((picture(384, 256)[0] * 255).astype(np.uint8).transpose(1, 2, 0))
    box = np.array([[16 / 384, 16 / 256, 45 / 384, 45 / 256]], np.float32)
    masks, quality = stage.masks(Frame(0, 0.0, image), box)
    truth = image[..., 0] > 127
    found = masks[0].full()
    assert (found & truth).sum() / (found | truth).sum() > 0.9 and quality[0] > 0.9


def move_net(folder: Path, *, side: int = 32) -> TfjsModel:
    """A "MoveNet" whose every keypoint is the red centre of mass, score .9: sum(red * place) / sum(red)."""
    writer = TfjsWriter()
    writer.placeholder("pixels", (1, side, side, 3), "DT_INT32")
    writer.node("Cast", "f", ["pixels"], DstT="DT_FLOAT")
    writer.node("Mul", "red", ["f", writer.constant("only_red", np.array([1.0, 0.0, 0.0]))])
    axes = writer.constant("all", [0, 1, 2, 3])
    writer.node("Sum", "total", ["red", axes])
    places = (np.arange(side) + 0.5) / side
    parts = []
    for name, grid in (("y", np.repeat(places[:, None], side, 1)), ("x", np.repeat(places[None], side, 0))):
        writer.node("Mul", f"{name}m", ["red", writer.constant(f"{name}g", grid.reshape(1, side, side, 1))])
        writer.node("Sum", f"{name}s", [f"{name}m", axes])
        parts.append(writer.node("RealDiv", f"{name}c", [f"{name}s", "total"]))
    writer.node("Pack", "point", [*parts, writer.constant("score", np.float32(0.9))], axis=0)
    writer.node("Reshape", "r", ["point", writer.constant("shape", [1, 1, 1, 3])])
    writer.node("Tile", "keypoints", ["r", writer.constant("times", [1, 1, 17, 1])])
    return TfjsModel.open(writer.save(folder / "move.json", ["keypoints"]))


def test_keypoints_come_back_relative_to_the_picture(tmp_path: Path) -> None:
    net, side = pose_net(move_net(tmp_path))
    images = (picture() * 255).astype(np.uint8)
    got = run(pose_graph(net, side), tmp_path / "p.onnx", {"images": images, "boxes_xyxy": BOXES[[0, 0]]})
    assert got["keypoints_xy"].shape == (2, 17, 2)
    np.testing.assert_allclose(got["keypoints_xy"][1, 4], [30.5 / 96, 30.5 / 64], atol=0.01)
    np.testing.assert_allclose(got["scores"], 0.9, atol=1e-6)
    [crops] = run(pose_crops(side), tmp_path / "c.onnx", {"images": images, "boxes_xyxy": BOXES}).values()
    assert crops.dtype == np.int32 and crops.shape == (2, 32, 32, 3) and crops.max() == 255


def test_the_recipe_makes_a_pose_role_that_the_runtime_reads(tmp_path: Path) -> None:
    recipe = load_recipe("tfjs")
    checkpoint = open_checkpoint(recipe, move_net(tmp_path).path)
    assert checkpoint.architecture == "MoveNet"
    publish(recipe, checkpoint, tmp_path / "pack", ExportOptions(precision="fp32"), say=lambda line: None)
    pack = Pack.open(tmp_path / "pack")
    spec = pack.spec.pose
    assert spec is not None and spec.keypoints[0] == "nose" and spec.label == "person"
    estimator = PoseEstimator(spec, pack.open_session(spec.graph))
    image = np.ascontiguousarray((picture(384, 250)[0] * 255).astype(np.uint8).transpose(1, 2, 0))
    box = np.array([[16 / 384, 16 / 250, 45 / 384, 45 / 250]], np.float32)
    poses = estimator.poses(Frame(0, 0.0, image), box)
    np.testing.assert_allclose(poses.keypoints_xy[0] * [384, 250], np.tile([30.5, 30.5], (17, 1)), atol=0.7)
    assert poses.seen.all()
    assert estimator.poses(Frame(0, 0.0, image), box[:0]).keypoints_xy.shape == (0, 17, 2)


def test_a_run_with_a_pose_role_says_which_model_and_times_it(tmp_path: Path) -> None:
    shutil.copytree(SHIPPED_FOLDER / "nano", tmp_path / "pack")
    plain = build_stages(make_config(pack=str(tmp_path / "pack"), captioner="none"))
    assert "pose" not in plain.used and "pose" not in plain.new_perceiver().stage_seconds
    recipe = load_recipe("tfjs")
    checkpoint = open_checkpoint(recipe, move_net(tmp_path).path)
    publish(recipe, checkpoint, tmp_path / "pack", ExportOptions(precision="fp32"), say=lambda line: None)
    stages = build_stages(make_config(pack=str(tmp_path / "pack"), captioner="none"))
    assert "pose fp32" in stages.used["precision"] and stages.used["pose"] != stages.used["detector"]
    assert stages.new_perceiver().stage_seconds["pose"] == 0.0
    moving = build_stages(make_config(pack=str(tmp_path / "pack"), captioner="none", detector="motion"))
    assert "pose" not in moving.used
