"""A Llama or Qwen2 decoder written straight from its weights as an ONNX graph, with the I/O of `CaptionerSpec.decoder`.

In: weights by name (numpy, asked for one layer at a time) and a `DecoderConfig`. Out: an `onnx.ModelProto`, and the
file where a path is given. No torch, no tracing.

    inputs_embeds [B,S,H] -> layers x [ norm -> qkv -> attention(past/present) -> o -> +
                                        norm -> gate,up -> silu(gate)*up -> down -> + ]
                          -> row last_index of each sequence -> norm -> lm_head -> logits [B,V]

Two forms. "shared" is ONNX Runtime's (12 nodes a layer: GroupQueryAttention with its rotary, MatMulNBits); "scatter" is
standard opset 24 for TensorRT, see `scatter_decoder`.

How ONNX Runtime 1.31 (CPU) expects the shared form; each line is checked by tests/export/decoder/test_shared.py:

* past and present are one buffer [B, kv_heads, M, head_dim], bound to both names by IO binding; M is free per binding
  and at most `max_positions`. Nothing else changes shape while decoding. Stale values beyond the lengths do no harm.
* `seqlens_k[b]` is the number of valid positions *after* the call, minus one; `total_sequence_length` is
  max(seqlens_k) + 1.
* S == 1 (decode): any B, any mix of lengths. Row b is written at position seqlens_k[b].
* S > 1 on an empty cache (first prefill): any B; rows are right-padded to S with seqlens_k[b] = real length - 1, and
  total_sequence_length must equal S, which is how the kernel knows it for a first prompt.
* S > 1 on a filled cache (question after a shared prefix): B must be 1; bind the batch-1 slice pool[b:b+1] of the pool,
  which is contiguous. The chunk goes to positions total_sequence_length - S ... total_sequence_length - 1. It may be
  right-padded to a bucket if both lengths count the padding; decoding then starts at the real length and overwrites it.
* 8-bit weights quantise activations per row, so the answer does not depend on who else is in the batch.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from edgecap.engines.graph.spec import DType, GraphSpec, TensorSpec
from edgecap.export.decoder import scatter as scatter_decoder
from edgecap.export.decoder.config import (
    PRECISIONS,
    Activations,
    DecoderConfig,
    Form,
    Linear,
    WeightFormat,
    computes_in_half,
    decoder_spec,
    rotary_tables,
)
from edgecap.export.decoder.net import DecoderNet

if TYPE_CHECKING:
    import onnx

__all__ = ["PRECISIONS", "DecoderConfig", "Form", "WeightFormat", "build_decoder", "decoder_spec"]

LARGEST_FILE_BYTES = 1 << 30
"""Above it the matrices go into a file beside the graph: a protobuf can't pass 2 GB and is held twice while written."""


def build_decoder(
    weights: Mapping[str, NDArray[Any]],
    config: DecoderConfig,
    *,
    weight_format: WeightFormat,
    form: Form = "shared",
    activations: Activations = "float32",
    capacity: int | None = None,
    kept: Mapping[Linear, WeightFormat] | None = None,
    path: Path | None = None,
    beside_above_bytes: int = LARGEST_FILE_BYTES,
) -> onnx.ModelProto:
    """The decoder as a checked ModelProto; written to `path` too where one is given.

    `weights`: "layers.{i}.self_attn.{q,k,v,o}_proj.weight" (and ".bias" of q, k, v with `qkv_bias`),
    "layers.{i}.mlp.{gate,up,down}_proj.weight", "layers.{i}.{input,post_attention}_layernorm.weight", "norm.weight",
    and "lm_head.weight" or, with `tied_head`, "embed_tokens.weight"; each [out, in] as torch stores it. A lazy mapping
    is asked for each name once, layer by layer. Rotary: the half-split form of transformers.

    `activations`: "float16" makes products and cache float16 around a float32 residual stream (the GPU's form; weight
    format fp16 implies it). `capacity`: the cache's length where the file has to fix it (TensorRT). `kept`: products
    with a format of their own, e.g. {"head": "int8"}. With `path`, graphs with more than `beside_above_bytes` of
    matrices keep these in `<path>.data`; the proto returned then only points to them. Raises KeyError for a missing
    weight and OSError where the disk refuses.
    """
    import onnx

    half = computes_in_half(weight_format, activations)
    large = path is not None and config.weight_bytes(weight_format) > beside_above_bytes
    with ExitStack() as stack:
        net = DecoderNet(weights, config, form, weight_format, half=half, kept=dict(kept or {}))
        if path is not None and large:
            net.beside_name = f"{path.name}.data"
            net.beside = stack.enter_context(path.with_name(net.beside_name).open("wb"))
        _add_all(net)
    spec = decoder_spec(
        config, file="", weight_format=weight_format, form=form, activations=activations, capacity=capacity
    )
    model = _model(net, spec)
    if path is not None:
        onnx.save(model, str(path))
        onnx.checker.check_model(str(path), full_check=False)
    else:
        onnx.checker.check_model(model, full_check=False)
    return model


