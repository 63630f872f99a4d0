"""From torch modules with random weights to ONNX files: names, free axes, and the same numbers at sizes never
exported."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
import torch

from edgecap.engines.errors import GraphContractError
from edgecap.engines.graph.spec import GraphSpec, TensorSpec
from edgecap.export.nano.vision.blocks import Residual, fold_batch_norms
from edgecap.export.nano.vision.cache import LABELS
from edgecap.export.nano.vision.detector import PEAKS, Detector, DetectorGraph
from edgecap.export.nano.vision.export_vision import (
    DETECTOR_FP32,
    decoder_graph,
    detector_graph,
    encoder_graph,
    quantise,
    write_detector,
    write_segmenter,
)
from edgecap.export.nano.vision.segmenter import DecoderGraph, Segmenter
from edgecap.export.onnx.graph import check_graph, run_graph
from edgecap.export.onnx.parity import boxes_matched, compare_tensors

pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::UserWarning"),
    pytest.mark.slow,
]


def _folded(network: torch.nn.Module) -> torch.nn.Module:
    """Random weights whose residual branches are not silent and whose features vary over the picture."""
    torch.manual_seed(5)
    for module in network.modules():
        if isinstance(module, Residual):
            torch.nn.init.ones_(module.norm.weight)  # type: ignore[arg-type]
    return fold_batch_norms(network.eval())


def _images(batch: int, height: int, width: int) -> np.ndarray:
    """Coarse random blocks: structure at the scale of the receptive field."""
    blocks = np.random.default_rng(7).integers(0, 256, (batch, 3, height // 16, width // 16), dtype=np.uint8)
    return blocks.repeat(16, axis=2).repeat(16, axis=3)


@pytest.fixture(scope="module")
def detector(tmp_path_factory: pytest.TempPathFactory) -> tuple[DetectorGraph, Path]:
    torch.set_num_threads(1)
    network = DetectorGraph(_folded(Detector(len(LABELS))))  # type: ignore[arg-type]
    path = tmp_path_factory.mktemp("detector") / "detector.fp32.onnx"
    write_detector(network, path)
    return network, path


@pytest.mark.parametrize("shape", [(1, 224, 384), (3, 96, 160)], ids=str)
def test_detector_graph_is_the_network(detector: tuple[DetectorGraph, Path], shape: tuple[int, int, int]) -> None:
    network, path = detector
    images = _images(*shape)
    got = run_graph(path, {"images": images})
    with torch.no_grad():
        boxes, scores, class_ids, embedding = (t.numpy() for t in network(torch.from_numpy(images)))
    assert got["boxes_xyxy"].shape == (shape[0], PEAKS, 4)
    assert compare_tensors("scores", [scores], [got["scores"]]).max_abs < 1e-5
    assert compare_tensors("embedding", [embedding], [got["embedding"]]).relative_l2 < 1e-4
    for b in range(shape[0]):
        kept = scores[b] > 0  # below the last peak the order of zeros is nobody's promise
        same = boxes_matched(boxes[b][kept], class_ids[b][kept], got["boxes_xyxy"][b], got["class_ids"][b], iou=0.99)
        assert same >= 0.9 * kept.sum() > 0


def test_detector_int8_keeps_its_heads_in_fp32(detector: tuple[DetectorGraph, Path], tmp_path: Path) -> None:
    _, path = detector
    int8 = tmp_path / "detector.int8.onnx"
    images = _images(4, 96, 160)
    heads = ("network.class_head", "network.box_head")
    feeds = ({"images": i[None]} for i in images)
    quantise(path, int8, detector_graph("int8-static"), keep_fp32=DETECTOR_FP32, feeds=feeds)
    nodes = onnx.load(str(int8)).graph.node
    direct = [n for n in nodes if any(name.startswith(heads) for name in n.input)]
    assert len(direct) == 2  # read directly, not through a DequantizeLinear
    assert "Relu" not in {n.op_type for n in nodes}  # each is folded into its convolution or sum
    assert int8.stat().st_size < path.stat().st_size / 3
    scores = [run_graph(p, {"images": images})["scores"] for p in (path, int8)]
    assert compare_tensors("scores", scores[:1], scores[1:]).cosine > 0.98


def test_segmenter_graphs_are_the_network(tmp_path: Path) -> None:
    network = _folded(Segmenter())
    assert isinstance(network, Segmenter)
    write_segmenter(network.encoder, DecoderGraph(network.decoder), tmp_path)
    images = _images(1, 96, 160)
    embeddings = run_graph(tmp_path / encoder_graph("fp32").file, {"images": images})
    for boxes in ([[0.1, 0.2, 0.6, 0.7]], [[-0.1, 0.2, 0.3, 0.7], [0.4, 0.4, 1.0, 1.0], [0.2, 0.1, 0.3, 0.3]]):
        prompts = np.array(boxes, np.float32)
        got = run_graph(tmp_path / decoder_graph("fp32").file, {**embeddings, "boxes_xyxy": prompts})
        with torch.no_grad():
            logits, quality = network(torch.from_numpy(images), [torch.from_numpy(prompts)])
        assert compare_tensors("logits", [logits.numpy()], [got["mask_logits"]]).max_abs < 1e-3
        assert compare_tensors("quality", [quality.numpy()], [got["quality"]]).max_abs < 1e-4


def test_a_file_that_says_something_else_is_refused(detector: tuple[DetectorGraph, Path]) -> None:
    _, path = detector
    honest = detector_graph("fp32")
    check_graph(path, honest)
    wrong = GraphSpec(honest.file, "fp32", (TensorSpec("pixels", "uint8", honest.inputs[0].axes),), honest.outputs)
    with pytest.raises(GraphContractError, match="inputs expected"):
        check_graph(path, wrong)


def test_an_unknown_head_is_no_silent_success(detector: tuple[DetectorGraph, Path], tmp_path: Path) -> None:
    _, path = detector
    with pytest.raises(ValueError, match="nobody"):
        quantise(path, tmp_path / "x.onnx", detector_graph("int8-static"), feeds=(), keep_fp32=("nobody*",))
