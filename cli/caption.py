"""`edgecap caption VIDEO|DIR...`."""

from __future__ import annotations

import json
import os
import traceback
from collections.abc import Sequence
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Unpack

import click

from edgecap.cli.options import (
    CAPTIONER,
    DETECTOR,
    PACK,
    PROVIDER,
    THREADS,
    ConfigOptions,
    config_from,
    debugging,
    json_option,
)
from edgecap.engines.errors import UsageError

if TYPE_CHECKING:
    from edgecap.runtime.config import PipelineConfig
    from edgecap.runtime.output.aligned_paragraph import ParagraphWriter
    from edgecap.runtime.output.resume import EarlierRun
    from edgecap.runtime.pipeline.summary import RunSummary
    from edgecap.runtime.pipeline.write import Sink

CAPTIONS_FILE, COCO_FILE, EVENTS_FILE = "captions.jsonl", "coco.json", "events.jsonl"


@click.command()
@click.argument(
    "videos", nargs=-1, required=True, metavar="VIDEO|DIR...", type=click.Path(path_type=Path, readable=False)
)
@click.option("--recursive", is_flag=True, help="Caption the videos of folders inside the given folders too.")
@PACK
@DETECTOR
@CAPTIONER
@PROVIDER
@click.option(
    "--engines",
    type=click.Choice(["auto", "store", "pack"]),
    default="auto",
    show_default=True,
    help="pack: the pack's own graphs; store: engines that edgecap build made for this device; auto: those that exist, "
    "else the pack's graphs.",
)
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=True),
    default=Path("edgecap-out"),
    show_default=True,
    metavar="DIR",
    help=f"Folder for {CAPTIONS_FILE} and the rest; an earlier {CAPTIONS_FILE} is kept as captions.previous.jsonl.",
)
@click.option(
    "--report/--no-report", default=True, show_default=True, help="Write report.html, one file with pictures."
)
@click.option("--annotate/--no-annotate", default=False, show_default=True, help="Write NAME.annotated.mp4 per video.")
@click.option(
    "--srt",
    is_flag=True,
    help="Write NAME.srt per video (v.mp4.srt if another video is also called v; the same for --annotate).",
)
@click.option(
    "--events", is_flag=True, help="Write events.jsonl during the run: instances born, updated and lost, and clips."
)
@click.option(
    "--instancevid", is_flag=True, help="Write InstanceVid rows: instancevid.jsonl, instancevid_dense.jsonl and .csv."
)
@click.option("--paragraph", is_flag=True, help="Write paragraphs.jsonl: each clip's caption as one paragraph.")
@click.option(
    "--paragraph-by",
    type=click.Choice(["rules", "pack"]),
    default="rules",
    show_default=True,
    help="Who writes the paragraphs of --paragraph and --instancevid: fixed rules, or the pack's language model.",
)
@click.option("--coco", is_flag=True, help="Write coco.json: a key frame's box and run-length mask of each instance.")
@click.option(
    "--change-gate",
    is_flag=True,
    help="Ask the language model about an instance again only when its appearance, class or motion has changed.",
)
@click.option(
    "--stages",
    type=click.Choice(["fast", "full"]),
    default="fast",
    show_default=True,
    help="Ask the language model for each field once, or in the method's rounds of reasoning and refining.",
)
@click.option("--class-hint/--no-class-hint", default=True, help="Tell the model what to look at, by class.")
@click.option(
    "--camera-hint/--no-camera-hint", default=True, help="Put the measured camera movement into the camera question."
)
@click.option(
    "--visual-prompt",
    type=click.Choice(["blur", "solid", "ring", "crop"]),
    default="blur",
    show_default=True,
    help="How an instance is highlighted in the picture.",
)
@click.option(
    "--lexicon/--no-lexicon", default=False, help="Give the model words to prefer and to avoid; none is forbidden."
)
@click.option(
    "--position",
    type=click.Choice(["corrected", "legacy"]),
    default="corrected",
    show_default=True,
    help="Position by the corrected rule, or the reference's text with its mistakes, to compare with its data.",
)
@click.option("--max-instances", type=int, default=None, help="Most instances described per clip. [default: 8]")
@click.option("--window-seconds", type=float, default=None, help="Length of a clip, 2 to 10. [default: 5]")
@click.option("--sample-fps", type=float, default=None, help="Analysed frames per second, 1 to 60. [default: 8]")
@THREADS
@click.option(
    "--resume",
    is_flag=True,
    help=f"Continue an earlier {CAPTIONS_FILE}, written with the same options: its clips are not described again. "
    "NAME.srt gets all clips; an earlier report or annotated video stays, and this run's is called "
    "report.resumed-1.html, NAME.resumed-1.annotated.mp4 and so on, with the new clips only.",
)
@json_option("Print the rows as JSON Lines on stdout instead of text.")
@click.option("--serial", is_flag=True, help="Run all stages in one thread (to compare; slower).")
def caption(
    videos: tuple[Path, ...],
    recursive: bool,
    out: Path,
    report: bool,
    annotate: bool,
    srt: bool,
    events: bool,
    instancevid: bool,
    paragraph: bool,
    paragraph_by: str,
    coco: bool,
    resume: bool,
    as_json: bool,
    serial: bool,
    **options: Unpack[ConfigOptions],
) -> int:
    """Caption video files, or all videos of folders."""
    from edgecap.cli.console import ConsoleSink, JsonPrinter
    from edgecap.runtime.pipeline.pipeline import Pipeline, clip_options

    videos = _inputs(videos, recursive=recursive)
    config = config_from(**options)
    if paragraph_by == "pack":
        _check_paragraphs(config.pack, wanted=instancevid or paragraph)
    pipeline = Pipeline(config)
    files, root = _files_of(videos)
    console = ConsoleSink(quiet=as_json)
    with ExitStack() as stack:
        earlier = _prepare(out, files, resume=resume)
        earlier.check(clip_options(pipeline.config, pipeline.stages.used))
        skip = earlier.skip(files, root=root)
        sinks: list[Sink] = []
        if files or resume or not _has_rows(out):
            chosen = _file_sinks(
                out, root, files, earlier, report=report, annotate=annotate, srt=srt, events=events, resume=resume
            )
            sinks += [stack.enter_context(sink) for sink in chosen]
        sinks += [stack.enter_context(console), *([JsonPrinter(root)] if as_json else [])]
        summary = pipeline.run(videos, sinks, overlap=not serial, skip=skip)
    console.summary(summary, out=str(out))
    writer = _paragraph_writer(config) if paragraph_by == "pack" else None
    _derive_files(out, writer, instancevid=instancevid, paragraph=paragraph, coco=coco)
    _print_causes(summary)
    return summary.exit_code


