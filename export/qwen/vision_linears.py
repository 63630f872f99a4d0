"""Matrix products of the vision tower in the precision asked for, with what each costs and why some stay high.

In: activations by name, weights as arrays. Out: nodes in a `GraphFile`.

int8: activations are quantised per row while running (nothing to calibrate). One scale for the whole tensor, as
quantize_dynamic has it, is no option for this tower: single tokens carry values hundreds of times larger than the rest
(ggml-org/llama.cpp #17534 prints 4275 in the last block). Measured here on one row 50 times the others, [1024, 1280] x
[1280, 6840], one thread: fp32 85 ms; per tensor 30 ms, the other rows 38 % off; per row 31 ms, 1.1 % off; blocks of 32
66 ms, 0.8 % off. And an answer does not depend on who else is in the batch.
"""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from edgecap.export.onnx.block_weights import BLOCK, blocked_product, quantise_blocks
from edgecap.export.qwen.graph_file import GraphFile

LinearKind = Literal["qkv", "proj", "gate_up", "down", "merger"]
LINEAR_KINDS: tuple[LinearKind, ...] = ("qkv", "proj", "gate_up", "down", "merger")
BLOCKED: frozenset[str] = frozenset({"down", "merger"})
"""Quantised in blocks of 32 along the input, activations too: what goes into them has outliers in single features."""
KEPT_HIGH = {
    "vision: patch_embed (Conv)": "float: 0.2 % of the work, and every token is made from it",
    "vision: norms, softmax, rotary, residual sums": "float: no weights to shrink, and sums of outliers",
    "vision: mlp.down_proj, merger.mlp": "8-bit blocks of 32 with block-wise activations instead of one scale per row: "
    "their inputs have outliers in single features",
}
KEPT_HIGH_FP16 = {
    "vision twin: norms and residual sums": "float32: squares and sums of this tower's outliers leave float16",
    "vision twin: mlp.down_proj": "its input is divided by 64 and its output multiplied by 64 in float32: the product "
    "itself was seen to leave float16",
}
_DOWN_SCALE = 64.0
"""Power of two, so nothing is rounded by it. The last block's product overflows float16 on real pictures while its
input stays below 5000 (ggml-org/llama.cpp #17534); 64 moves the limit from 65 thousand to 4 million."""


