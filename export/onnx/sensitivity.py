"""What each layer costs: quantise one at a time, look how far the outputs move, sort by damage.

In: an fp32 `onnx.ModelProto`, feeds, the form of quantisation. Out: rows for `sensitivity.<role>.json`. Large models
are measured by blocks of neighbouring layers, so that the whole of a model is seen within the budget; what was left out
for lack of time is a row too.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from edgecap.export.onnx.block_matmuls import block_matmuls
from edgecap.export.onnx.graph_walk import working_copy
from edgecap.export.onnx.parity import compare_outputs
from edgecap.export.onnx.qdq import Activation, calibrate, insert_pairs, quantisable

if TYPE_CHECKING:
    import onnx

Form = Literal["int8-symmetric", "fp8", "int4"]
Outputs = list[dict[str, NDArray[Any]]]
Figure = Callable[[Outputs, Outputs], float]
"""(reference, got) -> a task figure, 1 where nothing is lost, e.g. mask IoU."""
_BLOCK = 32


@dataclass(frozen=True, slots=True)
class Cost:
    """One layer or block of layers quantised alone. `layers`: its nodes. `weights`: how many numbers they store.
    `relative_l2`: of the output that moved most, which is `output`; None: not measured (time was up). `figure`: the
    task figure, None where none was given."""

    layers: tuple[str, ...]
    weights: int
    relative_l2: float | None
    output: str = ""
    figure: float | None = None


def sensitivity(
    model: onnx.ModelProto,
    feeds: Sequence[Mapping[str, NDArray[Any]]],
    *,
    form: Form = "int8-symmetric",
    most_rows: int = 48,
    budget_seconds: float = 120.0,
    figure: Figure | None = None,
    exclude: Sequence[str] = (),
) -> tuple[dict[str, Any], ...]:
    """Rows as plain data, the most damaging first, unmeasured ones last; () where nothing can be quantised.

    feeds: inputs by name, a few (2 to 8). most_rows: more layers than this are taken together in blocks of
    neighbours. exclude: names of nodes that stay high anyway.
    """
    from edgecap.export.onnx.precision import raise_opset

    prepared = working_copy(model)
    raise_opset(prepared, 19)
    nodes = [node for node in _candidates(prepared, form) if node.name not in set(exclude)]
    if not nodes:
        return ()
    activations = {} if form == "int4" else calibrate(prepared, feeds, [node.input[0] for node in nodes])
    reference = run_model(prepared, feeds)
    sizes = {i.name: int(np.prod(i.dims)) for i in prepared.graph.initializer}
    deadline = time.monotonic() + budget_seconds
    costs: list[Cost] = []
    for block in _blocks(nodes, most_rows):
        names, weights = tuple(node.name for node in block), sum(sizes[node.input[1]] for node in block)
        if costs and time.monotonic() > deadline:
            costs.append(Cost(names, weights, None))
            continue
        changed = _with(prepared, names, activations, form=form)
        costs.append(_cost(names, weights, reference, run_model(changed, feeds), figure))
    costs.sort(key=lambda cost: (cost.relative_l2 is None, -(cost.relative_l2 or 0.0)))
    return tuple(asdict(cost) for cost in costs)


def run_model(model: onnx.ModelProto, feeds: Sequence[Mapping[str, NDArray[Any]]]) -> Outputs:
    """Outputs by name for each feed, ONNX Runtime on the CPU, one thread.

    Q/DQ are computed as they stand, with basic optimisations only: fused integer kernels are for uint8 activations, and
    from the extended level on ONNX Runtime 1.31.1 computes convolutions behind FP8 pairs wrongly (an encoder's output
    was off by 1.17 relative; with basic ones by 0.011, as computed by hand).
    """
    import onnxruntime

    from edgecap.export.onnx.graph import run_session

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.log_severity_level = 1, 3
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC
    options.add_session_config_entry("session.disable_quant_qdq", "1")
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    return run_session(session, feeds)


def _candidates(model: onnx.ModelProto, form: Form) -> list[onnx.NodeProto]:
    nodes = quantisable(model)
    if form != "int4":
        return nodes
    widths = {i.name: i.dims[0] for i in model.graph.initializer if len(i.dims) == 2}
    return [n for n in nodes if n.op_type == "MatMul" and widths.get(n.input[1], 1) % _BLOCK == 0]


def _blocks(nodes: Sequence[onnx.NodeProto], most: int) -> Iterator[Sequence[onnx.NodeProto]]:
    """Neighbours together, at most `most` groups of about equal length."""
    count = min(most, len(nodes))
    edges = [round(i * len(nodes) / count) for i in range(count + 1)]
    for start, end in itertools.pairwise(edges):
        yield nodes[start:end]


def _with(
    model: onnx.ModelProto, names: Sequence[str], activations: Mapping[str, Activation], *, form: Form
) -> onnx.ModelProto:
    """A copy in which only `names` are quantised."""
    made = type(model)()
    made.CopyFrom(model)
    if form == "int4":
        block_matmuls(made, names, block=_BLOCK, symmetric=True, form="matmulnbits")
    else:
        insert_pairs(made, names, activations, kind="fp8" if form == "fp8" else "int8")
    return made


def _cost(names: tuple[str, ...], weights: int, reference: Outputs, got: Outputs, figure: Figure | None) -> Cost:
    floats = {name for name, value in reference[0].items() if np.issubdtype(value.dtype, np.floating)}
    tensors = compare_outputs(*([{n: o[n] for n in o if n in floats} for o in side] for side in (reference, got)))
    worst = max(tensors, key=lambda t: t.relative_l2)
    value = None if figure is None else float(figure(reference, got))
    return Cost(names, weights, worst.relative_l2, worst.name, value)
