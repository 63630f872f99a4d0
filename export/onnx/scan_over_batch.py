"""A graph over a batch made into one that takes its items one after another.

In: a graph whose inputs and outputs have the batch as first axis. Out: the same inputs and outputs, the graph inside
a Scan. Vision towers with dynamic INT8 need it: an activation range covers a whole tensor, so a view's tokens would
depend on the views beside it (by 0.24 where the largest value is 10, SmolVLM layers with random weights). One view is
1,024 patches: on a CPU a batch gains nothing over one by one (measured: 0.44 s against 0.48-0.60 s for 4 views of a
2-layer tower).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import onnx

_MARK = "one_by_one/"


def one_by_one(model: onnx.ModelProto) -> onnx.ModelProto:
    """A new model. The first axis of every input and output must be the batch."""
    import numpy as np
    import onnx
    from onnx import helper, numpy_helper

    inner, axis = model.graph, f"{_MARK}axis"
    names = [value.name for value in (*inner.input, *inner.output)]
    before = [helper.make_node("Unsqueeze", [f"{_MARK}{v.name}", axis], [v.name]) for v in inner.input]
    after = [helper.make_node("Squeeze", [v.name, axis], [f"{_MARK}{v.name}"]) for v in inner.output]
    body = helper.make_graph(
        [*before, *inner.node, *after],
        "one_item",
        [_without_batch(value) for value in inner.input],
        [_without_batch(value) for value in inner.output],
        [*inner.initializer, numpy_helper.from_array(np.array([0], np.int64), axis)],
    )
    _rename(body, {name: f"{_MARK}item/{name}" for name in names})  # ONNX allows a name once, inside and out
    given, found = [v.name for v in inner.input], [v.name for v in inner.output]
    scan = helper.make_node("Scan", given, found, num_scan_inputs=len(given), body=body, name=f"{_MARK}Scan")
    outer = helper.make_graph([scan], inner.name, list(inner.input), list(inner.output))
    made = helper.make_model(outer, opset_imports=list(model.opset_import), producer_name="edgecap")
    made.ir_version = model.ir_version
    onnx.checker.check_model(made)
    return made


def _without_batch(value: onnx.ValueInfoProto) -> onnx.ValueInfoProto:
    import onnx

    out = onnx.ValueInfoProto()
    out.CopyFrom(value)
    out.name = f"{_MARK}{value.name}"
    del out.type.tensor_type.shape.dim[0]
    return out


def _rename(graph: onnx.GraphProto, names: dict[str, str]) -> None:
    for node in graph.node:
        for held in (node.input, node.output):
            for i, name in enumerate(held):
                held[i] = names.get(name, name)
