"""A set of clips in figures: durations, scenes, instances per clip, classes.

In: a curation.jsonl (kept and dropped clips) or any InstanceCap rows (all count as kept). Out: `SetStats`.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgecap.bench.dataset.scenes import UNKNOWN, scene_of
from edgecap.engines.errors import InputError
from edgecap.runtime.english import printable
from edgecap.runtime.output.row import structure_of
from edgecap.runtime.video.inputs import looking_at

DURATION_EDGES = (4.0, 6.0, 8.0, 10.0, 15.0, 20.0, 30.0)
DURATION_BINS = ("0-4 s", "4-6 s", "6-8 s", "8-10 s", "10-15 s", "15-20 s", "20-30 s", "30+ s")
"""The paper's bins (Fig. 4; docs/spec/instancecap.md 5), upper edges inside."""
INSTANCE_BINS = ("0", "1", "2", "3", "4", "5", "6", "7", "8+")


@dataclass(frozen=True, slots=True)
class SetStats:
    """Histograms label -> (clips kept, clips dropped), in the order to draw; `classes` counts instances.
    `broken_lines`: lines that are not a row. `unknown_durations`: rows that don't say how long their clip is.
    `reasons`: rule -> clips."""

    kept: int
    dropped: int
    broken_lines: int
    unknown_durations: int
    seconds_kept: float
    durations: dict[str, tuple[int, int]]
    scenes: dict[str, tuple[int, int]]
    instances: dict[str, tuple[int, int]]
    classes: dict[str, tuple[int, int]]
    reasons: dict[str, int]

    @property
    def headline(self) -> str:
        """One line."""
        broken = f", {self.broken_lines} broken lines" if self.broken_lines else ""
        return f"{self.kept} clips kept, {self.dropped} dropped, {self.seconds_kept / 60:.1f} min kept{broken}"

    def to_json(self) -> dict[str, Any]:
        """JSON types; every histogram as label -> {"kept": n, "dropped": n}."""
        out: dict[str, Any] = {
            name: getattr(self, name)
            for name in ("kept", "dropped", "broken_lines", "unknown_durations", "seconds_kept")
        }
        for name in ("durations", "scenes", "instances", "classes"):
            out[name] = {label: {"kept": k, "dropped": d} for label, (k, d) in getattr(self, name).items()}
        return out | {"reasons": dict(self.reasons)}


@dataclass(frozen=True, slots=True)
class _Clip:
    keep: bool
    seconds: float | None
    scene: str
    classes: tuple[str, ...]
    reasons: tuple[str, ...]


def read_stats(path: Path) -> SetStats:
    """Read and count a JSON Lines file. Raises MissingInputError and InputError (no row in it)."""
    with looking_at(path):
        lines = [line for line in path.read_bytes().splitlines() if line.strip()]
    clips = [clip for line in lines if (clip := _clip(line)) is not None]
    if not clips:
        raise InputError(
            f"{printable(path)}: none of its {len(lines)} lines is a row of a curation or of InstanceCap captions; "
            "run edgecap dataset filter, or name a captions.jsonl"
        )
    return count(clips, broken_lines=len(lines) - len(clips))


def count(clips: Sequence[_Clip], *, broken_lines: int) -> SetStats:
    """Pool clips into histograms; scenes and classes by falling count."""
    durations, instances = ([[0, 0] for _ in bins] for bins in (DURATION_BINS, INSTANCE_BINS))
    scenes: dict[str, list[int]] = {}
    classes: dict[str, list[int]] = {}
    for clip in clips:
        side = 0 if clip.keep else 1
        if clip.seconds is not None:
            durations[sum(clip.seconds > edge for edge in DURATION_EDGES)][side] += 1
        instances[min(len(clip.classes), len(INSTANCE_BINS) - 1)][side] += 1
        scenes.setdefault(clip.scene, [0, 0])[side] += 1
        for name in clip.classes:
            classes.setdefault(name, [0, 0])[side] += 1
    reasons = Counter(code for clip in clips for code in set(clip.reasons))
    return SetStats(
        kept=sum(c.keep for c in clips),
        dropped=sum(not c.keep for c in clips),
        broken_lines=broken_lines,
        unknown_durations=sum(c.seconds is None for c in clips),
        seconds_kept=round(sum(c.seconds or 0.0 for c in clips if c.keep), 3),
        durations={label: (k, d) for label, (k, d) in zip(DURATION_BINS, durations, strict=True)},
        scenes=_falling(scenes),
        instances={label: (k, d) for label, (k, d) in zip(INSTANCE_BINS, instances, strict=True)},
        classes=_falling(classes),
        reasons=dict(sorted(reasons.items(), key=lambda item: (-item[1], item[0]))),
    )


def _falling(counts: Mapping[str, list[int]]) -> dict[str, tuple[int, int]]:
    """By falling count, the unknown one last."""
    order = sorted(counts, key=lambda name: (name == UNKNOWN, -sum(counts[name]), name))
    return {name: (counts[name][0], counts[name][1]) for name in order}


def _clip(line: bytes) -> _Clip | None:
    """A clip from either kind of row; None for a line that is neither."""
    try:
        row = json.loads(line)
        if isinstance(row, dict) and "keep" in row:
            return _curated(row)
        return _captioned(row)
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError, InputError):
        return None


def _curated(row: Mapping[str, Any]) -> _Clip:
    reasons = tuple(str(reason).partition(":")[0] for reason in row["reasons"])
    seconds = float(row["duration_seconds"]) if any(row["size_wh"]) else None
    return _Clip(bool(row["keep"]), seconds, row["scene"], tuple(i["class"] for i in row["instances"]), reasons)


def _captioned(row: Mapping[str, Any]) -> _Clip | None:
    meta = row.get("meta") or {}
    if meta.get("status") == "error":
        return _Clip(False, None, UNKNOWN, (), ("unreadable",))
    block = structure_of(row)
    start, end = meta.get("start_seconds"), meta.get("end_seconds")
    seconds = float(end - start) if isinstance(start, int | float) and isinstance(end, int | float) else None
    if seconds is None and row.get("num_frames") and row.get("fps"):
        seconds = float(row["num_frames"]) / float(row["fps"])
    classes = tuple(str(instance["Class"]) for instance in block["Main Instance"].values())
    return _Clip(True, seconds, scene_of(str(block.get("Background Detail", ""))), classes, ())
