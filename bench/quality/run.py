"""Quality of a pipeline on held-out clips of one tier: render (or take from the cache), caption, compare, pool."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from edgecap.bench.quality.evaluate import ClipResult, Figures, blind_said, evaluate_clip, oracle_said, pool
from edgecap.bench.quality.facts import TrueClip
from edgecap.bench.quality.said_facts import frame_indices, said_clip
from edgecap.bench.quality.truth_facts import true_clip
from edgecap.bench.world.cached_clips import cached_clip
from edgecap.bench.world.ground_truth.clip_truth import ClipTruth
from edgecap.runtime.data.record import FailedVideo, Record
from edgecap.runtime.pipeline.collect import CollectSink
from edgecap.runtime.pipeline.pipeline import Pipeline
from edgecap.runtime.verify.reasons import VerifierCounts

_ANALYSED_FPS = 8.0
"""Frames per second that a pipeline analyses by default."""


@dataclass(frozen=True, slots=True)
class TierQuality:
    """One tier. `figures` of the pipeline, `oracle` of the truth itself, `blind` of a prior. `failures`:
    videos without a caption to their end. `verified`: what became of the fields that were requested.
    """

    tier: str
    seeds: tuple[int, ...]
    figures: Figures
    oracle: Figures
    blind: Figures
    results: tuple[ClipResult, ...]
    failures: tuple[FailedVideo, ...]
    used: dict[str, str]
    wall_seconds: float
    video_seconds: float
    verified: VerifierCounts = field(default_factory=VerifierCounts)


def run_tier(
    pipeline: Pipeline,
    tier: str,
    *,
    seeds: range,
    folder: Path,
    on_clip: Callable[[int, ClipResult, list[Record], TrueClip], None] = lambda *args: None,
) -> TierQuality:
    """Caption and score the clips of `seeds`. `folder`: where clips are cached. `on_clip(seed, result,
    records, truth)` after each.

    A clip that fails counts as a silent caption, and is listed.
    """
    results: list[ClipResult] = []
    truths: list[TrueClip] = []
    failures: list[FailedVideo] = []
    used: dict[str, str] = {}
    verified, wall, video = VerifierCounts(), 0.0, 0.0
    for seed in seeds:
        clip = cached_clip(folder, tier=tier, seed=seed)
        sink = CollectSink()
        summary = pipeline.run([clip.video], [sink])
        if summary.interrupted:
            raise KeyboardInterrupt
        failures += sink.failures
        wall, video = wall + summary.wall_seconds, video + summary.video_seconds
        truth = scored_truth(ClipTruth.load(clip.truth), sink.records)
        result = evaluate_clip(truth, said_clip(clip.video.stem, sink.records))
        used = dict(sink.records[0].used) if sink.records else used
        verified += summary.verified
        truths, results = [*truths, truth], [*results, result]
        on_clip(seed, result, sink.records, truth)
    return TierQuality(
        tier=tier,
        seeds=tuple(seeds),
        figures=pool(results),
        oracle=pool([evaluate_clip(t, oracle_said(t)) for t in truths]),
        blind=pool([evaluate_clip(t, s) for t, s in zip(truths, blind_said(truths), strict=True)]),
        results=tuple(results),
        failures=tuple(failures),
        used=used,
        wall_seconds=wall,
        video_seconds=video,
        verified=verified,
    )


def caption_clip(pipeline: Pipeline, *, tier: str, seed: int, folder: Path) -> tuple[ClipTruth, list[Record]]:
    """Truth and records of a held-out clip (rendered into `folder` where it isn't yet), serial. Raises its error."""
    clip, sink = cached_clip(folder, tier=tier, seed=seed), CollectSink()
    pipeline.run([clip.video], [sink], overlap=False).raise_for_failures()
    return ClipTruth.load(clip.truth), sink.records


def scored_truth(clip: ClipTruth, records: Sequence[Record]) -> TrueClip:
    """The truth at `scored_frames`."""
    return true_clip(clip, scored_frames(frame_indices(records), clip))


def scored_frames(analysed: list[int], clip: ClipTruth) -> list[int]:
    """The analysed frames, and after a clip that ended early (or gave no record) those that would have been analysed:
    there nothing was said."""
    step = max(1, round(clip.fps / _ANALYSED_FPS))
    following = analysed[-1] + step if analysed else 0
    ended_early = not analysed or following + step < clip.num_frames  # a step of slack: decoders drop last frames
    return analysed + (list(range(following, clip.num_frames, step)) if ended_early else [])
