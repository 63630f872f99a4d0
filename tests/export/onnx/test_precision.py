"""Every lower precision: how close it stays, what it keeps high, what it refuses, and that TensorRT-RTX compiles it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from edgecap.engines.errors import ExportError
from edgecap.export.onnx.graph import run_graph, tensors_of
from edgecap.export.onnx.parity import compare_outputs
from edgecap.export.onnx.precision import (
    Converted,
    dynamic_int8,
    fp8,
    int4_blocks,
    raise_opset,
    static_cpu,
    static_symmetric,
    to_fp16,
)
from edgecap.export.onnx.sensitivity import run_model
from tests.export.small_nets import DENSE_GRAPH, DETECTOR_GRAPH, conv_net, dense_net, pictures, vectors

CONV, DENSE = conv_net(), dense_net()


def distance(original: onnx.ModelProto, made: onnx.ModelProto, feeds: list[dict[str, np.ndarray]]) -> float:
    """Worst relative L2 of the float outputs."""
    reference, got = run_model(original, feeds), run_model(made, feeds)
    floats = [n for n, v in reference[0].items() if v.dtype == np.float32]
    sides = [[{n: one[n] for n in floats} for one in side] for side in (reference, got)]
    return max(t.relative_l2 for t in compare_outputs(*sides))


def types_of(model: onnx.ModelProto) -> dict[str, int]:
    inferred = onnx.shape_inference.infer_shapes(model, check_type=True, strict_mode=True).graph
    return {v.name: v.type.tensor_type.elem_type for v in (*inferred.value_info, *inferred.output, *inferred.input)}


@pytest.mark.parametrize(
    ("original", "convert", "feeds", "limit", "lowered"),
    [
        pytest.param(CONV, to_fp16, pictures(4), 2e-3, None, id="fp16-conv"),
        pytest.param(DENSE, to_fp16, vectors(4), 3e-3, None, id="fp16-dense"),
        pytest.param(CONV, lambda m: static_cpu(m, pictures(16)), pictures(4), 0.05, None, id="static-cpu"),
        pytest.param(CONV, lambda m: static_symmetric(m, pictures(16)), pictures(4), 0.05, 4, id="symmetric-conv"),
        pytest.param(DENSE, lambda m: static_symmetric(m, vectors(16)), vectors(4), 0.05, 6, id="symmetric-dense"),
        pytest.param(DENSE, dynamic_int8, vectors(4), 0.05, 6, id="dynamic"),
        pytest.param(DENSE, int4_blocks, vectors(4), 0.2, 6, id="int4-asymmetric"),
        pytest.param(DENSE, lambda m: int4_blocks(m, symmetric=True), vectors(4), 0.25, 6, id="int4-symmetric"),
        pytest.param(DENSE, lambda m: int4_blocks(m, symmetric=True, form="qdq"), vectors(4), 0.25, 6, id="int4-qdq"),
        pytest.param(CONV, lambda m: fp8(m, pictures(16)), pictures(4), 0.1, 4, id="fp8"),
        pytest.param(
            CONV, lambda m: to_fp16(static_symmetric(m, pictures(16)).model), pictures(4), 0.05, None, id="int8+fp16"
        ),
    ],
)
def test_stays_close_and_changes_something(
    original: onnx.ModelProto,
    convert: Callable[[onnx.ModelProto], Converted],
    feeds: list[dict[str, np.ndarray]],
    limit: float,
    lowered: int | None,
) -> None:
    before = original.SerializeToString()
    made = convert(original)
    assert original.SerializeToString() == before, "the given model is not touched"
    away = distance(original, made.model, feeds)
    assert 0 < away < limit, "equal outputs would mean that nothing was lowered"
    assert made.lowered == lowered if lowered is not None else made.lowered > 0


def test_fp16_types_inside_declared_types_outside(tmp_path: Path) -> None:
    made = to_fp16(CONV)
    made.save(tmp_path / "half.onnx", DETECTOR_GRAPH)
    assert tensors_of(tmp_path / "half.onnx") == (DETECTOR_GRAPH.inputs, DETECTOR_GRAPH.outputs)
    types = types_of(made.model)
    assert {types[name] for name in ("x1", "x2", "x3", "x4", "x5")} == {TensorProto.FLOAT16}
    assert types["all_scores"] == TensorProto.FLOAT, "after the last layer"
    assert "after the last layer" in made.kept_high["box_sigmoid"]
    assert "before the first layer" in made.kept_high["scale_pixels"]
    weights = {i.name: i.data_type for i in made.model.graph.initializer}
    assert TensorProto.FLOAT16 in weights.values()
    assert "stem.w" not in weights, "the fp32 copy is gone"


def test_fp16_keeps_a_written_out_norm_together() -> None:
    made = to_fp16(DENSE)
    assert "range" in made.kept_high["square"]
    assert {"variance", "epsilon", "root"} <= set(made.kept_high)
    assert "down" not in made.kept_high, "a layer is lowered"


def test_fp16_keeps_the_node_that_would_overflow_on_the_inputs_given() -> None:
    loud = dense_net()
    held = next(i for i in loud.graph.initializer if i.name == "up.w")
    held.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(held) * np.float32(20_000), "up.w"))
    assert "up" not in to_fp16(loud).kept_high, "the graph alone doesn't tell"
    made = to_fp16(loud, feeds=vectors(1))
    assert made.kept_high["up"].endswith("float16 ends at 65504")
    assert "k" not in made.kept_high
    assert types_of(made.model)["wide"] == TensorProto.FLOAT


def test_fp16_keeps_what_is_asked_for_and_refuses_a_pattern_that_finds_nothing() -> None:
    made = to_fp16(CONV, keep=["head.*"])
    assert made.kept_high["head"] == "asked for by 'head.*'"
    assert types_of(made.model)["x5"] == TensorProto.FLOAT
    with pytest.raises(ValueError, match=r"nothing\.\*"):
        to_fp16(CONV, keep=["nothing.*"])


def test_fp16_clips_attention_masks_and_keeps_epsilons_between_layers() -> None:
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, [2, 8])
    y = helper.make_tensor_value_info("y", TensorProto.FLOAT, [2, 8])
    weights = {
        "w": np.eye(8, dtype=np.float32),
        "mask": np.where(np.eye(2, 8), -3.4e38, 0).astype(np.float32),
        "tiny": np.float32(1e-12),
    }
    nodes = [
        helper.make_node("MatMul", ["x", "w"], ["a"], name="first"),
        helper.make_node("Add", ["a", "mask"], ["b"], name="masked"),
        helper.make_node("Softmax", ["b"], ["c"], name="softmax"),
        helper.make_node("Add", ["c", "tiny"], ["d"], name="safe"),
        helper.make_node("MatMul", ["d", "w"], ["y"], name="second"),
    ]
    stored = [numpy_helper.from_array(v, k) for k, v in weights.items()]
    model = helper.make_model(
        helper.make_graph(nodes, "mask", [x], [y], stored), opset_imports=[helper.make_opsetid("", 18)], ir_version=9
    )
    made = to_fp16(model)
    assert "epsilon" in made.kept_high["safe"]
    out = run_model(made.model, [{"x": np.ones((2, 8), np.float32)}])[0]["y"]
    np.testing.assert_allclose(out.sum(1), 1.0, atol=2e-3)
    assert out[0, 0] < 1e-11 > out[1, 1], "masked places stay masked, and nothing is NaN"


def test_fp16_lifts_what_an_inner_graph_reads() -> None:
    branch = [
        helper.make_graph(
            [helper.make_node(op, ["a", "a"], [f"{op}.out"], name=op)],
            op,
            [],
            [helper.make_tensor_value_info(f"{op}.out", TensorProto.FLOAT, [2, 4])],
        )
        for op in ("Add", "Mul")
    ]
    nodes = [
        helper.make_node("MatMul", ["x", "w"], ["a"], name="first"),
        helper.make_node("If", ["flag"], ["b"], name="choice", then_branch=branch[0], else_branch=branch[1]),
        helper.make_node("MatMul", ["b", "w"], ["y"], name="second"),
    ]
    graph = helper.make_graph(
        nodes,
        "branches",
        [
            helper.make_tensor_value_info("x", TensorProto.FLOAT, [2, 4]),
            helper.make_tensor_value_info("flag", TensorProto.BOOL, []),
        ],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [2, 4])],
        [numpy_helper.from_array(np.eye(4, dtype=np.float32), "w")],
    )
    made = to_fp16(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9))
    assert made.kept_high["choice"] == "holds an inner graph"
    x = np.full((2, 4), 3.0, np.float32)
    outputs = run_model(made.model, [{"x": x, "flag": np.array(True)}, {"x": x, "flag": np.array(False)}])
    assert (outputs[0]["y"] == 6.0).all() and (outputs[1]["y"] == 9.0).all()


def test_symmetric_has_the_form_tensorrt_takes() -> None:
    made = static_symmetric(CONV, pictures(8), exclude=["dense"]).model
    weights = {i.name: numpy_helper.to_array(i) for i in made.graph.initializer}
    pairs = [n for n in made.graph.node if n.op_type in ("QuantizeLinear", "DequantizeLinear")]
    assert len(pairs) == 3 * 3, "a pair and a weight for each of three convolutions"
    for node in pairs:
        zero = weights[node.input[2]]
        assert zero.dtype == np.int8 and not zero.any(), "symmetric: zero points are 0"
        assert node.input[0] not in weights or weights[node.input[0]].dtype == np.int8, "stored as int8"
    assert weights["stem.b"].dtype == np.float32, "biases stay fp32"
    assert weights["stem.w.scale"].shape == (16,), "one scale a channel"
    assert not any(n.startswith("stem.w") and v.dtype == np.float32 and v.size > 16 for n, v in weights.items())


def test_calibration_refuses_nothing_and_what_is_not_finite() -> None:
    with pytest.raises(ValueError, match="no calibration input"):
        static_symmetric(CONV, [])
    bad = [{"x": np.full((2, 6, 64), np.nan, np.float32)}]
    with pytest.raises(ValueError, match="not finite"):
        static_symmetric(DENSE, bad)


def test_int4_says_why_a_layer_stays_and_refuses_zero_points_for_tensorrt() -> None:
    made = int4_blocks(CONV, block=32)
    assert "is a Conv" in made.kept_high["stem"]
    assert made.lowered == 1
    assert "no whole blocks" in int4_blocks(CONV, block=64).kept_high["dense"]
    with pytest.raises(ValueError, match="symmetric"):
        int4_blocks(DENSE, form="qdq")


def test_excluded_layers_stay_bit_identical() -> None:
    made = dynamic_int8(DENSE, exclude=["*.w"])
    assert made.lowered == 0
    assert distance(DENSE, made.model, vectors(2)) < 1e-6


def test_saved_file_is_checked_against_its_contract(tmp_path: Path) -> None:
    path = tmp_path / "vision.onnx"
    dynamic_int8(DENSE).save(path, DENSE_GRAPH)
    assert run_graph(path, vectors(1)[0])["tokens"].shape == (2, 6, 64)
    assert tensors_of(path) == (DENSE_GRAPH.inputs, DENSE_GRAPH.outputs)


def test_raising_the_opset_renames_grid_sample_modes_and_refuses_changed_operators() -> None:
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 4, 8, 8])
    grid = helper.make_tensor_value_info("grid", TensorProto.FLOAT, [1, 3, 3, 2])
    y = helper.make_tensor_value_info("y", TensorProto.FLOAT, ["a", "b", "c", "d"])
    sample = helper.make_node("GridSample", ["x", "grid"], ["y"], name="sample", mode="bilinear")
    opset = [helper.make_opsetid("", 18)]
    model = helper.make_model(helper.make_graph([sample], "g", [x, grid], [y]), opset_imports=opset, ir_version=9)
    raise_opset(model, 21)
    assert model.graph.node[0].attribute[0].s == b"linear"
    onnx.checker.check_model(model, full_check=True)
    norm = helper.make_node("GroupNormalization", ["x", "s", "b"], ["y"], name="norm", num_groups=2)
    changed = helper.make_model(helper.make_graph([norm], "g", [x, grid], [y]), opset_imports=opset, ir_version=9)
    with pytest.raises(ExportError, match="GroupNormalization means something else"):
        raise_opset(changed, 21)