def _inputs(videos: tuple[Path, ...], *, recursive: bool) -> tuple[Path, ...]:
    from edgecap.runtime.video.inputs import with_folders_inside

    return tuple(with_folders_inside(videos)) if recursive else videos


def _print_causes(summary: RunSummary) -> None:
    """Tracebacks of the failed videos, under --debug."""
    if debugging():
        for failure in summary.failures:
            traceback.print_exception(failure.cause)


def _files_of(videos: Sequence[Path]) -> tuple[list[Path], Path | None]:
    """The files that can be found (the run reports the others), and the folder that contains all of them."""
    from edgecap.runtime.video.inputs import find_each

    files = [path for path, error in find_each(videos) if error is None]
    if not files:
        return [], None
    return files, Path(os.path.commonpath([f.absolute().parent for f in files]))


def _has_rows(out: Path) -> bool:
    captions = out / CAPTIONS_FILE
    return captions.exists() and captions.stat().st_size > 0


def _prepare(out: Path, files: Sequence[Path], *, resume: bool) -> EarlierRun:
    """What an earlier run already wrote (`--resume`), or nothing, its file renamed.

    Where no input can be found nothing will be done, so an earlier run's files stay as they are.
    """
    from edgecap.runtime.output.files import ready_folder, writing
    from edgecap.runtime.output.resume import EarlierRun

    ready_folder(out)
    captions = out / CAPTIONS_FILE
    if resume:
        return EarlierRun.read(captions)
    if files and _has_rows(out):
        with writing(captions):
            captions.replace(out / "captions.previous.jsonl")
    return EarlierRun(captions)


def _file_sinks(
    out: Path,
    root: Path | None,
    files: Sequence[Path],
    earlier: EarlierRun,
    *,
    report: bool,
    annotate: bool,
    srt: bool,
    events: bool,
    resume: bool,
) -> list[AbstractContextManager[Sink]]:
    from edgecap.runtime.output.event_sink import EventSink
    from edgecap.runtime.output.jsonl import JsonLinesSink
    from edgecap.runtime.output.pictures.annotated_video import AnnotatedVideoSink
    from edgecap.runtime.output.pictures.report import HtmlReportSink
    from edgecap.runtime.output.srt import SrtSink

    resumed = bool(earlier.clips or earlier.failures)
    sinks: list[AbstractContextManager[Sink]] = (
        [EventSink(out / EVENTS_FILE, root=root, resumed=resume)] if events else []
    )
    sinks.append(JsonLinesSink(out / CAPTIONS_FILE, root=root, known_failures=earlier.failures))
    if report:
        sinks.append(HtmlReportSink(out / "report.html", root=root, resumed=resumed))
    if annotate:
        sinks.append(AnnotatedVideoSink(out, root=root, inputs=files, resumed=resumed))
    if srt:
        sinks.append(SrtSink(out, root=root, inputs=files, earlier=earlier))
    return sinks


def _check_paragraphs(pack: str, *, wanted: bool) -> None:
    """Raise `UsageError` unless paragraphs are requested and the pack's language model can write them."""
    from edgecap.engines.packs.pack import Pack
    from edgecap.runtime.output.aligned_paragraph import check_writes_paragraphs

    if not wanted:
        raise UsageError(
            "--paragraph-by needs --paragraph or --instancevid, whose paragraphs it is about; add one of them"
        )
    check_writes_paragraphs(Pack.open(pack))


def _paragraph_writer(config: PipelineConfig) -> ParagraphWriter:
    """The pack's language model, opened with the run's config."""
    from edgecap.engines.packs.pack import Pack
    from edgecap.engines.store.sessions import EngineSessions
    from edgecap.runtime.output.aligned_paragraph import ParagraphWriter

    pack = Pack.open(config.pack).using(EngineSessions(config.engines))
    return ParagraphWriter.open(pack, provider=config.provider, intra_threads=config.threads.describe)


def _derive_files(out: Path, writer: ParagraphWriter | None, *, instancevid: bool, paragraph: bool, coco: bool) -> None:
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
