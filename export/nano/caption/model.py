"""The nano captioner's network: the SmolVLM classes of transformers with a micro configuration, and how we call them.

In: pixels and token embeddings. Out: vision tokens, hidden states, logits. The sub-modules are called one by one (tower
-> connector -> text model), so that training encodes a view once for all its questions;
`tests/export/nano/test_caption_network.py` proves the result equals the library's own forward.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch

    from edgecap.export.nano.caption.packing import PackedRows

MEAN = STD = (0.5, 0.5, 0.5)  # of the pixels, per channel, as SigLIP-style towers have it


@dataclass(frozen=True, slots=True)
class NetworkConfig:
    """Sizes of the micro SmolVLM. Pixels for `side`, `patch`; channels for `*_width`."""

    side: int = 96
    patch: int = 16
    shuffle: int = 2
    vision_width: int = 128
    vision_mlp: int = 512
    vision_layers: int = 4
    vision_heads: int = 4
    text_width: int = 192
    text_mlp: int = 512
    text_layers: int = 4
    text_heads: int = 6
    kv_heads: int = 2
    vocab_size: int = 768
    max_positions: int = 256
    rope_theta: float = 10_000.0
    norm_eps: float = 1e-5

    def __post_init__(self) -> None:
        grid = self.side // self.patch
        if self.side % self.patch or grid % self.shuffle:
            raise ValueError(
                f"side must be a multiple of patch * shuffle, got {self.side = }, {self.patch = }, {self.shuffle = }"
            )
        if self.text_width % self.text_heads or self.text_heads % self.kv_heads:
            raise ValueError(
                f"expected kv_heads | text_heads | text_width, got {self.kv_heads = }, {self.text_heads = }, "
                f"{self.text_width = }"
            )

    @property
    def tokens_per_view(self) -> int:
        """Vision tokens that one view becomes (T)."""
        return (self.side // self.patch // self.shuffle) ** 2

    @property
    def head_dim(self) -> int:
        """Channels of one attention head of the text model."""
        return self.text_width // self.text_heads


def build_network(config: NetworkConfig, *, bos_id: int, eos_id: int, pad_id: int, image_id: int) -> Any:
    """SmolVLMForConditionalGeneration of `config` with random weights (seed them with torch.manual_seed)."""
    from transformers import LlamaConfig, SmolVLMConfig, SmolVLMForConditionalGeneration, SmolVLMVisionConfig

    vision = SmolVLMVisionConfig(
        hidden_size=config.vision_width,
        intermediate_size=config.vision_mlp,
        num_hidden_layers=config.vision_layers,
        num_attention_heads=config.vision_heads,
        image_size=config.side,
        patch_size=config.patch,
    )
    text = LlamaConfig(
        vocab_size=config.vocab_size,
        hidden_size=config.text_width,
        intermediate_size=config.text_mlp,
        num_hidden_layers=config.text_layers,
        num_attention_heads=config.text_heads,
        num_key_value_heads=config.kv_heads,
        max_position_embeddings=config.max_positions,
        rms_norm_eps=config.norm_eps,
        tie_word_embeddings=False,
        rope_parameters={"rope_type": "default", "rope_theta": config.rope_theta},
        bos_token_id=bos_id,
        eos_token_id=eos_id,
        pad_token_id=pad_id,
    )
    return SmolVLMForConditionalGeneration(
        SmolVLMConfig(
            vision_config=vision,
            text_config=text,
            scale_factor=config.shuffle,
            image_token_id=image_id,
            tie_word_embeddings=False,
        )
    )


def vision_tokens(network: Any, pixels: torch.Tensor) -> torch.Tensor:
    """pixels float32 [n, 3, S, S] -> tokens [n, T, H]: tower, then connector.

    The position of a patch is its index, as it is in the library for a picture that fills the whole square.
    """
    tower = network.model.vision_model
    patches = tower.embeddings.patch_embedding(pixels).flatten(2).transpose(1, 2)
    hidden = patches + tower.embeddings.position_embedding.weight
    for layer in tower.encoder.layers:
        hidden = layer(hidden, None)
    return network.model.connector(tower.post_layernorm(hidden))  # type: ignore[no-any-return]


def text_hidden(network: Any, embeds: torch.Tensor, *, mask: torch.Tensor, positions: torch.Tensor) -> torch.Tensor:
    """embeds [B, S, H], mask [B, 1, S, S] (bool, True = may look), positions int64 [B, S] -> hidden [B, S, H]."""
    out = network.model.text_model(inputs_embeds=embeds, attention_mask=mask, position_ids=positions, use_cache=False)
    return out.last_hidden_state  # type: ignore[no-any-return]


def packed_forward(
    network: Any, pixels: torch.Tensor, packed: PackedRows
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """pixels [B*F, 3, S, S] -> (vision tokens [B, F*T, H], hidden [B, S, H], logits [A, V] at the answer tokens)."""
    import torch

    rows = packed.ids.shape[0]
    seen = vision_tokens(network, pixels)
    seen = seen.reshape(rows, -1, seen.shape[-1])
    embeds = network.model.text_model.embed_tokens(torch.from_numpy(packed.ids))
    embeds = torch.cat([embeds[:, :1], seen.to(embeds.dtype), embeds[:, 1 + seen.shape[1] :]], 1)
    hidden = text_hidden(
        network, embeds, mask=torch.from_numpy(packed.mask()), positions=torch.from_numpy(packed.positions)
    )
    logits = network.lm_head(hidden[torch.from_numpy(packed.rows), torch.from_numpy(packed.columns)])
    return seen, hidden, logits


def use_fp32_attention(network: Any) -> None:
    """Run scaled-dot-product attention in fp32 inside bfloat16 autocast: its bfloat16 backward is 9 times slower on
    CPU."""
    import torch
    from torch.nn.functional import scaled_dot_product_attention
    from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS

    def attend(module: Any, query: Any, key: Any, value: Any, mask: Any, *, scaling: float, **_: object) -> Any:
        with torch.autocast("cpu", enabled=False):
            mixed = scaled_dot_product_attention(
                query.float(),
                key.float(),
                value.float(),
                attn_mask=mask,
                scale=scaling,
                enable_gqa=query.shape[1] != key.shape[1],
            )
        return mixed.to(query.dtype).transpose(1, 2), None

    ALL_ATTENTION_FUNCTIONS.register("edgecap_fp32", attend)
    for part in (network.model.vision_model, network.model.text_model):
        part.config._attn_implementation = "edgecap_fp32"
