"""SmolVLM, SmolVLM2 (as image models) and Idefics3 -> the captioner of a pack.

In: an `ExportJob` over a transformers checkpoint. Out: `RoleExport`. The vision tower goes through torch's exporter;
the decoder is written from the safetensors directly (`decoder_graph`); the vocabulary is a table on disk.

| --precision | vision on CPU | decoder on CPU | TensorRT twins |
|---|---|---|---|
| fp32 | fp32 | fp32 | fp16, fp16 |
| fp16 (for CUDA) | fp16 | fp16 | fp16, fp16 |
| int8 | INT8 dynamic | 8-bit blocks | fp16, fp16 |
| int4 | INT8 dynamic | 4-bit blocks | fp16, 4-bit Q/DQ |
"""

from __future__ import annotations

import gc
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from edgecap.export.checkpoint.chat import layout_notes
from edgecap.export.decoder.captioner_role import (
    EMBEDDING_FILE,
    PartExport,
    captioner_role,
    write_table,
    write_text_files,
)
from edgecap.export.decoder.config import WeightFormat
from edgecap.export.decoder.export_decoder import DecoderSource, export_decoder
from edgecap.export.decoder.parity import DECODER_LIMITS
from edgecap.export.decoder.text_model import TextWeights, require_text
from edgecap.export.job import ExportJob, Limits, Role, RoleExport, read_options
from edgecap.export.smolvlm.original import Original, original_of_torch, original_pixels
from edgecap.export.smolvlm.plan import ARCHITECTURES, CaptionerPlan, SmolVlmOptions, make_plan
from edgecap.export.smolvlm.vision import export_vision, vision_module

TEXT_PREFIX = "model.text_model."
_DECODER_LIMITS: dict[WeightFormat, Limits] = DECODER_LIMITS | {
    "int4": DECODER_LIMITS["int4"] | {"cosine": ("min", 0.8)}
}
NOT_TILED = (
    "left out: a view is already a crop of one instance, given as one picture of the tower's own size; the processor's "
    "tiles would be up to 17 times the tokens"
)


@dataclass(frozen=True, slots=True)
class SmolVlm:
    """The recipe; see `job.Recipe`."""

    name: str = "smolvlm"
    role: Role = "captioner"
    architectures: tuple[str, ...] = ARCHITECTURES
    extra: str = "export"
    notice: str = ""

    def __call__(self, job: ExportJob) -> RoleExport:
        """Export. Options: see `SmolVlmOptions`."""
        options = read_options(SmolVlmOptions, job.options, recipe=self.name)
        plan = make_plan(job.checkpoint, options, recipe=self.name)
        require_text(job.checkpoint, plan.decoder, TEXT_PREFIX)
        write_text_files(job, plan.layout, book="edge")
        with TemporaryDirectory(dir=job.folder, prefix=".work") as work:
            vision, original = _export_vision(job, plan, Path(work))
            gc.collect()  # the PyTorch model: the decoder is built from the files
            job.say("writing the decoder")
            source = DecoderSource(
                weights=TextWeights(job.checkpoint, TEXT_PREFIX),
                config=plan.decoder,
                texts=original.texts,
                layers=plan.decoder.layers,
                spec=lambda graph, layers: plan.spec(vision=vision.graph, decoder=graph),
                limits=_DECODER_LIMITS,
            )
            decoder = export_decoder(source, job, work=Path(work))
        spec = plan.spec(vision=vision.graph, decoder=decoder.graph)
        notes = {"tiling of pictures": NOT_TILED} | layout_notes(plan.layout)
        return captioner_role(job, spec, vision=vision, decoder=decoder, notes=notes)


def _export_vision(job: ExportJob, plan: CaptionerPlan, work: Path) -> tuple[PartExport, Original]:
    """Everything that needs the PyTorch model: the table, the vision graphs, what it says of the pictures."""
    import transformers

    job.say(f"reading {job.checkpoint.architecture} from {job.checkpoint.folder}")
    model = job.checkpoint.load(getattr(transformers, job.checkpoint.architecture))
    table = model.get_input_embeddings().weight.detach().numpy()
    kept = write_table(table, job.folder / EMBEDDING_FILE, exact=job.precision == "fp32")
    module = vision_module(model)
    original = original_of_torch(model, module, kept, original_pixels(job, plan), job, plan)
    job.say("exporting the vision tower and the connector")
    return export_vision(module, original, plan, job, work=work), original


SMOLVLM = SmolVlm()
