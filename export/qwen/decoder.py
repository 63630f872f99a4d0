"""The text side of Qwen2.5-VL: a Qwen2 decoder straight from the safetensors, in the formats asked for, and judged.

In: the plan, the job, what PyTorch said with some of its layers. Out: graph files, parity, a row per weight format for
the sensitivity table. Layers go from file to file one at a time.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from edgecap.engines.graph.onnx_session import open_onnx_session
from edgecap.engines.graph.spec import GraphSpec
from edgecap.export.decoder.captioner_role import PartExport
from edgecap.export.decoder.config import Activations, DecoderConfig, Form, WeightFormat, decoder_spec
from edgecap.export.decoder.parity import DECODER_LIMITS, SpokenText, text_parity
from edgecap.export.decoder.shared import build_decoder
from edgecap.export.job import Comparison, ExportJob
from edgecap.export.onnx.parity import GraphParity
from edgecap.export.qwen.plan import QwenPlan
from edgecap.export.qwen.text_weights import TextWeights
from edgecap.runtime.decode.open_port import open_port

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

    def file(self) -> str:
        return f"captioner.decoder.{'' if self.form == 'shared' else 'twin-'}{self.weights}.onnx"

    def spec(self, config: DecoderConfig, *, file: str) -> GraphSpec:
        return decoder_spec(
            config,
            file=file,
            weight_format=self.weights,
            form=self.form,
            activations=self.activations,
            capacity=self._capacity(config),
        )

    def write(self, weights: TextWeights, config: DecoderConfig, path: Path) -> int:
        """Write the graph and return the bytes of its files."""
        build_decoder(
            weights,
            config,
            weight_format=self.weights,
            form=self.form,
            activations=self.activations,
            capacity=self._capacity(config),
            path=path,
        )
        return sum(part.stat().st_size for part in _parts(path))

    def _capacity(self, config: DecoderConfig) -> int | None:
        """TensorRT needs the cache's length in the file."""
        return config.max_positions if self.form == "scatter" else None


def export_decoder(
    plan: QwenPlan, texts: Sequence[SpokenText], layers: int, job: ExportJob, *, work: Path
) -> PartExport:
    """Write the decoder of `job.precision` and the twin into `job.folder`. `texts`: what the first `layers` layers of
    the original say; where these are not all, graphs cut to them are written into `work` and judged in the place of
    the whole ones."""
    weights, wanted = TextWeights(job.checkpoint, plan.text_prefix), job.precision
    check = _Check(plan, weights, texts, layers, work)
    main = _Variant(wanted)
    judged, rows = [], []
    for kind in dict.fromkeys(("fp32", *(("int8", "int4") if wanted in ("int8", "int4") else ()), wanted)):
        variant = _Variant(kind)
        job.say(f"decoder with {kind} weights")
        size = variant.write(weights, plan.decoder, job.folder / variant.file()) if kind == wanted else None
        parity = check.parity(variant, job.folder if kind == wanted else None)
        if kind in ("fp32", wanted):
            judged.append(Comparison(parity, DECODER_LIMITS[kind]))
        row = {"graph": "captioner.decoder", "layers": parity.graph, "weights": kind, **parity.figures}
        rows.append(row if size is None else row | {"bytes": size})
    twin = None
    if job.with_twins:
        job.say("decoder in standard operators, for TensorRT")
        variant = _Variant("int4" if wanted == "int4" else "fp16", "scatter", "float16")
        variant.write(weights, plan.decoder, job.folder / variant.file())
        twin = variant.spec(plan.decoder, file=variant.file())
        judged.append(Comparison(check.parity(variant, job.folder), DECODER_LIMITS[variant.weights]))
    return PartExport(
        graph=main.spec(plan.decoder, file=main.file()),
        twin=twin,
        judged=tuple(judged),
        kept_high=(dict(KEPT_HIGH) if wanted in ("int8", "int4") else {}) | check.note(),
        sensitivity=tuple(rows) if len(rows) > 1 else (),
    )


@dataclass(frozen=True, slots=True)
class _Check:
    """Compares variants with what PyTorch said."""

    plan: QwenPlan
    weights: TextWeights
    texts: Sequence[SpokenText]
    layers: int
    work: Path

    def parity(self, variant: _Variant, folder: Path | None) -> GraphParity:
        """`folder`: where the whole graph is already, None where it isn't kept."""
        config, path = self.plan.decoder, self.work / variant.file()
        cut = self.layers < config.layers
        if cut:
            config = replace(config, layers=self.layers)
        if cut or folder is None:
            variant.write(self.weights, config, path)
        else:
            path = folder / variant.file()
        graph = variant.spec(config, file=path.name)
        spec = self.plan.spec(vision=graph, decoder=graph, layers=self.layers)  # the check looks at no picture
        name = f"{variant.file()}, first {self.layers} of {self.plan.decoder.layers} layers" if cut else variant.file()
        port = open_port(spec, open_onnx_session(path, graph))
        found = text_parity(port, self.texts, graph=name, reference="PyTorch fp32")
        if path.parent == self.work:
            for part in _parts(path):
                part.unlink()
        return found

    def note(self) -> dict[str, str]:
        """What a reader of the report must know."""
        if self.layers == self.plan.decoder.layers:
            return {}
        gigabytes = self.plan.decoder.weight_bytes("fp32") / 1e9
        return {
            "decoder parity": f"over the first {self.layers} of {self.plan.decoder.layers} layers with the real head: "
            f"the whole in float32 is {gigabytes:.0f} GB (choose the number with --option parity_layers)"
        }


def _parts(path: Path) -> list[Path]:
    """The graph's file and, where there is one, that of its weights."""
    return [part for part in (path, path.with_name(f"{path.name}.data")) if part.exists()]
