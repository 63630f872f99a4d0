"""The clips of a curation: the videos of a folder, or the rows of an InstanceCap JSON Lines file; `ClipSource` each.

A row is a whole video, or with our `meta` block the time of one window of it. A broken line is a clip with a fault, not
an error: the rest of the file is still used. Of a row's caption only the form is checked (what a trainer would fail
on); the words are checked by runtime/verify/verifier.py, and the released InstanceVid rows hedge too often for that to
be a reason to drop them.
"""

from __future__ import annotations

import json
import math
import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from edgecap.engines.errors import InputError
from edgecap.runtime.english import printable
from edgecap.runtime.output.row import structure_of
from edgecap.runtime.video.inputs import find_videos, looking_at

_FIELDS = ("Class", "Appearance", "Actions and Motion", "Position")
_LEAKS = re.compile(r"\b(?:mosaic|blurred (?:area|background|region)|as an ai|frame \d+|i cannot|i'm sorry)\b", re.I)
_MOST_WORDS = 400
"""Of one field. The longest field of the method's own example has 40; 400 is a model that did not stop."""
_MOST_REPEATS = 3


@dataclass(frozen=True, slots=True)
class ClipSource:
    """One clip. `name`: unique in its set. `video`: None where a row names none. `start_seconds`,
    `end_seconds`: half-open part of the video. `row`: the caption's row, None for a bare video. `fault`: why nothing of
    it can be used; `caption_faults`: of the row's caption."""

    name: str
    video: Path | None
    start_seconds: float = 0.0
    end_seconds: float = math.inf
    row: Mapping[str, Any] | None = None
    fault: str | None = None
    caption_faults: tuple[str, ...] = ()

    @property
    def background_text(self) -> str:
        """The row's words for the background; "" without."""
        try:
            text = structure_of(self.row).get("Background Detail") if self.row is not None else ""
        except InputError:
            return ""
        return text if isinstance(text, str) else ""


def clip_sources(path: Path, *, videos: Path | None = None) -> list[ClipSource]:
    """The clips of a folder of videos, of one video, or of a .jsonl file of rows.

    `videos`: folder that the rows' "Video" is relative to; None: the rows' own folder. Raises MissingInputError, and
    InputError for a file without a line.
    """
    if path.suffix.lower() in (".jsonl", ".json") and not path.is_dir():
        return _sources_of_rows(path, videos or path.parent)
    return [ClipSource(video.name, video) for video in find_videos([path])]


def _sources_of_rows(path: Path, folder: Path) -> list[ClipSource]:
    with looking_at(path):
        lines = path.read_bytes().splitlines()
    if not any(line.strip() for line in lines):
        raise InputError(f"{printable(path)} has no rows; expected one JSON object per line, as edgecap caption writes")
    sources = [_source(line, number, folder) for number, line in enumerate(lines, 1) if line.strip()]
    seen: set[str] = set()
    for k, source in enumerate(sources):
        if source.name in seen:
            sources[k] = replace(source, name=f"{source.name} (row {k + 1})")
        seen.add(sources[k].name)
    return sources


def _source(line: bytes, number: int, folder: Path) -> ClipSource:
    try:
        row = json.loads(line)
    except (ValueError, RecursionError) as error:
        return ClipSource(f"line {number}", None, fault=f"line {number} is not JSON ({str(error).splitlines()[0]})")
    if not isinstance(row, dict) or not isinstance(row.get("Video"), str) or not row["Video"]:
        return ClipSource(f"line {number}", None, fault=f"line {number} is not a row: 'Video' is missing")
    name, start, end = row["Video"], 0.0, math.inf
    meta = row.get("meta")
    if isinstance(meta, dict) and isinstance(meta.get("start_seconds"), int | float):
        start = float(meta["start_seconds"])
        end = float(meta["end_seconds"]) if isinstance(meta.get("end_seconds"), int | float) else math.inf
        name = f"{name}#{meta.get('clip', start)}"
    return ClipSource(name, folder / row["Video"], start, end, row, caption_faults=tuple(caption_faults(row)))


def caption_faults(row: Mapping[str, Any]) -> list[str]:
    """What is wrong with the caption of an InstanceCap row, worst first."""
    if (meta := row.get("meta")) and isinstance(meta, Mapping) and meta.get("status") == "error":
        return [f"its captioner failed: {meta.get('message', 'no reason given')}"]
    try:
        block = structure_of(row)
    except InputError as error:
        return [str(error).partition(";")[0]]
    instances = block.get("Main Instance")
    if not isinstance(instances, dict):
        return ["'Main Instance' is missing or not an object"]
    texts = {"Global Description": row.get("Global Description")}
    texts |= {name: block.get(name) for name in ("Background Detail", "Camera Movement")}
    faults = [] if instances else ["it describes no instance"]
    for key, instance in instances.items():
        if isinstance(instance, dict):
            texts |= {f"{key} {name}": instance.get(name) for name in _FIELDS}
        else:
            faults.append(f"instance {key} is not an object")
    return faults + [fault for name, text in texts.items() for fault in _text_faults(name, text)]


def _text_faults(name: str, text: object) -> list[str]:
    if not isinstance(text, str):
        return [f"{name} is missing or not text"]
    if not text.strip():
        return [f"{name} is empty"]
    words = text.lower().split()
    faults = [f"{name} has {len(words)} words"] if len(words) > _MOST_WORDS else []
    fours = Counter(" ".join(words[i : i + 4]) for i in range(len(words) - 3))
    phrase, count = fours.most_common(1)[0] if fours else ("", 0)
    if count > _MOST_REPEATS:
        faults.append(f"{name} says {phrase!r} {count} times")
    if leak := _LEAKS.search(text):
        faults.append(f"{name} mentions how it was made: {leak.group()!r}")
    return faults
