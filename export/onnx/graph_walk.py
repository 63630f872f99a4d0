"""Where a node is in a graph, seen from its layers (the nodes that hold the work): what every precision pass asks.

In: an `onnx.ModelProto`, nodes named. Out: sets of node names.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import onnx

LAYER_OPS = frozenset({
    "Conv", "ConvTranspose", "MatMul", "Gemm", "Einsum", "Attention", "MatMulNBits", "GroupQueryAttention",
    "MultiHeadAttention", "MatMulInteger", "ConvInteger",
})  # fmt: skip
"""Operators that do the multiplying; what is before the first or after the last is arithmetic of pixels, boxes and
scores."""


def name_nodes(model: onnx.ModelProto) -> None:
    """Give every node a name of its own, in place: exclusions, tables and error messages speak of nodes by name."""
    taken: set[str] = set()
    for index, node in enumerate(model.graph.node):
        if not node.name or node.name in taken:
            node.name = f"{node.name or node.op_type}_{index}"
        taken.add(node.name)


def working_copy(model: onnx.ModelProto) -> onnx.ModelProto:
    """A copy that passes may change: without local functions, as they look at plain nodes only, and every node with a
    name of its own."""
    from onnx import inliner

    made = type(model)()
    made.CopyFrom(model)
    if made.functions:
        made = inliner.inline_local_functions(made)
    name_nodes(made)
    return made


def weight_names(model: onnx.ModelProto) -> set[str]:
    """Names of all initialisers."""
    return {i.name for i in model.graph.initializer}


def layers(model: onnx.ModelProto) -> list[onnx.NodeProto]:
    """Nodes that multiply by a stored weight, in graph order: what can be quantised."""
    weights = weight_names(model)
    return [
        node
        for node in model.graph.node
        if node.op_type in ("Conv", "ConvTranspose", "MatMul", "Gemm") and len(node.input) > 1
        and node.input[1] in weights
    ]  # fmt: skip


def before_first_layer(model: onnx.ModelProto) -> set[str]:
    """Names of nodes that no layer leads to: scaling of pixels, tables of positions."""
    fed: set[str] = set()
    outside = set()
    for node in model.graph.node:
        if node.op_type in LAYER_OPS or fed.intersection(inputs_of(node)):
            fed.update(node.output)
        else:
            outside.add(node.name)
    return outside


def after_last_layer(model: onnx.ModelProto) -> set[str]:
    """Names of nodes that lead to no layer: scores, boxes, the choice of the best ones."""
    leading: set[str] = set()
    outside = set()
    for node in reversed(model.graph.node):
        if node.op_type in LAYER_OPS or leading.intersection(node.output):
            leading.update(inputs_of(node))
        else:
            outside.add(node.name)
    return outside


def inputs_of(node: onnx.NodeProto) -> set[str]:
    """Names that a node reads, those that its inner graphs take from outside included."""
    names = {name for name in node.input if name}
    for graph in inner_graphs(node):
        made = {i.name for i in graph.initializer} | {i.name for i in graph.input}
        for inner in graph.node:
            names |= inputs_of(inner) - made
            made.update(inner.output)
        names |= {o.name for o in graph.output} - made
    return names


def inner_graphs(node: onnx.NodeProto) -> Iterator[onnx.GraphProto]:
    """Bodies of If, Loop and Scan."""
    for attribute in node.attribute:
        if attribute.HasField("g"):
            yield attribute.g
        yield from attribute.graphs


def matching(nodes: Iterable[onnx.NodeProto], patterns: Sequence[str]) -> dict[str, str]:
    """Node name -> the pattern that names it. A pattern (* and ? as in file names) is tried on the node's name and on
    the names of what it reads and writes, so that "model.head.*" finds the node by its weight.

    Raises ValueError for a pattern that finds nothing: a list of exclusions that no longer fits its model.
    """
    found: dict[str, str] = {}
    unused = set(patterns)
    for node in nodes:
        names = [node.name, *node.input, *node.output]
        for pattern in patterns:
            if any(fnmatchcase(name, pattern) for name in names):
                found.setdefault(node.name, pattern)
                unused.discard(pattern)
    if unused:
        raise ValueError(f"no node, weight or tensor is named {', '.join(sorted(unused))}")
    return found


def drop_unused_weights(model: onnx.ModelProto) -> None:
    """Remove, in place, initialisers that nothing reads any more."""
    used = {o.name for o in model.graph.output}.union(*(inputs_of(node) for node in model.graph.node))
    kept = [i for i in model.graph.initializer if i.name in used]
    del model.graph.initializer[:]
    model.graph.initializer.extend(kept)
