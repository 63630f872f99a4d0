"""Attention of the "scatter" decoder: standard operators of opset 24, what TensorRT compiles.

In: the joined queries, keys and values of one layer. Out: what attention makes of them, past and present in one cache.
TensorRT-RTX 1.7 and ONNX Runtime 1.31 both take these operators as they are:

    qkv [B,S,..] -> q,k,v [B,heads,S,D] -> RotaryEmbedding -> TensorScatter(past, k or v, write_indices) -> present
                 -> Attention(q, present_key, present_value, attention_bias) -> [B,S,heads*D]

Unlike the shared form, rows may read several positions each after pasts of different lengths: where they may look is
written in `attention_bias` by the host. The cost: attention reads the whole cache, not its filled part.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from edgecap.export.decoder.config import rotary_tables

if TYPE_CHECKING:
    from edgecap.export.decoder.net import DecoderNet


def add_shared_inputs(net: DecoderNet) -> None:
    """What every layer uses: the angles of this call, and the bias in the type of the products."""
    if net.config.rope_inputs:
        add_angle_inputs(net)
    else:
        for name, table in zip(("cos", "sin"), rotary_tables(net.config), strict=True):
            held = net.constant(f"{name}_cache", table.astype(net.real))
            net.node("Gather", [held, "position_ids"], [f"angles.{name}"], axis=0)  # [B,S,D/2]
    net.narrow("attention_bias", "attention_bias.half")


def add_angle_inputs(net: DecoderNet) -> None:
    """rope_cos and rope_sin repeat D/2 values twice; the operator expects them once."""
    half = {"from": 0, "to": net.config.head_dim // 2, "axis": 2}
    edges = [net.constant(f"rope.{name}", np.array([value], np.int64)) for name, value in half.items()]
    for name in ("cos", "sin"):
        out = f"angles.{name}.wide" if net.half else f"angles.{name}"
        net.node("Slice", [f"rope_{name}", *edges], [out])
        net.narrow(out, f"angles.{name}")


def split_and_turn(net: DecoderNet, qkv: str, at: str) -> list[str]:
    """qkv [B,S,(heads+2*kv_heads)*D] -> q and k turned, v as it is; each [B,S,n*D]."""
    config = net.config
    queries, keys = config.heads * config.head_dim, config.kv_heads * config.head_dim
    sizes = net.constant(f"{at}.sizes", np.array([queries, keys, keys], np.int64))
    net.node("Split", [qkv, sizes], [f"{at}.q", f"{at}.k", f"{at}.v"], axis=-1)
    for name, heads in (("q", config.heads), ("k", config.kv_heads)):
        inputs = [f"{at}.{name}", "angles.cos", "angles.sin"]
        net.node("RotaryEmbedding", inputs, [f"{at}.{name}.turned"], interleaved=0, num_heads=heads)
    return [f"{at}.q.turned", f"{at}.k.turned", f"{at}.v"]


def mix(net: DecoderNet, qkv: str, i: int) -> str:
    """Attention of layer i: [B,S,heads*D], in the type of the products."""
    at, config = f"layers.{i}.self_attn", net.config
    sizes = {"q": config.heads * config.head_dim, "k": config.kv_heads * config.head_dim}
    split = net.constant(f"{at}.sizes", np.array([sizes["q"], sizes["k"], sizes["k"]], np.int64))
    net.node("Split", [qkv, split], [f"{at}.q", f"{at}.k", f"{at}.v"], axis=-1)
    for name, heads in (("q", config.heads), ("k", config.kv_heads), ("v", config.kv_heads)):
        shape = net.constant(f"{at}.{name}.shape", np.array([0, 0, heads, config.head_dim], np.int64))
        net.node("Reshape", [f"{at}.{name}", shape], [f"{at}.{name}.heads"])
        net.node("Transpose", [f"{at}.{name}.heads"], [f"{at}.{name}.rows"], perm=[0, 2, 1, 3])
    for name in ("q", "k"):
        inputs = [f"{at}.{name}.rows", "angles.cos", "angles.sin"]
        net.node("RotaryEmbedding", inputs, [f"{at}.{name}.turned"], interleaved=0)
    for kind, new in (("key", f"{at}.k.turned"), ("value", f"{at}.v.rows")):
        names = [f"past_{kind}_{i}", new, "write_indices"]
        net.node("TensorScatter", names, [f"present_{kind}_{i}"], axis=-2, mode="linear")
    bias = "attention_bias.half" if net.half else "attention_bias"
    looked = [f"{at}.q.turned", f"present_key_{i}", f"present_value_{i}", bias]
    net.node("Attention", looked, [f"{at}.looked"], scale=float(config.head_dim**-0.5))
    net.node("Transpose", [f"{at}.looked"], [f"{at}.looked.rows"], perm=[0, 2, 1, 3])
    shape = net.constant(f"{at}.joined", np.array([0, 0, config.heads * config.head_dim], np.int64))
    return net.node("Reshape", [f"{at}.looked.rows", shape], [f"{at}.mixed"])
