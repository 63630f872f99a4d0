"""`edgecap bench colours DIR`."""

from __future__ import annotations

import json
from pathlib import Path

import click

from edgecap.cli.bench.commands import bench
from edgecap.cli.options import ALSO, LABELS, PACK


@bench.command("colours")
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path))
@PACK
@LABELS
@ALSO
@click.option("--json", "as_json", is_flag=True, help="Print the scores as one JSON object.")
def bench_colours(folder: Path, pack: str, labels: Path | None, also: tuple[Path, ...], as_json: bool) -> int:
    """Score the colours that are said of single crops of real sequences in DIR against names given by eye."""
    from edgecap.bench.real.colours import colour_lines, colour_scores, judge_colours, read_colour_labels
    from edgecap.bench.real.run import open_segmenter
    from edgecap.bench.real.sequences import labelled_videos
    from edgecap.bench.tables.readme import RESULTS
    from edgecap.engines.errors import PackError
    from edgecap.engines.packs.pack import Pack
    from edgecap.runtime.config import make_config

    known = read_colour_labels(labels or RESULTS / "colour_labels.json")
    videos = labelled_videos(folder, (one.sequence for one in known), also=also)
    config = make_config(pack=pack, captioner="none")
    masks_of, detector = open_segmenter(config), Pack.open(config.pack).spec.detector
    if masks_of is None or detector is None:
        raise PackError(f"pack {pack!r} has no segmenter or no detector")
    judged = []
    for name, video in videos.items():
        if video is None:
            click.echo(f"{name}: not found, left out", err=True)
            continue
        mine = [one for one in known if one.sequence == name]
        judged += judge_colours(video, mine, masks_of=masks_of, labels=detector.labels)
    scores = colour_scores(judged)
    click.echo(json.dumps(scores, indent=2) if as_json else "\n".join(colour_lines(scores)))
    return 0
