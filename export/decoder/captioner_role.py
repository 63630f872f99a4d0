"""What captioner recipes do alike: text files and word table of a pack, the parts that they write, the finished role.

In: an `ExportJob`, the layout of the conversation, both parts. Out: files in the job's folder, a `RoleExport`.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgecap.engines.graph.spec import GraphSpec
from edgecap.engines.packs.specs import CaptionerSpec, PromptLayout
from edgecap.export.checkpoint.chat import TOKENIZER_FILE as CHECKPOINT_TOKENIZER
from edgecap.export.decoder.config import DecoderConfig
from edgecap.export.job import Comparison, ExportJob, RoleExport
from edgecap.export.prompts.prompt_data import VIEW_GAP_SECONDS, VIEW_MARGIN, BookName, write_book

EMBEDDING_FILE = "captioner.embedding.npy"
TOKENIZER_FILE = "captioner.tokenizer.json"


@dataclass(frozen=True, slots=True)
class PartExport:
    """The vision tower or the decoder, written and compared."""

    graph: GraphSpec
    """For ONNX Runtime."""
    twin: GraphSpec | None
    """For TensorRT; None where not requested."""
    comparisons: tuple[Comparison, ...]
    kept_high: dict[str, str]
    """What was not quantised -> why."""
    sensitivity: tuple[dict[str, Any], ...] = ()
    """Rows of the sensitivity table."""


def captioner_spec(sizes: DecoderConfig, *, eos_ids: tuple[int, ...], **own: Any) -> CaptionerSpec:
    """The pack's captioner block of a text model with these sizes. `eos_ids`: ids that end an answer, the likeliest
    first. `own`: the other fields."""
    return CaptionerSpec(
        embedding_file=EMBEDDING_FILE,
        tokenizer_file=TOKENIZER_FILE,
        view_gap_seconds=VIEW_GAP_SECONDS,
        view_margin=VIEW_MARGIN,
        hidden_size=sizes.hidden_size,
        kv_heads=sizes.kv_heads,
        head_dim=sizes.head_dim,
        vocab_size=sizes.vocab_size,
        bos_id=None,  # where a model has one, the template prints it, so it stands in layout.before
        eos_id=eos_ids[0],
        eos_ids=eos_ids[1:],
        **own,
    )


def write_text_files(job: ExportJob, layout: PromptLayout, *, book: BookName | None) -> None:
    """The checkpoint's tokenizer and the prompt book, if any, into the job's folder."""
    shutil.copyfile(job.checkpoint.folder / CHECKPOINT_TOKENIZER, job.folder / TOKENIZER_FILE)
    if book is not None:
        write_book(job.folder, book, layout, say=job.say)


def captioner_role(
    job: ExportJob, spec: CaptionerSpec, *, vision: PartExport, decoder: PartExport, notes: Mapping[str, str]
) -> RoleExport:
    """Both parts as one role. `notes`: what the model could do and the pack leaves out, and why."""
    twins = {"captioner.vision": vision.twin, "captioner.decoder": decoder.twin}
    return RoleExport(
        role="captioner",
        spec=spec,
        licence=job.checkpoint.licence or "not stated by the model card",
        source=job.checkpoint.label,
        comparisons=(*vision.comparisons, *decoder.comparisons),
        twins={path: twin for path, twin in twins.items() if twin is not None},
        kept_high=vision.kept_high | decoder.kept_high | dict(notes),
        sensitivity=vision.sensitivity + decoder.sensitivity,
    )


def write_table(table: NDArray[Any], path: Path, *, exact: bool) -> NDArray[Any]:
    """Write [V, H] as float16 .npy (half the memory map) and return what was written.

    `exact`: float32 where float16 would lose a bit. Without it float32 is kept only where a value leaves float16's
    range. bfloat16 values of ordinary size are exact in float16 (7 bits of mantissa into 10).
    """
    half = table.astype(np.float16)
    lossless = np.array_equal(half.astype(np.float32), table)
    fits = bool(np.isfinite(half).all())
    kept = half if lossless or (fits and not exact) else np.asarray(table, np.float32)
    np.save(path, kept)
    return kept
