"""What every checkpoint folder of the model hub has, written with random weights: config, safetensors, tokenizer, card.

Random weights are roughened: fresh norms and zero biases hide wiring mistakes, and an untrained head gives every token
nearly the same logit.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

LICENCE = "apache-2.0"
_CORPUS = (
    "Describe the person in one short sentence. What does it do? Say only what is visible in the pictures. "
    "User: Assistant: The video shows two dogs and a person. It is moving. It is still. Describe the background."
)


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


def save_captioner(
    folder: Path,
    model: Any,
    *,
    specials: tuple[str, ...],
    end_ids: int | list[int],
    pad_id: int,
    image: dict[str, Any],
    template: str,
    fill: int = 0,
    dtype: str = "float32",
    shard_size: str = "5GB",
) -> Any:
    """The folder with tokenizer (`specials`, `fill`: see `write_tokenizer`), chat template and the image processor's
    entries `image`; returns the model."""
    model.generation_config.eos_token_id, model.generation_config.pad_token_id = end_ids, pad_id
    save_hub_folder(folder, model, dtype=dtype, shard_size=shard_size)
    write_tokenizer(folder, specials=specials, fill=fill)
    (folder / "preprocessor_config.json").write_text(json.dumps(image))
    (folder / "chat_template.json").write_text(json.dumps({"chat_template": template}))
    return model


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


def write_tokenizer(folder: Path, *, specials: tuple[str, ...], size: int = 420, fill: int = 0) -> None:
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
    stated = {"bos_token": specials[1], "eos_token": specials[-1], "tokenizer_class": "GPT2Tokenizer"}
    (folder / "tokenizer_config.json").write_text(json.dumps(stated))
