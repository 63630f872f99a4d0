"""An ONNX file written node by node, its weights going to disk as they come.

In: nodes and constants in order. Out: one .onnx file and, where the weights are too many for one protobuf, one
`<file>.data` beside it. No more than one weight is held in memory when they go beside.
"""

from __future__ import annotations

from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from edgecap.engines.graph.spec import DType, GraphSpec, TensorSpec

if TYPE_CHECKING:
    import onnx

OPSET = 23
"""First opset with RMSNormalization and RotaryEmbedding."""
INLINE_BYTES = 1 << 28
"""Above this the weights go into a file of their own: a protobuf ends at 2 GB and is held several times while it is
written (0.7 GB took 3.7 GB of memory; beside the graph 2.7 GB took 0.5)."""
_SMALL_BYTES = 1024  # shapes and axes stay in the graph, where readers of shapes look for them
_PAGE = 4096  # weights that begin on a page can be mapped into memory as they are


class GraphFile:
    """Use as a context manager; the .onnx file is written by `finish`, and nothing is left behind without it."""

    def __init__(self, path: Path, *, weight_bytes: int) -> None:
        self.path = path
        self.nodes: list[onnx.NodeProto] = []
        self._initialisers: list[onnx.TensorProto] = []
        self._known: set[str] = set()
        self._data_path = path.with_name(path.name + ".data") if weight_bytes > INLINE_BYTES else None
        self._data: BinaryIO | None = None
        self._finished = False

    def __enter__(self) -> GraphFile:
        if self._data_path is not None:
            self._data = self._data_path.open("wb")
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, at: TracebackType | None) -> None:
        if self._data is not None:
            self._data.close()
        if not self._finished and self._data_path is not None:
            self._data_path.unlink(missing_ok=True)

    def constant(self, name: str, value: Any) -> str:
        """Store a weight or a small table; the same name a second time is the same constant."""
        from onnx import numpy_helper

        if name in self._known:
            return name
        self._known.add(name)
        held = np.asarray(value, order="C")
        if self._data is None or held.nbytes < _SMALL_BYTES:
            self._initialisers.append(numpy_helper.from_array(held, name))
        else:
            self._initialisers.append(self._beside(name, held, self._data))
        return name

    def ints(self, *values: int) -> str:
        """A constant int64 [len(values)]."""
        return self.constant("ints_" + "_".join(str(v).replace("-", "m") for v in values), np.array(values, np.int64))

    def node(self, op: str, inputs: list[str], out: str, *, domain: str = "", **attributes: Any) -> str:
        """Add a node with one output; returns the output's name."""
        return self.nodes_out(op, inputs, [out], domain=domain, **attributes)[0]

    def nodes_out(
        self, op: str, inputs: list[str], outs: list[str], *, domain: str = "", **attributes: Any
    ) -> list[str]:
        """Add a node with several outputs."""
        from onnx import helper

        self.nodes.append(helper.make_node(op, inputs, outs, name=f"{outs[0]}/{op}", domain=domain, **attributes))
        return outs

    def finish(self, spec: GraphSpec) -> None:
        """Write the file with the inputs and outputs of `spec` and check it against the ONNX rules."""
        import onnx
        from onnx import helper

        from edgecap.export.onnx.graph import check_graph

        if self._data is not None:
            self._data.close()
        graph = helper.make_graph(
            self.nodes,
            self.path.stem,
            [_value_info(t) for t in spec.inputs],
            [_value_info(t) for t in spec.outputs],
            self._initialisers,
        )
        opsets = [helper.make_opsetid("", OPSET)]
        if any(node.domain for node in self.nodes):
            opsets.append(helper.make_opsetid("com.microsoft", 1))
        onnx.save(
            helper.make_model(graph, opset_imports=opsets, producer_name="edgecap", ir_version=10), str(self.path)
        )
        check_graph(self.path, spec)
        self._finished = True

    def _beside(self, name: str, value: NDArray[Any], data: BinaryIO) -> onnx.TensorProto:
        from onnx import TensorProto, helper

        assert self._data_path is not None
        data.write(b"\0" * (-data.tell() % _PAGE))
        offset = data.tell()
        data.write(value.reshape(-1).view(np.uint8).data)
        tensor = TensorProto(
            name=name,
            dims=value.shape,
            data_type=helper.np_dtype_to_tensor_dtype(value.dtype),
            data_location=TensorProto.EXTERNAL,
        )
        for key, entry in (("location", self._data_path.name), ("offset", offset), ("length", value.nbytes)):
            tensor.external_data.add(key=key, value=str(entry))
        return tensor


def _value_info(tensor: TensorSpec) -> onnx.ValueInfoProto:
    from onnx import TensorProto, helper

    kinds: dict[DType, int] = {"float32": TensorProto.FLOAT}
    return helper.make_tensor_value_info(tensor.name, kinds[tensor.dtype], list(tensor.axes))