def _model(net: DecoderNet, spec: GraphSpec) -> onnx.ModelProto:
    from onnx import helper

    graph = helper.make_graph(
        net.nodes,
        "decoder",
        [_value_info(t) for t in spec.inputs],
        [_value_info(t) for t in spec.outputs],
        net.initialisers,
    )
    opsets = [helper.make_opsetid("", 23 if net.form == "shared" else 24)]
    if net.form == "shared":
        opsets.append(helper.make_opsetid("com.microsoft", 1))
    return helper.make_model(graph, opset_imports=opsets, producer_name="edgecap", ir_version=10)


def _add_all(net: DecoderNet) -> None:
    if net.form == "shared":
        _add_rotary(net)
    else:
        scatter_decoder.add_shared_inputs(net)
    x = "inputs_embeds"
    for i in range(net.config.layers):
        x = _add_attention(net, x, i)
        x = _add_mlp(net, x, i)
    _add_head(net, x)


def _add_rotary(net: DecoderNet) -> None:
    if net.config.rope_inputs:
        scatter_decoder.add_angle_inputs(net)
        return
    for name, table in zip(("cos_cache", "sin_cache"), rotary_tables(net.config), strict=True):
        net.constant(name, table.astype(net.real))


def _add_attention(net: DecoderNet, x: str, i: int) -> str:
    at = f"layers.{i}.self_attn"
    normed = net.norm(x, f"layers.{i}.input_layernorm.weight", f"{at}.normed")
    qkv = net.linear(normed, [f"{at}.{p}_proj.weight" for p in "qkv"], f"{at}.qkv", linear="qkv")
    mixed = _mix_shared(net, qkv, i) if net.form == "shared" else scatter_decoder.mix(net, qkv, i)
    out = net.linear(mixed, [f"{at}.o_proj.weight"], f"{at}.out", linear="o")
    return net.add_to_stream(x, out, f"{at}.sum")


def _mix_shared(net: DecoderNet, qkv: str, i: int) -> str:
    """GroupQueryAttention; it turns queries and keys itself, unless the angles come from the host."""
    at, config = f"layers.{i}.self_attn", net.config
    inputs, tables = [qkv, "", ""], ["cos_cache", "sin_cache"]
    if config.rope_inputs:
        inputs, tables = scatter_decoder.split_and_turn(net, qkv, at), []
    cache = [f"past_key_{i}", f"past_value_{i}", "seqlens_k", "total_sequence_length"]
    return net.node(
        "GroupQueryAttention",
        [*inputs, *cache, *tables],
        [f"{at}.mixed", f"present_key_{i}", f"present_value_{i}"],
        domain="com.microsoft",
        num_heads=config.heads,
        kv_num_heads=config.kv_heads,
        do_rotary=int(not config.rope_inputs),
        rotary_interleaved=0,
        scale=float(config.head_dim**-0.5),
    )


def _add_mlp(net: DecoderNet, x: str, i: int) -> str:
    mlp, size = f"layers.{i}.mlp", net.config.mlp_size
    normed = net.norm(x, f"layers.{i}.post_attention_layernorm.weight", f"{mlp}.normed")
    names = [f"{mlp}.gate_proj.weight", f"{mlp}.up_proj.weight"]
    both = net.linear(normed, names, f"{mlp}.gate_up", linear="gate_up")
    halves = net.constant(f"{mlp}.halves", np.array([size, size], np.int64))
    net.node("Split", [both, halves], [f"{mlp}.gate", f"{mlp}.up"], axis=-1)
    if net.form == "shared":
        net.node("QuickGelu", [f"{mlp}.gate"], [f"{mlp}.silu"], domain="com.microsoft", alpha=1.0)  # alpha 1 is SiLU
    else:
        net.node("Sigmoid", [f"{mlp}.gate"], [f"{mlp}.sigmoid"])
        net.node("Mul", [f"{mlp}.gate", f"{mlp}.sigmoid"], [f"{mlp}.silu"])
    net.node("Mul", [f"{mlp}.silu", f"{mlp}.up"], [f"{mlp}.gated"])
    out = net.linear(f"{mlp}.gated", [f"{mlp}.down_proj.weight"], f"{mlp}.out", linear="down")
    return net.add_to_stream(x, out, f"{mlp}.sum")


def _add_head(net: DecoderNet, x: str) -> None:
    """Only the row that is asked for goes through the last norm and the vocabulary."""
    net.node("Unsqueeze", ["last_index", net.constant("axis_one", np.array([1], np.int64))], ["last_index_column"])
    net.node("GatherND", [x, "last_index_column"], ["last_hidden"], batch_dims=1)
    normed = net.norm("last_hidden", "norm.weight", "last_normed")
    name = "embed_tokens.weight" if net.config.tied_head else "lm_head.weight"
    logits = net.linear(normed, [name], "logits.half" if net.half else "logits", linear="head")
    net.widen(logits, "logits")


def _value_info(tensor: TensorSpec) -> onnx.ValueInfoProto:
    from onnx import TensorProto, helper

    kinds: dict[DType, int] = {
        "float16": TensorProto.FLOAT16,
        "float32": TensorProto.FLOAT,
        "int32": TensorProto.INT32,
        "int64": TensorProto.INT64,
    }
    return helper.make_tensor_value_info(tensor.name, kinds[tensor.dtype], list(tensor.axes))
