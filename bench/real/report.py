"""Scores of real sequences as text and as JSON, with means over the sequences.

In: `SequenceScores`. Out: lines for a terminal; JSON types.
"""

from __future__ import annotations

import dataclasses
import datetime
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from edgecap.bench.real.run import SequenceScores

_Value = float | int | None


def score_lines(scores: Sequence[SequenceScores]) -> list[str]:
    """Three tables: tracks, objects, words; and what failed."""
    lines = [
        *_table(
            "tracks of people",
            ("MOTA", "IDF1", "HOTA", "switches", "missed", "false", "ids"),
            [(s.name, t.mota, t.idf1, t.hota, t.switches, t.missed, t.false, t.identities)
             for s in scores if (t := s.tracking)],
        ),
        *_table(
            "one object",
            ("J tracked", "F tracked", "J true box", "ms", "J filled", "box+class"),
            [(s.name, o.tracked_j, o.tracked_f, o.prompted_j, o.prompted_ms, o.box_j, o.box_and_class)
             for s in scores if (o := s.object)],
        ),
    ]  # fmt: skip
    width = _width([s.name for s in scores])
    for s in scores:
        if s.words is not None:
            w = s.words
            camera = {True: "right", False: "WRONG", None: "no truth"}[w.camera_right]
            parts = [
                f"found {w.found}/{w.expected}",
                f"colours {w.colours_right}/{w.coloured}",
                f"camera {', '.join(w.camera) or 'not measured'} ({camera})",
                *([f"strangers: {', '.join(w.strangers)}"] if w.strangers else []),
                *([f"NEVER SAY: {', '.join(w.never)}"] if w.never else []),
            ]
            lines.append(f"{s.name:<{width}}  {'; '.join(parts)}")
    lines += [f"{s.name:<{width}}  FAILED: {s.failure}" for s in scores if s.failure]
    return [*lines, "", *(f"{name:<44}{_cell(value)}" for name, value in totals(scores).items())]


def totals(scores: Sequence[SequenceScores]) -> dict[str, float | None]:
    """The figures that bars are about: means over sequences, shares over instances; None where nothing was scored."""
    words = [s.words for s in scores if s.words]
    objects = [s.object for s in scores if s.object]
    seconds, wall = sum(s.video_seconds for s in scores), sum(s.wall_seconds for s in scores)
    return {
        "MOTA, mean": _mean(s.tracking.mota for s in scores if s.tracking),
        "IDF1, mean": _mean(s.tracking.idf1 for s in scores if s.tracking),
        "HOTA, mean": _mean(s.tracking.hota for s in scores if s.tracking),
        "J of tracked masks, mean": _mean(o.tracked_j for o in objects),
        "J of masks from true boxes, mean": _mean(o.prompted_j for o in objects if o.prompted_j is not None),
        "segmenter, ms an instance and frame, mean": _mean(o.prompted_ms for o in objects if o.prompted_ms is not None),
        "right box and class, mean": _mean(o.box_and_class for o in objects),
        "instances found": _share(sum(w.found for w in words), sum(w.expected for w in words)),
        "colours right": _share(sum(w.colours_right for w in words), sum(w.coloured for w in words)),
        "camera measured": _share(sum(w.camera_measured for w in words), len(words)),
        "camera right": _share(
            sum(bool(w.camera_right) for w in words), sum(w.camera_right is not None for w in words)
        ),
        "false words said": float(sum(len(w.never) for w in words)),
        "times real time": _share(seconds, wall),
    }


def scores_json(scores: Sequence[SequenceScores], used: Mapping[str, str]) -> dict[str, Any]:
    """Everything as JSON types, rounded to five digits. `used`: as in a record; its device is the machine."""
    return {
        "machine": used["device"],
        "date": datetime.date.today().isoformat(),
        "used": dict(used),
        "totals": _rounded(totals(scores)),
        "sequences": [_rounded(dataclasses.asdict(one)) for one in scores],
    }


def _rounded(value: Any) -> Any:
    if isinstance(value, float):
        return round(value, 5)
    if isinstance(value, dict):
        return {name: _rounded(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_rounded(inner) for inner in value]
    return value


def _table(title: str, columns: Sequence[str], rows: Sequence[tuple[Any, ...]]) -> list[str]:
    if not rows:
        return []
    width = _width([str(row[0]) for row in rows] + [title])
    head = f"{title:<{width}}" + "".join(f"{name:>11}" for name in columns)
    return [head, *(f"{row[0]:<{width}}" + "".join(_cell(v) for v in row[1:]) for row in rows), ""]


def _cell(value: _Value) -> str:
    if value is None:
        return f"{'-':>11}"
    return f"{value:>11.3f}" if isinstance(value, float) else f"{value:>11}"


def _width(names: Iterable[str]) -> int:
    return max((len(name) for name in names), default=0) + 2


def _mean(values: Iterable[float]) -> float | None:
    found = list(values)
    return sum(found) / len(found) if found else None


def _share(part: float, whole: float) -> float | None:
    return part / whole if whole else None
