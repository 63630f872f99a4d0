"""Random-weight Qwen2.5-VL checkpoints in the hub's layout, made by transformers' own classes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from edgecap.export.specimens.hub_folder import roughen, save_captioner

SPECIALS = (
    "<|endoftext|>", "<|im_start|>", "<|im_end|>", "<|vision_start|>", "<|vision_end|>", "<|vision_pad|>",
    "<|image_pad|>", "<|video_pad|>",
)  # fmt: skip
END_ID, IMAGE_ID, VIDEO_ID = SPECIALS.index("<|im_end|>"), 6, 7
MEAN, STD = [0.48, 0.46, 0.41], [0.27, 0.26, 0.28]
CHAT_TEMPLATE = (
    "{% for turn in messages %}"
    "{% if loop.first and turn.role != 'system' %}"
    "<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n{% endif %}"
    "<|im_start|>{{ turn.role }}\n{% for part in turn.content %}"
    "{{ '<|vision_start|><|image_pad|><|vision_end|>' if part.type == 'image' else part.text }}"
    "{% endfor %}<|im_end|>\n{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
"""Prints what Qwen2.5-VL's own template prints, for text and images."""

_ROPE: dict[str, Any] = {"rope_type": "default", "rope_theta": 1e6}
_TEXT: dict[str, Any] = {
    "model_type": "qwen2_5_vl_text", "rms_norm_eps": 1e-6, "bos_token_id": None, "eos_token_id": END_ID,
}  # fmt: skip
TINY_VISION: dict[str, Any] = {
    "depth": 3, "hidden_size": 64, "num_heads": 4, "intermediate_size": 116, "out_hidden_size": 128,
    "fullatt_block_indexes": [1],
}  # fmt: skip
TINY_TEXT: dict[str, Any] = {
    "hidden_size": 128, "intermediate_size": 192, "num_hidden_layers": 2, "num_attention_heads": 4,
    "num_key_value_heads": 2, "vocab_size": 448, "max_position_embeddings": 2048,
}  # fmt: skip
TRUE_3B_VISION: dict[str, Any] = {
    "depth": 2, "hidden_size": 1280, "num_heads": 16, "intermediate_size": 3420, "out_hidden_size": 2048,
    "fullatt_block_indexes": [1],
}  # fmt: skip
TRUE_3B_TEXT: dict[str, Any] = {
    "hidden_size": 2048, "intermediate_size": 11008, "num_hidden_layers": 2, "num_attention_heads": 16,
    "num_key_value_heads": 2, "vocab_size": 4096, "max_position_embeddings": 128000,
}  # fmt: skip


def save_qwen(
    folder: Path,
    *,
    vision: dict[str, Any] = TINY_VISION,
    text: dict[str, Any] = TINY_TEXT,
    sections: tuple[int, int, int] = (4, 6, 6),
    tied: bool = False,
    dtype: str = "float32",
    shard_size: str = "5GB",
    layout: str = "hub",
    seed: int = 0,
) -> Any:
    """Write a checkpoint and return its model, float32, eval. `layout`: "hub" (names and a
    flat config.json as in Qwen's own files), "saved" (as save_pretrained writes today) or "nested" (tensor names of
    transformers 4.52 to 4.57)."""
    import torch
    from transformers import Qwen2_5_VLConfig, Qwen2_5_VLForConditionalGeneration

    config = Qwen2_5_VLConfig(
        vision_config={"model_type": "qwen2_5_vl_vision", **vision},
        text_config={**_TEXT, **text, "rope_parameters": {**_ROPE, "mrope_section": list(sections)}},
        image_token_id=IMAGE_ID,
        video_token_id=VIDEO_ID,
        vision_start_token_id=3,
        vision_end_token_id=4,
        tie_word_embeddings=tied,
    )
    torch.manual_seed(seed)
    model = Qwen2_5_VLForConditionalGeneration(config)
    model.eval()  # type: ignore[no-untyped-call]  # transformers leaves it untyped
    roughen(model, seed=seed)
    _liven(model, width=vision["hidden_size"], text_width=text["hidden_size"])
    save_captioner(
        folder, model, specials=SPECIALS, end_ids=[END_ID, 0], pad_id=0, template=CHAT_TEMPLATE,
        image={"image_mean": MEAN, "image_std": STD}, dtype=dtype, shard_size=shard_size,
    )  # fmt: skip
    stated = {"eos_token": "<|im_end|>", "tokenizer_class": "GPT2Tokenizer"}
    (folder / "tokenizer_config.json").write_text(json.dumps(stated))
    if layout == "hub":
        _flatten_config(folder)
    elif layout == "nested":
        _nest_names(folder)
    return model


def _liven(model: Any, *, width: int, text_width: int) -> None:
    """Give narrow layers the spread that fresh ones of the true widths have: else attention looks everywhere alike, and
    neither a wrong window, a wrong angle nor another picture changes a word."""
    import torch

    with torch.no_grad():
        for block in model.model.visual.blocks:
            block.attn.qkv.weight.mul_((1280 / width) ** 0.5)
        for i in (0, 2):
            model.model.visual.merger.mlp[i].weight.mul_((1280 / width) ** 0.5)
        for layer in model.model.language_model.layers:
            attention = layer.self_attn
            for part, spread in ((attention.q_proj, 4096), (attention.k_proj, 4096), (attention.v_proj, 2048)):
                part.weight.mul_((spread / text_width) ** 0.5)
        if model.config.tie_word_embeddings:  # logits of a spread of 3, and layers that outweigh the token just read
            table = model.get_input_embeddings().weight
            table.mul_(3 / text_width**0.5 / table.std())


def _flatten_config(folder: Path) -> None:
    """config.json as transformers 4.49 wrote it: the text model's entries on top, its rotary in `rope_scaling`."""
    config = json.loads((folder / "config.json").read_text())
    text = config.pop("text_config")
    rope = text.pop("rope_parameters")
    flat = {
        "rope_theta": rope["rope_theta"],
        "rope_scaling": {"type": "mrope", "mrope_section": rope["mrope_section"]},
        **{k: v for k, v in text.items() if k not in ("model_type", "layer_types", "sliding_window", "dtype")},
    }
    vision = {k: v for k, v in config["vision_config"].items() if k not in ("rope_parameters", "model_type", "dtype")}
    (folder / "config.json").write_text(json.dumps(config | flat | {"vision_config": vision}))


def _nest_names(folder: Path) -> None:
    from safetensors.numpy import load_file, save_file

    path = folder / "model.safetensors"
    renamed = {}
    for name, value in load_file(str(path)).items():
        if name.startswith("visual."):
            name = "model." + name
        elif name.startswith("model."):
            name = "model.language_model." + name.removeprefix("model.")
        renamed[name] = value
    save_file(renamed, str(path), metadata={"format": "pt"})
