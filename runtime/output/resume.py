"""What an earlier run left in its JSON Lines file: the clips that need not be described again, and under which options.

In: the file. Out: `EarlierRun`.
"""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from edgecap.engines.errors import InputError, OutputError, UsageError
from edgecap.runtime.data.record import ClipKey
from edgecap.runtime.output.jsonl import whole_lines
from edgecap.runtime.output.row import structure_of, video_name

_LONGEST = 80
_BROKEN = (ValueError, LookupError, TypeError, AttributeError, OverflowError, RecursionError, InputError)
"""What a line that is not a row of ours may raise."""


@dataclass(frozen=True, slots=True)
class EarlierClip:
    """One row: what names it, when it is, the lines of its subtitle, and the options it was made with."""

    video: str
    clip_index: int
    start_seconds: float
    end_seconds: float
    cue_lines: tuple[str, ...]
    run: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class EarlierRun:
    """All complete rows of a file. `failures`: (Video, error, message) of its error rows."""

    path: Path
    clips: tuple[EarlierClip, ...] = ()
    failures: frozenset[tuple[str, str, str]] = frozenset()

    @classmethod
    def read(cls, path: str | Path) -> Self:
        """A file that is not there is an empty run; a broken last line counts as not done.

        Raises `OutputError` for any other line that is not a row of edgecap.
        """
        path = Path(path)
        clips: list[EarlierClip] = []
        failures: set[tuple[str, str, str]] = set()
        for number, line in enumerate(whole_lines(path), 1):
            try:
                row = json.loads(line)
                if row["meta"]["status"] == "ok":
                    clips.append(_clip(row))
                else:
                    video, kind, message = _texts(row["Video"], row["meta"]["error"], row["meta"]["message"])
                    failures.add((video, kind, message))
            except _BROKEN as error:
                raise OutputError(
                    f"{path}: line {number} is not a row of edgecap ({type(error).__name__}); choose another --out, or "
                    "remove that line to resume"
                ) from error
        return cls(path, tuple(clips), frozenset(failures))

    def check(self, run: Mapping[str, str | int | float]) -> None:
        """Raise `UsageError` that names the first option in which a clip differs from `run` (`Record.run`): rows of one
        file must fit together, and other options cut other clips.
        """
        for clip in self.clips:
            for name, asked in run.items():
                there = clip.run.get(name, "an unknown value")
                if there != asked:
                    there = str(there)[:_LONGEST]
                    raise UsageError(
                        f"--resume: {self.path} was written with {name} {there}, this run asks for {asked}; "
                        "give the options of the earlier run, or another --out"
                    )

    def skip(self, paths: Iterable[str | Path], *, root: Path | None) -> dict[ClipKey, float]:
        """(input path, clip index) -> start in seconds, as `Pipeline.run(skip=...)` takes it.

        A name that two inputs share is skipped for neither: whose rows they are can't be known.
        """
        names = {str(path): video_name(str(path), root=root) for path in paths}
        owners = Counter(names.values())
        paths_of = {name: path for path, name in names.items() if owners[name] == 1}
        return {(paths_of[c.video], c.clip_index): c.start_seconds for c in self.clips if c.video in paths_of}

    def clips_of(self, name: str) -> tuple[EarlierClip, ...]:
        """The clips of one video, by the name in its rows, in order of time."""
        return tuple(sorted((c for c in self.clips if c.video == name), key=lambda c: c.start_seconds))


def _clip(row: Mapping[str, Any]) -> EarlierClip:
    meta, block = row["meta"], structure_of(row)
    lines = [row["Global Description"]]
    for key, texts in block["Main Instance"].items():
        lines.append(f"{key} {texts['Class']}: {texts['Appearance']} {texts['Actions and Motion']}")
    lines.append(block["Camera Movement"])
    start, end = float(meta["start_seconds"]), float(meta["end_seconds"])
    if not 0 <= start <= end < math.inf:
        raise ValueError(f"{start = }, {end = }")
    return EarlierClip(
        video=_texts(row["Video"])[0],
        clip_index=int(meta["clip"]),
        start_seconds=start,
        end_seconds=end,
        cue_lines=_texts(*lines),
        run=dict(meta.get("run", {})),
    )


def _texts(*values: Any) -> tuple[str, ...]:
    """The values, all of them texts; TypeError otherwise."""
    if not all(isinstance(value, str) for value in values):
        raise TypeError(f"texts expected, got {[type(value).__name__ for value in values]}")
    return values
