"""The files of `edgecap caption`: those written during the run, and those made from all rows when it is over."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from edgecap.engines.errors import UsageError

if TYPE_CHECKING:
    from edgecap.cli.console import ConsoleSink
    from edgecap.runtime.config import PipelineConfig
    from edgecap.runtime.output.aligned_paragraph import ParagraphWriter
    from edgecap.runtime.output.resume import EarlierRun
    from edgecap.runtime.pipeline.summary import SinkFailure
    from edgecap.runtime.pipeline.write import Sink

CAPTIONS_FILE, COCO_FILE, EVENTS_FILE = "captions.jsonl", "coco.json", "events.jsonl"


@dataclass(frozen=True, slots=True)
class Outputs:
    """What is written and printed during the run, by option."""

    report: bool
    annotate: bool
    srt: bool
    events: bool
    as_json: bool


@dataclass(frozen=True, slots=True)
class Derived:
    """What is made when the run is over. `by_pack`: the pack's language model writes the paragraphs."""

    instancevid: bool
    paragraph: bool
    coco: bool
    by_pack: bool


def check_paragraphs(pack: str, *, wanted: bool) -> None:
    """Raise `UsageError` unless paragraphs are requested and the pack's language model can write them."""
    from edgecap.engines.packs.pack import Pack
    from edgecap.runtime.output.aligned_paragraph import check_writes_paragraphs

    if not wanted:
        raise UsageError(
            "--paragraph-by needs --paragraph or --instancevid, whose paragraphs it is about; add one of them"
        )
    check_writes_paragraphs(Pack.open(pack))


def file_sinks(
    out: Path,
    root: Path | None,
    files: Sequence[Path],
    earlier: EarlierRun,
    others: frozenset[str],
    chosen: Outputs,
    on_failure: Callable[[SinkFailure], None],
) -> list[AbstractContextManager[Sink]]:
    """The sinks that write to `out`. An error of the captions file ends the run; of another one it goes to
    `on_failure`.

    `others`: see `VideoFiles`.
    """
    from edgecap.runtime.output.event_sink import EventSink
    from edgecap.runtime.output.jsonl import JsonLinesSink
    from edgecap.runtime.output.pictures.annotated_video import AnnotatedVideoSink
    from edgecap.runtime.output.pictures.report import HtmlReportSink
    from edgecap.runtime.output.srt import SrtSink
    from edgecap.runtime.pipeline.optional_sink import OptionalSink

    resumed = bool(earlier.clips or earlier.failures)
    optional = partial(OptionalSink, on_failure=on_failure)
    sinks: list[AbstractContextManager[Sink]] = []
    if chosen.events:
        events = EventSink(out / EVENTS_FILE, root=root, earlier=earlier if earlier.taken_up else None)
        sinks.append(optional(events, name="events"))
    sinks.append(JsonLinesSink(out / CAPTIONS_FILE, root=root, earlier=earlier))
    if chosen.report:
        sinks.append(optional(HtmlReportSink(out / "report.html", root=root, resumed=resumed), name="report"))
    if chosen.annotate:
        annotated = AnnotatedVideoSink(out, root=root, inputs=files, resumed=resumed, others=others)
        sinks.append(optional(annotated, name="annotated video", per_video=True))
    if chosen.srt:
        subtitles = SrtSink(out, root=root, inputs=files, earlier=earlier, others=others)
        sinks.append(optional(subtitles, name="subtitles", per_video=True))
    return sinks


def printers(console: ConsoleSink, root: Path | None, chosen: Outputs) -> list[AbstractContextManager[Sink]]:
    """The sinks that print."""
    from edgecap.cli.console import JsonPrinter
    from edgecap.runtime.pipeline.optional_sink import OptionalSink

    sinks: list[AbstractContextManager[Sink]] = [OptionalSink(console, name="captions on the screen")]
    if chosen.as_json:
        sinks.append(OptionalSink(nullcontext(JsonPrinter(root)), name="rows on stdout"))
    return sinks


def derive_files(
    out: Path, config: PipelineConfig, derived: Derived, on_failure: Callable[[SinkFailure], None]
) -> list[SinkFailure]:
    """The files that are made from all rows of the captions file when the run is over (an interrupted one too); one
    that can't be made does not prevent the others."""
    from edgecap.runtime.output.instancevid import write_instancevid, write_paragraphs
    from edgecap.runtime.output.paragraph import computed_paragraph
    from edgecap.runtime.pipeline.summary import SinkFailure, error_line

    captions = out / CAPTIONS_FILE
    if not captions.exists():
        return []
    writer = _paragraph_writer(config) if derived.by_pack else None
    paragraph_of = writer.write if writer else computed_paragraph
    steps: dict[str, Callable[[], object]] = {}
    if derived.instancevid:
        steps["InstanceVid"] = lambda: write_instancevid(captions, out, paragraph_of=paragraph_of)
    if derived.paragraph:
        steps["paragraphs"] = lambda: write_paragraphs(captions, out, paragraph_of=paragraph_of)
    if derived.coco:
        steps["COCO"] = lambda: _write_coco(captions, out / COCO_FILE)
    failures: list[SinkFailure] = []
    for name, step in steps.items():
        try:
            step()
        except Exception as error:  # as of an optional sink
            failures.append(SinkFailure(name, "", f"{name}: {error_line(error)}", error))
            on_failure(failures[-1])
    return failures


def _write_coco(captions: Path, path: Path) -> None:
    from edgecap.runtime.output.coco import coco_dataset
    from edgecap.runtime.output.files import replace_text
    from edgecap.runtime.output.reader import read_captions

    replace_text(path, iter([json.dumps(coco_dataset(read_captions(captions)), ensure_ascii=False)]))


def _paragraph_writer(config: PipelineConfig) -> ParagraphWriter:
    """The pack's language model, opened as the run's config says."""
    from edgecap.engines.packs.pack import Pack
    from edgecap.engines.store.sessions import EngineSessions
    from edgecap.runtime.output.aligned_paragraph import ParagraphWriter

    pack = Pack.open(config.named_pack).using(EngineSessions(config.engines))
    return ParagraphWriter.open(pack, provider=config.provider, intra_threads=config.threads.describe)
