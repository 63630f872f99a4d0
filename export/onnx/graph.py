"""ONNX files that keep their word: export with declared names and axes, and checks of what a file really says.

In: a torch module and the `GraphSpec` that the pack will carry. Out: one `.onnx` file without external data.
`check_graph` also by tests.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import onnx
from numpy.typing import NDArray

from edgecap.engines.errors import GraphContractError
from edgecap.engines.graph.spec import DType, GraphSpec, TensorSpec

if TYPE_CHECKING:
    import torch

OPSET = 18
"""Highest opset that static quantisation, ORT-CUDA and TensorRT all take without exceptions."""
_DTYPES: dict[int, DType] = {
    onnx.TensorProto.UINT8: "uint8",
    onnx.TensorProto.INT8: "int8",
    onnx.TensorProto.INT32: "int32",
    onnx.TensorProto.INT64: "int64",
    onnx.TensorProto.FLOAT16: "float16",
    onnx.TensorProto.FLOAT: "float32",
    onnx.TensorProto.BOOL: "bool",
}


def export_graph(
    module: torch.nn.Module,
    examples: Sequence[torch.Tensor],
    path: Path,
    spec: GraphSpec,
    *,
    dynamic_shapes: Sequence[Mapping[int, Any]],
) -> None:
    """Write `module` to `path` under the names of `spec`, its free axes named as in `spec`, and check the file.

    examples: one tensor per input; free axes need a size other than 0 and 1 there. dynamic_shapes: per input, axis ->
    torch.export Dim.
    """
    import torch

    torch.onnx.export(
        module.eval(),
        tuple(examples),
        str(path),
        dynamo=True,
        opset_version=OPSET,
        external_data=False,
        input_names=[t.name for t in spec.inputs],
        output_names=[t.name for t in spec.outputs],
        dynamic_shapes=tuple(dynamic_shapes),
        verbose=False,
    )
    name_axes(path, spec)
    check_graph(path, spec)


def name_axes(path: Path, spec: GraphSpec) -> None:
    """Rename the free axes of inputs and outputs as `spec` does (exporters invent names such as s77) and drop the
    shapes recorded inside the graph, which used the old names."""
    model = onnx.load(str(path))
    for declared, values in ((spec.inputs, model.graph.input), (spec.outputs, model.graph.output)):
        by_name = {value.name: value for value in values}
        for tensor in declared:
            if tensor.name in by_name:
                _set_axes(by_name[tensor.name], tensor)
    del model.graph.value_info[:]
    onnx.save(model, str(path))


def _set_axes(value: onnx.ValueInfoProto, tensor: TensorSpec) -> None:
    shape = value.type.tensor_type.shape
    if len(shape.dim) != len(tensor.axes):
        raise GraphContractError(
            f"tensor {tensor.name}: expected {len(tensor.axes)} axes, "
            f"the file has {len(shape.dim)}; correct the GraphSpec or the exported module"
        )
    for dim, axis in zip(shape.dim, tensor.axes, strict=True):
        if isinstance(axis, str):
            dim.Clear()
            dim.dim_param = axis
        elif not dim.HasField("dim_value"):
            dim.dim_value = axis


def tensors_of(path: Path) -> tuple[tuple[TensorSpec, ...], tuple[TensorSpec, ...]]:
    """Inputs and outputs as the file declares them."""
    graph = onnx.load(str(path), load_external_data=False).graph
    initialisers = {i.name for i in graph.initializer}
    return (
        tuple(_tensor(v) for v in graph.input if v.name not in initialisers),
        tuple(_tensor(v) for v in graph.output),
    )


def _tensor(value: onnx.ValueInfoProto) -> TensorSpec:
    kind = value.type.tensor_type
    axes = tuple(d.dim_value if d.HasField("dim_value") else d.dim_param for d in kind.shape.dim)
    return TensorSpec(value.name, _DTYPES[kind.elem_type], axes)


def check_graph(path: Path, spec: GraphSpec) -> None:
    """Raise GraphContractError where the file breaks ONNX rules or says other names, dtypes or axes than `spec`."""
    try:
        onnx.checker.check_model(str(path))
    except onnx.checker.ValidationError as error:
        raise GraphContractError(f"{path.name}: not a valid ONNX file ({error}); export it again") from error
    for role, declared, found in zip(("inputs", "outputs"), (spec.inputs, spec.outputs), tensors_of(path), strict=True):
        if declared != found:
            raise GraphContractError(
                f"{path.name}: {role} expected {declared}, got {found}; correct the GraphSpec or export again"
            )


def run_graph(path: Path, feeds: Mapping[str, NDArray[Any]], *, threads: int = 1) -> dict[str, NDArray[Any]]:
    """Outputs by name of one CPU run; for checks right after an export, not for the runtime."""
    return run_session(open_graph(path, threads=threads), [feeds])[0]


def run_session(session: Any, feeds: Sequence[Mapping[str, NDArray[Any]]]) -> list[dict[str, NDArray[Any]]]:
    """Outputs by name of an onnxruntime.InferenceSession, one mapping per feed."""
    names = [output.name for output in session.get_outputs()]
    return [dict(zip(names, map(np.asarray, session.run(names, dict(feed))), strict=True)) for feed in feeds]


def open_graph(path: Path, *, threads: int = 1) -> Any:
    """An onnxruntime.InferenceSession on the CPU."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
