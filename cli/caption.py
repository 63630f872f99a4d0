"""`edgecap caption VIDEO|DIR...`."""

from __future__ import annotations

import os
import traceback
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from edgecap.cli.derived_files import CAPTIONS_FILE, check_paragraphs, derive_files, paragraph_writer
from edgecap.engines.errors import UsageError
from edgecap.runtime.config import PipelineConfig, StageThreads, make_config

if TYPE_CHECKING:
    from edgecap.runtime.output.resume import EarlierRun
    from edgecap.runtime.pipeline.summary import RunSummary

EVENTS_FILE = "events.jsonl"
DEBUG_VARIABLE = "EDGECAP_DEBUG"
"""Set by `main` when --debug was given."""


@click.command()
@click.argument(
    "videos", nargs=-1, required=True, metavar="VIDEO|DIR...", type=click.Path(path_type=Path, readable=False)
)
@click.option("--recursive", is_flag=True, help="Caption the videos of folders inside the given folders too.")
@click.option(
    "--pack", default="nano", show_default=True, metavar="NAME|DIR", help="Model pack: one that ships, or a folder."
)
@click.option(
    "--detector",
    type=click.Choice(["pack", "motion"]),
    default="pack",
    show_default=True,
    help="The pack's detector, or moving things of any kind (needs no weights).",
)
@click.option(
    "--captioner",
    type=click.Choice(["pack", "none"]),
    default=None,
    help="The pack's language model, or sentences from measurements only. [default: pack; none with motion]",
)
@click.option(
    "--provider",
    type=click.Choice(["cpu", "cuda", "tensorrt"]),
    default="cpu",
    show_default=True,
    help="What ONNX Runtime must run on; never falls back.",
)
@click.option(
    "--engines",
    type=click.Choice(["auto", "store", "pack"]),
    default="auto",
    show_default=True,
    help="Open the pack's own graphs, engines that edgecap build made for this device, or those where there are any.",
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
    help="Write NAME.srt per video (v.mp4.srt where a second video is called v too; --annotate likewise).",
)
@click.option(
    "--events", is_flag=True, help="Write events.jsonl while it plays: instances born, updated and lost, and clips."
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
    help="Who writes the paragraphs of --paragraph and --instancevid: the flattener, or the pack's language model.",
)
@click.option("--coco", is_flag=True, help="Write coco.json: a key frame's box and run-length mask of each instance.")
@click.option(
    "--change-gate",
    is_flag=True,
    help="Ask the language model about an instance again only when its look, class or motion has changed.",
)
@click.option(
    "--stages",
    type=click.Choice(["fast", "full"]),
    default="fast",
    show_default=True,
    help="Ask the language model for each field once, or in the method's rounds of reasoning and refining.",
)
@click.option("--class-hint/--no-class-hint", default=True, help="Say what to look at in an instance of its class.")
@click.option("--camera-hint/--no-camera-hint", default=True, help="Tell the camera question what was measured.")
@click.option(
    "--visual-prompt",
    type=click.Choice(["blur", "solid", "ring", "crop"]),
    default="blur",
    show_default=True,
    help="How an instance is set apart from the rest of the picture.",
)
@click.option("--lexicon/--no-lexicon", default=False, help="Name words to prefer and to avoid; none is forbidden.")
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
@click.option(
    "--threads",
    default=None,
    metavar="N|STAGE=N,...",
    help="CPU threads inside each stage: one number, or decode=1,perceive=1,describe=2. [default: 1]",
)
@click.option(
    "--resume",
    is_flag=True,
    help=f"Go on from an earlier {CAPTIONS_FILE}, written with the same options: its clips are not described again. "
    "NAME.srt gets them all; an earlier report or annotated video stays, and this run's is called "
    "report.resumed-1.html, NAME.resumed-1.annotated.mp4 and so on: they show the new clips only.",
)
@click.option("--json", "as_json", is_flag=True, help="Print the rows as JSON Lines on stdout instead of text.")
@click.option("--serial", is_flag=True, help="Run all stages in one thread (to compare; slower).")
def caption(
    videos: tuple[Path, ...],
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
    **options: Any,
) -> int:
    """Caption video files, or all videos of folders."""
    from edgecap.cli.console import ConsoleSink, JsonPrinter
    from edgecap.runtime.pipeline.pipeline import Pipeline, clip_options

    videos = _inputs(videos, recursive=options.pop("recursive"))
    config = _config(options)
    if paragraph_by == "pack":
        check_paragraphs(config.pack, wanted=instancevid or paragraph)
    pipeline = Pipeline(config)
    files, root = _files_of(videos)
    console = ConsoleSink(quiet=as_json)
    with ExitStack() as stack:
        earlier = _prepare(out, files, resume=resume)
        earlier.check(clip_options(pipeline.config, pipeline.stages.used))
        skip = earlier.skip(files, root=root)
        sinks: list[Any] = []
        if files or resume or not _has_rows(out):
            chosen = _file_sinks(
                out, root, files, earlier, report=report, annotate=annotate, srt=srt, events=events, resume=resume
            )
            sinks += [stack.enter_context(sink) for sink in chosen]
        sinks += [stack.enter_context(console), *([JsonPrinter(root)] if as_json else [])]
        summary = pipeline.run(videos, sinks, overlap=not serial, skip=skip)
    console.summary(summary, out=str(out))
    writer = paragraph_writer(config) if paragraph_by == "pack" else None
    derive_files(out, writer, instancevid=instancevid, paragraph=paragraph, coco=coco)
    _print_causes(summary)
    return summary.exit_code


