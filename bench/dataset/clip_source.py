"""What a curation looks at: the videos of a folder, or the rows of an InstanceCap JSON Lines file; `ClipSource` each.

A row is a whole video, or with our `meta` block the time of one window of it. A broken line is a clip with a fault,
never an error: the rest of the file is still wanted.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgecap.bench.dataset.caption_sanity import caption_faults
from edgecap.engines.errors import InputError
from edgecap.runtime.english import printable
from edgecap.runtime.output.row import structure_of
from edgecap.runtime.video.inputs import find_videos, looking_at


@dataclass(frozen=True, slots=True)
class ClipSource:
    """One clip to judge. `name`: unique in its set. `video`: None where a row names none. `start_seconds`,
    `end_seconds`: half-open part of the video. `row`: the caption's row, None for a bare video. `fault`: why nothing of
    it can be used; `caption_faults`: what is wrong with its words."""

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
        raise InputError(f"{printable(path)} holds no row; want one JSON object per line (edgecap caption writes them)")
    sources = [_source(line, number, folder) for number, line in enumerate(lines, 1) if line.strip()]
    seen: set[str] = set()
    out = []
    for number, source in enumerate(sources, 1):
        name = source.name if source.name not in seen else f"{source.name} (row {number})"
        seen.add(name)
        out.append(
            ClipSource(
                name,
                source.video,
                source.start_seconds,
                source.end_seconds,
                source.row,
                source.fault,
                source.caption_faults,
            )
        )
    return out


def _source(line: bytes, number: int, folder: Path) -> ClipSource:
    try:
        row = json.loads(line)
    except (ValueError, RecursionError) as error:
        return ClipSource(f"line {number}", None, fault=f"line {number} is no JSON ({str(error).splitlines()[0]})")
    if not isinstance(row, dict) or not isinstance(row.get("Video"), str) or not row["Video"]:
        return ClipSource(f"line {number}", None, fault=f"line {number} is no row: it names no 'Video'")
    name, start, end = row["Video"], 0.0, math.inf
    meta = row.get("meta")
    if isinstance(meta, dict) and isinstance(meta.get("start_seconds"), int | float):
        start = float(meta["start_seconds"])
        end = float(meta["end_seconds"]) if isinstance(meta.get("end_seconds"), int | float) else math.inf
        name = f"{name}#{meta.get('clip', start)}"
    return ClipSource(name, folder / row["Video"], start, end, row, caption_faults=tuple(caption_faults(row)))
