"""The text side of SmolVLM and Idefics3: a Llama decoder, straight from the safetensors, in the asked-for formats.

In: the plan, the checkpoint, what PyTorch said. Out: graph files, their parity, the row of each weight format in the
sensitivity table.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from edgecap.engines.graph.spec import GraphSpec
from edgecap.export.checkpoint.checkpoint import Checkpoint
from edgecap.export.decoder.captioner_role import PartExport
from edgecap.export.decoder.config import DecoderConfig, WeightFormat, decoder_spec
from edgecap.export.decoder.parity import DECODER_LIMITS, SpokenText, decoder_parity
from edgecap.export.decoder.shared import build_decoder
from edgecap.export.job import Comparison, ExportJob, Limits
from edgecap.export.onnx.parity import GraphParity
from edgecap.export.smolvlm.plan import CaptionerPlan

TEXT_PREFIX = "model.text_model."
KEPT_HIGH = {
    "decoder: norms and the residual stream": "sums of many layers; a norm costs nothing beside a matrix product",
    "decoder: attention scores and rotary angles": "no weights to shrink",
    "embedding table": "looked up, not multiplied; float16",
}
_LIMITS: dict[WeightFormat, Limits] = DECODER_LIMITS | {"int4": DECODER_LIMITS["int4"] | {"cosine": ("min", 0.8)}}


def export_decoder(
    plan: CaptionerPlan, vision: GraphSpec, texts: Sequence[SpokenText], job: ExportJob, *, work: Path
) -> PartExport:
    """Write the decoder of `job.precision` and the twin into `job.folder`; the fp32 form, and the other small one for
    the sensitivity table, into `work`. Raises `CheckpointError` where the weights are not those of the config."""
    job.checkpoint.require_shapes(stored_shapes(plan.decoder), prefix=TEXT_PREFIX)
    writer, wanted = _Writer(DecoderWeights(job.checkpoint), plan, vision, texts), job.precision
    formats: tuple[WeightFormat, ...] = ("int8", "int4") if wanted in ("int8", "int4") else (wanted,)
    judged, rows = [], []
    for kind in dict.fromkeys(("fp32", *formats)):
        job.say(f"decoder with {kind} weights")
        parity, size = writer.write(job.folder if kind == wanted else work, kind)
        if kind in ("fp32", wanted):
            judged.append(Comparison(parity, _LIMITS[kind]))
        rows.append({"graph": "captioner.decoder", "weights": kind, "bytes": size, **parity.figures})
        if kind != wanted:
            _remove(work / _file(kind))
    twin = None
    if job.with_twins:
        job.say("decoder in standard operators, for TensorRT")
        kind = "int4" if wanted == "int4" else "fp16"
        twin, parity = writer.write_twin(job.folder, kind)
        judged.append(Comparison(parity, _LIMITS[kind]))
    return PartExport(
        graph=decoder_spec(plan.decoder, file=_file(wanted), weight_format=wanted),
        twin=twin,
        judged=tuple(judged),
        kept_high=dict(KEPT_HIGH) if wanted in ("int8", "int4") else {},
        sensitivity=tuple(rows) if len(rows) > 1 else (),
    )


@dataclass(frozen=True, slots=True)
class _Writer:
    """Writes decoders of one checkpoint and compares each with what PyTorch said."""

    weights: DecoderWeights
    plan: CaptionerPlan
    vision: GraphSpec
    texts: Sequence[SpokenText]

    def write(self, folder: Path, kind: WeightFormat) -> tuple[GraphParity, int]:
        """The "shared" form; its parity and its size in bytes."""
        path = folder / _file(kind)
        build_decoder(self.weights, self.plan.decoder, weight_format=kind, path=path)
        parity = self._parity(path, decoder_spec(self.plan.decoder, file=path.name, weight_format=kind))
        return parity, sum(part.stat().st_size for part in _parts(path))

    def write_twin(self, folder: Path, kind: WeightFormat) -> tuple[GraphSpec, GraphParity]:
        """The "scatter" form in float16 with a cache of fixed length."""
        path, config, capacity = folder / f"captioner.decoder.twin-{kind}.onnx", self.plan.decoder, self.plan.capacity
        build_decoder(
            self.weights,
            config,
            weight_format=kind,
            form="scatter",
            activations="float16",
            capacity=capacity,
            path=path,
        )
        spec = decoder_spec(
            config, file=path.name, weight_format=kind, form="scatter", activations="float16", capacity=capacity
        )
        return spec, self._parity(path, spec)

    def _parity(self, path: Path, spec: GraphSpec) -> GraphParity:
        return decoder_parity(path, self.plan.spec(vision=self.vision, decoder=spec), self.texts)


class DecoderWeights(Mapping[str, NDArray[Any]]):
    """The text model's tensors under the names of `build_decoder`, read one at a time."""

    def __init__(self, checkpoint: Checkpoint) -> None:
        self._text, self._all = checkpoint.tensors(TEXT_PREFIX), checkpoint.tensors()

    def __getitem__(self, name: str) -> NDArray[Any]:
        return self._all[name] if name == "lm_head.weight" else self._text[name]

    def __iter__(self) -> Iterator[str]:
        yield from self._text
        if "lm_head.weight" in self._all:
            yield "lm_head.weight"

    def __len__(self) -> int:
        return sum(1 for _ in self)


def stored_shapes(config: DecoderConfig) -> dict[str, tuple[int, ...]]:
    """What a Llama of these sizes stores, [out, in] as torch does, without the head."""
    width, mlp = config.hidden_size, config.mlp_size
    queries, keys = config.heads * config.head_dim, config.kv_heads * config.head_dim
    out: dict[str, tuple[int, ...]] = {"embed_tokens.weight": (config.vocab_size, width), "norm.weight": (width,)}
    for i in range(config.layers):
        out |= {
            f"layers.{i}.self_attn.q_proj.weight": (queries, width),
            f"layers.{i}.self_attn.k_proj.weight": (keys, width),
            f"layers.{i}.self_attn.v_proj.weight": (keys, width),
            f"layers.{i}.self_attn.o_proj.weight": (width, queries),
            f"layers.{i}.mlp.gate_proj.weight": (mlp, width),
            f"layers.{i}.mlp.up_proj.weight": (mlp, width),
            f"layers.{i}.mlp.down_proj.weight": (width, mlp),
            f"layers.{i}.input_layernorm.weight": (width,),
            f"layers.{i}.post_attention_layernorm.weight": (width,),
        }
    return out


def _file(kind: WeightFormat) -> str:
    return f"captioner.decoder.{kind}.onnx"


def _parts(path: Path) -> list[Path]:
    """The graph's file and, where there is one, that of its weights."""
    return [part for part in (path, path.with_name(f"{path.name}.data")) if part.exists()]


def _remove(path: Path) -> None:
    for part in _parts(path):
        part.unlink()
