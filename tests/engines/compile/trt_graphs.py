"""Small ONNX graphs for the TensorRT compilers, each with the `GraphSpec` that a pack would give it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from edgecap.engines import GraphSpec, TensorSpec

HEADS, KV_HEADS, HEAD_DIM, HIDDEN, CAPACITY = 4, 2, 16, 32, 32


def save(
    path: Path, nodes: list[onnx.NodeProto], spec: GraphSpec, constants: dict[str, np.ndarray], *, opset: int = 18
):
    """Write the graph with the tensors of `spec`."""

    def side(tensors: tuple[TensorSpec, ...]) -> list[onnx.ValueInfoProto]:
        return [
            helper.make_tensor_value_info(t.name, helper.np_dtype_to_tensor_dtype(np.dtype(t.dtype)), list(t.axes))
            for t in tensors
        ]

    initialisers = [numpy_helper.from_array(value, name) for name, value in constants.items()]
    graph = helper.make_graph(nodes, "test", side(spec.inputs), side(spec.outputs), initialisers)
    opsets = [helper.make_opsetid("", opset), helper.make_opsetid("com.microsoft", 1)]
    onnx.save(helper.make_model(graph, opset_imports=opsets, ir_version=11 if opset > 23 else 10), path)
    return path


def convolution(folder: Path, *, layers: int = 1) -> tuple[Path, GraphSpec]:
    """images uint8 [B,3,H,W] -> features float32 [B,8,H,W]."""
    spec = GraphSpec(
        "convolution.onnx",
        "fp32",
        (TensorSpec("images", "uint8", ("B", 3, "H", "W")),),
        (TensorSpec("features", "float32", ("B", 8, "H", "W")),),
        {"B": (1, 2, 4), "H": (32, 64, 96), "W": (32, 64, 96)},
    )
    rng = np.random.default_rng(0)
    nodes = [helper.make_node("Cast", ["images"], ["x0"], to=TensorProto.FLOAT)]
    constants = {}
    for index in range(layers):
        constants[f"w{index}"] = (rng.standard_normal((8, 8 if index else 3, 3, 3)) / 8).astype(np.float32)
        out = "features" if index == layers - 1 else f"x{index + 1}"
        nodes.append(
            helper.make_node("Conv", [f"x{index}", f"w{index}"], [f"c{index}"], pads=[1] * 4, name=f"conv{index}")
        )
        nodes.append(helper.make_node("Relu", [f"c{index}"], [out]))
    return save(folder / spec.file, nodes, spec, constants), spec


def scatter_decoder(folder: Path) -> tuple[Path, GraphSpec]:
    """One attention layer by the "scatter" contract of `CaptionerSpec`, in fp32, with a cache of CAPACITY positions."""
    cache = ("B", KV_HEADS, CAPACITY, HEAD_DIM)
    spec = GraphSpec(
        "decoder.onnx",
        "fp32",
        (
            TensorSpec("inputs_embeds", "float32", ("B", "S", HIDDEN)),
            TensorSpec("write_indices", "int64", ("B",)),
            TensorSpec("position_ids", "int64", ("B", "S")),
            TensorSpec("attention_bias", "float32", ("B", 1, "S", CAPACITY)),
            TensorSpec("last_index", "int64", ("B",)),
            TensorSpec("past_key_0", "float32", cache),
            TensorSpec("past_value_0", "float32", cache),
        ),
        (
            TensorSpec("logits", "float32", ("B", HIDDEN)),
            TensorSpec("present_key_0", "float32", cache),
            TensorSpec("present_value_0", "float32", cache),
        ),
        {"B": (1, 2, 4), "S": (1, 1, 8)},
    )
    rng = np.random.default_rng(0)
    constants: dict[str, np.ndarray] = {"one": np.array([1], np.int64), "gain": np.ones(HIDDEN, np.float32)}
    angles = np.arange(CAPACITY)[:, None] / 10.0 ** np.linspace(0, 3, HEAD_DIM // 2)
    constants |= {"cos": np.cos(angles).astype(np.float32), "sin": np.sin(angles).astype(np.float32)}
    nodes = [helper.make_node("RMSNormalization", ["inputs_embeds", "gain"], ["normed"], axis=-1)]
    for part, heads in (("q", HEADS), ("k", KV_HEADS), ("v", KV_HEADS)):
        constants[f"w_{part}"] = (rng.standard_normal((HIDDEN, heads * HEAD_DIM)) / 6).astype(np.float32)
        constants[f"shape_{part}"] = np.array([0, 0, heads, HEAD_DIM], np.int64)
        nodes += [
            helper.make_node("MatMul", ["normed", f"w_{part}"], [f"{part}_flat"]),
            helper.make_node("Reshape", [f"{part}_flat", f"shape_{part}"], [f"{part}_rows"]),
            helper.make_node("Transpose", [f"{part}_rows"], [f"{part}_heads"], perm=[0, 2, 1, 3]),
        ]
    for part in "qk":
        inputs = [f"{part}_heads", "cos", "sin", "position_ids"]
        nodes.append(helper.make_node("RotaryEmbedding", inputs, [f"{part}_turned"], name=f"rotary_{part}"))
    for name, new in (("key", "k_turned"), ("value", "v_heads")):
        inputs = [f"past_{name}_0", new, "write_indices"]
        nodes.append(helper.make_node("TensorScatter", inputs, [f"present_{name}_0"], axis=2, name=f"scatter_{name}"))
    constants["w_out"] = (rng.standard_normal((HEADS * HEAD_DIM, HIDDEN)) / 8).astype(np.float32)
    constants["shape_out"] = np.array([0, 0, HEADS * HEAD_DIM], np.int64)
    nodes += [
        helper.make_node(
            "Attention",
            ["q_turned", "present_key_0", "present_value_0", "attention_bias"],
            ["mixed_heads"],
            scale=HEAD_DIM**-0.5,
            name="attention",
        ),
        helper.make_node("Transpose", ["mixed_heads"], ["mixed_rows"], perm=[0, 2, 1, 3]),
        helper.make_node("Reshape", ["mixed_rows", "shape_out"], ["mixed"]),
        helper.make_node("Unsqueeze", ["last_index", "one"], ["last"]),
        helper.make_node("GatherND", ["mixed", "last"], ["row"], batch_dims=1),
        helper.make_node("MatMul", ["row", "w_out"], ["logits"], name="head"),
    ]
    return save(folder / spec.file, nodes, spec, constants, opset=24), spec


def contrib(folder: Path) -> tuple[Path, GraphSpec]:
    """An operator that only ONNX Runtime has."""
    spec = GraphSpec(
        "contrib.onnx",
        "fp32",
        (TensorSpec("x", "float32", ("B", 8)),),
        (TensorSpec("y", "float32", ("B", 8)),),
        {"B": (1, 2, 4)},
    )
    node = helper.make_node("QuickGelu", ["x"], ["y"], domain="com.microsoft", alpha=1.0, name="my_gelu")
    return save(folder / spec.file, [node], spec, {}), spec
