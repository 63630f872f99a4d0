"""Qwen2.5-VL (3B, 7B, fine-tunes such as InstanceCap-Captioner) -> the captioner of a pack.

In: an `ExportJob` over a transformers checkpoint. Out: `RoleExport`. Both graphs are written straight from the
safetensors, tensor by tensor; PyTorch only says what is right, with the vision tower and as many decoder layers as fit
in memory, one after the other.

| --precision | vision on CPU | decoder on CPU | TensorRT twins |
|---|---|---|---|
| fp32 | fp32 | fp32 | fp16, fp16 |
| fp16 (for CUDA) | fp16 | fp16 | fp16, fp16 |
| int8 | int8 per row | 8-bit blocks | fp16, fp16 |
| int4 | int8 per row | 4-bit blocks | fp16, 4-bit Q/DQ |
"""

from __future__ import annotations

import gc
import itertools
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgecap.engines.errors import ExportError
from edgecap.engines.graph.letterbox import normalise_views
from edgecap.export.checkpoint.chat import layout_notes, open_tokenizer
from edgecap.export.decoder.captioner_role import (
    EMBEDDING_FILE,
    PartExport,
    captioner_role,
    write_table,
    write_text_files,
)
from edgecap.export.decoder.export_decoder import DecoderSource, export_decoder
from edgecap.export.decoder.parity import DECODER_LIMITS, SpokenText, TextPrompt, speak_torch
from edgecap.export.decoder.text_model import TextWeights, require_text
from edgecap.export.job import ExportJob, Role, RoleExport, read_options
from edgecap.export.prompts.prompt_data import fill
from edgecap.export.qwen.plan import ARCHITECTURES, QwenOptions, QwenPlan, make_plan
from edgecap.export.qwen.reference import layers_that_fit, load_text, load_tower, tower_tokens
from edgecap.export.qwen.vision import SeenViews, bucket_views, export_vision
from edgecap.export.qwen.vision_costs import vision_costs
from edgecap.runtime.decode.rotary import positions_of
from edgecap.runtime.decode.tokens import PromptTokens

_STEPS = 24
"""Tokens per text of the parity check."""
STILLS = (
    "pictures only: every view is a still that fills both frames of a temporal patch; the video input of the model "
    "(two frames a token, absolute times) is not used"
)


@dataclass(frozen=True, slots=True)
class Qwen25Vl:
    """The recipe; see `job.Recipe`."""

    name: str = "qwen2_5_vl"
    role: Role = "captioner"
    architectures: tuple[str, ...] = ARCHITECTURES
    extra: str = "export"
    notice: str = (
        "Qwen2.5-VL-3B is under the Qwen Research licence (no commercial use), the 7B under Apache-2.0: see the model "
        "card of your checkpoint"
    )

    def __call__(self, job: ExportJob) -> RoleExport:
        """Export. Options: see `QwenOptions`."""
        options = read_options(QwenOptions, job.options, recipe=self.name)
        plan = make_plan(job.checkpoint, options, recipe=self.name)
        job.checkpoint.require_shapes(plan.vision.shapes(), prefix=plan.vision_prefix)
        require_text(job.checkpoint, plan.decoder, plan.text_prefix)
        write_text_files(job, plan.layout, book=plan.style.book)
        with TemporaryDirectory(dir=job.folder, prefix=".work") as work:
            seen, costs = _look(plan, job)
            weights = job.checkpoint.tensors(plan.vision_prefix)
            vision = export_vision(plan, weights, seen, job, work=Path(work))
            layers = min(plan.parity_layers or layers_that_fit(plan.decoder), plan.decoder.layers)
            source = DecoderSource(
                weights=TextWeights(job.checkpoint, plan.text_prefix),
                config=plan.decoder,
                texts=_speak(plan, seen, vision, layers, job),
                layers=layers,
                spec=lambda graph, held: plan.spec(vision=vision.graph, decoder=graph, layers=held),
                limits=DECODER_LIMITS,
            )
            decoder = export_decoder(source, job, work=Path(work))
        spec = plan.spec(vision=vision.graph, decoder=decoder.graph)
        notes = {"views": STILLS, "style": plan.style.note} | (layout_notes(plan.layout) if plan.style.book else {})
        vision = replace(vision, sensitivity=costs)
        return captioner_role(job, spec, vision=vision, decoder=decoder, notes=notes)


def _look(plan: QwenPlan, job: ExportJob) -> tuple[SeenViews, tuple[dict[str, Any], ...]]:
    """What PyTorch's tower makes of a view of each bucket; what each kind of layer would lose in 8 bits."""
    pictures = list(itertools.islice(job.pictures(), len(plan.buckets_wh)))
    if not pictures:
        raise ExportError("no picture to compare PyTorch and ONNX on; give a video with frames")
    views = bucket_views(pictures, plan.buckets_wh)
    pixels = tuple(normalise_views(view, mean=plan.mean, std=plan.std) for view in views)
    job.say("PyTorch's vision tower, for the parity check")
    tower = load_tower(job.checkpoint.tensors(plan.vision_prefix), plan.vision_config)
    seen = SeenViews(pixels, tuple(tower_tokens(tower, p) for p in pixels))
    costs: tuple[dict[str, Any], ...] = ()
    if job.precision in ("int8", "int4"):
        job.say("what each kind of vision layer loses in 8 bits")
        costs = vision_costs(tower, seen.pixels[0], seen.tokens[0])
    del tower
    gc.collect()
    return seen, costs


def _speak(plan: QwenPlan, seen: SeenViews, vision: PartExport, layers: int, job: ExportJob) -> tuple[SpokenText, ...]:
    """Write the embedding table; then PyTorch's answers to a question about the first and one about the last view."""
    weights = TextWeights(job.checkpoint, plan.text_prefix)
    table = write_table(weights["embed_tokens.weight"], job.folder / EMBEDDING_FILE, exact=job.precision == "fp32")
    job.say(f"PyTorch's first {layers} of {plan.decoder.layers} decoder layers on two questions, for the parity check")
    model, head = load_text(weights, plan.text_config, layers=layers, tied_head=plan.decoder.tied_head)
    texts = []
    for view, question in ((0, next(iter(plan.style.prompts.values()))), (-1, plan.style.prompts["global"])):
        height, width = seen.pixels[view].shape[2:]
        grid = height // plan.vision.stride, width // plan.vision.stride
        prompt = _prompt(plan, vision, table, seen.tokens[view][0], grid_hw=grid, question=fill(question), job=job)
        texts.append(speak_torch(model, head, table, prompt, steps=_STEPS, coordinates=3))
    return tuple(texts)


def _prompt(
    plan: QwenPlan, vision: PartExport, table: NDArray[Any], tokens: NDArray[np.float32], *, grid_hw: tuple[int, int],
    question: str, job: ExportJob,
) -> TextPrompt:  # fmt: skip
    """One picture and a question as the runtime would read them."""
    spec = plan.spec(vision=vision.graph, decoder=vision.graph)  # only its layout is looked at
    said = PromptTokens(spec, open_tokenizer(job.checkpoint.folder))
    opening, closing = said.around(views=1)
    behind = [*closing, *said.question(question)]
    vectors = np.concatenate([np.float32(table[opening]), tokens, np.float32(table[behind])])
    positions, after = positions_of([len(opening), grid_hw, len(behind)], rope=plan.rope)
    return TextPrompt(vectors, positions, after)


QWEN2_5_VL = Qwen25Vl()
