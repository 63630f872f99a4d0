"""The Qwen2.5-VL vision graph against transformers' own tower, for every picture size."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgecap.engines.errors import CheckpointError, UsageError
from edgecap.export.checkpoint.checkpoint import Checkpoint
from edgecap.export.onnx.graph import open_graph
from edgecap.export.qwen import graph_file
from edgecap.export.qwen.reference import load_tower, tower_tokens
from edgecap.export.qwen.vision_graph import MOST_VIEWS, VisionFormat, vision_spec, write_vision
from edgecap.export.qwen.vision_sizes import VisionSizes
from edgecap.export.specimens.qwen import TINY_VISION, save_qwen

pytestmark = pytest.mark.slow

SIZES_WH = ((112, 112), (224, 112), (168, 84), (84, 168), (140, 56), (28, 28))
"""Whole windows of 112 pixels, parts of windows in both directions, a picture of a single token."""


@pytest.fixture(scope="module")
def tower(tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, Any, VisionSizes]:
    """(torch tower, weights by name, sizes)."""
    folder = tmp_path_factory.mktemp("qwen")
    model = save_qwen(folder)
    config = model.config.vision_config.to_dict()
    weights = Checkpoint.open(folder).tensors("visual.")
    return load_tower(weights, config), weights, VisionSizes.of(config, source="config.json")


def _pixels(size_wh: tuple[int, int], *, count: int = 1, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return rng.standard_normal((count, 3, size_wh[1], size_wh[0])).astype(np.float32)


def _write(tower: tuple[Any, Any, VisionSizes], folder: Path, kind: VisionFormat, **changed: Any) -> Any:
    _, weights, sizes = tower
    sizes = VisionSizes(**{f: getattr(sizes, f) for f in VisionSizes.__dataclass_fields__} | changed)
    path = folder / f"{kind}.onnx"
    spec = vision_spec(sizes, file=path.name, vision_format=kind, buckets_wh=SIZES_WH)
    write_vision(weights, sizes, path, spec, vision_format=kind)
    return open_graph(path)


def _distance(session: Any, torch_tower: Any, size_wh: tuple[int, int]) -> float:
    pixels = _pixels(size_wh, count=2)
    expected, got = tower_tokens(torch_tower, pixels), session.run(None, {"pixels": pixels})[0]
    assert got.shape == expected.shape == (2, size_wh[0] * size_wh[1] // 28**2, 128)
    return float(np.linalg.norm(got - expected) / np.linalg.norm(expected))


# fp32 differs by the order of sums; fp16 has 11 bits of mantissa; int8 has 8 bits of weights and of activations.
@pytest.mark.parametrize(("kind", "limit"), [("fp32", 1e-6), ("fp16", 1e-3), ("int8", 0.02)])
def test_every_size_from_one_file(tower: Any, tmp_path: Path, kind: VisionFormat, limit: float) -> None:
    session = _write(tower, tmp_path, kind)
    assert max(_distance(session, tower[0], size) for size in SIZES_WH) < limit


@pytest.mark.parametrize(
    "changed", [{"full_blocks": ()}, {"full_blocks": (0, 1, 2)}, {"theta": 3000.0}], ids=["windows", "whole", "angles"]
)
def test_the_comparison_sees_a_wrong_window_or_angle(tower: Any, tmp_path: Path, changed: dict[str, Any]) -> None:
    session = _write(tower, tmp_path, "fp32", **changed)
    assert _distance(session, tower[0], (224, 112)) > 5e-5  # fp32 is 2e-7


def test_int8_tokens_do_not_depend_on_the_rest_of_the_batch(tower: Any, tmp_path: Path) -> None:
    session = _write(tower, tmp_path, "int8")
    pixels = _pixels((112, 112), count=3)
    pixels[2] *= 40.0  # a neighbour that would stretch a scale shared by the batch
    together = session.run(None, {"pixels": pixels})[0]
    alone = session.run(None, {"pixels": pixels[:1]})[0]
    np.testing.assert_allclose(together[:1], alone, atol=1e-6)


def test_weights_beside_the_graph_are_the_same_weights(
    tower: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "inside").mkdir()
    inside = _write(tower, tmp_path / "inside", "fp32")
    monkeypatch.setattr(graph_file, "INLINE_BYTES", 0)
    (tmp_path / "beside").mkdir()
    beside = _write(tower, tmp_path / "beside", "fp32")
    graph, data = tmp_path / "beside" / "fp32.onnx", tmp_path / "beside" / "fp32.onnx.data"
    assert data.stat().st_size > 0.9 * (tmp_path / "inside" / "fp32.onnx").stat().st_size > graph.stat().st_size
    pixels = _pixels((140, 56))
    np.testing.assert_array_equal(inside.run(None, {"pixels": pixels})[0], beside.run(None, {"pixels": pixels})[0])


def test_a_failed_write_leaves_no_weights_behind(tower: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _, weights, sizes = tower
    monkeypatch.setattr(graph_file, "INLINE_BYTES", 0)
    short = {name: weights[name] for name in weights if "blocks.2" not in name}
    path = tmp_path / "v.onnx"
    spec = vision_spec(sizes, file=path.name, vision_format="fp32", buckets_wh=SIZES_WH)
    with pytest.raises(KeyError):
        write_vision(short, sizes, path, spec, vision_format="fp32")
    assert list(tmp_path.iterdir()) == []


def test_a_size_that_is_no_whole_token_is_refused() -> None:
    sizes = VisionSizes.of(_config(), source="config.json")
    sizes.check_buckets([(448, 448), (616, 336)])
    with pytest.raises(UsageError, match=r"450x448 asked, sides must be multiples of 28 pixels"):
        sizes.check_buckets([(450, 448)])


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"hidden_act": "gelu"}, "hidden_act is 'gelu'"),
        ({"num_heads": None}, "num_heads is None"),
        ({"num_heads": 7}, "can't be a tower"),
    ],
)
def test_a_config_that_is_no_tower_is_named(changed: dict[str, Any], words: str) -> None:
    with pytest.raises(CheckpointError, match=words):
        VisionSizes.of(_config() | changed, source="config.json")


def _config() -> dict[str, Any]:
    return TINY_VISION | {
        "hidden_act": "silu", "patch_size": [14, 14], "temporal_patch_size": 2, "spatial_merge_size": 2,
        "window_size": 112,
    }  # fmt: skip


def test_tensorrt_rtx_takes_the_twin(tower: Any, tmp_path: Path) -> None:
    pytest.importorskip("tensorrt_rtx")
    from edgecap.engines.compile.target import BuildTarget
    from edgecap.engines.compile.tensorrt import build_trt
    from edgecap.engines.tensorrt.api import find_trt

    _, _, sizes = tower
    _write(tower, tmp_path, "fp16")
    spec = vision_spec(sizes, file="fp16.onnx", vision_format="fp16", buckets_wh=SIZES_WH)
    assert spec.ranges == {"n": (1, 4, MOST_VIEWS), "h": (28, 112, 168), "w": (28, 140, 224)}
    api, engine = find_trt("tensorrt-rtx"), tmp_path / "v.engine"
    built = build_trt(tmp_path / "fp16.onnx", spec, engine, api=api, target=BuildTarget("8.9"))
    assert built.bytes == engine.stat().st_size > 100_000
