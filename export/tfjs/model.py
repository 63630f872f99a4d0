"""A TensorFlow.js graph model on the disk: NAME.json (topology) and its .bin shards (weights), read into numpy.

In: the path of NAME.json. Out: `TfjsModel`. Nothing in the files is run: JSON and raw numbers only.
"""

from __future__ import annotations

import base64
import binascii
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgecap.engines.errors import CheckpointError

Constant = NDArray[Any]
_STORED = {"float32": np.float32, "int32": np.int32, "bool": np.bool_, "uint8": np.uint8}
_QUANTISED = {"float16": np.float16, "uint8": np.uint8, "uint16": np.uint16}


@dataclass(frozen=True, slots=True)
class TfjsNode:
    """One node of the topology."""

    name: str
    op: str
    """The operator as TensorFlow spells it."""
    inputs: tuple[str, ...]
    """Tensors that it reads: "node", or "node:1" for a further output. Control inputs are left out."""
    attributes: Mapping[str, Any] = field(repr=False)
    """Decoded: int, float, bool, str, list of them; a shape is a tuple with None where it is free."""

    def get(self, name: str, default: Any = None) -> Any:
        """An attribute; `default` where the node has none of that name."""
        return self.attributes.get(name, default)


@dataclass(frozen=True, slots=True)
class TfjsModel:
    """A graph model, whole and decoded."""

    path: Path
    """Its NAME.json."""
    nodes: Mapping[str, TfjsNode] = field(repr=False)
    weights: Mapping[str, Constant] = field(repr=False)
    """By node name: float32 (out of float16 and quantised forms), int32, bool or uint8, in TensorFlow's axis order."""
    outputs: tuple[str, ...]
    """Tensors that the signature names; those that no node reads where there is no signature."""

    @classmethod
    def open(cls, path: Path) -> TfjsModel:
        """Raises `CheckpointError`: not JSON, not a graph model, a missing or short shard, an unknown number format."""
        content = _read(path)
        topology, manifest = content.get("modelTopology"), content.get("weightsManifest")
        if not (isinstance(topology, dict) and isinstance(topology.get("node"), list) and isinstance(manifest, list)):
            raise CheckpointError(
                f"{path}: is not a TensorFlow.js graph model (no modelTopology.node, no weightsManifest; a layers "
                "model has others); convert it with tensorflowjs_converter --output_format=tfjs_graph_model"
            )
        try:
            nodes = {held["name"]: _node(held) for held in topology["node"]}
            weights = {name: value for group in manifest for name, value in _weights(path, group)}
        except (KeyError, TypeError, ValueError, binascii.Error) as error:
            raise CheckpointError(f"{path}: is damaged ({type(error).__name__}: {error}); fetch it again") from error
        missing = [node.name for node in nodes.values() if node.op == "Const" and node.name not in weights]
        if missing:
            raise CheckpointError(f"{path}: no weights for its constant {missing[0]!r}; fetch it again")
        return cls(path, nodes, weights, _outputs(content, nodes))

    @property
    def inputs(self) -> tuple[TfjsNode, ...]:
        """The placeholders, in the order of the file."""
        return tuple(node for node in self.nodes.values() if node.op == "Placeholder")


def tensor_name(reference: str) -> str:
    """A tensor as it is written in an input list ("node:0") -> as it is known here ("node")."""
    return reference.removesuffix(":0")


def node_name(tensor: str) -> str:
    """The node that makes a tensor."""
    return tensor.partition(":")[0]


def _read(path: Path) -> dict[str, Any]:
    if not path.is_file():
        raise CheckpointError(f"{path}: no such file; give the NAME.json of a TensorFlow.js graph model")
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise CheckpointError(f"{path}: is not JSON ({error}); fetch it again") from error
    if not isinstance(content, dict):
        raise CheckpointError(f"{path}: expected a JSON object, got {type(content).__name__}; fetch it again")
    return content


def _node(held: Mapping[str, Any]) -> TfjsNode:
    inputs = tuple(tensor_name(name) for name in held.get("input", ()) if not name.startswith("^"))
    attributes = {name: _attribute(value) for name, value in held.get("attr", {}).items()}
    return TfjsNode(held["name"], held["op"], inputs, attributes)


def _attribute(held: Mapping[str, Any]) -> Any:
    """TensorFlow's AttrValue in JSON: one key that names the kind; whole numbers are written as strings."""
    if "list" in held:
        [(kind, values)] = held["list"].items() if held["list"] else [("i", [])]
        return [_attribute({kind: value}) for value in values]
    if "shape" in held:
        sizes = [int(dim.get("size", -1)) for dim in held["shape"].get("dim", ())]
        return tuple(None if size < 0 else size for size in sizes)
    if "i" in held:
        return int(held["i"])
    if "s" in held:
        return base64.b64decode(held["s"]).decode("utf-8", errors="replace")
    return next((held[kind] for kind in ("f", "b", "type") if kind in held), None)


def _weights(path: Path, group: Mapping[str, Any]) -> list[tuple[str, Constant]]:
    """One group of the manifest: its shards laid end to end hold its weights, one after another."""
    shards = [path.parent / name for name in group["paths"]]
    for shard, name in zip(shards, group["paths"], strict=True):
        if Path(name).name != name or not shard.is_file():
            raise CheckpointError(f"{path}: shard {name} is missing beside it; fetch it too")
    content = b"".join(shard.read_bytes() for shard in shards)
    found, start = [], 0
    for held in group["weights"]:
        dtype = _dtype(path, held)
        count = math.prod(held["shape"])
        end = start + count * dtype.itemsize
        if end > len(content):
            raise CheckpointError(
                f"{path}: {', '.join(group['paths'])} ends inside weight {held['name']!r} "
                f"({len(content)} bytes, {end} are needed); fetch it again"
            )
        found.append((held["name"], _decoded(held, np.frombuffer(content, dtype, count, start))))
        start = end
    return found


def _dtype(path: Path, held: Mapping[str, Any]) -> np.dtype[Any]:
    quantised = held.get("quantization")
    table, name = (_QUANTISED, quantised["dtype"]) if quantised else (_STORED, held["dtype"])
    if name not in table or held["dtype"] not in _STORED:
        raise CheckpointError(
            f"{path}: weight {held['name']!r} is stored as {held['dtype']}/{name}; "
            f"{', '.join(_STORED)} are known, quantised as {', '.join(_QUANTISED)}"
        )
    return np.dtype(table[name]).newbyteorder("<")


def _decoded(held: Mapping[str, Any], stored: Constant) -> Constant:
    """Quantised numbers become scale * code + min; whole ones are rounded."""
    quantised, values = held.get("quantization"), stored
    if quantised and quantised["dtype"] != "float16":
        values = stored.astype(np.float32) * np.float32(quantised["scale"]) + np.float32(quantised["min"])
        if held["dtype"] == "int32":
            values = np.rint(values)
    return values.astype(_STORED[held["dtype"]]).reshape(held["shape"])


def _outputs(content: Mapping[str, Any], nodes: Mapping[str, TfjsNode]) -> tuple[str, ...]:
    signature = content.get("signature") or (content.get("userDefinedMetadata") or {}).get("signature") or {}
    named = tuple(tensor_name(value.get("name", key)) for key, value in signature.get("outputs", {}).items())
    if named and all(node_name(name) in nodes for name in named):
        return named
    read = {node_name(name) for node in nodes.values() for name in node.inputs}
    return tuple(name for name, node in nodes.items() if name not in read and node.op not in ("Const", "NoOp"))
