"""The model hub's three-file ONNX layout, written from a random-weight SmolVLM by torch's exporter.

Names and axes as huggingface.co/onnx-community has them: vision_encoder (pixel_values, pixel_attention_mask ->
image_features), embed_tokens (input_ids -> inputs_embeds), decoder_model_merged (inputs_embeds, attention_mask,
position_ids, past_key_values.i.key/value -> logits, present.i.key/value).
"""

from __future__ import annotations

import shutil
import warnings
from pathlib import Path
from typing import Any

FILES = ("vision_encoder", "embed_tokens", "decoder_model_merged")


def write_hub_onnx(folder: Path, model: Any, *, int8: bool = True) -> None:
    """Write onnx/*.onnx and, with `int8`, onnx/*_int8.onnx into a folder that `save_smolvlm` wrote."""
    out = folder / "onnx"
    out.mkdir(exist_ok=True)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch's exporter warns of its own internals
        _write_vision(model, out / "vision_encoder.onnx")
        _write_table(model, out / "embed_tokens.onnx")
        _write_decoder(model, out / "decoder_model_merged.onnx")
    if int8:
        from onnxruntime.quantization import QuantType, quantize_dynamic

        for name in FILES:
            source, target = out / f"{name}.onnx", out / f"{name}_int8.onnx"
            quantize_dynamic(str(source), str(target), weight_type=QuantType.QInt8, op_types_to_quantize=_ops(name))


def without_weights(folder: Path, target: Path) -> Path:
    """A copy of the folder that has ONNX files only, as the hub's onnx-community repositories do."""
    shutil.copytree(folder, target, ignore=shutil.ignore_patterns("*.safetensors*"))
    return target


def _ops(name: str) -> list[str]:
    return ["Gather"] if name == "embed_tokens" else ["MatMul"]


def _write_vision(model: Any, path: Path) -> None:
    import torch

    tower, connector = model.model.vision_model, model.model.connector
    patch, side = tower.config.patch_size, tower.config.image_size

    class Vision(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.tower, self.connector = tower, connector

        def forward(self, pixel_values: torch.Tensor, pixel_attention_mask: torch.Tensor) -> torch.Tensor:
            pixels = pixel_values.flatten(0, 1)
            mask = pixel_attention_mask.reshape(pixels.shape[0], side, side)[:, ::patch, ::patch].contiguous()
            x = self.tower.embeddings(pixels, patch_attention_mask=mask)
            for layer in self.tower.encoder.layers:
                x = layer(x, None)
            tokens: torch.Tensor = self.connector(self.tower.post_layernorm(x))
            return tokens

    batch, images = torch.export.Dim("batch"), torch.export.Dim("num_images")
    example = (torch.rand(2, 3, 3, side, side), torch.ones(2, 3, side, side, dtype=torch.bool))
    _export(Vision(), example, path, [{0: batch, 1: images}, {0: batch, 1: images}],
            ["pixel_values", "pixel_attention_mask"], ["image_features"])  # fmt: skip


def _write_table(model: Any, path: Path) -> None:
    import torch

    batch, length = torch.export.Dim("batch"), torch.export.Dim("sequence")
    _export(model.get_input_embeddings(), (torch.ones(2, 5, dtype=torch.int64),), path, [{0: batch, 1: length}],
            ["input_ids"], ["inputs_embeds"])  # fmt: skip


def _write_decoder(model: Any, path: Path) -> None:
    import torch
    from transformers import DynamicCache

    config = model.config.text_config
    layers, heads, head_dim = config.num_hidden_layers, config.num_key_value_heads, config.head_dim
    text = model.model.text_model
    text.config._attn_implementation = "eager"

    class Decoder(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.text, self.head = text, model.lm_head

        def forward(self, inputs_embeds: Any, attention_mask: Any, position_ids: Any, past: list[Any]) -> Any:
            cache = DynamicCache(list(zip(past[0::2], past[1::2], strict=True)))
            new, total = inputs_embeds.shape[1], attention_mask.shape[1]
            keys, queries = torch.arange(total), torch.arange(new) + (total - new)
            seen = (keys[None] <= queries[:, None])[None, None] & (attention_mask[:, None, None] > 0)
            out = self.text(
                inputs_embeds=inputs_embeds,
                attention_mask=torch.where(seen, 0.0, -1e9),
                position_ids=position_ids,
                past_key_values=cache,
                use_cache=True,
            )
            present = [kept for layer in out.past_key_values.layers for kept in (layer.keys, layer.values)]
            return (self.head(out.last_hidden_state), *present)

    batch, new, old = (torch.export.Dim(name) for name in ("batch", "sequence", "past"))
    total = torch.export.Dim("total")
    past = [torch.rand(2, heads, 5, head_dim) for _ in range(2 * layers)]
    example = (torch.rand(2, 3, config.hidden_size), torch.ones(2, 8, dtype=torch.int64),
               torch.arange(5, 8).repeat(2, 1), past)  # fmt: skip
    shapes = [{0: batch, 1: new}, {0: batch, 1: total}, {0: batch, 1: new}, [{0: batch, 2: old}] * len(past)]
    kinds = [f"{i}.{kind}" for i in range(layers) for kind in ("key", "value")]
    _export(Decoder(), example, path, shapes,
            ["inputs_embeds", "attention_mask", "position_ids", *(f"past_key_values.{k}" for k in kinds)],
            ["logits", *(f"present.{k}" for k in kinds)])  # fmt: skip


def _export(
    module: Any, example: tuple[Any, ...], path: Path, shapes: list[Any], inputs: list[str], outputs: list[str]
) -> None:
    import torch

    torch.onnx.export(
        module.eval(), example, str(path), dynamo=True, opset_version=18, external_data=False,
        input_names=inputs, output_names=outputs, dynamic_shapes=tuple(shapes), verbose=False,
    )  # fmt: skip
