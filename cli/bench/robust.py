"""`edgecap bench soak|fuzz`: long runs and broken inputs."""

from __future__ import annotations

import dataclasses
import json
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from edgecap.cli.options import CAPTIONER, DETECTOR, PACK
from edgecap.engines.errors import UsageError

if TYPE_CHECKING:
    from edgecap.bench.robust.attempt import Outcome
    from edgecap.bench.robust.fuzz import FuzzReport
    from edgecap.bench.robust.mutate_options import CommandShape
    from edgecap.bench.robust.soak import SoakReport

SOAK_SEED = 21
_JSON = click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
_OUT = click.option(
    "--out", type=click.Path(path_type=Path), default=None, metavar="FILE", help="Write the JSON here too."
)


@click.command("soak")
@click.option("--minutes", type=float, default=60.0, show_default=True, help="Minutes of video, over all files.")
@click.option("--fps", type=int, default=4, show_default=True, help="Frames per second of the video, all analysed.")
@click.option("--files", type=int, default=6, show_default=True, help="Files that the minutes are cut into.")
@click.option("--warm-minutes", type=int, default=5, show_default=True, help="Minutes of video that are not compared.")
@DETECTOR
@CAPTIONER
@PACK
@click.option(
    "--work",
    type=click.Path(path_type=Path),
    default=None,
    metavar="DIR",
    help="Where the videos are kept. [default: a folder of the user's cache]",
)
@click.option("--picture", type=click.Path(path_type=Path), default=None, metavar="FILE", help="Draw it into a .png.")
@_OUT
@_JSON
def bench_soak(
    minutes: float,
    fps: int,
    files: int,
    warm_minutes: int,
    work: Path | None,
    picture: Path | None,
    out: Path | None,
    as_json: bool,
    **options: Any,
) -> int:
    """Caption an hour of video and watch memory, threads, handles and tracks by the minute: what grows, by how much.

    Exit code 0 whether everything stays flat or not.
    """
    from edgecap.bench.robust.long_video import long_videos
    from edgecap.bench.robust.soak import measure_soak
    from edgecap.bench.robust.soak_picture import check_picture, write_soak_picture
    from edgecap.bench.world.cached_clips import clip_cache
    from edgecap.runtime.config import make_config
    from edgecap.runtime.output.files import ready_file
    from edgecap.runtime.pipeline.pipeline import Pipeline

    _check_length(files=files, minutes=minutes, warm_minutes=warm_minutes)
    config = make_config(sample_fps=float(fps), **{n: v for n, v in options.items() if v is not None})
    if picture is not None:
        check_picture(picture)
    for file in filter(None, (out, picture)):
        ready_file(file)
    say = _sayer(as_json)
    say(f"writing {minutes:g} minutes of video")
    videos = long_videos(work or clip_cache(), files=files, minutes=minutes, fps=fps, seed=SOAK_SEED)
    with tempfile.TemporaryDirectory(prefix="edgecap-soak-") as folder:
        report = measure_soak(
            Pipeline(config),
            videos,
            Path(folder),
            fps=fps,
            warm_minutes=warm_minutes,
            on_minute=lambda m: say(f"minute {m.minute} of {minutes:g}: {m.rss_mb:.0f} MiB, {m.handles} handles"),
        )
    if picture is not None:
        write_soak_picture(report, picture)
    _print(report, soak_lines(report), out, as_json=as_json)
    return 0


