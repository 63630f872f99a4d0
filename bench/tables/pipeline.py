"""Quality and speed of the whole pipeline, as two tables.

In: `bench/results/quality.json` and `caption.json`, the output of `edgecap bench quality --json` and
`edgecap bench caption --json`. Out: Markdown.
"""

from __future__ import annotations

from typing import Any

from edgecap.bench.tables.markdown import table


def quality_table(data: dict[str, Any]) -> str:
    """One row a figure, one column a tier."""
    tiers = data["tiers"]
    clips = min(t["figures"]["clips"] for t in tiers.values())
    seeds = [seed for tier in tiers.values() for seed in tier["seeds"]]
    bars = {bar["label"]: bar for tier in tiers.values() for bar in tier["bars"]}
    rows = [
        [
            label,
            f"{'≥' if bar['at_least'] else '≤'} {bar['limit']:.2f}",
            *(_value(tier["figures"], bar["figure"]) for tier in tiers.values()),
        ]
        for label, bar in bars.items()
    ]
    return (
        f"Quality on {clips} held-out clips per tier (seeds {min(seeds)}-{max(seeds)}, never trained on), "
        "whole pipeline, quantised pack; "
        f"`edgecap bench quality`. Machine: {data['machine']}. Fields (class to motion direction) are shares of "
        "all true instances; those left out or left open count as wrong. In brackets: the share among those stated."
        f"\n\n{table(['figure', 'bar', *tiers], rows)}"
    )


def _value(figures: dict[str, Any], figure: str) -> str:
    if figure in figures["values"]:
        return f"{figures['values'][figure]:.3f}"
    field = figures["fields"].get(figure)
    return f"{field['recall']:.3f} ({field['precision']:.3f})" if field else "–"


def speed_table(data: dict[str, Any]) -> str:
    """One row a figure."""
    width, height = data["size_wh"]
    rows = [
        ["speed, stages overlapped", f"{data['times_real_time']:.1f}x real time"],
        ["overlapped against serial, same run", f"{data['speedup']:.2f}x"],
        ["overlap efficiency", f"{data['overlap_efficiency']:.2f}"],
        ["generated tokens/s of the describe stage", f"{data['tokens_per_second']:.0f}"],
        ["age of a caption, p50 / p95", f"{data['age_p50_seconds']:.2f} s / {data['age_p95_seconds']:.2f} s"],
        ["peak memory", f"{data['peak_rss_mb']:.0f} MB"],
    ]
    return (
        f"Speed on a {width}x{height}@{data['source_fps']:g} clip of {data['video_seconds']:.0f} s with "
        f"{data['instances_per_clip']:.1f} instances per record, captions on; `edgecap bench caption`. "
        f"Machine: {data['machine']}.\n\n{table(['figure', 'value'], rows)}"
    )
