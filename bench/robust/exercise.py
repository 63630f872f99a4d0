"""What a try does with its input: the functions behind the commands, called in this process, so that every exception is
seen as it was raised.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from functools import cached_property
from pathlib import Path
from typing import Any

from edgecap.bench.dataset.clip_source import clip_sources
from edgecap.bench.dataset.stats import read_stats
from edgecap.runtime.config import make_config
from edgecap.runtime.output.coco import coco_dataset
from edgecap.runtime.output.event_sink import EventSink
from edgecap.runtime.output.folder.take_up import take_up
from edgecap.runtime.output.instancevid import write_instancevid, write_paragraphs
from edgecap.runtime.output.jsonl import JsonLinesSink
from edgecap.runtime.output.pictures.annotated_video import AnnotatedVideoSink
from edgecap.runtime.output.pictures.report import HtmlReportSink
from edgecap.runtime.output.reader import BrokenLine, read_captions
from edgecap.runtime.output.resume import EarlierRun
from edgecap.runtime.output.srt import SrtSink
from edgecap.runtime.pipeline.pipeline import Pipeline, clip_options
from edgecap.runtime.pipeline.write import Sink

_WITH_PACK = 0.06
"""Share of the videos that the pack's models see; the others are for the weightless detector."""
_EXTRA = 0.15
"""Share of the videos that each further sink gets."""


class BadOutputError(Exception):
    """A run ended well and wrote what its own readers refuse."""


class Models:
    """Pipelines that are opened once and serve many tries."""

    @cached_property
    def motion(self) -> Pipeline:
        """No weights."""
        return Pipeline(make_config(detector="motion", captioner="none", window_seconds=2.0))

    @cached_property
    def pack(self) -> Pipeline:
        """The nano pack, language model included."""
        return Pipeline(make_config(engines="pack", window_seconds=2.0))


def use_video(models: Models, path: Path, out: Path, rng: random.Random) -> None:
    """As `edgecap caption PATH`, with some of its outputs. Raises the video's own error, BadOutputError, and what a
    sink raises."""
    pipeline = models.pack if rng.random() < _WITH_PACK else models.motion
    extras = [rng.random() < _EXTRA for _ in range(4)]
    overlap = rng.random() < 0.1
    rows = out / "captions.jsonl"
    with ExitStack() as stack:
        sinks: list[Sink] = [stack.enter_context(JsonLinesSink(rows))]
        if extras[0]:
            sinks.append(stack.enter_context(EventSink(out / "events.jsonl")))
        if extras[1]:
            sinks.append(stack.enter_context(SrtSink(out, inputs=[path])))
        if extras[2]:
            sinks.append(stack.enter_context(HtmlReportSink(out / "report.html")))
        if extras[3]:
            sinks.append(stack.enter_context(AnnotatedVideoSink(out, inputs=[path])))
        summary = pipeline.run([path], sinks, overlap=overlap)
    _check_rows(rows)
    summary.raise_for_failures()


def use_pack(folder: Path, video: Path, out: Path) -> None:
    """As `edgecap caption --pack FOLDER VIDEO`."""
    pipeline = Pipeline(make_config(pack=str(folder), engines="pack", window_seconds=2.0, sample_fps=4.0))
    rows = out / "captions.jsonl"
    with JsonLinesSink(rows) as sink:
        summary = pipeline.run([video], [sink], overlap=False)
    _check_rows(rows)
    summary.raise_for_failures()


def use_rows(rows: Path, events: Path, videos: Sequence[Path], out: Path, rng: random.Random) -> None:
    """One of the readers of rows: `--resume`, the derived files, the statistics of a set."""
    match rng.choice(("resume", "resume", "events", "instancevid", "paragraphs", "coco", "stats", "sources")):
        case "resume":
            _resume(rows, videos, out)
        case "events":
            with EventSink(events, earlier=EarlierRun.read(rows)):
                pass
        case "instancevid":
            write_instancevid(rows, out)
        case "paragraphs":
            write_paragraphs(rows, out)
        case "coco":
            coco_dataset(read_captions(rows))
        case "sources":
            clip_sources(rows, videos=None)
        case _:
            read_stats(rows)


def use_config(options: Mapping[str, Any], video: Path) -> None:
    """`make_config`, and a run where it takes the options and needs no pack."""
    config = make_config(**options)
    if not config.needs_pack and config.detector == "motion":
        Pipeline(config).run([video], overlap=False).raise_for_failures()


def _resume(rows: Path, videos: Sequence[Path], out: Path) -> None:
    """What `edgecap caption --resume` does before and beside the run."""
    config = make_config(detector="motion", captioner="none")
    earlier = take_up(EarlierRun.read(rows), [Path(video) for video in videos], root=videos[0].parent)
    with SrtSink(out, root=videos[0].parent, inputs=videos, earlier=earlier):
        pass
    with JsonLinesSink(rows, earlier=earlier):
        pass
    earlier.check(lambda there: clip_options(config, {}))


def _check_rows(rows: Path) -> None:
    """Every row that was written can be read, and says of itself only what the schema allows."""
    if not rows.stat().st_size:
        return
    for row in read_captions(rows):
        if isinstance(row, BrokenLine):
            raise BadOutputError(f"line {row.line_number} of the rows that were written: {row.reason}")
        if row.problems:
            raise BadOutputError(f"line {row.line_number} of the rows that were written: {row.problems[0]}")
