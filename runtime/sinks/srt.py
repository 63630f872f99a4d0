"""Subtitles: one SubRip file per video, one cue per window. Called by `pipeline` through the sink
protocol."""

from __future__ import annotations

from pathlib import Path
from types import TracebackType
from typing import Self, TextIO

from edgecap.runtime.record import FailedVideo, Record
from edgecap.runtime.sinks.output import file_for, ready_folder, writing


class SrtSink:
    """Writes `<video>.srt` into `folder` (None writes nothing); a video's file is begun anew with its first
    window."""

    def __init__(self, folder: str | Path | None, *, root: Path | None = None) -> None:
        self.folder = None if folder is None else Path(folder)
        self._root = root
        self._path: Path | None = None
        self._file: TextIO | None = None
        self._video = ""
        self._cues = 0

    def __enter__(self) -> Self:
        """Make the folder. Raises `OutputError`."""
        if self.folder is not None:
            ready_folder(self.folder)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._close()

    def write(self, record: Record) -> None:
        """Append the cue of one window."""
        if self.folder is None:
            return
        if self._file is None or record.video.path != self._video:
            self._begin(record.video.path, self.folder)
        self._cues += 1
        assert self._file is not None and self._path is not None
        with writing(self._path):
            self._file.write(cue(record, number=self._cues))
            self._file.flush()

    def fail(self, failed: FailedVideo) -> None:
        """Close the file of the video that failed; what was written stays."""
        if failed.path == self._video:
            self._close()

    def _begin(self, video_path: str, folder: Path) -> None:
        self._close()
        self._path, self._video, self._cues = file_for(folder, video_path, ".srt", root=self._root), video_path, 0
        with writing(self._path):
            self._file = self._path.open("w", encoding="utf-8", newline="\n")

    def _close(self) -> None:
        if self._file is not None:
            self._file.close()
        self._file, self._video = None, ""


def cue(record: Record, *, number: int) -> str:
    """One SubRip cue: the global sentence, a line per instance, the camera's.

    A blank line ends a cue, so the texts' own line breaks become spaces.
    """
    window, caption = record.window, record.caption
    lines = [caption.global_description.text]
    for i, instance in enumerate(caption.instances):
        lines.append(f"No.{i} {instance.class_name.text}: {instance.appearance.text} {instance.action.text}")
    lines.append(caption.camera.text)
    body = "\n".join(" ".join(line.split()) or "-" for line in lines)
    return f"{number}\n{timecode(window.start_seconds)} --> {timecode(window.end_seconds)}\n{body}\n\n"


def timecode(seconds: float) -> str:
    """`HH:MM:SS,mmm`, rounded to the millisecond; negative times are written as zero."""
    milliseconds = max(0, round(seconds * 1000))
    whole, ms = divmod(milliseconds, 1000)
    return f"{whole // 3600:02}:{whole // 60 % 60:02}:{whole % 60:02},{ms:03}"
