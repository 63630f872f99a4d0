"""Nodes and weights of a decoder under construction: norms, and matrix products in every weight format.

In: weights by name, asked for one by one. Out: nodes and initialisers, the large ones streamed to a file where there is
one.

The residual stream and the norms stay float32 whatever the rest is: the sums of Qwen2's layers leave float16's range
(a few channels reach 1e4 and more), and a norm costs nothing next to a matrix product.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from edgecap.export.decoder.config import DecoderConfig, Form, Linear, WeightFormat
from edgecap.export.onnx.block_weights import BLOCK, blocked_product, pack_pairs, quantise_blocks, quantise_blocks4

if TYPE_CHECKING:
    import onnx

_CHUNK = 1 << 22
"""Weights quantised or transposed at a time, so that a vocabulary's matrix needs no second copy of itself."""
_PAGE = 4096
"""Data in the file beside starts on page borders, so that a runtime can map it."""


@dataclass(slots=True)
class DecoderNet:
    """`weights`: name -> array [out, in] of any float type; `half`: products and cache in float16; `beside`: open file
    for the matrices (None: into the graph), under the name `beside_name` next to the graph's file; `kept`: kinds of
    product with a format of their own."""

    weights: Mapping[str, NDArray[Any]]
    config: DecoderConfig
    form: Form
    weight_format: WeightFormat
    half: bool = False
    kept: Mapping[Linear, WeightFormat] = field(default_factory=dict)
    beside: BinaryIO | None = None
    beside_name: str = ""
    nodes: list[onnx.NodeProto] = field(default_factory=list)
    initialisers: list[onnx.TensorProto] = field(default_factory=list)

    @property
    def real(self) -> type[np.floating[Any]]:
        """The type of products and cache."""
        return np.float16 if self.half else np.float32

    def constant(self, name: str, value: NDArray[Any]) -> str:
        """A small tensor, kept in the graph."""
        from onnx import numpy_helper

        self.initialisers.append(numpy_helper.from_array(np.ascontiguousarray(value), name))
        return name

    def node(self, op: str, inputs: list[str], outputs: list[str], *, domain: str = "", **attributes: Any) -> str:
        """Append a node named after its first output; returns that output."""
        from onnx import helper

        name = f"{outputs[0]}/{op}"
        self.nodes.append(helper.make_node(op, inputs, outputs, name=name, domain=domain, **attributes))
        return outputs[0]

    def norm(self, x: str, weight_name: str, out: str) -> str:
        """RMSNorm in float32 of the float32 stream; its result in `real`."""
        scale = self.constant(weight_name, np.asarray(self.weights[weight_name], np.float32))
        wide = f"{out}.wide" if self.half else out
        self.node("RMSNormalization", [x, scale], [wide], axis=-1, epsilon=self.config.norm_eps, stash_type=1)
        return self.narrow(wide, out)

    def narrow(self, x: str, out: str) -> str:
        """float32 -> `real`: a Cast named `out` where they differ, else `x` itself."""
        return self.node("Cast", [x], [out], to=self.kind(np.float16)) if self.half else x

    def widen(self, x: str, out: str) -> str:
        """`real` -> float32, as `narrow`."""
        return self.node("Cast", [x], [out], to=self.kind(np.float32)) if self.half else x

    def add_to_stream(self, x: str, update: str, out: str) -> str:
        """The residual sum, float32."""
        return self.node("Add", [x, self.widen(update, f"{out}.update")], [out])

    def linear(self, x: str, weight_names: list[str], out: str, *, linear: Linear) -> str:
        """x @ concat(weights).T; several weights become one matrix, which reads the activations once. Where the config
        has biases they are added to query, key and value."""
        parts = [np.asarray(self.weights[n], np.float32) for n in weight_names]
        weight = parts[0] if len(parts) == 1 else np.concatenate(parts)
        del parts
        biased = linear == "qkv" and self.config.qkv_bias
        product = f"{out}.product" if biased else out
        weight_format = self.kept.get(linear, self.weight_format)
        if weight_format in ("fp32", "fp16"):
            self.node("MatMul", [x, self._dense(out + ".weight", weight)], [product])
        elif self.form == "shared":
            self._blocked_product(x, weight, product, out, weight_format)
        else:
            self.node("MatMul", [x, self._dequantised(weight, out, weight_format)], [product])
        if biased:
            names = [n.removesuffix(".weight") + ".bias" for n in weight_names]
            bias = np.concatenate([np.asarray(self.weights[n], np.float32) for n in names]).astype(self.real)
            self.node("Add", [product, self.constant(f"{out}.bias", bias)], [out])
        return out

    def kind(self, dtype: Any) -> int:
        """ONNX's number of a numpy type."""
        from onnx import helper

        return int(helper.np_dtype_to_tensor_dtype(np.dtype(dtype)))

    def _dense(self, name: str, weight: NDArray[np.float32]) -> str:
        """[N, K] -> the constant [K, N] that MatMul expects."""
        rows, width = weight.shape
        chunks = (weight[:, part].T.astype(self.real) for part in _parts(width, per_step=_CHUNK // rows))
        return self._stream(name, self.kind(self.real), (width, rows), chunks)

    def _blocked_product(
        self, x: str, weight: NDArray[np.float32], product: str, out: str, weight_format: WeightFormat
    ) -> None:
        from onnx import TensorProto

        rows, width = weight.shape
        bits = 8 if weight_format == "int8" else 4
        scales = np.empty((rows, width // BLOCK), np.float32)

        def codes() -> Iterator[NDArray[np.uint8]]:
            for part in _parts(rows, per_step=_CHUNK // width):
                if bits == 8:
                    chunk, scales[part] = quantise_blocks(weight[part])
                    yield chunk
                else:
                    signed, scales[part] = quantise_blocks4(weight[part])
                    yield pack_pairs((signed + 8).astype(np.uint8))

        dims = (rows, width // BLOCK, BLOCK * bits // 8)
        names = [self._stream(out + ".codes", TensorProto.UINT8, dims, codes())]
        names.append(self.constant(out + ".scales", scales.astype(self.real)))
        self.node(
            "MatMulNBits",
            [x, *names],
            [product],
            **blocked_product(rows=rows, width=width, bits=bits),
        )

    def _dequantised(self, weight: NDArray[np.float32], out: str, weight_format: WeightFormat) -> str:
        """[N, K] -> the [K, N] result of a DequantizeLinear in blocks along K, without zero points (TensorRT)."""
        from onnx import TensorProto

        rows, width = weight.shape
        small = weight_format == "int4"
        codes = np.empty((width, rows), np.int8)
        scales = np.empty((width // BLOCK, rows), self.real)
        for part in _parts(rows, per_step=_CHUNK // width):
            if small:
                chunk, scale = quantise_blocks4(weight[part])
            else:
                unsigned, scale = quantise_blocks(weight[part])
                chunk = (unsigned.astype(np.int16) - 128).astype(np.int8)
            codes[:, part], scales[:, part] = chunk.reshape(-1, width).T, scale.T
        kind: int = TensorProto.INT8
        chunks: Iterable[NDArray[Any]] = [codes]
        if small:  # chunks of 32 rows hold an even number of codes, whatever N is
            steps = _parts(width, per_step=_CHUNK // rows, multiple=BLOCK)
            kind = TensorProto.INT4
            chunks = (pack_pairs(codes[s].view(np.uint8).ravel() & np.uint8(15)) for s in steps)
        names = [self._stream(out + ".codes", kind, (width, rows), chunks)]
        names.append(self.constant(out + ".scales", scales))
        return self.node("DequantizeLinear", names, [f"{out}.weight"], axis=0, block_size=BLOCK)

    def _stream(self, name: str, kind: int, dims: tuple[int, ...], chunks: Iterable[NDArray[Any]]) -> str:
        """A large tensor, its bytes taken chunk by chunk: into the file beside, or into the graph."""
        from onnx import TensorProto

        tensor = TensorProto(name=name, data_type=kind, dims=dims)
        if self.beside is None:
            tensor.raw_data = b"".join(np.ascontiguousarray(chunk).tobytes() for chunk in chunks)
        else:
            start = -(-self.beside.tell() // _PAGE) * _PAGE
            self.beside.seek(start)
            for chunk in chunks:
                np.ascontiguousarray(chunk).tofile(self.beside)
            self.beside.seek(0, 2)
            tensor.data_location = TensorProto.EXTERNAL
            place = {"location": self.beside_name, "offset": start, "length": self.beside.tell() - start}
            for key, value in place.items():
                tensor.external_data.add(key=key, value=str(value))
        self.initialisers.append(tensor)
        return name


def _parts(total: int, *, per_step: int, multiple: int = 1) -> Iterator[slice]:
    step = max(multiple, per_step // multiple * multiple)
    for start in range(0, total, step):
        yield slice(start, min(start + step, total))
