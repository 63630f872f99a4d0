"""RT-DETRv2 (random weights, ResNet-18 whole) to INT8 for the CPU and symmetric INT8 for TensorRT."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
import torch

from edgecap.export.checkpoint.checkpoint import Checkpoint
from edgecap.export.detectors import role as detector_role
from edgecap.export.detectors.dfine import DFINE
from edgecap.export.job import ExportJob, RoleExport
from edgecap.export.onnx.graph import run_graph
from edgecap.export.publish.gate import failures
from edgecap.export.specimens.detectors import pictures, save_rtdetr

pytestmark = pytest.mark.slow

SIDE = 160


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> tuple[RoleExport, Path]:
    torch.set_num_threads(1)
    folder, out = tmp_path_factory.mktemp("checkpoint"), tmp_path_factory.mktemp("pack")
    save_rtdetr(folder, version=2, side=SIDE)
    frames = [picture.transpose(1, 2, 0)[:96] for picture in pictures(8, SIDE, seed=9)]
    options = {"image_side": str(SIDE), "twin": "int8", "score_threshold": "0.4"}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(detector_role, "SENSITIVITY_SECONDS", 1.0)
        return DFINE(ExportJob(Checkpoint.open(folder), out, "int8", lambda: iter(frames), options=options)), out


def test_onnx_is_the_network(exported: tuple[RoleExport, Path]) -> None:
    first = exported[0].comparisons[0]
    assert first.parity.graph == "detector.fp32.onnx"
    assert failures(first) == []


def test_int8_keeps_the_scores(exported: tuple[RoleExport, Path]) -> None:
    """Which class a random network names is decided by less than INT8's step, so only the sorted scores are asked."""
    role = exported[0]
    for row, file in zip(role.comparisons[1:], ("detector.int8.onnx", "detector.int8-symmetric.onnx"), strict=True):
        assert row.parity.graph == file
        assert row.parity.figures["scores_cosine"] > 0.99
        assert "boxes_matched_at_half_share" in row.limits
    assert role.spec.graph.precision == role.twins["detector.graph"].precision == "int8-static"  # type: ignore[union-attr]
    assert role.spec.score_threshold == 0.4  # type: ignore[union-attr]


def test_the_cpus_int8_is_uint8_and_tensorrts_is_symmetric(exported: tuple[RoleExport, Path]) -> None:
    """Activations by their zero points: ONNX Runtime's kernels are faster on uint8, TensorRT takes int8 at zero."""
    kinds = {name: _zero_points(exported[1] / name) for name in ("detector.int8.onnx", "detector.int8-symmetric.onnx")}
    assert onnx.TensorProto.UINT8 in {kind for kind, _ in kinds["detector.int8.onnx"]}
    assert {kind for kind, _ in kinds["detector.int8-symmetric.onnx"]} <= {onnx.TensorProto.INT8}
    assert all(zero for _, zero in kinds["detector.int8-symmetric.onnx"])


def test_what_stayed_high_has_a_reason(exported: tuple[RoleExport, Path]) -> None:
    reasons = set(exported[0].kept_high.values())
    assert any("transformer layers" in reason for reason in reasons)
    assert any("not between two layers" in reason for reason in reasons)
    model = onnx.load(str(exported[1] / "detector.int8.onnx"))
    weights = {i.name: i.data_type for i in model.graph.initializer}
    products = [n for n in model.graph.node if n.op_type == "MatMul" and n.input[1] in weights]
    assert products and all(weights[n.input[1]] == onnx.TensorProto.FLOAT for n in products)


def test_sensitivity_has_a_row_per_block(exported: tuple[RoleExport, Path]) -> None:
    rows = exported[0].sensitivity
    assert rows and all(row["layers"] for row in rows)
    measured = [row for row in rows if row["relative_l2"] is not None]
    assert measured and measured[0]["relative_l2"] > 0


def test_int8_batch_is_free(exported: tuple[RoleExport, Path]) -> None:
    images = pictures(3, SIDE, seed=20)
    together = run_graph(exported[1] / "detector.int8.onnx", {"images": images})
    alone = run_graph(exported[1] / "detector.int8.onnx", {"images": images[1:2]})
    np.testing.assert_allclose(together["scores"][1], alone["scores"][0], atol=1e-4)


def _zero_points(path: Path) -> set[tuple[int, bool]]:
    """(dtype, all zero) of every stored zero point of the graph."""
    model = onnx.load(str(path))
    stored = {i.name: i for i in model.graph.initializer}
    names = {
        n.input[2] for n in model.graph.node if n.op_type in ("QuantizeLinear", "DequantizeLinear") and len(n.input) > 2
    }
    return {(stored[n].data_type, not onnx.numpy_helper.to_array(stored[n]).any()) for n in names}
