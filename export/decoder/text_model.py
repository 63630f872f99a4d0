"""The text model inside a checkpoint: its config, its sizes, and its tensors as the decoder builder names them.

In: a checkpoint and the prefix its text model has. Out: `DecoderConfig`, a lazy mapping read one tensor at a time.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from numpy.typing import NDArray

from edgecap.engines.errors import CheckpointError
from edgecap.export.checkpoint.checkpoint import Checkpoint
from edgecap.export.decoder.config import DecoderConfig

HEAD = "lm_head.weight"


def read_config(checkpoint: Checkpoint, kind: Any) -> Any:
    """A transformers config object of class `kind`: it fills in what config.json leaves out, and reads its older
    layouts. Raises `CheckpointError` where transformers can't read it."""
    try:
        return kind.from_pretrained(str(checkpoint.folder), local_files_only=True)
    except Exception as error:  # a strict dataclass of huggingface_hub raises classes of its own
        line = str(error).strip().splitlines()[0][:200] if str(error).strip() else type(error).__name__
        raise CheckpointError(
            f"{checkpoint.folder}: config.json is not one of {checkpoint.architecture} ({line}); fetch it again"
        ) from error


def decoder_config(
    checkpoint: Checkpoint, text: Any, *, context: int, tied_head: bool, unlike: Mapping[str, tuple[Any, Any]],
    qkv_bias: bool = False, rope_inputs: bool = False,
) -> DecoderConfig:  # fmt: skip
    """Sizes of the text model with config `text`. `unlike`: further entries with the one value that the decoder follows
    (see `Checkpoint.require_like`). Raises `CheckpointError` for a model that the decoder can't follow."""
    rope = dict(text.rope_parameters or {})
    followed = {"hidden_act": (text.hidden_act, "silu"), "rope_type": (rope.get("rope_type", "default"), "default")}
    checkpoint.require_like("text model", {**unlike, **followed})
    heads = int(text.num_attention_heads)
    try:
        return DecoderConfig(
            hidden_size=int(text.hidden_size),
            layers=int(text.num_hidden_layers),
            heads=heads,
            kv_heads=int(text.num_key_value_heads or heads),
            head_dim=int(getattr(text, "head_dim", None) or text.hidden_size // heads),
            mlp_size=int(text.intermediate_size),
            vocab_size=int(text.vocab_size),
            max_positions=context,
            rope_theta=float(rope["rope_theta"]),
            norm_eps=float(text.rms_norm_eps),
            qkv_bias=qkv_bias,
            tied_head=tied_head,
            rope_inputs=rope_inputs,
        )
    except (ValueError, KeyError) as error:
        raise CheckpointError(
            f"{checkpoint.folder}: {error}; the decoder can't be built for this text model"
        ) from error


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
    """What a Llama or Qwen2 text model of these sizes stores, [out, in] as torch does, without the head."""
    width, mlp = config.hidden_size, config.mlp_size
    queries, keys = config.heads * config.head_dim, config.kv_heads * config.head_dim
    outputs = {"q_proj": queries, "k_proj": keys, "v_proj": keys}
    layer: dict[str, tuple[int, ...]] = {f"self_attn.{n}.weight": (size, width) for n, size in outputs.items()}
    layer |= {f"self_attn.{n}.bias": (size,) for n, size in outputs.items() if config.qkv_bias}
    layer |= {
        "self_attn.o_proj.weight": (width, queries),
        "mlp.gate_proj.weight": (mlp, width),
        "mlp.up_proj.weight": (mlp, width),
        "mlp.down_proj.weight": (width, mlp),
        "input_layernorm.weight": (width,),
        "post_attention_layernorm.weight": (width,),
    }
    layers = {f"layers.{i}.{name}": shape for i in range(config.layers) for name, shape in layer.items()}
    return {"embed_tokens.weight": (config.vocab_size, width), **layers, "norm.weight": (width,)}
