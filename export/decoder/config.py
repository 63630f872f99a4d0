"""Sizes of a decoder, the two forms its graph can take, and the inputs and outputs of each as pack data.

In: what a checkpoint's config.json says. Out: `DecoderConfig`, `GraphSpec`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from edgecap.engines.graph.spec import DType, GraphSpec, TensorSpec
from edgecap.export.onnx.block_weights import BLOCK

Form = Literal["shared", "scatter"]
WeightFormat = Literal["fp32", "fp16", "int8", "int4"]
Activations = Literal["float32", "float16"]
Linear = Literal["qkv", "o", "gate_up", "down", "head"]
"""The five kinds of matrix product; `build_decoder(kept=...)` names them."""
PRECISIONS: dict[WeightFormat, str] = {
    "fp32": "fp32",
    "fp16": "fp16",
    "int8": "int8-weights",
    "int4": "int4-weights",
}
MOST_ROWS = 32
"""Questions answered in one run; the upper end of the profile of axis B."""
_BYTES = {"fp32": 4.0, "fp16": 2.0, "int8": 1.0 + 4 / BLOCK, "int4": 0.5 + 4 / BLOCK}


@dataclass(frozen=True, slots=True)
class DecoderConfig:
    """Sizes of a Llama or Qwen2 decoder.

    `max_positions`: the longest sequence; so many rows of rotary angles are stored in the graph unless `rope_inputs`.
    `qkv_bias`: Qwen2 has biases on query, key and value. `tied_head`: the vocabulary's matrix is the embedding table.
    `rope_inputs`: the angles come from the host as rope_cos, rope_sin float32 [B,S,head_dim] (M-RoPE).
    """

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
    qkv_bias: bool = False
    tied_head: bool = False
    rope_inputs: bool = False

    def __post_init__(self) -> None:
        if self.head_dim % 16 or self.heads % self.kv_heads:
            raise ValueError(
                f"GroupQueryAttention needs head_dim % 16 == 0 and kv_heads | heads, got "
                f"{self.head_dim = }, {self.heads = }, {self.kv_heads = }"
            )
        if self.hidden_size % BLOCK or self.mlp_size % BLOCK or (self.heads * self.head_dim) % BLOCK:
            raise ValueError(
                f"8-bit blocks need widths that are multiples of {BLOCK}, got {self.hidden_size = }, "
                f"{self.mlp_size = }, heads*head_dim = {self.heads * self.head_dim}"
            )

    def weight_bytes(self, weight_format: WeightFormat) -> int:
        """About how large the graph's matrices are, in bytes."""
        qkv = (self.heads + 2 * self.kv_heads) * self.head_dim
        layer = self.hidden_size * (qkv + self.heads * self.head_dim + 3 * self.mlp_size)
        return int(_BYTES[weight_format] * (self.layers * layer + self.vocab_size * self.hidden_size))


def decoder_spec(
    config: DecoderConfig,
    *,
    file: str,
    weight_format: WeightFormat,
    form: Form = "shared",
    activations: Activations = "float32",
    capacity: int | None = None,
) -> GraphSpec:
    """The graph's inputs, outputs and ranges as pack data.

    B and S are free. M, the length of the cache, is free where `capacity` is None; TensorRT needs it fixed in the file
    (TensorScatter: "must have a static sequence length"). The cache is float16 where the activations are. float16
    weights mean float16 activations.
    """
    real: DType = "float16" if computes_in_half(weight_format, activations) else "float32"
    cache = ("B", config.kv_heads, capacity or "M", config.head_dim)
    pairs = [(i, kind) for i in range(config.layers) for kind in ("key", "value")]
    return GraphSpec(
        file=file,
        precision=PRECISIONS[weight_format],
        inputs=(
            TensorSpec("inputs_embeds", "float32", ("B", "S", config.hidden_size)),
            *(_shared_inputs() if form == "shared" else _scatter_inputs(config, capacity)),
            TensorSpec("last_index", "int64", ("B",)),
            *(TensorSpec(f"past_{kind}_{i}", real, cache) for i, kind in pairs),
            *_rope_inputs(config),
        ),
        outputs=(
            TensorSpec("logits", "float32", ("B", config.vocab_size)),
            *(TensorSpec(f"present_{kind}_{i}", real, cache) for i, kind in pairs),
        ),
        ranges=_ranges(config, capacity),
    )


def computes_in_half(weight_format: WeightFormat, activations: Activations) -> bool:
    """Whether matrix products and the cache are float16."""
    return weight_format == "fp16" or activations == "float16"


def rotary_tables(config: DecoderConfig) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """cos and sin float32 [max_positions, head_dim / 2] of plain rotary embedding."""
    frequencies = 1.0 / config.rope_theta ** (np.arange(0, config.head_dim, 2, dtype=np.float32) / config.head_dim)
    angles = np.arange(config.max_positions, dtype=np.float32)[:, None] * frequencies.astype(np.float32)
    return np.cos(angles).astype(np.float32), np.sin(angles).astype(np.float32)


def _shared_inputs() -> tuple[TensorSpec, ...]:
    return (TensorSpec("seqlens_k", "int32", ("B",)), TensorSpec("total_sequence_length", "int32", ()))


def _scatter_inputs(config: DecoderConfig, capacity: int | None) -> tuple[TensorSpec, ...]:
    positions = () if config.rope_inputs else (TensorSpec("position_ids", "int64", ("B", "S")),)
    bias = TensorSpec("attention_bias", "float32", ("B", 1, "S", capacity or "M"))
    return (TensorSpec("write_indices", "int64", ("B",)), *positions, bias)


def _rope_inputs(config: DecoderConfig) -> tuple[TensorSpec, ...]:
    if not config.rope_inputs:
        return ()
    return tuple(TensorSpec(name, "float32", ("B", "S", config.head_dim)) for name in ("rope_cos", "rope_sin"))


def _ranges(config: DecoderConfig, capacity: int | None) -> dict[str, tuple[int, int, int]]:
    """Decoding, one position a row, is what an engine should be fastest at; a prefill may be as long as the cache."""
    most = capacity or -(-config.max_positions // BLOCK) * BLOCK
    ranges = {"B": (1, 4, MOST_ROWS), "S": (1, 1, most)}
    return ranges if capacity else ranges | {"M": (min(32, most), min(512, most), most)}
