"""Checkpoint folders in the model hub's layout with random weights, made by transformers' own `save_pretrained`.

The real ones can't be had in a test; these have the same classes, files and names, and true layer shapes where a test
asks for them. Random weights are roughened: fresh norms and zero biases hide wiring mistakes, and an untrained head
gives every token nearly the same logit.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

LICENCE = "apache-2.0"
SPECIALS = (
    "<|endoftext|>", "<|im_start|>", "<|im_end|>", "<fake_token_around_image>", "<image>", "<global-img>",
    "<end_of_utterance>",
)  # fmt: skip
IMAGE_ID, END_ID = SPECIALS.index("<image>"), SPECIALS.index("<end_of_utterance>")
_CORPUS = (
    "Describe the person in one short sentence. What does it do? Say only what is visible in the pictures. "
    "User: Assistant: The video shows two dogs and a person. It is moving. It is still. Describe the background."
)
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
    from transformers import (
        Idefics3Config,
        Idefics3ForConditionalGeneration,
        SmolVLMConfig,
        SmolVLMForConditionalGeneration,
    )

    kinds: dict[str, tuple[Any, Any]] = {
        "smolvlm": (SmolVLMConfig, SmolVLMForConditionalGeneration),
        "idefics3": (Idefics3Config, Idefics3ForConditionalGeneration),
    }
    config_class, model_class = kinds[family]
    config = config_class(
        vision_config=_SMOLVLM_VISION | (vision or {}),
        text_config=_SMOLVLM_TEXT | (text or {}),
        scale_factor=scale_factor,
        image_token_id=IMAGE_ID,
        tie_word_embeddings=tied,
    )
    torch.manual_seed(seed)
    model = model_class(config).eval()
    roughen(model, seed=seed)
    model.generation_config.eos_token_id = END_ID
    model.generation_config.pad_token_id = 2
    save_hub_folder(folder, model, dtype=dtype, shard_size=shard_size)
    write_tokenizer(folder, fill=config.text_config.vocab_size)
    side = config.vision_config.image_size
    (folder / "preprocessor_config.json").write_text(
        json.dumps({"image_mean": [0.5] * 3, "image_std": [0.5] * 3, "max_image_size": {"longest_edge": side}})
    )
    (folder / "chat_template.json").write_text(json.dumps({"chat_template": CHAT_TEMPLATE}))
    return model


def save_hub_folder(
    folder: Path, model: Any, *, dtype: str = "float32", shard_size: str = "5GB", licence: str | None = LICENCE
) -> None:
    """config.json, safetensors (an index where there are several shards) and a model card with a licence.

    The weights of `model` are rounded through `dtype` first, so that the model equals what a reader of the folder gets.
    """
    import torch

    kind = getattr(torch, dtype)
    model.to(kind).save_pretrained(str(folder), max_shard_size=shard_size)
    model.to(torch.float32)
    if licence:
        (folder / "README.md").write_text(f"---\nlanguage:\n- en\nlicense: {licence}\n---\n# A model\n")


def roughen(model: Any, *, seed: int) -> None:
    """Give norms and biases of every module values of their own, and logits a spread that makes greedy choice clear."""
    import torch

    generator = torch.Generator().manual_seed(seed)
    weights = dict(model.named_parameters())
    with torch.no_grad():
        for name, weight in weights.items():
            if weight.dim() == 1:
                base = 1.0 if name.endswith("weight") else 0.0
                weight.copy_(base + 0.2 * torch.randn(weight.shape, generator=generator))
            elif "lm_head" in name:
                weight.mul_(4.0)
            elif "embed_tokens" in name and "lm_head.weight" in weights:
                weight.mul_(20.0)  # else what was said last hardly matters, and one token repeats for ever


def write_tokenizer(folder: Path, *, specials: tuple[str, ...] = SPECIALS, size: int = 420, fill: int = 0) -> None:
    """tokenizer.json: a byte-level BPE learned from a few sentences, `specials` first. Up to `fill` further ids get
    words of their own ("w1234"), so that the text of an answer tells its tokens."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=size,
        special_tokens=list(specials),
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator([_CORPUS], trainer)
    tokenizer.save(str(folder / "tokenizer.json"))
    held = json.loads((folder / "tokenizer.json").read_text())
    vocabulary = held["model"]["vocab"]
    vocabulary |= {f"\u0120w{i}": i for i in range(len(vocabulary), fill)}  # U+0120 is the byte-level space
    (folder / "tokenizer.json").write_text(json.dumps(held))
    told = {"bos_token": specials[1], "eos_token": specials[-1], "tokenizer_class": "GPT2Tokenizer"}
    (folder / "tokenizer_config.json").write_text(json.dumps(told))


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
