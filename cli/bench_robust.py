"""`edgecap bench soak|fuzz`: long runs and broken inputs."""

from __future__ import annotations

import dataclasses
import json
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from edgecap.engines.errors import UsageError

if TYPE_CHECKING:
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
@click.option("--detector", type=click.Choice(["pack", "motion"]), default="pack", show_default=True)
@click.option("--captioner", type=click.Choice(["pack", "none"]), default=None)
@click.option("--pack", default="nano", show_default=True, metavar="NAME|DIR", help="Model pack.")
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
    from edgecap.bench.robust.soak import check_soak, measure_soak
    from edgecap.bench.robust.soak_picture import check_picture, write_soak_picture
    from edgecap.bench.world.cached_clips import clip_cache
    from edgecap.runtime.config import make_config
    from edgecap.runtime.output.files import ready_file, replace_text
    from edgecap.runtime.pipeline.pipeline import Pipeline

    if files < 1:
        raise UsageError(f"--files must be at least 1; got {files}")
    if not 0 < minutes <= 24 * 60:
        raise UsageError(f"--minutes must be above 0 and at most 1440 (a day); got {minutes:g}")
    check_soak(minutes=minutes, warm_minutes=warm_minutes)
    config = make_config(sample_fps=float(fps), **{n: v for n, v in options.items() if v is not None})
    if picture is not None:
        check_picture(picture)
    for file in (f for f in (out, picture) if f is not None):
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
    text = json.dumps(dataclasses.asdict(report), indent=1)
    if out is not None:
        replace_text(out, iter([text + "\n"]))
    if picture is not None:
        write_soak_picture(report, picture)
    click.echo(text if as_json else "\n".join(soak_lines(report)))
    return 0


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
