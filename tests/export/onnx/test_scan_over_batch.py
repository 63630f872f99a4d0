"""A batch taken item by item: same values, independent of company, for graphs with several inputs and outputs."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from edgecap.export.onnx.graph import open_graph, tensors_of
from edgecap.export.onnx.scan_over_batch import one_by_one


def _ranged(path: Path) -> onnx.ModelProto:
    """y = x / max(|x|) over the whole batch, z = x + a: y is what dynamic quantisation does to a batch."""
    nodes = [
        helper.make_node("Abs", ["x"], ["abs"]),
        helper.make_node("ReduceMax", ["abs"], ["most"], keepdims=0),
        helper.make_node("Div", ["x", "most"], ["y"]),
        helper.make_node("Add", ["x", "a"], ["sum"]),
        helper.make_node("Mul", ["sum", "two"], ["z"]),
    ]
    x, y, z = (helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n", 4]) for name in "xyz")
    a = helper.make_tensor_value_info("a", TensorProto.FLOAT, ["n", 1])
    graph = helper.make_graph(nodes, "g", [x, a], [y, z], [numpy_helper.from_array(np.float32(2), "two")])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    onnx.save(model, str(path))
    return model


def test_items_no_longer_see_each_other(tmp_path: Path) -> None:
    whole, single = tmp_path / "whole.onnx", tmp_path / "single.onnx"
    onnx.save(one_by_one(_ranged(whole)), str(single))
    assert tensors_of(single) == tensors_of(whole)
    random = np.random.default_rng(0)
    x, a = random.normal(size=(3, 4)).astype(np.float32), random.normal(size=(3, 1)).astype(np.float32)
    x[1] *= 100
    y, z = open_graph(single).run(["y", "z"], {"x": x, "a": a})
    alone = [open_graph(whole).run(["y", "z"], {"x": x[i : i + 1], "a": a[i : i + 1]}) for i in range(3)]
    assert np.array_equal(y, np.concatenate([one[0] for one in alone]))
    assert np.array_equal(z, np.concatenate([one[1] for one in alone]))
    together = open_graph(whole).run(["y"], {"x": x, "a": a})[0]
    assert not np.allclose(y, together)  # without it they did
