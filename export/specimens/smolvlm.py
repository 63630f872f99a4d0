"""SmolVLM and Idefics3 checkpoint folders in the model hub's layout with random weights, by transformers' own classes.

True layer shapes unless a test asks for others.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from edgecap.export.specimens.hub_folder import roughen, save_captioner

SPECIALS = (
    "<|endoftext|>", "<|im_start|>", "<|im_end|>", "<fake_token_around_image>", "<image>", "<global-img>",
    "<end_of_utterance>",
)  # fmt: skip
IMAGE_ID, END_ID = SPECIALS.index("<image>"), SPECIALS.index("<end_of_utterance>")
CHAT_TEMPLATE = (
    "<|im_start|>{% for turn in messages %}{{ turn.role | capitalize }}:"
    "{% if turn.content[0].type != 'image' %} {% endif %}"
    "{% for part in turn.content %}{{ '<image>' if part.type == 'image' else part.text }}{% endfor %}"
    "<end_of_utterance>\n{% endfor %}{% if add_generation_prompt %}Assistant:{% endif %}"
)
"""Prints what SmolVLM's own template prints, for text and images."""


def save_smolvlm(
    folder: Path,
    *,
    family: str = "smolvlm",
    vision: dict[str, Any] | None = None,
    text: dict[str, Any] | None = None,
    scale_factor: int = 4,
    tied: bool = False,
    dtype: str = "float32",
    shard_size: str = "5GB",
    seed: int = 0,
) -> Any:
    """Write a SmolVLM (`family` "smolvlm") or Idefics3 ("idefics3") checkpoint and return its model, float32, eval.

    `vision`, `text`: config entries over those of SmolVLM-256M at depth 2 + 2 (512 px, patch 16, width 768; text width
    576, 9 heads, 3 KV heads, MLP 1536, 49280 tokens).
    """
    import torch
    import transformers

    name = {"smolvlm": "SmolVLM", "idefics3": "Idefics3"}[family]
    config = getattr(transformers, f"{name}Config")(
        vision_config=_SMOLVLM_VISION | (vision or {}),
        text_config=_SMOLVLM_TEXT | (text or {}),
        scale_factor=scale_factor,
        image_token_id=IMAGE_ID,
        tie_word_embeddings=tied,
    )
    torch.manual_seed(seed)
    model = getattr(transformers, f"{name}ForConditionalGeneration")(config).eval()
    roughen(model, seed=seed)
    side = config.vision_config.image_size
    image = {"image_mean": [0.5] * 3, "image_std": [0.5] * 3, "max_image_size": {"longest_edge": side}}
    return save_captioner(
        folder, model, specials=SPECIALS, end_ids=END_ID, pad_id=2, image=image, template=CHAT_TEMPLATE,
        fill=config.text_config.vocab_size, dtype=dtype, shard_size=shard_size,
    )  # fmt: skip


_SMOLVLM_VISION: dict[str, Any] = {
    "hidden_size": 768,
    "intermediate_size": 3072,
    "num_hidden_layers": 2,
    "num_attention_heads": 12,
    "image_size": 512,
    "patch_size": 16,
}
_SMOLVLM_TEXT: dict[str, Any] = {
    "model_type": "llama",
    "hidden_size": 576,
    "intermediate_size": 1536,
    "num_hidden_layers": 2,
    "num_attention_heads": 9,
    "num_key_value_heads": 3,
    "head_dim": 64,
    "vocab_size": 49280,
    "max_position_embeddings": 8192,
    "rms_norm_eps": 1e-5,
    "rope_parameters": {"rope_type": "default", "rope_theta": 100000.0},
    "bos_token_id": 1,
    "eos_token_id": 2,
    "pad_token_id": 2,
}
