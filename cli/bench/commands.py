"""`edgecap bench caption|quality|compare|verify|calls`."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any, Unpack

import click

from edgecap.cli.bench.robust import bench_fuzz, bench_soak
from edgecap.cli.options import (
    CAPTIONER,
    DETECTOR,
    PACK,
    PROVIDER,
    THREADS,
    ConfigOptions,
    config_from,
    json_option,
)
from edgecap.engines.errors import UsageError
from edgecap.runtime.config import CaptionerChoice, DetectorChoice, PipelineConfig, PipelineOptions, make_config

THROUGHPUT_SEED = 7
_TIERS = ("clean", "moving", "stress")
_JSON = json_option("Print the figures as one JSON object.")
_TIER = click.option(
    "--tier", "tiers", multiple=True, type=click.Choice(_TIERS), help="Tier; may be repeated. [default: clean, moving]"
)
_CLIPS = click.option("--clips", type=int, default=40, show_default=True, help="Held-out clips per tier.")
_SEED = click.option(
    "--seed-start", type=int, default=0, show_default=True, help="First seed (0 to 99999: never trained on)."
)
_WORK = click.option(
    "--work",
    type=click.Path(path_type=Path),
    default=None,
    metavar="DIR",
    help="Folder for rendered clips. [default: a folder of the user's cache]",
)


@click.group(commands=[bench_fuzz, bench_soak])
def bench() -> None:
    """Measure speed and quality."""


@bench.command("caption")
@click.argument("video", required=False, type=click.Path(path_type=Path))
@click.option(
    "--seconds", type=float, default=20.0, show_default=True, help="Length of the clip that is rendered without VIDEO."
)
@click.option("--instances", type=int, default=4, show_default=True, help="Instances in the clip that is rendered.")
@click.option("--repeats", type=int, default=2, show_default=True, help="Number of serial and of overlapped runs.")
@DETECTOR
@CAPTIONER
@PROVIDER
@THREADS
@PACK
@_WORK
@_JSON
def bench_caption(
    video: Path | None,
    seconds: float,
    instances: int,
    repeats: int,
    work: Path | None,
    as_json: bool,
    **config: Unpack[ConfigOptions],
) -> int:
    """Time the pipeline, serial against overlapped, on VIDEO or on a clip of the synthetic world."""
    from edgecap.bench.speed.throughput import measure_throughput
    from edgecap.bench.world.cached_clips import cached_clip, clip_cache
    from edgecap.cli.bench.text import throughput_lines
    from edgecap.cli.terminal import counter
    from edgecap.runtime.pipeline.pipeline import Pipeline

    if repeats < 1:
        raise UsageError(f"--repeats must be at least 1; got {repeats}")
    folder = work or clip_cache()
    say = counter(as_json=as_json)
    pipeline = Pipeline(config_from(**config))
    warm_up = cached_clip(folder, tier="clean", seed=THROUGHPUT_SEED, duration_seconds=2.5, num_actors=2).video
    if video is None:
        say(f"rendering {seconds:g} s of the world")
        video = cached_clip(
            folder, tier="moving", seed=THROUGHPUT_SEED, duration_seconds=seconds, num_actors=instances
        ).video
    report = measure_throughput(pipeline, video, warm_up=warm_up, repeats=repeats, on_step=say)
    _print(dataclasses.asdict(report), throughput_lines(report), as_json=as_json)
    return 0


@bench.command("quality")
@_TIER
@_CLIPS
@_SEED
@PACK
@_WORK
@DETECTOR
@CAPTIONER
@click.option(
    "--out", type=click.Path(path_type=Path), default=None, metavar="FILE", help="Also write the JSON to this file."
)
@_JSON
def bench_quality(
    tiers: tuple[str, ...],
    clips: int,
    seed_start: int,
    pack: str,
    work: Path | None,
    out: Path | None,
    detector: DetectorChoice,
    captioner: CaptionerChoice | None,
    as_json: bool,
) -> int:
    """Score captions of held-out clips against exact truth; exit code 0 whether the bars are met or not."""
    from edgecap.bench.quality.run import run_tier
    from edgecap.bench.world.cached_clips import clip_cache
    from edgecap.cli.bench.text import quality_json, quality_lines
    from edgecap.cli.terminal import counter
    from edgecap.engines.graph.device import probe_device
    from edgecap.runtime.output.files import ready_file, replace_text
    from edgecap.runtime.pipeline.pipeline import Pipeline

    seeds = _seeds(seed_start, clips)
    if out is not None:
        ready_file(out)
    pipeline = Pipeline(_quality_config(pack, captioner, detector=detector))
    say = counter(as_json=as_json)
    results: dict[str, Any] = {"machine": probe_device().machine_line(), "tiers": {}}
    for tier in tiers or ("clean", "moving"):
        quality = run_tier(
            pipeline,
            tier,
            seeds=seeds,
            folder=work or clip_cache(),
            on_clip=lambda seed, *rest, tier=tier: say(f"{tier} {seed - seed_start + 1}/{clips}"),
        )
        results["tiers"][tier] = quality_json(quality)
        if out is not None:  # after every tier: a stopped run keeps what it measured
            replace_text(out, iter([json.dumps(results, indent=2) + "\n"]))
        if not as_json:
            click.echo("\n".join(quality_lines(quality)) + "\n")
    if as_json:
        click.echo(json.dumps(results, indent=2))
    return 0


@bench.command("compare")
@click.argument("first", metavar="PACK")
@click.argument("second", metavar="PACK")
@_TIER
@_CLIPS
@_SEED
@_WORK
@_JSON
def bench_compare(
    first: str, second: str, tiers: tuple[str, ...], clips: int, seed_start: int, work: Path | None, as_json: bool
) -> int:
    """Run two packs (say fp32 and quantised) on the same held-out clips; print both sizes and what the second loses."""
    from edgecap.bench.quality.compare import compare_packs
    from edgecap.bench.world.cached_clips import clip_cache
    from edgecap.cli.bench.text import comparison_lines
    from edgecap.cli.terminal import counter

    comparison = compare_packs(
        first,
        second,
        tiers=tiers or ("clean", "moving"),
        seeds=_seeds(seed_start, clips),
        folder=work or clip_cache(),
        on_step=counter(as_json=as_json),
    )
    _print(dataclasses.asdict(comparison), comparison_lines(comparison), as_json=as_json)
    return 0


@bench.command("verify")
@click.option("--count", type=int, default=500, show_default=True, help="Captions with one false statement each.")
@click.option("--tier", type=click.Choice(_TIERS), default="moving", show_default=True, help="Tier of the clips.")
@click.option("--clips", type=int, default=100, show_default=True, help="Held-out clips.")
@click.option("--captioner", type=click.Choice(["pack", "none"]), default=None, help="none: skip its own fields.")
@click.option("--misses", type=int, default=0, show_default=True, help="Print up to this many missed captions.")
@_SEED
@PACK
@_WORK
@_JSON
def bench_verify(
    count: int,
    tier: str,
    clips: int,
    captioner: CaptionerChoice | None,
    misses: int,
    seed_start: int,
    pack: str,
    work: Path | None,
    as_json: bool,
) -> int:
    """Plant false statements into true captions of held-out clips; print how many the verifier catches, and how
    many true captions it refuses.
    """
    from edgecap.bench.quality.planted.planted import measure_planted, planted_json, planted_lines
    from edgecap.bench.world.cached_clips import clip_cache
    from edgecap.cli.terminal import counter
    from edgecap.runtime.pipeline.pipeline import Pipeline

    if count < 1:
        raise UsageError(f"--count must be at least 1; got {count}")
    if misses < 0:
        raise UsageError(f"--misses must be at least 0; got {misses}")
    seeds = _seeds(seed_start, clips)
    say = counter(as_json=as_json)
    report = measure_planted(
        Pipeline(_quality_config(pack, captioner)),
        work or clip_cache(),
        seeds=seeds,
        count=count,
        tier=tier,
        on_clip=lambda seed: say(f"{tier} {seed - seed_start + 1}/{clips}"),
    )
    _print(planted_json(report), planted_lines(report, misses=misses), as_json=as_json)
    return 0


@bench.command("calls")
@click.argument("videos", nargs=-1, type=click.Path(path_type=Path))
@click.option("--clips", type=int, default=3, show_default=True, help="Videos that are rendered if none is given.")
@click.option("--seconds", type=float, default=20.0, show_default=True, help="Length of a rendered video.")
@click.option("--instances", type=int, default=4, show_default=True, help="Instances in a rendered video.")
@_SEED
@PACK
@_WORK
@_JSON
def bench_calls(
    videos: tuple[Path, ...],
    clips: int,
    seconds: float,
    instances: int,
    seed_start: int,
    pack: str,
    work: Path | None,
    as_json: bool,
) -> int:
    """Count calls and tokens of the language model, by --stages and --change-gate, on VIDEO... or rendered videos."""
    from edgecap.bench.speed.calls import measure_calls
    from edgecap.bench.world.cached_clips import cached_clip, clip_cache
    from edgecap.cli.bench.text import calls_lines
    from edgecap.cli.terminal import counter

    folder, say = work or clip_cache(), counter(as_json=as_json)
    warm_up = cached_clip(folder, tier="clean", seed=THROUGHPUT_SEED, duration_seconds=2.5, num_actors=2).video
    if not videos:
        say(f"rendering {clips} videos of {seconds:g} s")
        videos = tuple(
            cached_clip(folder, tier="moving", seed=seed, duration_seconds=seconds, num_actors=instances).video
            for seed in _seeds(seed_start, clips)
        )
    report = measure_calls(
        lambda stages, gate: make_config(pack=pack, stages=stages, change_gate=gate),
        videos,
        warm_up=warm_up,
        on_step=say,
    )
    _print(dataclasses.asdict(report), calls_lines(report), as_json=as_json)
    return 0


def _print(figures: dict[str, Any], lines: list[str], *, as_json: bool) -> None:
    click.echo(json.dumps(figures, indent=2) if as_json else "\n".join(lines))


def _seeds(start: int, count: int) -> range:
    from edgecap.bench.world.seeds import EVALUATION_SEED_END, EVALUATION_SEED_START

    if count < 1:
        raise UsageError(f"--clips must be at least 1; got {count}")
    if not start >= EVALUATION_SEED_START or start + count > EVALUATION_SEED_END:
        raise UsageError(
            f"held-out seeds are {EVALUATION_SEED_START} to {EVALUATION_SEED_END - 1}; "
            f"got {start} to {start + count - 1}; training used the others"
        )
    return range(start, start + count)


def _quality_config(
    pack: str, captioner: CaptionerChoice | None, *, detector: DetectorChoice = "pack"
) -> PipelineConfig:
    """`captioner` None: "pack" with the pack's detector, else "none"."""
    from edgecap.bench.quality.compare import quality_config

    chosen: PipelineOptions = {"detector": detector}
    if captioner is not None:
        chosen["captioner"] = captioner
    return quality_config(pack, **chosen)
