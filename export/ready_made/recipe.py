"""The hub's ready-made ONNX files of SmolVLM and Idefics3 -> the captioner of a pack, without PyTorch.

In: an `ExportJob` over a folder with config.json, tokenizer files and onnx/*.onnx. Out: `RoleExport`. The decoder stays
the hub's (the "growing" contract: its keys and values are copied at every step, so `smolvlm` from safetensors is the
faster pack). Where the folder has no unrounded graphs to compare with, the chosen ones are compared with themselves run
the plain way: that proves our nodes and reading, not their rounding.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated

from edgecap.engines.packs.specs import CaptionerSpec
from edgecap.export.checkpoint.chat import layout_notes
from edgecap.export.checkpoint.checkpoint import Checkpoint
from edgecap.export.decoder.captioner_role import (
    EMBEDDING_FILE,
    PartExport,
    captioner_role,
    write_table,
    write_text_files,
)
from edgecap.export.decoder.parity import decoder_parity
from edgecap.export.job import Comparison, ExportJob, Limits, Role, RoleExport, one_of, read_options
from edgecap.export.ready_made.files import PARTS, VARIANTS, HubFile, HubFiles, choose_files
from edgecap.export.ready_made.graphs import adapt_vision, copy_decoder, read_table
from edgecap.export.ready_made.reference import original_of_hub
from edgecap.export.smolvlm.original import Original
from edgecap.export.smolvlm.plan import ARCHITECTURES, SmolVlmOptions, make_plan
from edgecap.export.smolvlm.recipe import NOT_TILED
from edgecap.export.smolvlm.vision import judge_vision

NO_TWINS = (
    "none for TensorRT: the hub's quantised graphs use ONNX Runtime's own operators; export with recipe smolvlm from "
    "the safetensors of the same model"
)
_VISION_LIMITS: dict[str, Limits] = {
    "fp32": {"relative_l2": ("max", 1e-4), "cosine": ("min", 0.99999)},
    "fp16": {"cosine": ("min", 0.999)},
    "int8-dynamic": {"cosine": ("min", 0.98)},
    "int4-weights": {"cosine": ("min", 0.95)},
}
_DECODER_LIMITS: dict[str, Limits] = {
    "fp32": {"relative_l2": ("max", 1e-3), "top1_agreement": ("min", 0.98)},
    "fp16": {"kl": ("max", 0.02)},
    "int8-dynamic": {"kl": ("max", 0.3)},
    "int4-weights": {"kl": ("max", 0.6)},
}
"""The hub quantises every product dynamically, which cost a KL of 0.10 on SmolLM2-135M where blocks cost 0.005
(docs/spec/measured.md part 2 section 3); three times that is let through."""


_VARIANT = one_of(tuple(VARIANTS))


@dataclass(frozen=True, slots=True)
class ReadyMadeOptions(SmolVlmOptions):
    """Read by `read_options`. `vision`, `embed`, `decoder`: a variant instead of what --precision takes."""

    vision: Annotated[str | None, _VARIANT] = None
    embed: Annotated[str | None, _VARIANT] = None
    decoder: Annotated[str | None, _VARIANT] = None


@dataclass(frozen=True, slots=True)
class ReadyMade:
    """The recipe; see `job.Recipe`."""

    name: str = "ready-made"
    role: Role = "captioner"
    architectures: tuple[str, ...] = ARCHITECTURES
    extra: str = "export"
    notice: str = ""

    def open_checkpoint(self, path: Path, *, source: str | None = None, revision: str | None = None) -> Checkpoint:
        """A folder that may have no safetensors. Raises as `Checkpoint.open` and `Checkpoint.require`."""
        opened = Checkpoint.open(path, source=source, revision=revision, needs_weights=False)
        opened.require(self.architectures, recipe=self.name)
        return opened

    def __call__(self, job: ExportJob) -> RoleExport:
        """Export. Options: see `ReadyMadeOptions`."""
        options = read_options(ReadyMadeOptions, job.options, recipe=self.name)
        chosen = {part: getattr(options, part) for part in PARTS}
        files = choose_files(job.checkpoint.folder, job.precision, chosen)
        plan = make_plan(job.checkpoint, options, recipe=self.name)
        write_text_files(job, plan.layout, book="edge")
        job.say(f"token table out of {files.embed.path.name}")
        table = write_table(read_table(files.embed, plan), job.folder / EMBEDDING_FILE, exact=job.precision == "fp32")
        job.say(f"putting our contract around {files.vision.path.name}, copying {files.decoder.path.name}")
        vision = adapt_vision(files.vision, plan, job.folder / f"captioner.vision.{files.vision.variant}.onnx")
        decoder = copy_decoder(files.decoder, plan, job.folder / f"captioner.decoder.{files.decoder.variant}.onnx")
        spec = plan.spec(vision=vision, decoder=decoder)
        with TemporaryDirectory(dir=job.folder, prefix=".work") as work:
            original = original_of_hub(files, table, spec, job, plan, work=Path(work))
        vision_part, decoder_part = _compare(job.folder, spec, original, files)
        if job.with_twins:
            job.say(f"twins: {NO_TWINS}")
        notes = {"tiling of pictures": NOT_TILED, "twins": NO_TWINS} | layout_notes(spec.layout)
        made = captioner_role(job, spec, vision=vision_part, decoder=decoder_part, notes=notes)
        return replace(made, source=f"{made.source}, ready-made ONNX")


def _compare(folder: Path, spec: CaptionerSpec, original: Original, files: HubFiles) -> tuple[PartExport, PartExport]:
    """Vision tower and decoder, each compared with the unrounded graph where the folder has one."""

    def reference(exact: HubFile | None, chosen: HubFile) -> str:
        return f"the hub's {(exact or chosen).path.name}"

    seen = replace(original, reference=reference(files.exact_vision, files.vision))
    vision = judge_vision(folder / spec.vision.file, spec.vision, seen, _VISION_LIMITS[spec.vision.precision])
    parity = decoder_parity(
        folder / spec.decoder.file,
        spec,
        original.texts,
        reference=reference(files.exact_decoder, files.decoder),
    )
    decoder = Comparison(parity, _DECODER_LIMITS[spec.decoder.precision])
    return PartExport(spec.vision, None, (vision,), {}), PartExport(spec.decoder, None, (decoder,), {})


READY_MADE = ReadyMade()
