"""The files of `edgecap caption` that are made from all rows when the run is over."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

from edgecap.engines.errors import UsageError

if TYPE_CHECKING:
    from edgecap.runtime.config import PipelineConfig
    from edgecap.runtime.output.aligned_paragraph import ParagraphWriter

CAPTIONS_FILE, COCO_FILE = "captions.jsonl", "coco.json"


def check_paragraphs(pack: str, *, wanted: bool) -> None:
    """Raise `UsageError` unless paragraphs are requested and the pack's language model can write them."""
    from edgecap.engines.packs.pack import Pack
    from edgecap.runtime.output.aligned_paragraph import check_writes_paragraphs

    if not wanted:
        raise UsageError(
            "--paragraph-by says who writes the paragraphs of --paragraph or --instancevid; add one of them"
        )
    check_writes_paragraphs(Pack.open(pack))


def paragraph_writer(config: PipelineConfig) -> ParagraphWriter:
    """The pack's language model, opened as the run's config says."""
    from edgecap.engines.packs.pack import Pack
    from edgecap.engines.store.sessions import EngineSessions
    from edgecap.runtime.output.aligned_paragraph import ParagraphWriter

    pack = Pack.open(config.pack).using(EngineSessions(config.engines))
    return ParagraphWriter.open(pack, provider=config.provider, intra_threads=config.threads.describe)


def derive_files(out: Path, writer: ParagraphWriter | None, *, instancevid: bool, paragraph: bool, coco: bool) -> None:
    """The files that are made from all rows of the captions file when the run is over (an interrupted one too)."""
    from edgecap.runtime.output.coco import coco_dataset
    from edgecap.runtime.output.files import replace_text
    from edgecap.runtime.output.instancevid import write_instancevid, write_paragraphs
    from edgecap.runtime.output.paragraph import computed_paragraph
    from edgecap.runtime.output.reader import read_captions

    captions = out / CAPTIONS_FILE
    if not captions.exists():
        return
    paragraph_of = writer.write if writer else computed_paragraph
    if instancevid:
        write_instancevid(captions, out, paragraph_of=paragraph_of)
    if paragraph:
        write_paragraphs(captions, out, paragraph_of=paragraph_of)
    if coco:
        replace_text(out / COCO_FILE, iter([json.dumps(coco_dataset(read_captions(captions)), ensure_ascii=False)]))
