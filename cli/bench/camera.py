"""`edgecap bench camera DIR`."""

from __future__ import annotations

import json
from pathlib import Path

import click

from edgecap.cli.bench.commands import bench
from edgecap.cli.options import json_option


@bench.command("camera")
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path))
@click.option("--clips", type=click.IntRange(min=1), default=110, show_default=True, help="Number of clips.")
@click.option("--seed-start", type=click.IntRange(min=0), default=0, show_default=True, help="First seed.")
@click.option(
    "--fps",
    type=click.FloatRange(min=1, max=60),
    default=8.0,
    show_default=True,
    help="Frames per second that are analysed.",
)
@json_option("Print the figures as one JSON object.")
def bench_camera(folder: Path, clips: int, seed_start: int, fps: float, as_json: bool) -> int:
    """Score camera labels against exactly known movements over frames of real videos.

    DIR as in `bench real`. A frame is panned, tilted, zoomed, rolled or shaken, with motion blur, noise and
    compression; half of the clips have an object of davis/ moving before it, half of those with its mask known.
    """
    from edgecap.bench.real.camera import camera_trials, study_json, study_lines
    from edgecap.bench.real.moving_pictures import read_footage
    from edgecap.bench.real.sequences import read_sequences

    footage = [read_footage(sequence) for sequence in read_sequences(folder)]
    trials = list(camera_trials(footage, seeds=range(seed_start, seed_start + clips), fps=fps))
    click.echo(json.dumps(study_json(trials, fps=fps), indent=1) if as_json else "\n".join(study_lines(trials)))
    return 0
