"""`edgecap world`: render clips of the synthetic world, with their exact ground truth."""

from __future__ import annotations

import json
from pathlib import Path

import click

from edgecap.cli.options import json_option
from edgecap.engines.errors import UsageError


@click.command()
@click.option(
    "--tier",
    type=click.Choice(["clean", "moving", "stress"]),
    default="moving",
    show_default=True,
    help="clean: still camera; moving: camera moves; stress: noise, blur, low light, small things.",
)
@click.option(
    "--seed",
    type=int,
    default=0,
    show_default=True,
    help="Seed of the first clip; the following clips count up from it.",
)
@click.option("--count", type=int, default=1, show_default=True, help="Number of clips.")
@click.option("--seconds", type=float, default=None, help="Length of each clip. [default: drawn from the seed]")
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    default=Path("edgecap-world"),
    show_default=True,
    metavar="DIR",
    help="Folder for the clips and their truth.",
)
@json_option("Print the clips' paths as one JSON list.")
def world(tier: str, seed: int, count: int, seconds: float | None, out: Path, as_json: bool) -> int:
    """Render clips of the synthetic world and their truth (masks, ids, paths, camera, sentences)."""
    from edgecap.bench.world.render.encode import truth_path, write_clip
    from edgecap.bench.world.scene import make_scene
    from edgecap.runtime.output.files import ready_folder, writing

    if seed < 0:
        raise UsageError(f"--seed must be at least 0; got {seed}")
    if count < 1:
        raise UsageError(f"--count must be at least 1; got {count}")
    if seconds is not None and not 0.5 <= seconds <= 120:
        raise UsageError(f"--seconds must be 0.5 to 120; got {seconds:g}")
    ready_folder(out)
    clips = []
    for number in range(seed, seed + count):
        with writing(out):
            video = write_clip(make_scene(seed=number, tier=tier, duration_seconds=seconds), out)
        clips.append({"video": str(video), "truth": str(truth_path(video))})
        if not as_json:
            click.echo(f"{video}  {truth_path(video).name}")
    if as_json:
        click.echo(json.dumps(clips))
    return 0
