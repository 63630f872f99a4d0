"""What an earlier run left in its JSON Lines file: the clips that need not be described again, and under which options.

In: the file. Out: `EarlierRun`. Which of its rows hold for the inputs of this run: `folder/take_up.py`.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from edgecap.engines.errors import InputError, OutputError, UsageError
from edgecap.runtime.data.frame import FileIdentity
from edgecap.runtime.data.record import SAME_TIME_SECONDS, ClipKey, Interval, Record
from edgecap.runtime.output.files import whole_lines
from edgecap.runtime.output.row import structure_of

RowKey = tuple[str, str, int, float, float]
"""(Video, digest of the file or "", clip, start and end in seconds): no two rows of a file share it."""

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
    identity: FileIdentity | None
    ends_video: bool

    @property
    def key(self) -> RowKey:
        """See `key_of`."""
        digest = self.identity.digest if self.identity else ""
        return self.video, digest, self.clip_index, self.start_seconds, self.end_seconds

    def is_replaced_by(self, record: Record) -> bool:
        """Whether a window of the same file stands for this one: it overlaps it, has its number, or ends the video
        before it."""
        window = record.window
        if self.identity != record.video.identity:
            return False
        overlap = min(self.end_seconds, window.end_seconds) - max(self.start_seconds, window.start_seconds)
        if self.clip_index == window.clip_index or overlap > SAME_TIME_SECONDS:
            return True
        return record.ends_video and self.clip_index > window.clip_index


@dataclass(frozen=True, slots=True)
class EarlierFailure:
    """One error row."""

    video: str
    error: str
    message: str
    identity: FileIdentity | None


@dataclass(frozen=True, slots=True)
class EarlierRun:
    """All complete rows of a file, and what of them holds for this run.

    `skip`: (input path, clip index) -> start and end in seconds, as `Pipeline.run(skip=...)` takes it. `new_names`:
    "Video" of rows -> their name in this run, where that differs. `begins_again`: "Video" -> the first clip of which an
    earlier run's events do not hold. `taken_up`: this run continues it.
    """

    path: Path
    clips: tuple[EarlierClip, ...] = ()
    failures: tuple[EarlierFailure, ...] = ()
    skip: Mapping[ClipKey, Interval] = field(default_factory=dict)
    clips_by_input: Mapping[str, tuple[EarlierClip, ...]] = field(default_factory=dict)
    new_names: Mapping[str, str] = field(default_factory=dict)
    begins_again: Mapping[str, int] = field(default_factory=dict)
    taken_up: bool = False

    @classmethod
    def read(cls, path: str | Path) -> Self:
        """A file that is not there is an empty run; a broken last line counts as not done.

        Raises `OutputError` for any other line that is not a row of edgecap.
        """
        path = Path(path)
        clips: list[EarlierClip] = []
        failures: list[EarlierFailure] = []
        for number, line in enumerate(whole_lines(path), 1):
            try:
                row = json.loads(line)
                if row["meta"]["status"] == "ok":
                    clips.append(_clip(row))
                else:
                    failures.append(_failure(row))
            except _BROKEN as error:
                raise OutputError(
                    f"{path}: line {number} is not a row of edgecap ({type(error).__name__}); choose another --out, or "
                    "remove that line to resume"
                ) from error
        return cls(path, tuple(clips), tuple(failures))

    @property
    def failure_texts(self) -> frozenset[tuple[str, str, str]]:
        """(Video, error, message) of its error rows."""
        return frozenset((f.video, f.error, f.message) for f in self.failures)

    @property
    def videos(self) -> frozenset[str]:
        """The names of all videos that have rows."""
        return frozenset([c.video for c in self.clips] + [f.video for f in self.failures])

    def check(self, run_for: Callable[[Mapping[str, Any]], Mapping[str, str | int | float]]) -> None:
        """Raise `UsageError` that names the first option in which a clip's `Record.run` differs from what `run_for`
        asks of it: rows of one file must fit together, and other options cut other clips.
        """
        for clip in self.clips:
            for name, asked in run_for(clip.run).items():
                there = clip.run.get(name, "an unknown value")
                if there != asked:
                    there = str(there)[:_LONGEST]
                    raise UsageError(
                        f"--resume: {self.path} was written with {name} {there}, this run asks for {asked}; "
                        "give the options of the earlier run, or another --out"
                    )

    def clips_of(self, path: str) -> tuple[EarlierClip, ...]:
        """The clips of one input of this run that hold, in order of time."""
        return tuple(sorted(self.clips_by_input.get(path, ()), key=lambda c: c.start_seconds))


def key_of(row: Mapping[str, Any]) -> RowKey:
    """The key of a row of a clip."""
    return _clip(row).key


def _failure(row: Mapping[str, Any]) -> EarlierFailure:
    meta = row["meta"]
    video, error, message = _texts(row["Video"], meta["error"], meta["message"])
    return EarlierFailure(video, error, message, _identity(meta))


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
        identity=_identity(meta),
        ends_video=bool(meta.get("ends_video", False)),
    )


def _identity(meta: Mapping[str, Any]) -> FileIdentity | None:
    block = meta.get("identity")
    return None if block is None else FileIdentity(**block)


def _texts(*values: Any) -> tuple[str, ...]:
    """The values, all of them texts; TypeError otherwise."""
    if not all(isinstance(value, str) for value in values):
        raise TypeError(f"texts expected, got {[type(value).__name__ for value in values]}")
    return values
