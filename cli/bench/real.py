"""`edgecap bench real DIR`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Unpack

import click

from edgecap.cli.bench.commands import bench
from edgecap.cli.options import MASK_REFRESH, MASKS, PACK, ConfigOptions, config_from


@bench.command("real")
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path))
@PACK
@click.option(
    "--captioner",
    type=click.Choice(["pack", "none"]),
    default="none",
    show_default=True,
    help="The pack's language model, or sentences from measurements only.",
)
@MASKS
@MASK_REFRESH
@click.option(
    "--fps", "sample_fps", type=float, default=30.0, show_default=True, help="Frames per second that are analysed."
)
@click.option("--only", default="", metavar="TEXT", help="Only sequences whose name has TEXT in it.")
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    default=None,
    metavar="DIR",
    help="Also write captions.jsonl and report.html with pictures here.",
)
@click.option("--json", "as_json", is_flag=True, help="Print the scores as one JSON object.")
def bench_real(folder: Path, only: str, out: Path | None, as_json: bool, **options: Unpack[ConfigOptions]) -> int:
    """Score real sequences of DIR against what people saw in them: tracks, masks, classes, colours, the camera.

    DIR has any of mot/ (NAME.mp4, NAME.gt.txt), davis/ (NAME.mp4, NAME.masks.npz) and clips/, and truth.json.
    """
    from edgecap.bench.real.report import score_lines, scores_json
    from edgecap.bench.real.run import open_segmenter, score_sequences
    from edgecap.bench.real.sequences import read_sequences
    from edgecap.engines.errors import UsageError
    from edgecap.runtime.output.jsonl import JsonLinesSink
    from edgecap.runtime.output.pictures.report import HtmlReportSink
    from edgecap.runtime.pipeline.pipeline import Pipeline

    sequences = [one for one in read_sequences(folder) if only in one.name]
    if not sequences:
        raise UsageError(f"--only {only!r}: no sequence of {folder} has that in its name")
    config = config_from(**options)
    pipeline = Pipeline(config)
    captions = None if out is None else out / "captions.jsonl"
    scores = []
    with (
        JsonLinesSink(captions, root=folder) as rows,
        HtmlReportSink(None if out is None else out / "report.html", root=folder) as report,
    ):
        for one in score_sequences(
            pipeline, sequences, masks_of=open_segmenter(config), sinks=() if out is None else (rows, report)
        ):
            scores.append(one)
            if not as_json:
                click.echo(f"{one.name}: {one.video_seconds:.1f} s of video in {one.wall_seconds:.1f} s", err=True)
    click.echo(
        json.dumps(scores_json(scores, pipeline.stages.used), indent=2) if as_json else "\n".join(score_lines(scores))
    )
    return 0
