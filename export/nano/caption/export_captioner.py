"""The trained captioner as pack files: vision.onnx, decoder.int8.onnx, embed.npy, tokenizer.json, with a parity report.

In: a checkpoint of `train`. Out: the files and a `CaptionerSpec`. Called by the recipe and by
`python -m edgecap.export.nano.caption.export_captioner`.
"""

from __future__ import annotations

import argparse
import json
import shutil
import warnings
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgecap.engines.specs import CaptionerSpec, GraphSpec, TensorSpec
from edgecap.export.decoder_graph import DecoderConfig, WeightFormat, build_decoder, decoder_spec
from edgecap.export.nano.caption.dataset import ViewStore
from edgecap.export.nano.caption.model import NetworkConfig, vision_tokens
from edgecap.export.nano.caption.parity import captioner_parity
from edgecap.export.nano.caption.prompts import MAX_TOKENS, PROMPTS
from edgecap.export.nano.caption.tokenizer import BOS, EOS
from edgecap.export.nano.caption.train import MEAN, STD, load_trainer
from edgecap.export.nano.caption.view_sets import VIEW_GAP_SECONDS, VIEW_MARGIN, VIEWS

VISION_FILE, EMBED_FILE, TOKENIZER_FILE = "vision.onnx", "embed.npy", "tokenizer.json"
DECODER_FILES: dict[WeightFormat, str] = {"int8": "decoder.int8.onnx", "fp32": "decoder.fp32.onnx"}
_OPSET = 20


def export_captioner(work_dir: Path, out_dir: Path, *, parity_sets: int = 200) -> tuple[CaptionerSpec, dict[str, float]]:
    """Write the pack part of `work_dir`/captioner.pt (averaged weights) to `out_dir`; returns its spec and the parity figures.

    `out_dir` receives vision.onnx, embed.npy (float32 [V, H]), decoder.int8.onnx, tokenizer.json and captioner.json (the spec);
    decoder.fp32.onnx and captioner_parity.json are written beside the checkpoint, they do not ship. `parity_sets` 0 skips the report.
    """
    trainer = load_trainer(work_dir, seed=0)
    network, config = trainer.average.eval(), trainer.config
    out_dir.mkdir(parents=True, exist_ok=True)
    export_vision(network, config, out_dir / VISION_FILE)
    np.save(out_dir / EMBED_FILE, network.model.text_model.embed_tokens.weight.detach().numpy())
    weights, sizes = decoder_weights(network), decoder_config(config)
    for form, folder in (("int8", out_dir), ("fp32", work_dir)):
        write_decoder(weights, sizes, folder / DECODER_FILES[form], weight_format=form)
    shutil.copyfile(work_dir / TOKENIZER_FILE, out_dir / TOKENIZER_FILE)
    spec = captioner_spec(config, bos_id=trainer.tokenizer.token_to_id(BOS), eos_id=trainer.tokenizer.token_to_id(EOS))
    (out_dir / "captioner.json").write_text(json.dumps(asdict(spec), indent=1))
    if parity_sets == 0:
        return spec, {}
    store = ViewStore(work_dir / "views", "validation")
    figures = captioner_parity(network, spec, out_dir, fp32_decoder=work_dir / DECODER_FILES["fp32"], store=store,
                               limit=parity_sets)
    (work_dir / "captioner_parity.json").write_text(json.dumps(figures, indent=1))
    return spec, figures


def export_vision(network: Any, config: NetworkConfig, file: Path) -> None:
    """Tower and connector through torch's dynamo exporter; the number of views is free. Optimised by onnxslim."""
    import onnx
    import onnxslim
    import torch

    class Tower(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.network = network

        def forward(self, pixels: torch.Tensor) -> torch.Tensor:
            return vision_tokens(self.network, pixels)

    network.model.vision_model.config._attn_implementation = "sdpa"
    views = torch.export.Dim("views", min=1, max=4096)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch's exporter warns of its own internals
        program = torch.onnx.export(Tower().eval(), (torch.zeros(3, 3, config.side, config.side),), dynamo=True,
                                    opset_version=_OPSET, dynamic_shapes=({0: views},), input_names=["pixels"],
                                    output_names=["tokens"], verbose=False)
    assert program is not None
    model = onnxslim.slim(program.model_proto)
    for value in (model.graph.input[0], model.graph.output[0]):
        value.type.tensor_type.shape.dim[0].dim_param = "n"
    onnx.save(model, str(file))


def decoder_weights(network: Any) -> Mapping[str, NDArray[np.float32]]:
    """Names and arrays as `decoder_graph.build_decoder` wants them."""
    named = {k: v.detach().numpy() for k, v in network.model.text_model.state_dict().items()}
    return {**named, "lm_head.weight": network.lm_head.weight.detach().numpy()}


def decoder_config(config: NetworkConfig) -> DecoderConfig:
    """The text model's sizes."""
    return DecoderConfig(
        hidden_size=config.text_width, layers=config.text_layers, heads=config.text_heads, kv_heads=config.kv_heads,
        head_dim=config.head_dim, mlp_size=config.text_mlp, vocab_size=config.vocab_size, max_positions=config.max_positions,
        rope_theta=config.rope_theta, norm_eps=config.norm_eps)


def write_decoder(weights: Mapping[str, NDArray[np.float32]], config: DecoderConfig, file: Path, *,
                  weight_format: WeightFormat) -> None:
    """Build and save one decoder graph."""
    import onnx

    onnx.save(build_decoder(weights, config, weight_format=weight_format), str(file))


def captioner_spec(config: NetworkConfig, *, bos_id: int, eos_id: int) -> CaptionerSpec:
    """The pack's captioner block."""
    side, tokens, width = config.side, config.tokens_per_view, config.text_width
    vision = GraphSpec(VISION_FILE, "fp32", (TensorSpec("pixels", "float32", ("n", 3, side, side)),),
                       (TensorSpec("tokens", "float32", ("n", tokens, width)),))
    return CaptionerSpec(
        vision=vision, decoder=decoder_spec(decoder_config(config), file=DECODER_FILES["int8"], weight_format="int8"),
        embedding_file=EMBED_FILE, tokenizer_file=TOKENIZER_FILE, view_side=side, views=VIEWS, tokens_per_view=tokens,
        view_gap_seconds=VIEW_GAP_SECONDS, view_margin=VIEW_MARGIN, mean=MEAN, std=STD, hidden_size=width,
        layers=config.text_layers, kv_heads=config.kv_heads, head_dim=config.head_dim, vocab_size=config.vocab_size,
        bos_id=bos_id, eos_id=eos_id, prompts=dict(PROMPTS), max_tokens=dict(MAX_TOKENS))


def main() -> None:
    """Command line: export the checkpoint of a work folder."""
    parser = argparse.ArgumentParser(description="Export the nano captioner.")
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--parity-sets", type=int, default=200)
    arguments = parser.parse_args()
    print(json.dumps(export_captioner(arguments.work, arguments.out, parity_sets=arguments.parity_sets)[1], indent=1))


if __name__ == "__main__":
    main()
