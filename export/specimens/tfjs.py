"""TensorFlow.js graph models written by us: a topology node by node, its weights in one shard; and a small NanoDet.

Out: NAME.json and NAME.bin, as tensorflowjs_converter lays them out.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

Stored = Literal["float16", "uint8", "uint16"]
SIDE = 416
"""Pixels, as the real one."""
_CLASSES, _BINS = 80, 11


class TfjsWriter:
    """A graph model in the making."""

    def __init__(self) -> None:
        self._nodes: list[dict[str, Any]] = []
        self._weights: list[dict[str, Any]] = []
        self._content: list[bytes] = []

    def placeholder(self, name: str, shape: Sequence[int], dtype: str = "DT_FLOAT") -> str:
        """An input; -1 = a free axis."""
        sizes = [{"size": str(size)} for size in shape]
        self._nodes.append(
            {"name": name, "op": "Placeholder", "attr": {"dtype": {"type": dtype}, "shape": {"shape": {"dim": sizes}}}}
        )
        return name

    def constant(self, name: str, value: ArrayLike, *, stored: Stored | None = None) -> str:
        """A weight, float32, int32 or bool; `stored`: the smaller form that the shard holds."""
        array: NDArray[Any] = np.asarray(value)
        array = array.astype({"f": np.float32, "i": np.int32, "b": np.bool_}[array.dtype.kind])
        held: dict[str, Any] = {"name": name, "shape": list(array.shape), "dtype": array.dtype.name}
        content = array
        if stored == "float16":
            held["quantization"], content = {"dtype": "float16", "original_dtype": "float32"}, array.astype(np.float16)
        elif stored is not None:
            least = float(array.min())
            scale = (float(array.max()) - least) / np.iinfo(stored).max or 1.0
            held["quantization"] = {"dtype": stored, "scale": scale, "min": least}
            content = np.rint((array - least) / scale).astype(stored)
        self._weights.append(held)
        self._content.append(content.tobytes())
        self._nodes.append({"name": name, "op": "Const", "attr": {"dtype": {"type": "DT_FLOAT"}}})
        return name

    def node(self, op: str, name: str, inputs: Sequence[str], **attributes: Any) -> str:
        """A node; attributes in Python's types, "DT_..." for types."""
        held = {key: _attribute(value) for key, value in attributes.items()}
        self._nodes.append({"name": name, "op": op, "input": list(inputs), "attr": held})
        return name

    def save(self, path: Path, outputs: Sequence[str]) -> Path:
        """Write NAME.json and NAME.bin; returns the former."""
        shard = path.with_suffix(".bin")
        shard.write_bytes(b"".join(self._content))
        content = {
            "format": "graph-model",
            "modelTopology": {"node": self._nodes, "library": {}, "versions": {"producer": 1}},
            "signature": {"outputs": {name: {"name": f"{name}:0" if ":" not in name else name} for name in outputs}},
            "weightsManifest": [{"paths": [shard.name], "weights": self._weights}],
        }
        path.write_text(json.dumps(content), encoding="utf-8")
        return path


def _attribute(value: Any) -> dict[str, Any]:
    if isinstance(value, bool):
        return {"b": value}
    if isinstance(value, int):
        return {"i": str(value)}
    if isinstance(value, float):
        return {"f": value}
    if isinstance(value, str):
        return {"type": value} if value.startswith("DT_") else {"s": base64.b64encode(value.encode()).decode()}
    kind = "s" if value and isinstance(value[0], str) else "i"
    return {"list": {kind: [_attribute(item)[kind] for item in value]}}


def save_nanodet(folder: Path, *, side: int = SIDE, seed: int = 0) -> Path:
    """NanoDet's inputs and outputs (RangiLyu/nanodet, Apache-2.0) over one convolution per stride, random weights.

    Input [1, 3, side, side]; per stride 8, 16, 32 classes [1, cells, 80] after a sigmoid and distances [1, cells, 44].
    """
    write, rng = TfjsWriter(), np.random.default_rng(seed)
    write.placeholder("input", (1, 3, side, side))
    write.node("Transpose", "nhwc", ["input", write.constant("to_nhwc", [0, 2, 3, 1])])
    previous, channels, outputs = "nhwc", 3, []
    for stride, step in ((8, 8), (16, 2), (32, 2)):
        kernel = write.constant(
            f"w{stride}", rng.normal(0, (step * step * channels) ** -0.5, (step, step, channels, 24)), stored="float16"
        )
        shape: dict[str, Any] = {"padding": "VALID", "data_format": "NHWC", "dilations": [1, 1, 1, 1]}
        write.node("Conv2D", f"c{stride}", [previous, kernel], strides=[1, step, step, 1], **shape)
        previous, channels = write.node("LeakyRelu", f"m{stride}", [f"c{stride}"], alpha=0.1), 24
        cells = (side // stride) ** 2
        for kind, width in (("classes", _CLASSES), ("distances", 4 * _BINS)):
            head = write.constant(f"{kind}_w{stride}", rng.normal(0, 0.3, (1, 1, 24, width)), stored="float16")
            bias = write.constant(f"{kind}_b{stride}", np.full(width, -4.0 if kind == "classes" else 0.0))
            made = write.node("Conv2D", f"{kind}_c{stride}", [previous, head], strides=[1, 1, 1, 1], **shape)
            made = write.node("AddV2", f"{kind}_a{stride}", [made, bias])
            if kind == "classes":
                made = write.node("Sigmoid", f"{kind}_s{stride}", [made])
            target = write.constant(f"{kind}_shape{stride}", [1, cells, width])
            outputs.append(write.node("Reshape", f"{kind}{stride}", [made, target]))
    return write.save(folder / "nanodet.json", outputs)
