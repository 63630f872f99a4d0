"""Subtitles: one SubRip file per video, one cue per window."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self, TextIO

from edgecap.runtime.data.record import FailedVideo, Record
from edgecap.runtime.output.files import VideoFiles, ready_folder, writing
from edgecap.runtime.output.resume import EarlierRun
from edgecap.runtime.output.row import video_name


class SrtSink:
    """Writes `<video>.srt` into `folder` (None writes nothing; names: `VideoFiles`); a video's file is begun
    from the start. `earlier`: a run that is resumed: the cues of its clips come first, from its rows.
    """

    def __init__(
        self,
        folder: str | Path | None,
        *,
        root: Path | None = None,
        inputs: Iterable[str | Path] = (),
        earlier: EarlierRun | None = None,
    ) -> None:
        self.folder = None if folder is None else Path(folder)
        self._inputs = [str(path) for path in inputs]
        self._root, self._earlier = root, earlier
        self._files = VideoFiles(self.folder or Path(), ".srt", root=root, inputs=self._inputs)
        self._begun: dict[str, int] = {}
        self._path: Path | None = None
        self._file: TextIO | None = None
        self._video = ""
        self._cues = 0

    def __enter__(self) -> Self:
        """Make the folder and write the cues of an earlier run. Raises `OutputError`."""
        if self.folder is not None:
            ready_folder(self.folder)
            for video in self._inputs if self._earlier else ():
                if self._earlier_cues(video):
                    self._begin(video)
            self._close()
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
            self._begin(record.video.path)
        self._append(cue(record, number=self._cues + 1))

    def fail(self, failed: FailedVideo) -> None:
        """Close the file of the video that failed; what was written stays."""
        if failed.path == self._video:
            self._close()

    def _begin(self, video_path: str) -> None:
        """Open a video's file: afresh with the earlier run's cues, or to go on where it was closed."""
        self._close()
        self._path, self._video = self._files.of(video_path), video_path
        again = video_path in self._begun
        self._cues = self._begun.get(video_path, 0)
        with writing(self._path):
            self._file = self._path.open("a" if again else "w", encoding="utf-8", newline="\n")
        for text in () if again else self._earlier_cues(video_path):
            self._append(text)
        self._begun[video_path] = self._cues

    def _earlier_cues(self, video_path: str) -> list[str]:
        if self._earlier is None:
            return []
        clips = self._earlier.clips_of(video_name(video_path, root=self._root))
        return [_cue(c.start_seconds, c.end_seconds, c.cue_lines, number=n) for n, c in enumerate(clips, 1)]

    def _append(self, text: str) -> None:
        assert self._file is not None and self._path is not None
        with writing(self._path):
            self._file.write(text)
            self._file.flush()
        self._cues += 1
        self._begun[self._video] = self._cues

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
    return _cue(window.start_seconds, window.end_seconds, lines, number=number)


def _cue(start_seconds: float, end_seconds: float, lines: Sequence[str], *, number: int) -> str:
    body = "\n".join(" ".join(line.split()) or "-" for line in lines)
    return f"{number}\n{timecode(start_seconds)} --> {timecode(end_seconds)}\n{body}\n\n"


def timecode(seconds: float) -> str:
    """`HH:MM:SS,mmm`, rounded to the millisecond; negative times are written as zero."""
    milliseconds = max(0, round(seconds * 1000))
    whole, ms = divmod(milliseconds, 1000)
    return f"{whole // 3600:02}:{whole // 60 % 60:02}:{whole % 60:02},{ms:03}"
