"""Subtitles: one SubRip file per video, one cue per window."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from edgecap.runtime.data.record import FailedVideo, Record
from edgecap.runtime.output.files import VideoFiles, ready_folder, replace_text, writing
from edgecap.runtime.output.resume import EarlierClip, EarlierRun


class SrtSink:
    """Writes `<video>.srt` into `folder` (None writes nothing; names: `VideoFiles`); a video's file is begun
    from the start. `earlier`: a run that is resumed: the cues of its clips are in the file too, in order of time.
    `others`: see `VideoFiles`.
    """

    def __init__(
        self,
        folder: str | Path | None,
        *,
        root: Path | None = None,
        inputs: Iterable[str | Path] = (),
        earlier: EarlierRun | None = None,
        others: Iterable[str] = (),
    ) -> None:
        self.folder = None if folder is None else Path(folder)
        self._inputs = [str(path) for path in inputs]
        self._earlier = earlier
        self._files = VideoFiles(self.folder or Path(), ".srt", root=root, inputs=self._inputs, others=others)
        self._cues: dict[str, list[_Cue]] = {}

    def __enter__(self) -> Self:
        """Make the folder and write the cues of an earlier run. Raises `OutputError`."""
        if self.folder is not None:
            ready_folder(self.folder)
            for video in self._inputs:
                if cues := self._cues_of(video):
                    replace_text(self._files.of(video), iter(_numbered(cues)))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        return None

    def write(self, record: Record) -> None:
        """Add the cue of one window; it takes the place of an earlier run's cues that it replaces."""
        if self.folder is None:
            return
        video, new = record.video.path, _Cue(record.window.start_seconds, record.window.end_seconds, cue_lines(record))
        before = self._cues_of(video)
        kept = [c for c in before if c.earlier is None or not c.earlier.is_replaced_by(record)]
        self._cues[video] = [*kept, new]
        path = self._files.of(video)
        if before and len(kept) == len(before) and before[-1].start_seconds <= new.start_seconds:
            with writing(path), path.open("a", encoding="utf-8", errors="replace", newline="\n") as file:
                file.write(new.text(len(self._cues[video])))
            return
        self._cues[video].sort(key=lambda c: c.start_seconds)
        replace_text(path, iter(_numbered(self._cues[video])))

    def fail(self, failed: FailedVideo) -> None:
        """What was written stays."""

    def _cues_of(self, video: str) -> list[_Cue]:
        if video not in self._cues:
            clips = self._earlier.clips_of(video) if self._earlier else ()
            self._cues[video] = [_Cue(c.start_seconds, c.end_seconds, c.cue_lines, c) for c in clips]
        return self._cues[video]


@dataclass(frozen=True, slots=True)
class _Cue:
    """`earlier`: the row of an earlier run that it is made of."""

    start_seconds: float
    end_seconds: float
    lines: Sequence[str]
    earlier: EarlierClip | None = None

    def text(self, number: int) -> str:
        """As SubRip has it."""
        return _cue(self.start_seconds, self.end_seconds, self.lines, number=number)


def _numbered(cues: Sequence[_Cue]) -> list[str]:
    return [cue.text(number) for number, cue in enumerate(cues, 1)]


def cue_lines(record: Record) -> list[str]:
    """The text of a window's cue: the global sentence, a line per instance, the camera's."""
    caption = record.caption
    lines = [caption.global_description.text]
    for i, instance in enumerate(caption.instances):
        lines.append(f"No.{i} {instance.class_name.text}: {instance.appearance.text} {instance.action.text}")
    return [*lines, caption.camera.text]


def _cue(start_seconds: float, end_seconds: float, lines: Sequence[str], *, number: int) -> str:
    # A blank line ends a cue, so the texts' own line breaks become spaces.
    body = "\n".join(" ".join(line.split()) or "-" for line in lines)
    return f"{number}\n{timecode(start_seconds)} --> {timecode(end_seconds)}\n{body}\n\n"


def timecode(seconds: float) -> str:
    """`HH:MM:SS,mmm`, rounded to the millisecond; negative times are written as zero."""
    milliseconds = max(0, round(seconds * 1000))
    whole, ms = divmod(milliseconds, 1000)
    return f"{whole // 3600:02}:{whole // 60 % 60:02}:{whole % 60:02},{ms:03}"