@click.command("fuzz")
@click.option("--tries", type=int, default=10_000, show_default=True, help="Broken inputs to try.")
@click.option("--seed", type=int, default=0, show_default=True, help="The same seed breaks the same things.")
@click.option(
    "--kind",
    type=click.Choice(["video", "pack", "pack-json", "rows", "options"]),
    default=None,
    help="Break only this. [default: each in turn]",
)
@click.option("--only", type=int, default=None, metavar="N", help="Run try N alone and print what comes of it.")
@click.option("--workers", type=int, default=2, show_default=True, help="Processes.")
@click.option("--limit-seconds", type=float, default=30.0, show_default=True, help="A try that takes longer hangs.")
@click.option("--limit-mb", type=float, default=2048.0, show_default=True, help="Most memory of a process.")
@click.option(
    "--keep", type=click.Path(path_type=Path), default=None, metavar="DIR", help="Keep the input of every fault here."
)
@_OUT
@_JSON
def bench_fuzz(
    tries: int,
    seed: int,
    kind: str | None,
    only: int | None,
    workers: int,
    limit_seconds: float,
    limit_mb: float,
    keep: Path | None,
    out: Path | None,
    as_json: bool,
) -> int:
    """Break videos, packs, rows and options in thousands of ways; count what ends in one clear error and what doesn't.

    Exit code 1 where a try ended in a traceback, an unclear error, a hang, a crash or too much memory.
    """
    from edgecap.bench.robust.attempt import CommandLine
    from edgecap.bench.robust.fuzz import FuzzLimits, measure_fuzz
    from edgecap.runtime.output.files import ready_file, ready_folder

    _check_counts(tries=tries, workers=workers, only=only)
    if not (limit_seconds > 0 and limit_mb > 0):
        raise UsageError(f"limits must be above 0; got --limit-seconds {limit_seconds:g} --limit-mb {limit_mb:g}")
    if out is not None:
        ready_file(out)
    if keep is not None:
        ready_folder(keep)
    with tempfile.TemporaryDirectory(prefix="edgecap-fuzz-") as folder:
        report = measure_fuzz(
            range(tries) if only is None else range(only, only + 1),
            Path(folder),
            seed=seed,
            kind=kind,
            workers=workers if only is None else 1,
            limits=FuzzLimits(limit_seconds, limit_mb),
            keep=keep,
            command=CommandLine(command_shapes(), run_command),
            on_outcome=_watcher(tries, as_json=as_json, in_full=only is not None and not as_json),
        )
    _print(report, fuzz_lines(report) if only is None else [], out, as_json=as_json)
    return 1 if report.faults else 0


def _print(report: SoakReport | FuzzReport, lines: Sequence[str], out: Path | None, *, as_json: bool) -> None:
    """The report as JSON into `out` where there is one, and as JSON or lines on stdout."""
    from edgecap.runtime.output.files import replace_text

    text = json.dumps(dataclasses.asdict(report), indent=1)
    if out is not None:
        replace_text(out, iter([text + "\n"]))
    if as_json or lines:
        click.echo(text if as_json else "\n".join(lines))


def _watcher(tries: int, *, as_json: bool, in_full: bool) -> Callable[[Outcome], None]:
    """Progress on a terminal; `in_full`: each try on stdout."""
    say, done = _sayer(as_json), Counter[str]()

    def on_outcome(outcome: Outcome) -> None:
        done[outcome.result] += 1
        say(f"{done.total()} of {tries}: {_counted(done)}")
        if in_full:
            click.echo("\n".join(outcome_lines(outcome)))

    return on_outcome


def _check_length(*, files: int, minutes: float, warm_minutes: int) -> None:
    from edgecap.bench.robust.soak import check_soak

    if files < 1:
        raise UsageError(f"--files must be at least 1; got {files}")
    if not 0 < minutes <= 24 * 60:
        raise UsageError(f"--minutes must be above 0 and at most 1440 (a day); got {minutes:g}")
    check_soak(minutes=minutes, warm_minutes=warm_minutes)


def _check_counts(*, tries: int, workers: int, only: int | None) -> None:
    for name, value, least in (("--tries", tries, 1), ("--workers", workers, 1), ("--only", only or 0, 0)):
        if value < least:
            raise UsageError(f"{name} must be at least {least}; got {value}")


