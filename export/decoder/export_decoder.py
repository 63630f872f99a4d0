"""A captioner's decoder straight from the safetensors, in the formats requested, and how far each is from the original.

In: the job, the text model's weights and sizes, what PyTorch said with some of its layers. Out: graph files, parity, a
row per weight format for the sensitivity table. Layers go from file to file one at a time.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from edgecap.engines.graph.spec import GraphSpec
from edgecap.engines.packs.specs import CaptionerSpec
from edgecap.export.decoder.captioner_role import PartExport
from edgecap.export.decoder.config import Activations, DecoderConfig, Form, WeightFormat, decoder_spec
from edgecap.export.decoder.parity import SpokenText, decoder_parity
from edgecap.export.decoder.shared import build_decoder
from edgecap.export.decoder.text_model import TextWeights
from edgecap.export.job import Comparison, ExportJob, Limits
from edgecap.export.onnx.parity import GraphParity

KEPT_HIGH = {
    "decoder: norms and the residual stream": "float32: sums of many layers; a norm costs nothing beside a product",
    "decoder: biases, attention scores, rotary angles": "float: no matrices to shrink",
    "embedding table": "looked up, not multiplied; float16 where that loses nothing that matters",
}


@dataclass(frozen=True, slots=True)
class _Variant:
    """One way to write the decoder."""

    weights: WeightFormat
    form: Form = "shared"
    activations: Activations = "float32"

    @property
    def file(self) -> str:
        return f"captioner.decoder.{'' if self.form == 'shared' else 'twin-'}{self.weights}.onnx"

    def write(self, weights: TextWeights, config: DecoderConfig, folder: Path) -> GraphSpec:
        capacity = config.max_positions if self.form == "scatter" else None  # TensorRT needs it in the file
        build_decoder(
            weights,
            config,
            weight_format=self.weights,
            form=self.form,
            activations=self.activations,
            capacity=capacity,
            path=folder / self.file,
        )
        return decoder_spec(
            config,
            file=self.file,
            weight_format=self.weights,
            form=self.form,
            activations=self.activations,
            capacity=capacity,
        )


@dataclass(frozen=True, slots=True)
class DecoderSource:
    """What a recipe says of its decoder."""

    weights: TextWeights
    config: DecoderConfig
    texts: Sequence[SpokenText]
    """What the first `layers` layers of the original say."""
    layers: int
    spec: Callable[[GraphSpec, int], CaptionerSpec]
    """The pack's captioner block over a decoder of so many layers."""
    limits: Mapping[WeightFormat, Limits]


def export_decoder(source: DecoderSource, job: ExportJob, *, work: Path) -> PartExport:
    """Write the decoder of `job.precision` and the twin into `job.folder`. What is only compared is written into
    `work`, and so are graphs cut to the layers of `source.texts`, which are compared instead of the whole ones."""
    main, small = job.precision, job.precision in ("int8", "int4")
    comparisons, rows = [], []
    graph = twin = None
    for kind in dict.fromkeys(("fp32", *(("int8", "int4") if small else ()), main)):
        job.say(f"decoder with {kind} weights")
        written, parity, size = _write(source, _Variant(kind), job.folder if kind == main else None, work)
        graph = written or graph
        if kind in ("fp32", main):
            comparisons.append(Comparison(parity, source.limits[kind]))
        row = {"graph": "captioner.decoder", "layers": parity.graph, "weights": kind, **parity.figures}
        rows.append(row if size is None else row | {"bytes": size})
    if job.with_twins:
        job.say("decoder in standard operators, for TensorRT")
        variant = _Variant("int4" if main == "int4" else "fp16", "scatter", "float16")
        twin, parity, _ = _write(source, variant, job.folder, work)
        comparisons.append(Comparison(parity, source.limits[variant.weights]))
    assert graph is not None  # `main` is one of the formats
    return PartExport(
        graph=graph,
        twin=twin,
        comparisons=tuple(comparisons),
        kept_high=(KEPT_HIGH if small else {}) | _note(source),
        sensitivity=tuple(rows) if len(rows) > 1 else (),
    )


def _write(
    source: DecoderSource, variant: _Variant, folder: Path | None, work: Path
) -> tuple[GraphSpec | None, GraphParity, int | None]:
    """Write a variant into `folder` (None: only compare it). Its contract, its parity, and the bytes of the whole graph
    where that was written."""
    config, cut = source.config, source.layers < source.config.layers
    kept = size = None
    if folder is not None:
        kept = variant.write(source.weights, config, folder)
        size = _bytes(folder / variant.file)
    checked, path = kept, (folder or work) / variant.file
    if cut or checked is None:
        path = work / variant.file
        checked = variant.write(source.weights, replace(config, layers=source.layers), work)
        size = size if cut else _bytes(path)
    parity = decoder_parity(path, source.spec(checked, source.layers), source.texts)
    if path.parent == work:
        for part in _parts(path):
            part.unlink()
    if cut:
        parity = replace(parity, graph=f"{path.name}, first {source.layers} of {config.layers} layers")
    return kept, parity, size


def _note(source: DecoderSource) -> dict[str, str]:
    """What a reader of the report must know."""
    if source.layers == source.config.layers:
        return {}
    return {
        "decoder parity": f"over the first {source.layers} of {source.config.layers} layers with the real head: the "
        f"whole in float32 is {source.config.weight_bytes('fp32') / 1e9:.0f} GB (choose the number with --option "
        "parity_layers)"
    }


def _bytes(path: Path) -> int:
    return sum(part.stat().st_size for part in _parts(path))


def _parts(path: Path) -> list[Path]:
    """The graph's file and, where there is one, that of its weights."""
    return [part for part in (path, path.with_name(f"{path.name}.data")) if part.exists()]
