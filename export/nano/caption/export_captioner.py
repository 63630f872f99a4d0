"""The trained captioner as pack files: two graphs with 8-bit weights, embed.npy, tokenizer.json, with a parity report.

In: a checkpoint of `train`. Out: the files and a `CaptionerSpec`. Command: `python -m
edgecap.export.nano.caption.export_captioner`.
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

from edgecap.engines.graph.spec import GraphSpec, TensorSpec
from edgecap.engines.packs.specs import CaptionerSpec, PromptLayout
from edgecap.export.decoder.shared import PRECISIONS, DecoderConfig, WeightFormat, build_decoder, decoder_spec
from edgecap.export.nano.caption.dataset import ViewStore
from edgecap.export.nano.caption.model import MEAN, STD, NetworkConfig, vision_tokens
from edgecap.export.nano.caption.onnx_writer import OnnxWriter
from edgecap.export.nano.caption.parity import captioner_parity
from edgecap.export.nano.caption.prompts import MAX_TOKENS, PROMPTS
from edgecap.export.nano.caption.tokenizer import BOS, EOS, special_id
from edgecap.export.nano.caption.train import load_trainer
from edgecap.export.nano.caption.view_sets import VIEW_GAP_SECONDS, VIEW_MARGIN, VIEWS
from edgecap.export.onnx.block_matmuls import quantise_matmuls
from edgecap.export.prompts.prompt_data import PROMPT_FILE, write_book

EMBED_FILE, TOKENIZER_FILE = "embed.npy", "tokenizer.json"
VISION_FILES: dict[WeightFormat, str] = {"int8": "vision.int8.onnx", "fp32": "vision.fp32.onnx"}
DECODER_FILES: dict[WeightFormat, str] = {"int8": "decoder.int8.onnx", "fp32": "decoder.fp32.onnx"}
TWIN_FILE = "decoder.twin.int8.onnx"
"""The decoder that TensorRT compiles: standard operators, a cache of fixed length, float16 products of 8-bit weights
(fp16 weights would take the pack over its size)."""
_OPSET = 20


def export_captioner(
    work_dir: Path, out_dir: Path, *, parity_sets: int = 200
) -> tuple[CaptionerSpec, dict[str, float]]:
    """Write the pack part of `work_dir`/captioner.pt (averaged weights) to `out_dir`; returns its spec and parity
    figures.

    `out_dir` receives vision.int8.onnx, decoder.int8.onnx, embed.npy (float32 [V, H]), tokenizer.json and
    captioner.json (the spec). vision.fp32.onnx, decoder.fp32.onnx and captioner_parity.json are written beside the
    checkpoint; they do not ship. `parity_sets`: validation sets of each kind in the report; 0 skips it.
    """
    trainer = load_trainer(work_dir, seed=0)
    network, config = trainer.average.eval(), trainer.config
    out_dir.mkdir(parents=True, exist_ok=True)
    _write_vision(network, config, fp32=work_dir / VISION_FILES["fp32"], int8=out_dir / VISION_FILES["int8"])
    np.save(out_dir / EMBED_FILE, network.model.text_model.embed_tokens.weight.detach().numpy())
    weights, sizes = decoder_weights(network), decoder_config(config)
    _write_decoder(weights, sizes, work_dir / DECODER_FILES["fp32"], weight_format="fp32")
    _write_decoder(weights, sizes, out_dir / DECODER_FILES["int8"], weight_format="int8")
    shutil.copyfile(work_dir / TOKENIZER_FILE, out_dir / TOKENIZER_FILE)
    write_book(out_dir, "nano", PromptLayout())
    specials = special_id(trainer.tokenizer, BOS), special_id(trainer.tokenizer, EOS)
    spec = captioner_spec(config, bos_id=specials[0], eos_id=specials[1])
    (out_dir / "captioner.json").write_text(json.dumps(asdict(spec), indent=1))
    if parity_sets == 0:
        return spec, {}
    engines = {"int8": OnnxWriter(spec, out_dir), "fp32": _fp32_writer(spec, work_dir, out_dir)}
    figures = captioner_parity(network, engines, store=ViewStore(work_dir / "views", "validation"), limit=parity_sets)
    (work_dir / "captioner_parity.json").write_text(json.dumps(figures, indent=1))
    return spec, figures


def write_decoder_twin(work_dir: Path) -> tuple[Path, GraphSpec]:
    """Write the TensorRT form of the trained decoder beside its checkpoint: the file and its spec."""
    trainer = load_trainer(work_dir, seed=0)
    sizes, file = decoder_config(trainer.config), work_dir / TWIN_FILE
    form: dict[str, Any] = {
        "weight_format": "int8",
        "form": "scatter",
        "activations": "float16",
        "capacity": trainer.config.max_positions,
    }
    build_decoder(decoder_weights(trainer.average.eval()), sizes, path=file, **form)
    return file, decoder_spec(sizes, file=TWIN_FILE, **form)


def _fp32_writer(spec: CaptionerSpec, work_dir: Path, out_dir: Path) -> OnnxWriter:
    return OnnxWriter(
        spec, out_dir, vision_file=work_dir / VISION_FILES["fp32"], decoder_file=work_dir / DECODER_FILES["fp32"]
    )


def _write_vision(network: Any, config: NetworkConfig, *, fp32: Path, int8: Path) -> None:
    """Tower and connector through torch's dynamo exporter, then onnxslim; the number of views is free."""
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
        program = torch.onnx.export(
            Tower().eval(),
            (torch.zeros(3, 3, config.side, config.side),),
            dynamo=True,
            opset_version=_OPSET,
            dynamic_shapes=({0: views},),
            input_names=["pixels"],
            output_names=["tokens"],
            verbose=False,
        )
    assert program is not None
    model = onnxslim.slim(program.model_proto)
    for value in (model.graph.input[0], model.graph.output[0]):
        value.type.tensor_type.shape.dim[0].dim_param = "n"
    del model.graph.value_info[:]  # these still use the exporter's name of the free axis
    onnx.save(model, str(fp32))
    quantise_matmuls(model)
    onnx.save(model, str(int8))


