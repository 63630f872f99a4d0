"""A Llama-style decoder written straight from its state dict as an ONNX graph, with the I/O of `CaptionerSpec.decoder`.

In: weights by name (numpy) and a `DecoderConfig`. Out: an `onnx.ModelProto`. Called by the captioner exporters.
No torch, no tracing: 12 nodes a layer (RMSNorm, GroupQueryAttention with its rotary, MatMulNBits or MatMul, SiLU gate).

    inputs_embeds [B,S,H] -> layers x [ norm -> qkv -> GQA(past/present) -> o -> +
                                        norm -> gate,up -> silu(gate)*up -> down -> + ]
                          -> row last_index of each sequence -> norm -> lm_head -> logits [B,V]

How ONNX Runtime 1.31 (CPU) wants to be called; each line is checked by tests/export/test_decoder_graph.py:

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
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from edgecap.engines.specs import DType, GraphSpec, TensorSpec
from edgecap.export.block_weights import ACCURACY_INT8, BLOCK, quantise_blocks

if TYPE_CHECKING:
    import onnx

WeightFormat = Literal["fp32", "int8"]
PRECISIONS: dict[WeightFormat, str] = {"fp32": "fp32", "int8": "int8-weights"}


@dataclass(frozen=True, slots=True)
class DecoderConfig:
    """Sizes of a Llama decoder; `max_positions` rows of rotary angles are stored in the graph."""

    hidden_size: int
    layers: int
    heads: int
    kv_heads: int
    head_dim: int
    mlp_size: int
    vocab_size: int
    max_positions: int
    rope_theta: float
    norm_eps: float

    def __post_init__(self) -> None:
        if self.head_dim % 16 or self.heads % self.kv_heads:
            raise ValueError(
                f"GroupQueryAttention wants head_dim % 16 == 0 and kv_heads | heads, got "
                f"{self.head_dim = }, {self.heads = }, {self.kv_heads = }"
            )
        if self.hidden_size % BLOCK or self.mlp_size % BLOCK or (self.heads * self.head_dim) % BLOCK:
            raise ValueError(
                f"8-bit blocks want widths that are multiples of {BLOCK}, got {self.hidden_size = }, "
                f"{self.mlp_size = }, heads*head_dim = {self.heads * self.head_dim}"
            )


def build_decoder(
    weights: Mapping[str, NDArray[np.float32]], config: DecoderConfig, *, weight_format: WeightFormat
) -> onnx.ModelProto:
    """The decoder as a checked ModelProto.

    `weights`: "layers.{i}.self_attn.{q,k,v,o}_proj.weight", "layers.{i}.mlp.{gate,up,down}_proj.weight",
    "layers.{i}.{input,post_attention}_layernorm.weight", "norm.weight", "lm_head.weight", each float32 [out, in] as
    torch stores it. Rotary: the half-split form of Llama in transformers. Raises KeyError for a missing weight.
    """
    import onnx
    from onnx import helper

    net = _Net(dict(weights), config, weight_format)
    _add_rotary_angles(net)
    last = _add_layers(net)
    _add_head(net, last)
    spec = decoder_spec(config, file="", weight_format=weight_format)
    graph = helper.make_graph(
        net.nodes,
        "decoder",
        [_value_info(t) for t in spec.inputs],
        [_value_info(t) for t in spec.outputs],
        net.initialisers,
    )
    opsets = [helper.make_opsetid("", 23), helper.make_opsetid("com.microsoft", 1)]
    model = helper.make_model(graph, opset_imports=opsets, producer_name="edgecap", ir_version=10)
    onnx.checker.check_model(model, full_check=False)
    return model


def decoder_spec(config: DecoderConfig, *, file: str, weight_format: WeightFormat) -> GraphSpec:
    """The graph's inputs and outputs as pack data; B, S and M are free."""
    cache = ("B", config.kv_heads, "M", config.head_dim)
    pairs = [(i, kind) for i in range(config.layers) for kind in ("key", "value")]
    return GraphSpec(
        file=file,
        precision=PRECISIONS[weight_format],
        inputs=(
            TensorSpec("inputs_embeds", "float32", ("B", "S", config.hidden_size)),
            TensorSpec("seqlens_k", "int32", ("B",)),
            TensorSpec("total_sequence_length", "int32", ()),
            TensorSpec("last_index", "int64", ("B",)),
            *(TensorSpec(f"past_{kind}_{i}", "float32", cache) for i, kind in pairs),
        ),
        outputs=(
            TensorSpec("logits", "float32", ("B", config.vocab_size)),
            *(TensorSpec(f"present_{kind}_{i}", "float32", cache) for i, kind in pairs),
        ),
    )