def _inputs(videos: tuple[Path, ...], *, recursive: bool) -> tuple[Path, ...]:
    from edgecap.runtime.video.inputs import with_folders_inside

    return tuple(with_folders_inside(videos)) if recursive else videos


def _config(options: dict[str, Any]) -> PipelineConfig:
    """The options that were given; the others keep the config's defaults."""
    given = {name: value for name, value in options.items() if value is not None}
    if "threads" in given:
        given["threads"] = stage_threads(given["threads"])
    return make_config(**given)


def _print_causes(summary: RunSummary) -> None:
    """Tracebacks of the failed videos, under --debug."""
    if os.environ.get(DEBUG_VARIABLE):
        for failure in summary.failures:
            traceback.print_exception(failure.cause)


def stage_threads(text: str) -> StageThreads:
    """ "2" (every stage) or "decode=1,describe=2" (1 for a stage that is not named). Raises `UsageError`."""
    stages = ("decode", "perceive", "describe")
    pairs = [part.partition("=") for part in text.split(",")]
    if len(pairs) == 1 and not pairs[0][1]:
        pairs = [(stage, "=", text) for stage in stages]
    counts: dict[str, int] = {}
    for stage, _, number in pairs:
        if stage.strip() not in stages or stage.strip() in counts or not number.strip().isdecimal():
            raise UsageError(
                f"--threads expects a whole number, or some of {', '.join(f'{s}=N' for s in stages)}; got {text!r}"
            )
        counts[stage.strip()] = int(number)
    return StageThreads(**counts)


def _files_of(videos: Sequence[Path]) -> tuple[list[Path], Path | None]:
    """The files that can be found (what can't is reported by the run), and the folder all of them lie
    under.
    """
    from edgecap.runtime.video.inputs import find_each

    files = [path for path, error in find_each(videos) if error is None]
    if not files:
        return [], None
    return files, Path(os.path.commonpath([f.absolute().parent for f in files]))


def _has_rows(out: Path) -> bool:
    captions = out / CAPTIONS_FILE
    return captions.exists() and captions.stat().st_size > 0


def _prepare(out: Path, files: Sequence[Path], *, resume: bool) -> EarlierRun:
    """What an earlier run already wrote (`--resume`), or its file moved out of the way.

    Where no input can be found nothing will be done: an earlier run's files are left as they are.
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
) -> list[Any]:
    from edgecap.runtime.output.event_sink import EventSink
    from edgecap.runtime.output.jsonl import JsonLinesSink
    from edgecap.runtime.output.pictures.annotated_video import AnnotatedVideoSink
    from edgecap.runtime.output.pictures.report import HtmlReportSink
    from edgecap.runtime.output.srt import SrtSink

    resumed = bool(earlier.clips or earlier.failures)
    # Events first: see EventSink, a clip whose events are there but whose row is not is not reported twice.
    sinks: list[Any] = [EventSink(out / EVENTS_FILE, root=root, resumed=resume)] if events else []
    sinks.append(JsonLinesSink(out / CAPTIONS_FILE, root=root, known_failures=earlier.failures))
    if report:
        sinks.append(HtmlReportSink(out / "report.html", root=root, resumed=resumed))
    if annotate:
        sinks.append(AnnotatedVideoSink(out, root=root, inputs=files, resumed=resumed))
    if srt:
        sinks.append(SrtSink(out, root=root, inputs=files, earlier=earlier))
    return sinks
