"""The tables of quality and speed (docs/benchmarks.md) and of the method (docs/method.md), each from one measurement.

In: `bench/results/*.json` as the commands in the titles wrote them.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from edgecap.bench.tables.table import Table, Values

Data = dict[str, Any]


def _quality(data: Data) -> Iterator[Values]:
    """One row a figure that has a bar, one cell a tier."""
    tiers = data["tiers"].values()
    for label, bar in {bar["label"]: bar for tier in tiers for bar in tier["bars"]}.items():
        cells = " | ".join(_value(tier["figures"], bar["figure"]) for tier in tiers)
        yield bar | {"label": label, "sign": "≥" if bar["at_least"] else "≤", "cells": cells}


def _value(figures: Data, figure: str) -> str:
    if figure in figures["values"]:
        return f"{figures['values'][figure]:.3f}"
    field = figures["fields"].get(figure)
    return f"{field['recall']:.3f} ({field['precision']:.3f})" if field else "–"


def _quality_totals(data: Data) -> Values:
    tiers = data["tiers"].values()
    seeds = [seed for tier in tiers for seed in tier["seeds"]]
    clips = min(tier["figures"]["clips"] for tier in tiers)
    return {"clips": clips, "first": min(seeds), "last": max(seeds), "names": " | ".join(data["tiers"])}


def _calls(data: Data) -> Iterator[Values]:
    first = data["rows"][0]
    for row in data["rows"]:
        over = {name: row[f"{name}_seconds"] / first[f"{name}_seconds"] for name in ("describe", "wall")}
        gate, share = "on" if row["change_gate"] else "off", row["generations"] / row["reference_calls"]
        yield row | over | {"gate": gate, "share": share}


def _identity(data: Data) -> Iterator[Values]:
    for clip in data["clips"]:
        stay = [f"{clip[f'staying_{name}']:.3f}" if clip["staying"] else "–" for name in ("idf1", "hota")]
        of = f"of {clip['instances']}"
        yield clip | {"stay": " | ".join([f"{clip['staying']} {of}", *stay]), "kept": f"{clip['one_id']} {of}"}
    pooled = data["pooled"]
    stays = " | {staying_idf1:.3f} | {staying_hota:.3f}".format(**pooled)
    yield pooled | {"name": "pooled", "meetings": "", "stay": stays, "kept": ""}


def _verify(data: Data) -> Iterator[Values]:
    kinds = list(dict.fromkeys(name.split()[0] for name in data["groups"]))
    for kind in [*kinds, "all"]:
        groups = [group for name, group in data["groups"].items() if kind in (name.split()[0], "all")]
        planted, caught, alarms = (sum(g[key] for g in groups) for key in ("planted", "caught", "false_alarms"))
        if planted:
            yield {"kind": kind, "planted": planted, "caught": caught / planted, "alarms": alarms / planted}


def _relations(data: Data) -> Iterator[Values]:
    for row in data["relations"]:
        precision = row["right"] / row["said"] if row["said"] else 1.0
        yield row | {"precision": precision, "recall": row["found"] / row["clear"] if row["clear"] else 1.0}


_SPEED_ROWS = {
    "speed, stages overlapped": "{times_real_time:.1f}x real time",
    "overlapped against serial, same run": "{speedup:.2f}x",
    "overlap efficiency": "{overlap_efficiency:.2f}",
    "generated tokens/s of the describe stage": "{tokens_per_second:.0f}",
    "age of a caption, p50 / p95": "{age_p50_seconds:.2f} s / {age_p95_seconds:.2f} s",
    "peak memory": "{peak_rss_mb:.0f} MB",
}


def _real(data: Data) -> Iterator[Values]:
    for one in data["sequences"]:
        tracking, thing, words = (one[part] or {} for part in ("tracking", "object", "words"))
        found = f"{words['found']} of {words['expected']}" if words else ""
        colours = f"{words['colours_right']} of {words['coloured']}" if words and words["coloured"] else ""
        cells = [_cell(tracking, "mota"), _cell(tracking, "idf1"), _cell(tracking, "hota"), _cell(thing, "tracked_j")]
        cells += [_cell(thing, "prompted_j"), _cell(thing, "box_and_class"), found, colours]
        yield {"name": one["name"], "cells": " | ".join(cells)}
    totals = data["totals"]
    names = ["MOTA, mean", "IDF1, mean", "HOTA, mean", "J of tracked masks, mean", "J of masks from true boxes, mean"]
    names += ["right box and class, mean", "instances found", "colours right"]
    yield {"name": "**all**", "cells": " | ".join(_cell(totals, name) for name in names)}


def _cell(values: Values, name: str) -> str:
    return f"{values[name]:.3f}" if values.get(name) is not None else ""


QUALITY = Table(
    "Quality on {clips} held-out clips per tier (seeds {first}-{last}, never trained on), whole pipeline, quantised "
    "pack; `edgecap bench quality`. Machine: {machine}. Fields (class to motion direction) are shares of all true "
    "instances; those left out or left open count as wrong. In brackets: the share among those stated.",
    "figure | bar | {names}",
    "{label} | {sign} {limit:.2f} | {cells}",
    _quality,
    _quality_totals,
)
SPEED = Table(
    "Speed on a {size_wh[0]}x{size_wh[1]}@{source_fps:g} clip of {video_seconds:.0f} s with {instances_per_clip:.1f} "
    "instances per record, captions on; `edgecap bench caption`. Machine: {machine}.",
    "figure | value",
    "{label} | {value}",
    lambda data: ({"label": label, "value": value.format(**data)} for label, value in _SPEED_ROWS.items()),
)
REAL = Table(
    "Real sequences against public truth, {date}; `edgecap bench real DIR --pack street --json` (pack {used[pack]}, "
    "captions from measurements). mot/: pedestrians of MOT15, every frame; davis/: one object of DAVIS 2016, masks of "
    "its tracks and from its true box; found and colours: of the instances that a person sees. Machine: {machine}.",
    "sequence | MOTA | IDF1 | HOTA | J tracked | J true box | box and class | found | colours",
    "{name} | {cells}",
    _real,
)
METHOD = {
    "calls": Table(
        "**What a clip costs the language model** (`edgecap bench calls --clips 3 --seed-start 2000 --json`): nano on "
        "{videos} videos, {rows[0][clips]} clips, {rows[0][instances]:.1f} instances each, so the reference asks 4 + "
        "4n = {rows[0][reference_calls]:.1f} times a clip. Means per clip; times over those of the first row, all in "
        "one run. nano has no camera question (3 + 4n). Machine: {machine}.",
        "stages | gate | answers | of 4+4n | graph runs | tokens read | written | describe | wall",
        "{stages} | {gate} | {generations:.1f} | {share:.0%} | {graph_runs:.0f} | {prefill_tokens:.0f} | "
        "{decode_tokens:.0f} | {describe:.2f} | {wall:.2f}",
        _calls,
    ),
    "identity": Table(
        "**Ids over ten windows of a minute of crossings** (`python -m edgecap.bench.quality.studies.long_identity "
        "--clips 8 --json FILE`): every actor goes back and forth, two share class and colour, one leaves the picture "
        "and returns. Machine: {machine}.",
        "clip | meetings | IDF1 | HOTA | never leave | IDF1 | HOTA | one id in all windows",
        "{name} | {meetings} | {idf1:.3f} | {hota:.3f} | {stay} | {kept}",
        _identity,
    ),
    "verify": Table(
        "**The verifier** (`edgecap bench verify --seed-start 2000 --json`): one false statement planted into each of "
        "{planted} true captions of held-out moving clips (seeds {first}-{last}).",
        "kind of false statement | planted | caught | true counterpart refused",
        "{kind} | {planted} | {caught:.1%} | {alarms:.1%}",
        _verify,
        lambda data: {
            "planted": sum(group["planted"] for group in data["groups"].values()),
            "first": data["seeds"][0],
            "last": data["seeds"][-1],
        },
    ),
    "relations": Table(
        "**Relations** (`python -m edgecap.bench.quality.studies.relations --clips 40 --seed-start 2000 --json FILE`): "
        "{clips} held-out clips, tier {tier}; doubtful cases count for neither side. Machine: {machine}.",
        "relation | said | precision | clearly true | recall",
        "{name} | {said} | {precision:.3f} | {clear} | {recall:.3f}",
        _relations,
    ),
    "reference_camera": Table(
        "**Camera** (`python -m edgecap.bench.quality.studies.reference_camera --clips 40 --seed-start 2000 --json "
        "FILE`): {clips} held-out clips, tier {tier}; the reference's rule is given the exact camera path, ours the "
        "pixels.",
        " | exact label set | micro-F1",
        "{name} | {exact:.3f} | {micro_f1:.3f}",
        lambda data: (
            data[key] | {"name": name} for name, key in (("the reference's rule", "reference"), ("ours", "ours"))
        ),
    ),
    "camera": Table(
        "**Camera over real pictures** (`edgecap bench camera DIR --clips 110 --seed-start 1000 --json`): {clips}"
        " clips of 4 s at {fps:g} fps, each one frame of real footage moved exactly, with motion blur, noise, "
        "compression and an unsteady hand; half have a real object moving before it, 5 to 40 % of the picture. "
        "The whole label set is right in {exact[all]:.3f}: {exact[no foreground]:.3f} without an object, "
        "{exact[foreground, masks known]:.3f} with its mask, {exact[foreground, masks not known]:.3f} with an "
        "object that nothing detected. Constants were chosen on seeds 0-109.",
        "label | clips | precision | recall",
        "{name} | {clips} | {precision:.3f} | {recall:.3f}",
        lambda data: (values | {"name": name} for name, values in data["labels"].items()),
    ),
}
"""Name of the measurement -> its table, in the order of docs/method.md."""
