"""`edgecap caption VIDEO|DIR...`."""

from __future__ import annotations

import os
import traceback
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Unpack

import click

from edgecap.cli.derived_files import (
    CAPTIONS_FILE,
    Derived,
    Outputs,
    check_paragraphs,
    derive_files,
    file_sinks,
    printers,
)
from edgecap.cli.options import (
    AUTO_PACK,
    CAPTIONER,
    DETECTOR,
    MASK_REFRESH,
    MASKS,
    PROVIDER,
    THREADS,
    ConfigOptions,
    config_from,
    debugging,
    json_option,
)
from edgecap.cli.terminal import say
from edgecap.engines.errors import OutputError

if TYPE_CHECKING:
    from edgecap.runtime.output.resume import EarlierRun
    from edgecap.runtime.pipeline.pipeline import Pipeline
    from edgecap.runtime.pipeline.summary import RunSummary


@click.command()
@click.argument(
    "videos", nargs=-1, required=True, metavar="VIDEO|DIR...", type=click.Path(path_type=Path, readable=False)
)
@click.option("--recursive", is_flag=True, help="Caption the videos of folders inside the given folders too.")
@AUTO_PACK
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
@MASKS
@MASK_REFRESH
@click.option("--max-instances", type=int, default=None, help="Most instances described per clip. [default: 8]")
@click.option("--window-seconds", type=float, default=None, help="Length of a clip, 2 to 10. [default: 5]")
@click.option("--sample-fps", type=float, default=None, help="Analysed frames per second, 1 to 60. [default: 8]")
@THREADS
@click.option(
    "--resume",
    is_flag=True,
    help=f"Continue an earlier {CAPTIONS_FILE}, written with the same options: clips of unchanged files are "
    "kept (docs/outputs.md). "
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
    from edgecap.runtime.output.files import ready_folder
    from edgecap.runtime.output.folder.lock import used_alone
    from edgecap.runtime.pipeline.pipeline import Pipeline

    videos = _inputs(videos, recursive=recursive)
    config = config_from(**options)
    if paragraph_by == "pack":
        check_paragraphs(config.named_pack, wanted=instancevid or paragraph)
    pipeline = Pipeline(config)
    chosen = Outputs(report=report, annotate=annotate, srt=srt, events=events, as_json=as_json)
    derived = Derived(instancevid=instancevid, paragraph=paragraph, coco=coco, by_pack=paragraph_by == "pack")
    ready_folder(out)
    with used_alone(out, warn=lambda text: say(f"warning: {text}")):
        return _caption(pipeline, videos, out, chosen, derived, resume=resume, overlap=not serial)


def _caption(
    pipeline: Pipeline,
    videos: Sequence[Path],
    out: Path,
    chosen: Outputs,
    derived: Derived,
    *,
    resume: bool,
    overlap: bool,
) -> int:
    from edgecap.cli.console import ConsoleSink
    from edgecap.runtime.pipeline.pipeline import sink_failures_of

    files, root = _files_of(videos)
    console = ConsoleSink(quiet=chosen.as_json)
    with ExitStack() as stack:
        earlier, others = _prepare(out, files, root, pipeline, resume=resume)
        writes = bool(files) or resume or not _has_rows(out)
        made = file_sinks(out, root, files, earlier, others, chosen, console.output_failed) if writes else []
        sinks = [stack.enter_context(sink) for sink in [*made, *printers(console, root, chosen)]]
        summary = pipeline.run(videos, sinks, overlap=overlap, skip=earlier.skip)
    failures = [*sink_failures_of(sinks), *derive_files(out, pipeline.config, derived, console.output_failed)]
    summary = replace(summary, sink_failures=tuple(failures))
    console.summary(summary, out=str(out))
    _print_causes(summary)
    return summary.exit_code


def _inputs(videos: tuple[Path, ...], *, recursive: bool) -> tuple[Path, ...]:
    from edgecap.runtime.video.inputs import with_folders_inside

    return tuple(with_folders_inside(videos)) if recursive else videos


def _print_causes(summary: RunSummary) -> None:
    """Tracebacks of the failed videos and outputs, under --debug."""
    causes = [f.cause for f in summary.failures] + [f.cause for f in summary.sink_failures]
    for cause in causes if debugging() else ():
        traceback.print_exception(cause)


def _files_of(videos: Sequence[Path]) -> tuple[list[Path], Path | None]:
    """The files that can be found (the run reports the others), and the folder that contains all of them."""
    from edgecap.runtime.video.inputs import find_each

    files = [path for path, error in find_each(videos) if error is None]
    if not files:
        return [], None
    return files, Path(os.path.commonpath([os.path.dirname(os.path.abspath(f)) for f in files]))


def _taken_up(before: EarlierRun, files: Sequence[Path], root: Path | None, pipeline: Pipeline) -> EarlierRun:
    """What holds of the earlier rows under the options of this run, or under those that its videos would choose."""
    from edgecap.runtime.output.folder.take_up import take_up
    from edgecap.runtime.pipeline.auto import AutoRuns
    from edgecap.runtime.pipeline.pipeline import clip_options

    if pipeline.stages.choose is None:
        run = clip_options(pipeline.config, pipeline.stages.used)
        earlier = take_up(before, files, root=root)
        earlier.check(lambda there: run)
        return earlier
    runs = AutoRuns(pipeline.config)
    earlier = take_up(before, files, root=root, is_stale=runs.is_stale)
    earlier.check(runs.run_for)
    return earlier


def _has_rows(out: Path) -> bool:
    captions = out / CAPTIONS_FILE
    return captions.exists() and captions.stat().st_size > 0


def _prepare(
    out: Path, files: Sequence[Path], root: Path | None, pipeline: Pipeline, *, resume: bool
) -> tuple[EarlierRun, frozenset[str]]:
    """What holds of an earlier run (`--resume`), or nothing, its file renamed; and which videos' files must stay.

    Where no input can be found nothing will be done, so an earlier run's files stay as they are.
    """
    from edgecap.runtime.output.files import writing
    from edgecap.runtime.output.folder.take_up import identities_of, other_videos, write_kept
    from edgecap.runtime.output.resume import EarlierRun
    from edgecap.runtime.output.row import video_name

    captions = out / CAPTIONS_FILE
    if resume:
        before = EarlierRun.read(captions)
        earlier = _taken_up(before, files, root, pipeline)
        write_kept(before, earlier)
        return earlier, other_videos(earlier, files, root=root)
    identities_of({path: video_name(str(path), root=root) for path in files}, EarlierRun(captions))
    if not (files and _has_rows(out)):
        return EarlierRun(captions), frozenset()
    try:
        others = other_videos(EarlierRun.read(captions), files, root=root)
    except OutputError:  # another program's rows
        others = frozenset()
    with writing(captions):
        captions.replace(out / "captions.previous.jsonl")
    return EarlierRun(captions), others
