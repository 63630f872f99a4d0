"""The numbers of README.md and docs/method.md, written from measurements that are in the repository.

In: `bench/results/*.json` as `edgecap bench ... --json` and `python -m edgecap.export.specimens.table` wrote them. Out:
README.md with the text between the markers `<!-- numbers -->` and `<!-- /numbers -->`, and that of `export`, replaced,
and docs/method.md with that of `figures`. Run by `make readme`; `--measure` takes the measurements of the numbers again
first. Tests in `tests/house` fail when the documents and the measurements differ.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from edgecap.bench.tables.export import export_section
from edgecap.bench.tables.method import method_section

ROOT = Path(__file__).resolve().parents[2]
RESULTS = ROOT / "bench" / "results"
_MEASUREMENTS = {
    "quality": [
        "bench",
        "quality",
        "--tier",
        "clean",
        "--tier",
        "moving",
        "--tier",
        "stress",
        "--clips",
        "40",
        "--seed-start",
        "2000",
    ],
    "caption": ["bench", "caption"],
}


def render(text: str) -> str:
    """README text with its tables made again. ValueError where a marker is missing."""
    text = _between(text, "numbers", f"{_quality_table(_load('quality'))}\n\n{_speed_table(_load('caption'))}")
    return _between(text, "export", export_section(_load("export")))


def render_method(text: str) -> str:
    """docs/method.md with its figures made again. ValueError where a marker is missing."""
    return _between(text, "figures", method_section(_load))


def _between(text: str, name: str, content: str) -> str:
    start, end = f"<!-- {name} -->", f"<!-- /{name} -->"
    if text.count(start) != 1 or text.count(end) != 1:
        raise ValueError(f"the document must hold {start} and {end} once each")
    before, rest = text.split(start)
    return f"{before}{start}\n{content}\n{end}{rest.split(end)[1]}"


def main() -> None:
    """`python -m edgecap.bench.tables.readme [--measure]`: rewrite README.md in place."""
    if "--measure" in sys.argv[1:]:
        for name, command in _MEASUREMENTS.items():
            done = subprocess.run(
                [sys.executable, "-m", "edgecap.cli", *command, "--json"], capture_output=True, text=True, check=True
            )
            (RESULTS / f"{name}.json").write_text(done.stdout, encoding="utf-8")
    readme = ROOT / "README.md"
    method = ROOT / "docs" / "method.md"
    for document, rendered in ((readme, render), (method, render_method)):
        document.write_text(rendered(document.read_text(encoding="utf-8")), encoding="utf-8")


def _load(name: str) -> dict[str, Any]:
    data: dict[str, Any] = json.loads((RESULTS / f"{name}.json").read_text(encoding="utf-8"))
    return data


def _quality_table(data: dict[str, Any]) -> str:
    tiers = data["tiers"]
    clips = min(t["figures"]["clips"] for t in tiers.values())
    seeds = [seed for tier in tiers.values() for seed in tier["seeds"]]
    first, last = min(seeds), max(seeds)
    lines = [
        f"Quality on {clips} held-out clips per tier (seeds {first}-{last}, never trained on), "
        "whole pipeline, quantised pack; "
        f"`edgecap bench quality`. Machine: {data['machine']}. Fields (class to motion direction) are shares of "
        "all true instances, those left out or left open counting as wrong; in brackets the share among those said.",
        "",
        "| figure | bar | " + " | ".join(tiers) + " |",
        "|---|---|" + "---|" * len(tiers),
    ]
    bars = {bar["label"]: bar for tier in tiers.values() for bar in tier["bars"]}
    for label, bar in bars.items():
        sign = "≥" if bar["at_least"] else "≤"
        cells = [_value(tier, bar["figure"]) for tier in tiers.values()]
        lines.append(f"| {label} | {sign} {bar['limit']:.2f} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _value(tier: dict[str, Any], figure: str) -> str:
    figures = tier["figures"]
    if figure in figures["values"]:
        return f"{figures['values'][figure]:.3f}"
    field = figures["fields"].get(figure)
    return f"{field['recall']:.3f} ({field['precision']:.3f})" if field else "–"


def _speed_table(data: dict[str, Any]) -> str:
    width, height = data["size_wh"]
    rows = [
        ("speed, stages overlapped", f"{data['times_real_time']:.1f}x real time"),
        ("overlapped against serial, same run", f"{data['speedup']:.2f}x"),
        ("overlap efficiency", f"{data['overlap_efficiency']:.2f}"),
        ("answered tokens per second of describe", f"{data['tokens_per_second']:.0f}"),
        ("age of a caption, p50 / p95", f"{data['age_p50_seconds']:.2f} s / {data['age_p95_seconds']:.2f} s"),
        ("peak memory", f"{data['peak_rss_mb']:.0f} MB"),
    ]
    head = (
        f"Speed on a {width}x{height}@{data['source_fps']:g} clip of {data['video_seconds']:.0f} s with "
        f"{data['instances_per_clip']:.1f} instances per record, captions on; `edgecap bench caption`. "
        f"Machine: {data['machine']}."
    )
    table = "\n".join(f"| {name} | {value} |" for name, value in rows)
    return f"{head}\n\n| figure | value |\n|---|---|\n{table}"


if __name__ == "__main__":
    main()