@dataclass(slots=True)
class _Net:
    """Nodes and initialisers under construction."""

    weights: dict[str, NDArray[np.float32]]
    config: DecoderConfig
    weight_format: WeightFormat
    nodes: list[onnx.NodeProto] = field(default_factory=list)
    initialisers: list[onnx.TensorProto] = field(default_factory=list)

    def constant(self, name: str, value: NDArray[np.generic]) -> str:
        from onnx import numpy_helper

        self.initialisers.append(numpy_helper.from_array(np.ascontiguousarray(value), name))
        return name

    def node(self, op: str, inputs: list[str], outputs: list[str], *, domain: str = "", **attributes: object) -> str:
        from onnx import helper

        name = f"{outputs[0]}/{op}"
        self.nodes.append(helper.make_node(op, inputs, outputs, name=name, domain=domain, **attributes))
        return outputs[0]

    def norm(self, x: str, weight_name: str, out: str) -> str:
        scale = self.constant(weight_name, self.weights[weight_name].astype(np.float32))
        return self.node("RMSNormalization", [x, scale], [out], axis=-1, epsilon=self.config.norm_eps, stash_type=1)

    def linear(self, x: str, weight_names: list[str], out: str) -> str:
        """x @ concat(weights).T; several weights become one matrix, which reads the activations once."""
        weight = np.concatenate([self.weights[n] for n in weight_names]).astype(np.float32)
        if self.weight_format == "fp32":
            return self.node("MatMul", [x, self.constant(out + ".weight", weight.T)], [out])
        codes, scales = quantise_blocks(weight)
        names = [self.constant(out + ".codes", codes), self.constant(out + ".scales", scales)]
        return self.node(
            "MatMulNBits",
            [x, *names],
            [out],
            domain="com.microsoft",
            N=weight.shape[0],
            K=weight.shape[1],
            bits=8,
            block_size=BLOCK,
            accuracy_level=ACCURACY_INT8,
        )


def _add_rotary_angles(net: _Net) -> None:
    config = net.config
    frequencies = 1.0 / config.rope_theta ** (np.arange(0, config.head_dim, 2, dtype=np.float32) / config.head_dim)
    angles = np.arange(config.max_positions, dtype=np.float32)[:, None] * frequencies.astype(np.float32)
    net.constant("cos_cache", np.cos(angles).astype(np.float32))
    net.constant("sin_cache", np.sin(angles).astype(np.float32))


def _add_layers(net: _Net) -> str:
    x = "inputs_embeds"
    for i in range(net.config.layers):
        x = _add_attention(net, x, i)
        x = _add_mlp(net, x, i)
    return x


def _add_attention(net: _Net, x: str, i: int) -> str:
    at, config = f"layers.{i}.self_attn", net.config
    normed = net.norm(x, f"layers.{i}.input_layernorm.weight", f"{at}.normed")
    qkv = net.linear(normed, [f"{at}.{p}_proj.weight" for p in "qkv"], f"{at}.qkv")
    net.node(
        "GroupQueryAttention",
        [
            qkv,
            "",
            "",
            f"past_key_{i}",
            f"past_value_{i}",
            "seqlens_k",
            "total_sequence_length",
            "cos_cache",
            "sin_cache",
        ],
        [f"{at}.mixed", f"present_key_{i}", f"present_value_{i}"],
        domain="com.microsoft",
        num_heads=config.heads,
        kv_num_heads=config.kv_heads,
        do_rotary=1,
        rotary_interleaved=0,
        scale=float(config.head_dim**-0.5),
    )
    out = net.linear(f"{at}.mixed", [f"{at}.o_proj.weight"], f"{at}.out")
    return net.node("Add", [x, out], [f"{at}.sum"])


def _add_mlp(net: _Net, x: str, i: int) -> str:
    mlp, size = f"layers.{i}.mlp", net.config.mlp_size
    normed = net.norm(x, f"layers.{i}.post_attention_layernorm.weight", f"{mlp}.normed")
    both = net.linear(normed, [f"{mlp}.gate_proj.weight", f"{mlp}.up_proj.weight"], f"{mlp}.gate_up")
    halves = net.constant(f"{mlp}.halves", np.array([size, size], np.int64))
    net.node("Split", [both, halves], [f"{mlp}.gate", f"{mlp}.up"], axis=-1)
    net.node("QuickGelu", [f"{mlp}.gate"], [f"{mlp}.silu"], domain="com.microsoft", alpha=1.0)  # alpha 1 is SiLU
    net.node("Mul", [f"{mlp}.silu", f"{mlp}.up"], [f"{mlp}.gated"])
    out = net.linear(f"{mlp}.gated", [f"{mlp}.down_proj.weight"], f"{mlp}.out")
    return net.node("Add", [x, out], [f"{mlp}.sum"])


def _add_head(net: _Net, x: str) -> None:
    """Only the row that is asked for goes through the last norm and the vocabulary."""
    net.node("Unsqueeze", ["last_index", net.constant("axis_one", np.array([1], np.int64))], ["last_index_column"])
    net.node("GatherND", [x, "last_index_column"], ["last_hidden"], batch_dims=1)
    normed = net.norm("last_hidden", "norm.weight", "last_normed")
    net.linear(normed, ["lm_head.weight"], "logits")


def _value_info(tensor: TensorSpec) -> onnx.ValueInfoProto:
    from onnx import TensorProto, helper

    kinds: dict[DType, int] = {"float32": TensorProto.FLOAT, "int32": TensorProto.INT32, "int64": TensorProto.INT64}
    return helper.make_tensor_value_info(tensor.name, kinds[tensor.dtype], list(tensor.axes))
