"""`python -m edgecap.export.nano`: train and export the pack that ships. Resumable; hours on a CPU."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from edgecap.engines.errors import EdgecapError
from edgecap.export.nano.recipe import NanoBudget, export, make_nano, refresh

_SHIPPED = Path(__file__).resolve().parents[2] / "engines" / "packs" / "nano"


@click.command()
@click.option(
    "--work-dir",
    type=click.Path(path_type=Path),
    default=Path(".nano"),
    show_default=True,
    help="Rendered data, checkpoints and fp32 graphs; kept, so that a stopped run goes on.",
)
@click.option("--out", type=click.Path(path_type=Path), default=_SHIPPED, help="Where the pack goes (replaced).")
@click.option("--export-only", is_flag=True, help="Export the checkpoints that exist; train nothing.")
@click.option(
    "--refresh", "refresh_only", is_flag=True, help="Calibrate the domain check of --out again, and renew its prompts."
)
@click.option("--quick", is_flag=True, help="A few steps of everything: proves the path, captions nothing.")
def main(*, work_dir: Path, out: Path, export_only: bool, refresh_only: bool, quick: bool) -> None:
    """Render the world, train detector, segmenter and captioner, quantise, measure, write the pack."""
    budget = (
        NanoBudget()
        if not quick
        else NanoBudget(
            detector_steps=4,
            segmenter_steps=4,
            captioner_minutes=0.2,
            vision_shards=1,
            validation_shards=1,
            captioner_shards=1,
        )
    )
    if quick and out == _SHIPPED:
        raise click.UsageError("--quick makes a pack that knows nothing; give --out so that the shipped one stays")
    try:
        if refresh_only:
            refresh(work_dir, out, budget, say=_say)
        else:
            (export if export_only else make_nano)(work_dir, out, budget, say=_say)
    except EdgecapError as error:
        click.echo(f"edgecap: {error}", err=True)
        sys.exit(error.exit_code)


def _say(line: str) -> None:
    click.echo(f"nano: {line}")


if __name__ == "__main__":
    main()
