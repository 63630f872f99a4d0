"""`edgecap bench people DIR`."""

from __future__ import annotations

import datetime
import json
from pathlib import Path

import click

from edgecap.cli.bench.commands import bench
from edgecap.cli.options import ALSO, LABELS, PACK


@bench.command("people")
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path))
@PACK
@LABELS
@ALSO
@click.option("--only", default="", metavar="TEXT", help="Only sequences whose name has TEXT in it.")
@click.option("--json", "as_json", is_flag=True, help="Print the scores as one JSON object.")
def bench_people(folder: Path, pack: str, labels: Path | None, also: tuple[Path, ...], only: str, as_json: bool) -> int:
    """Score what poses say of people in real sequences of DIR against labels by eye: acts, facing, clothes."""
    from edgecap.bench.real.people import judge_people, people_lines, people_scores, read_labels
    from edgecap.bench.real.sequences import labelled_videos
    from edgecap.bench.tables.readme import RESULTS
    from edgecap.engines.errors import PackError
    from edgecap.runtime.config import make_config
    from edgecap.runtime.pipeline.collect import CollectSink
    from edgecap.runtime.pipeline.pipeline import Pipeline

    known = [one for one in read_labels(labels or RESULTS / "people_labels.json") if only in one.sequence]
    videos = labelled_videos(folder, (one.sequence for one in known), also=also)
    pipeline = Pipeline(make_config(pack=pack, captioner="none", max_instances=64))
    if "pose" not in pipeline.stages.used:
        raise PackError(f"pack {pack!r} has no pose graph; use one made by edgecap pull street")
    judged = []
    for name, video in videos.items():
        if video is None:
            click.echo(f"{name}: not found, left out", err=True)
            continue
        sink = CollectSink()
        pipeline.run([video], [sink]).raise_for_failures()
        judged += judge_people([one for one in known if one.sequence == name], sink.records)
        click.echo(f"{name}: {len(sink.records)} clips", err=True)
    scores, used = people_scores(judged), pipeline.stages.used
    table = {
        "machine": used["device"],
        "date": datetime.date.today().isoformat(),
        "used": dict(used),
        "labels": len(known),
        "left_out": [name for name, video in videos.items() if video is None],
        "halves": scores,
    }
    click.echo(json.dumps(table, indent=2) if as_json else "\n".join(people_lines(scores)))
    return 0
