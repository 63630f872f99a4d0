"""One curation run: measure every clip once, choose from the set, write its files.

    measured.jsonl   facts per clip, on the disk before the next clip begins; what --resume goes on from
    curation.jsonl   one row per clip: keep or not, every reason, every value
    kept.jsonl       the rows (or {"Video": ...}) of the clips that stay, as they came
    summary.json     counts per reason and scene, the rules

The last three are written whole at the end (temp + rename).
"""

from __future__ import annotations

import dataclasses
import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgecap.bench.dataset.clip_facts import ClipFacts, measure_clip
from edgecap.bench.dataset.clip_source import ClipSource
from edgecap.bench.dataset.rules import Choice, CurationRules, choose
from edgecap.engines.errors import OutputError, UsageError
from edgecap.runtime.output.files import ready_folder, replace_text, whole_lines
from edgecap.runtime.output.jsonl import JsonLinesFile, keep_as_previous
from edgecap.runtime.pipeline.stages import StageSet

MEASURED, CURATION, KEPT, SUMMARY = "measured.jsonl", "curation.jsonl", "kept.jsonl", "summary.json"


@dataclass(frozen=True, slots=True)
class Curation:
    """What a run came to; `reused`: clips whose facts an earlier run had measured."""

    verdicts: tuple[Choice, ...]
    summary: dict[str, Any]
    reused: int

    @property
    def kept(self) -> int:
        """Clips that stay."""
        return sum(v.keep for v in self.verdicts)


def curate(
    sources: Sequence[ClipSource],
    stages: StageSet,
    out: Path,
    *,
    rules: CurationRules,
    measured_with: Mapping[str, str | float],
    sample_fps: float = 8.0,
    with_scene: bool = False,
    resume: bool = False,
    on_clip: Callable[[int, ClipFacts], None] = lambda number, facts: None,
) -> Curation:
    """Measure `sources`, choose from them, and write the folder `out`.

    `measured_with`: the options that shape facts; with `resume` they must be those of the earlier run (UsageError).
    Without it an earlier measured.jsonl is kept as measured.previous.jsonl.

    Raises OutputError where `out` can't be written.
    """
    ready_folder(out)
    known = _earlier(out / MEASURED, measured_with) if resume else {}
    if not resume:
        keep_as_previous(out / MEASURED)
    facts, reused = [], 0
    with JsonLinesFile(out / MEASURED) as file:
        for number, source in enumerate(sources, 1):
            key = _key(source)
            if key in known:
                one, reused = known[key], reused + 1
            else:
                one = measure_clip(source, stages, sample_fps=sample_fps, with_scene=with_scene)
                file.append({"key": key, "with": dict(measured_with), "facts": one.to_json()})
            facts.append(one)
            on_clip(number, one)
    choices = choose(facts, rules)
    summary = summarise(choices, rules)
    _write(out, sources, choices, summary)
    return Curation(tuple(choices), summary, reused)


def summarise(choices: Sequence[Choice], rules: CurationRules) -> dict[str, Any]:
    """Counts of a set: clips per rule they broke (a clip may break several), scenes before and after."""
    broken = Counter(code for c in choices for code in {r.partition(":")[0] for r in c.reasons})
    return {
        "clips": len(choices),
        "kept": sum(c.keep for c in choices),
        "dropped_by": dict(sorted(broken.items(), key=lambda item: (-item[1], item[0]))),
        "scenes": dict(sorted(Counter(c.facts.scene for c in choices).items())),
        "scenes_kept": dict(sorted(Counter(c.facts.scene for c in choices if c.keep).items())),
        "rules": dataclasses.asdict(rules),
    }


def _write(out: Path, sources: Sequence[ClipSource], choices: Sequence[Choice], summary: Mapping[str, Any]) -> None:
    rows = {s.name: s.row if s.row is not None else {"Video": s.name} for s in sources}
    replace_text(out / CURATION, (_line(c.to_json()) for c in choices))
    replace_text(out / KEPT, (_line(rows[c.facts.name]) for c in choices if c.keep))
    replace_text(out / SUMMARY, iter([json.dumps(summary, indent=2, ensure_ascii=False) + "\n"]))


def _line(row: Mapping[str, Any]) -> str:
    return json.dumps(row, ensure_ascii=False) + "\n"


def _key(source: ClipSource) -> str:
    """Name, part, and the file's size and time: facts of a file that has changed since are measured again."""
    words = json.dumps([source.background_text, source.caption_faults, source.row is not None], ensure_ascii=False)
    try:
        stat = source.video.stat() if source.video is not None else None
    except (OSError, ValueError):
        stat = None
    stamp = f"{stat.st_size}/{stat.st_mtime_ns}" if stat is not None else "no file"
    return f"{source.name}|{source.start_seconds:g}-{source.end_seconds:g}|{stamp}|{words}"


def _earlier(path: Path, measured_with: Mapping[str, str | float]) -> dict[str, ClipFacts]:
    """Facts of an earlier run by key."""
    found: dict[str, ClipFacts] = {}
    for number, line in enumerate(whole_lines(path), 1):
        try:
            row = json.loads(line)
            key, facts, options = row["key"], ClipFacts.from_json(row["facts"]), dict(row["with"])
        except (ValueError, LookupError, TypeError, AttributeError, OverflowError, RecursionError) as error:
            raise OutputError(
                f"{path}: line {number} has no facts ({type(error).__name__}); choose another --out, or remove that "
                "line to resume"
            ) from error
        for name, asked in measured_with.items():
            if options.get(name) != asked:
                raise UsageError(
                    f"--resume: {path} was measured with {name} {options.get(name)}, this run asks for {asked}; give "
                    "the options of the earlier run, or another --out"
                )
        found[key] = facts
    return found