class Linears:
    """`format` fp32, fp16 (matrix products in float16, the stream between blocks in float32) or int8."""

    def __init__(self, file: GraphFile, vision_format: Literal["fp32", "fp16", "int8"]) -> None:
        self._file = file
        self._half = vision_format == "fp16"
        self._int8 = vision_format == "int8"

    def constant(self, value: Any) -> NDArray[Any]:
        """A number or array in the type that products are computed in."""
        return np.asarray(value, np.float16 if self._half else np.float32)

    def real(self, x: str, out: str) -> str:
        """float32 -> the type that products are computed in."""
        return self._file.node("Cast", [x], out, to=_HALF) if self._half else x

    def single(self, x: str, out: str) -> str:
        """The type that products are computed in -> float32."""
        return self._file.node("Cast", [x], out, to=_FLOAT) if self._half else x

    def convolve(self, x: str, weight: NDArray[Any], out: str, *, stride: int) -> str:
        """Patches side by side, without bias: float32 [n,3,h,w] -> float32 [n,D,h/stride,w/stride]."""
        held = self._file.constant(f"{out}.weight", self.constant(weight))
        size = [stride, stride]
        inner = self.real(x, f"{out}.real")
        got = self._file.node("Conv", [inner, held], f"{out}.conv", kernel_shape=size, strides=size)
        return self.single(got, f"{out}.single")

    def add(self, x: str, weight: NDArray[Any], bias: NDArray[Any], out: str, *, kind: str) -> str:
        """x [rows, K] @ weight [N, K].T + bias [N]. In float16 the sum goes back to float32 after proj, down (the
        stream between blocks); the others stay."""
        if self._int8:
            got = self._blocks(x, weight, out) if kind in BLOCKED else self._rows(x, weight, out)
            return self._file.node("Add", [got, self._file.constant(f"{out}.bias", np.float32(bias))], out)
        if not self._half:
            got = self._file.node(
                "MatMul", [x, self._file.constant(f"{out}.weight", np.float32(weight.T))], f"{out}.product"
            )
            return self._file.node("Add", [got, self._file.constant(f"{out}.bias", np.float32(bias))], out)
        return self._halved(x, weight, bias, out, kind)

    def _halved(self, x: str, weight: NDArray[Any], bias: NDArray[Any], out: str, kind: str) -> str:
        file = self._file
        held = file.constant(f"{out}.weight", np.float16(weight.T))
        if kind == "down":
            down = file.constant("down_scale", np.float16(1 / _DOWN_SCALE))
            up = file.constant("down_rescale", np.float32(_DOWN_SCALE))
            got = file.node("MatMul", [file.node("Mul", [x, down], f"{out}.small"), held], f"{out}.product")
            got = file.node("Mul", [file.node("Cast", [got], f"{out}.cast", to=_FLOAT), up], f"{out}.large")
            return file.node("Add", [got, file.constant(f"{out}.bias", np.float32(bias))], out)
        if kind in ("qkv", "gate_up") or out == "merger.inner":  # these follow a norm, which is float32
            x = file.node("Cast", [x], f"{out}.half", to=_HALF)
        got = file.node("MatMul", [x, held], f"{out}.product")
        if kind != "proj":
            return file.node("Add", [got, file.constant(f"{out}.bias", np.float16(bias))], out)
        got = file.node("Cast", [got], f"{out}.cast", to=_FLOAT)
        return file.node("Add", [got, file.constant(f"{out}.bias", np.float32(bias))], out)

    def _rows(self, x: str, weight: NDArray[Any], out: str) -> str:
        """int8 per output channel times uint8 per row (zero point 128): unsigned activations are the fast kernels."""
        file = self._file
        scales = np.maximum(np.abs(weight).max(1) / 127.0, 1e-12).astype(np.float32)
        codes = np.rint(weight / scales[:, None]).astype(np.int8).T
        largest = file.node(
            "ReduceMax", [file.node("Abs", [x], f"{out}.abs"), file.ints(-1)], f"{out}.largest", keepdims=0
        )
        floor = file.constant("least_scale", np.float32(1e-12))
        share = file.constant("one_127th", np.float32(1 / 127))
        scale = file.node("Max", [file.node("Mul", [largest, share], f"{out}.share"), floor], f"{out}.scale")
        zeros = file.node("Expand", [file.constant("middle", np.array([128], np.uint8)),
                                     file.node("Shape", [scale], f"{out}.rows")], f"{out}.zeros")  # fmt: skip
        quantised = file.node("QuantizeLinear", [x, scale, zeros], f"{out}.quantised", axis=0)
        product = file.node(
            "MatMulIntegerToFloat",
            [
                quantised,
                file.constant(f"{out}.codes", codes),
                file.constant("one", np.float32(1)),
                file.constant(f"{out}.scales", scales),
                file.constant("middle_scalar", np.array(128, np.uint8)),
            ],
            f"{out}.integer",
            domain="com.microsoft",
        )
        column = file.node("Unsqueeze", [scale, file.ints(1)], f"{out}.column")
        return file.node("Mul", [product, column], f"{out}.product")

    def _blocks(self, x: str, weight: NDArray[Any], out: str) -> str:
        rows, width = weight.shape
        padded = np.zeros((rows, -(-width // BLOCK) * BLOCK), np.float32)
        padded[:, :width] = weight
        codes, scales = quantise_blocks(padded)
        names = [self._file.constant(f"{out}.codes", codes), self._file.constant(f"{out}.scales", scales)]
        return self._file.node(
            "MatMulNBits", [x, *names], f"{out}.product", **blocked_product(rows=rows, width=width, bits=8)
        )  # fmt: skip


_FLOAT, _HALF = 1, 10  # onnx.TensorProto.FLOAT, FLOAT16