def command_shapes() -> tuple[CommandShape, ...]:
    """The options of the commands that read files, without those that would reach into the network."""
    from edgecap.bench.robust.mutate_options import CommandShape, OptionShape
    from edgecap.cli.caption import caption
    from edgecap.cli.dataset import filter_clips, stats
    from edgecap.cli.enhance import enhance

    shapes = []
    for words, command in (
        (("caption",), caption),
        (("enhance",), enhance),
        (("dataset", "filter"), filter_clips),
        (("dataset", "stats"), stats),
    ):
        options = [p for p in command.params if isinstance(p, click.Option) and "--endpoint" not in p.opts]
        shapes.append(
            CommandShape(
                words,
                tuple(
                    OptionShape(
                        (*option.opts, *option.secondary_opts),
                        tuple(option.type.choices) if isinstance(option.type, click.Choice) else (),
                        option.is_flag,
                    )
                    for option in options
                ),
            )
        )
    return tuple(shapes)


def run_command(arguments: Sequence[str]) -> int:
    """The command line in this process, its errors as they are raised; click's own as UsageError."""
    from edgecap.cli.main import cli

    try:
        code = cli.main(list(arguments), prog_name="edgecap", standalone_mode=False)
    except click.ClickException as error:
        raise UsageError(error.format_message() or str(error) or "usage") from error
    return code if isinstance(code, int) else 0


def fuzz_lines(report: FuzzReport) -> list[str]:
    """Counts by kind, error classes, and one paragraph per place of a fault."""
    lines = [
        f"machine   {report.machine}",
        f"tries     {report.tries} with seed {report.seed} in {report.wall_seconds:.0f} s, the slowest "
        f"{report.slowest_seconds:.1f} s",
        *(f"{kind:<10}{_counted(counts)}" for kind, counts in report.counts.items()),
        f"errors    {_counted(report.errors)}",
    ]
    places: dict[tuple[str, ...], list[dict[str, Any]]] = {}
    for fault in report.faults:
        places.setdefault((fault["result"], fault["error"], fault["where"]), []).append(fault)
    for (result, error, where), faults in places.items():
        first = faults[0]
        message = " ".join(first["message"].split())[:300]
        lines += ["", f"{result} {error} at {where or '(nowhere of ours)'}, {len(faults)} times: {message}"]
        lines += [f"  {first['done'][:200]}", f"  {first['rerun']}"]
    return [*lines, "", f"{len(report.faults)} faults" if report.faults else "no fault"]


def outcome_lines(outcome: Outcome) -> list[str]:
    """One try in full."""
    attempt = outcome.attempt
    return [
        f"try {attempt.number} ({attempt.kind}, seed {attempt.seed}): {outcome.done}",
        f"{outcome.result} {outcome.error} {outcome.where}, {outcome.seconds:.2f} s",
        *([outcome.message] if outcome.message else []),
    ]


def _counted(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{name} {count}" for name, count in counts.items()) or "none"


def soak_lines(report: SoakReport) -> list[str]:
    """Machine, run, one line a measure, and the verdict."""
    width, height = report.size_wh
    grew = [trend.name for trend in report.trends if not trend.flat]
    return [
        f"machine   {report.machine}",
        f"models    {', '.join(f'{name} {value}' for name, value in report.used.items() if name != 'device')}",
        f"video     {report.video_seconds / 60:.1f} minutes in {report.files} files, {width}x{height}@{report.fps}; "
        f"{report.clips} clips, {report.instances} instances, {report.minutes[-1].ids_given} ids given; "
        f"{report.wall_seconds:.0f} s, {report.video_seconds / report.wall_seconds:.1f}x real time",
        f"compared  the first third of the minutes after {report.warm_minutes} with the last third",
        "",
        *(trend.words for trend in report.trends),
        "",
        f"not flat: {', '.join(grew)} grew by more than 5 %" if grew else "flat: nothing grew by more than 5 %",
    ]


def _sayer(as_json: bool) -> Any:
    """A line of progress on stderr that replaces itself on a terminal; silent elsewhere."""
    if as_json or not sys.stderr.isatty():
        return lambda text: None
    return lambda text: click.echo(f"\r\x1b[K{text}", nl=False, err=True)
