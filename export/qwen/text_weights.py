"""The text model's tensors as the decoder builder and the PyTorch reference name them, read one at a time.

In: a checkpoint and the prefix its text model has. Out: a lazy mapping.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from numpy.typing import NDArray

from edgecap.export.checkpoint.checkpoint import Checkpoint
from edgecap.export.decoder.config import DecoderConfig

HEAD = "lm_head.weight"


class TextWeights(Mapping[str, NDArray[Any]]):
    """float32 arrays; "lm_head.weight" is there where the checkpoint stores one."""

    def __init__(self, checkpoint: Checkpoint, prefix: str) -> None:
        self._text, self._all = checkpoint.tensors(prefix), checkpoint.tensors()

    def __getitem__(self, name: str) -> NDArray[Any]:
        return self._all[name] if name == HEAD else self._text[name]

    def __iter__(self) -> Iterator[str]:
        yield from (name for name in self._text if name != HEAD)
        if HEAD in self._all:
            yield HEAD

    def __len__(self) -> int:
        return sum(1 for _ in self)


def require_text(checkpoint: Checkpoint, config: DecoderConfig, prefix: str) -> None:
    """Raise `CheckpointError` naming the first tensor that is missing or has another shape than the config's."""
    checkpoint.require_shapes(stored_shapes(config), prefix=prefix)
    if not config.tied_head:
        checkpoint.require_shapes({HEAD: (config.vocab_size, config.hidden_size)})


def stored_shapes(config: DecoderConfig) -> dict[str, tuple[int, ...]]:
    """What a Qwen2 text model of these sizes stores, [out, in] as torch does, without the head."""
    width, mlp = config.hidden_size, config.mlp_size
    queries, keys = config.heads * config.head_dim, config.kv_heads * config.head_dim
    layer: dict[str, tuple[int, ...]] = {
        "self_attn.q_proj.weight": (queries, width),
        "self_attn.q_proj.bias": (queries,),
        "self_attn.k_proj.weight": (keys, width),
        "self_attn.k_proj.bias": (keys,),
        "self_attn.v_proj.weight": (keys, width),
        "self_attn.v_proj.bias": (keys,),
        "self_attn.o_proj.weight": (width, queries),
        "mlp.gate_proj.weight": (mlp, width),
        "mlp.up_proj.weight": (mlp, width),
        "mlp.down_proj.weight": (width, mlp),
        "input_layernorm.weight": (width,),
        "post_attention_layernorm.weight": (width,),
    }
    layers = {f"layers.{i}.{name}": shape for i in range(config.layers) for name, shape in layer.items()}
    return {"embed_tokens.weight": (config.vocab_size, width), **layers, "norm.weight": (width,)}