def decoder_weights(network: Any) -> Mapping[str, NDArray[np.float32]]:
    """Names and arrays as `decoder.shared.build_decoder` expects them."""
    named = {k: v.detach().numpy() for k, v in network.model.text_model.state_dict().items()}
    return {**named, "lm_head.weight": network.lm_head.weight.detach().numpy()}


def decoder_config(config: NetworkConfig) -> DecoderConfig:
    """The text model's sizes."""
    return DecoderConfig(
        hidden_size=config.text_width,
        layers=config.text_layers,
        heads=config.text_heads,
        kv_heads=config.kv_heads,
        head_dim=config.head_dim,
        mlp_size=config.text_mlp,
        vocab_size=config.vocab_size,
        max_positions=config.max_positions,
        rope_theta=config.rope_theta,
        norm_eps=config.norm_eps,
    )


def _write_decoder(
    weights: Mapping[str, NDArray[np.float32]], config: DecoderConfig, file: Path, *, weight_format: WeightFormat
) -> None:
    """Build and save one decoder graph."""
    import onnx

    onnx.save(build_decoder(weights, config, weight_format=weight_format), str(file))


def captioner_spec(config: NetworkConfig, *, bos_id: int, eos_id: int) -> CaptionerSpec:
    """The pack's captioner block."""
    side, tokens, width = config.side, config.tokens_per_view, config.text_width
    vision = GraphSpec(
        VISION_FILES["int8"],
        PRECISIONS["int8"],
        (TensorSpec("pixels", "float32", ("n", 3, side, side)),),
        (TensorSpec("tokens", "float32", ("n", tokens, width)),),
    )
    return CaptionerSpec(
        vision=vision,
        decoder=decoder_spec(decoder_config(config), file=DECODER_FILES["int8"], weight_format="int8"),
        embedding_file=EMBED_FILE,
        tokenizer_file=TOKENIZER_FILE,
        view_side=side,
        views=VIEWS,
        tokens_per_view=tokens,
        view_gap_seconds=VIEW_GAP_SECONDS,
        view_margin=VIEW_MARGIN,
        mean=MEAN,
        std=STD,
        hidden_size=width,
        layers=config.text_layers,
        kv_heads=config.kv_heads,
        head_dim=config.head_dim,
        vocab_size=config.vocab_size,
        bos_id=bos_id,
        eos_id=eos_id,
        prompts=dict(PROMPTS),
        max_tokens=dict(MAX_TOKENS),
        prompt_file=PROMPT_FILE,
    )


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
