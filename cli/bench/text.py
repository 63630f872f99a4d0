"""Reports of the benches as lines of text."""

from __future__ import annotations

import dataclasses
from typing import Any

from edgecap.bench.quality.compare import Comparison
from edgecap.bench.quality.report import bar_lines, check_bars, figure_lines, figures_json
from edgecap.bench.quality.run import TierQuality
from edgecap.bench.speed.calls import CallsReport
from edgecap.bench.speed.throughput import ThroughputReport


def throughput_lines(report: ThroughputReport) -> list[str]:
    """Machine, clip, both wall times, stages, parts and the figures computed from them."""
    width, height = report.size_wh
    fps = f"@{report.source_fps:.4g}" if report.source_fps else ""
    used = ", ".join(f"{name} {value}" for name, value in report.used.items() if name != "device")
    lines = [
        f"machine   {report.machine}",
        f"models    {used}",
        f"clip      {report.video} {width}x{height}{fps}, {report.video_seconds:.1f} s, {report.clips} clips, "
        f"{report.instances_per_clip:.1f} instances each; medians of {report.repeats} runs",
        f"serial    {report.serial_wall_seconds:.2f} s",
        f"overlap   {report.overlapped_wall_seconds:.2f} s, {report.speedup:.2f}x the serial speed, "
        f"overlap efficiency {report.overlap_efficiency:.2f}",
        f"speed     {report.times_real_time:.2f}x real time (real-time factor {report.real_time_factor:.3f}), "
        f"{_fps(report.decoded_fps)} frames/s decoded, {report.analysed_fps:.1f} analysed",
        f"cpu       {report.cpu_seconds_per_video_second:.3f} CPU seconds per second of video, serial; "
        f"load average before the run {report.load_average:.1f}",
        f"words     {report.decode_tokens} tokens in {report.model_calls} model calls, {report.prefill_tokens} read, "
        f"{report.tokens_per_second:.0f} tokens per second of describe",
        f"age       of a caption p50 {report.age_p50_seconds:.2f} s, p95 {report.age_p95_seconds:.2f} s; "
        f"peak memory {report.peak_rss_mb:.0f} MB",
        "",
        f"{'stage':<12}{'items':>7}{'p50 ms':>10}{'p95 ms':>10}{'overlap p50':>16}{'p95':>10}{'busy s':>9}{'share':>8}",
    ]
    lines += [
        f"{r.name:<12}{r.items:>7}{r.p50_ms:>10.2f}{r.p95_ms:>10.2f}{r.overlapped_p50_ms:>16.2f}"
        f"{r.overlapped_p95_ms:>10.2f}{r.busy_seconds:>9.2f}{r.share:>8.0%}"
        for r in report.stages
    ]
    parts = ", ".join(f"{name} {seconds:.2f}" for name, seconds in report.part_seconds.items())
    return [*lines, "", f"busy seconds by part, serial: {parts}"]


def calls_lines(report: CallsReport) -> list[str]:
    """One row a setting; times relative to the first row."""
    first = report.rows[0]
    lines = [
        f"machine   {report.machine}",
        f"models    {', '.join(f'{name} {value}' for name, value in report.used.items() if name != 'device')}",
        f"clips     {first.clips} of {report.videos} videos, {first.instances:.1f} instances each; means per clip; "
        f"the reference asks 4 + 4n = {first.reference_calls:.1f} times",
        "",
        f"{'stages':<8}{'gate':<6}{'answers':>9}{'of 4+4n':>9}{'graph runs':>12}{'read':>8}{'written':>9}{'kept':>7}"
        f"{'describe':>10}{'wall':>7}",
    ]
    return lines + [
        f"{r.stages:<8}{'on' if r.change_gate else 'off':<6}{r.generations:>9.1f}"
        f"{r.generations / r.reference_calls:>9.0%}{r.graph_runs:>12.1f}{r.prefill_tokens:>8.0f}"
        f"{r.decode_tokens:>9.0f}{r.kept:>7.1f}{r.describe_seconds / first.describe_seconds:>9.2f}x"
        f"{r.wall_seconds / first.wall_seconds:>6.2f}x"
        for r in report.rows
    ]


def quality_lines(quality: TierQuality) -> list[str]:
    """One tier: its figures beside oracle and blind, then the bars."""
    head = (
        f"== {quality.tier}: {len(quality.seeds)} clips (seeds {quality.seeds[0]}-{quality.seeds[-1]}), "
        f"{quality.video_seconds:.0f} s of video in {quality.wall_seconds:.0f} s"
    )
    checked = [f"verifier: {quality.verified.line()}"] if quality.verified.asked else []
    lines = [head, *checked, *figure_lines(quality.figures, oracle=quality.oracle, blind=quality.blind)]
    lines += [
        f"{r.name}: instances {list(r.matching.missed)} missed, tracks {list(r.matching.unmatched)} on no instance"
        for r in quality.results
        if r.matching.missed or r.matching.unmatched
    ]
    lines += [f"failed: {f.path}: {f.message}" for f in quality.failures]
    bars = bar_lines(check_bars(quality.figures, tier=quality.tier))
    return [*lines, "", *(bars or ["no bars for this tier"])]


def quality_json(quality: TierQuality) -> dict[str, Any]:
    """One tier as JSON types."""
    return {
        "seeds": list(quality.seeds),
        "used": quality.used,
        "video_seconds": round(quality.video_seconds, 3),
        "wall_seconds": round(quality.wall_seconds, 3),
        "verifier": dataclasses.asdict(quality.verified),
        "figures": figures_json(quality.figures),
        "oracle": figures_json(quality.oracle),
        "blind": figures_json(quality.blind),
        "bars": [
            {
                "label": r.bar.label,
                "figure": r.bar.figure,
                "limit": r.bar.limit,
                "at_least": r.bar.at_least,
                "value": round(r.value, 5),
                "met": r.met,
            }
            for r in check_bars(quality.figures, tier=quality.tier)
        ],
        "faulty_clips": [
            {"clip": r.name, "missed": list(r.matching.missed), "unmatched_tracks": list(r.matching.unmatched)}
            for r in quality.results
            if r.matching.missed or r.matching.unmatched
        ],
        "failures": [dataclasses.asdict(f) for f in quality.failures],
    }


def comparison_lines(comparison: Comparison) -> list[str]:
    """Differences in points, then sizes by file."""
    lines = [
        f"first   {comparison.first}",
        f"second  {comparison.second}",
        "",
        f"{'tier':<8}{'figure':<36}{'first':>8}{'second':>8}{'points lost':>13}",
    ]
    lines += [
        f"{d.tier:<8}{d.label:<36}{d.first:>8.3f}{d.second:>8.3f}{d.points:>13.2f}"
        f"{'' if d.within else '  MORE THAN ONE POINT'}"
        for d in comparison.differences
    ]
    lines += ["", f"{'file':<44}{'first kB':>12}{'second kB':>12}"]
    for name in sorted({*comparison.first_files, *comparison.second_files}):
        sizes = (comparison.first_files.get(name), comparison.second_files.get(name))
        lines.append(f"{name:<44}" + "".join(f"{'-':>12}" if s is None else f"{s / 1e3:>12.1f}" for s in sizes))
    total = f"{comparison.first_bytes / 1e3:>12.1f}{comparison.second_bytes / 1e3:>12.1f}"
    return [*lines, f"{'whole pack':<44}{total}"]


def _fps(value: float | None) -> str:
    return "?" if value is None else f"{value:.0f}"
