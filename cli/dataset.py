"""`edgecap dataset filter DIR|ROWS` and `edgecap dataset stats ROWS`: InstanceVid curation."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, TypedDict, Unpack

import click

from edgecap.cli.options import AUTO_PACK, DETECTOR, json_option
from edgecap.cli.terminal import counter, echo, echo_json, say
from edgecap.engines.errors import SomeClipsFailedError
from edgecap.runtime.config import DetectorChoice, make_config

if TYPE_CHECKING:
    from edgecap.bench.dataset.curate import Curation


class Thresholds(TypedDict):
    """See `CurationRules`."""

    min_seconds: float
    max_seconds: float
    min_side: int
    min_motion: float
    max_cuts: int
    duplicate_bits: float
    max_scene_share: float


@click.group()
def dataset() -> None:
    """Choose clips worth training on, and show statistics of a set."""


@dataset.command("filter")
@click.argument("source", metavar="DIR|ROWS", type=click.Path(path_type=Path))
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    required=True,
    metavar="DIR",
    help="Folder for curation.jsonl and its summary.",
)
@click.option(
    "--videos",
    type=click.Path(path_type=Path),
    default=None,
    metavar="DIR",
    help="Folder of the rows' videos. [default: that of ROWS]",
)
@DETECTOR
@AUTO_PACK
@click.option(
    "--scenes/--no-scenes",
    default=False,
    show_default=True,
    help="Ask the pack's captioner for the background where a row has none (for the balance of scenes).",
)
@click.option("--min-seconds", type=float, default=2.0, show_default=True, help="Shortest clip.")
@click.option("--max-seconds", type=float, default=10.0, show_default=True, help="Longest clip.")
@click.option("--min-side", type=int, default=256, show_default=True, help="Smallest short side in pixels.")
@click.option(
    "--min-motion",
    type=float,
    default=0.06,
    show_default=True,
    help="Smallest motion of the liveliest instance, without the camera's: short sides per second.",
)
@click.option("--max-cuts", type=int, default=0, show_default=True, help="Largest number of hard cuts.")
@click.option(
    "--duplicate-bits",
    type=float,
    default=12.0,
    show_default=True,
    help="Clips closer than this (mean differing bits of 64-bit frame hashes) are copies.",
)
@click.option(
    "--max-scene-share",
    type=float,
    default=0.4,
    show_default=True,
    help="Largest share of one scene class among kept clips; 1: no limit.",
)
@click.option("--resume", is_flag=True, help="Continue an earlier run in --out; thresholds may differ.")
@json_option("Print the rows of curation.jsonl on stdout instead of text.")
def filter_clips(
    source: Path,
    out: Path,
    videos: Path | None,
    detector: DetectorChoice,
    pack: str,
    scenes: bool,
    resume: bool,
    as_json: bool,
    **thresholds: Unpack[Thresholds],
) -> int:
    """Decide which clips of a folder of videos, or of InstanceCap rows (.jsonl), to keep, and list them.

    Exit code 8 where some clips could not be read; they are dropped with the reason.
    """
    from edgecap.bench.dataset.clip_source import clip_sources
    from edgecap.bench.dataset.curate import curate
    from edgecap.bench.dataset.rules import CurationRules
    from edgecap.runtime.output.files import ready_folder
    from edgecap.runtime.output.folder.lock import used_alone
    from edgecap.runtime.pipeline.auto import packs_of
    from edgecap.runtime.pipeline.open import build_stages

    rules = CurationRules(**thresholds)
    sources = clip_sources(source, videos=videos)
    config = make_config(detector=detector, pack=pack, captioner="pack" if scenes else "none", window_seconds=10.0)
    stages = build_stages(config)
    count = counter(as_json=as_json)
    ready_folder(out)
    with used_alone(out, warn=say):
        result = curate(
            sources,
            stages,
            out,
            rules=rules,
            measured_with={**packs_of(config, stages), "scenes": str(scenes)},
            sample_fps=config.sample_fps,
            with_scene=scenes,
            resume=resume,
            on_clip=lambda number, facts: count(f"{number}/{len(sources)} {facts.name}"),
        )
    return _show(result, out, as_json=as_json)


@dataset.command("stats")
@click.argument("rows", type=click.Path(path_type=Path))
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    required=True,
    metavar="PICTURE",
    help="A .png (or .jpg); the figures go into a .json of the same name.",
)
@json_option("Print the figures as JSON instead of text.")
def stats(rows: Path, out: Path, as_json: bool) -> int:
    """Durations, scenes, instances per clip and classes of a curation.jsonl or of InstanceCap rows, as a picture."""
    from edgecap.bench.dataset.stats import read_stats
    from edgecap.bench.dataset.stats_picture import write_picture
    from edgecap.runtime.output.files import ready_file, replace_text

    figures = read_stats(rows)
    ready_file(out)
    text = json.dumps(figures.to_json(), indent=2, ensure_ascii=False) + "\n"
    write_picture(figures, out)
    replace_text(out.with_suffix(".json"), iter([text]))
    echo(text.rstrip() if as_json else f"{figures.headline}; {out} and {out.with_suffix('.json').name}")
    return 0


def _show(result: Curation, out: Path, *, as_json: bool) -> int:
    """Print the result; returns the exit code."""
    for choice in result.verdicts if as_json else ():
        echo_json(choice.to_json())
    if not as_json:
        echo("\n".join(_lines(result, out)))
    unread = sum(v.facts.error is not None for v in result.verdicts)
    return SomeClipsFailedError.exit_code if unread else 0


def _lines(result: Curation, out: Path) -> list[str]:
    lines = [
        f"{'keep' if v.keep else 'drop'}  {v.facts.name}{'  ' * bool(v.reasons)}{'; '.join(v.reasons)}"
        for v in result.verdicts
    ]
    broken = ", ".join(f"{code} {count}" for code, count in result.summary["dropped_by"].items())
    reused = f", {result.reused} measured before" if result.reused else ""
    lines.append(
        f"{result.kept} of {len(result.verdicts)} clips stay{reused}; dropped by: {broken or 'nothing'}; {out}"
    )
    return lines
