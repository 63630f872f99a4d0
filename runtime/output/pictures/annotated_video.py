"""The analysed frames as an H.264 video with masks, names and the current caption below the picture.

In: records. Out: one `<video>.annotated.mp4` per source video, in its own time (a frame is shown when it
was, VFR included).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import av
import numpy as np
from numpy.typing import NDArray

from edgecap.engines.errors import OutputError
from edgecap.runtime.data.caption import InstanceCaption
from edgecap.runtime.data.record import FailedVideo, Record
from edgecap.runtime.data.window import Observation
from edgecap.runtime.output.files import VideoFiles, ready_folder, writing
from edgecap.runtime.output.pictures.drawing import (
    INK,
    PAPER,
    camera_label,
    colour_of,
    draw_camera,
    draw_observation,
    styles_of,
    text_size,
    trails_of,
)
from edgecap.runtime.output.pictures.lettering import LINE, SEMIBOLD, clip, draw_text, text_width, wrap

_TIME_BASE = Fraction(1, 90_000)
_WIDTH = 960
"""Pictures are drawn this wide, so that letters are readable whatever the source's size."""
_LINES_PER_PAGE = 5
_PAGE_SECONDS = 2.5
_MUTED = (150, 160, 176)


@dataclass(slots=True)
class _File:
    """The open output of one video."""

    path: Path
    video: str
    container: Any
    stream: Any
    last_pts: int = -1


class AnnotatedVideoSink:
    """Writes into `folder` (None writes nothing). What is written when a run is interrupted plays up to
    that point. Names: `VideoFiles`. `resumed`: files of an earlier run stay, this run's are called
    NAME.resumed-1.annotated.mp4 and so on beside them."""

    def __init__(
        self,
        folder: str | Path | None,
        *,
        root: Path | None = None,
        inputs: Iterable[str | Path] = (),
        resumed: bool = False,
    ) -> None:
        self.folder = None if folder is None else Path(folder)
        self._files = VideoFiles(self.folder or Path(), ".annotated.mp4", root=root, inputs=list(inputs), fresh=resumed)
        self._file: _File | None = None

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
        """Append the frames of one window."""
        if self.folder is None or not record.window.observations:
            return
        if self._file is None or self._file.video != record.video.path:
            self._close()
            self._file = _open(self._files.of(record.video.path), record.video.path)
        for observation in record.window.observations:
            _encode(self._file, annotated_frame(record, observation), observation.frame.pts_seconds)

    def fail(self, failed: FailedVideo) -> None:
        """Finish the file of the video that failed; its frames so far stay."""
        if self._file is not None and self._file.video == failed.path:
            self._close()

    def _close(self) -> None:
        file, self._file = self._file, None
        if file is None:
            return
        with _encoding(file.path):
            try:
                for packet in file.stream.encode(None):
                    file.container.mux(packet)
            finally:
                file.container.close()


def annotated_frame(record: Record, observation: Observation) -> NDArray[np.uint8]:
    """The drawn picture over its caption strip: uint8 [H, W, 3] with even sides, as H.264 needs."""
    now, present = observation.frame.pts_seconds, {i.track_id for i in observation.instances}
    trails = {k: xy for k, xy in trails_of(record, until_seconds=now).items() if k in present}
    picture = draw_observation(observation, styles_of(record), width=_WIDTH, trails=trails)
    draw_camera(picture, camera_label(record.evidence.camera))
    canvas = np.concatenate([picture, caption_strip(record, now)])
    return canvas[: canvas.shape[0] // 2 * 2]


def caption_strip(record: Record, pts_seconds: float) -> NDArray[np.uint8]:
    """The caption in force: the global sentence, a page of instance sentences (pages turn when they are
    many), the camera."""
    size = text_size(_WIDTH)
    line, pad = round(size * LINE), size
    canvas = np.full((2 * pad + line * (3 + _LINES_PER_PAGE), _WIDTH, 3), INK, np.uint8)
    title = clip(record.caption.global_description.text, width=_WIDTH - 2 * pad, size=size + 2, weight=SEMIBOLD)
    draw_text(canvas, title, x=pad, y=pad // 2, size=size + 2, colour=PAPER, weight=SEMIBOLD)
    pages = _pages(record, size)
    page = int((pts_seconds - record.window.start_seconds) / _PAGE_SECONDS) % len(pages)
    y = pad // 2 + round(line * 1.5)
    for instance, name, lines in pages[page]:
        draw_text(canvas, name, x=pad, y=y, size=size, colour=colour_of(instance.track_id), weight=SEMIBOLD)
        for text in lines:
            draw_text(canvas, text, x=pad + _indent(size), y=y, size=size, colour=PAPER)
            y += line
        y += size // 5
    y = canvas.shape[0] - line - pad // 4
    footer = f"{record.window.start_seconds:.1f} to {record.window.end_seconds:.1f} s"
    footer += f"   {page + 1}/{len(pages)}" if len(pages) > 1 else ""
    draw_text(canvas, footer, x=_WIDTH - pad - text_width(footer, size=size - 2), y=y, size=size - 2, colour=_MUTED)
    camera = clip(record.caption.camera.text, width=_WIDTH - 12 * pad, size=size - 2)
    draw_text(canvas, camera, x=pad, y=y, size=size - 2, colour=_MUTED)
    return canvas


_Row = tuple[InstanceCaption, str, list[str]]


def _pages(record: Record, size: int) -> list[list[_Row]]:
    """Instances with their wrapped sentences, as many per page as fit its lines; one empty page where
    there are none."""
    pages: list[list[_Row]] = [[]]
    for index, instance in enumerate(record.caption.instances):
        sentence = f"{instance.appearance.text} {instance.action.text} {instance.position.text}"
        lines = wrap(sentence, width=_WIDTH - _indent(size) - 2 * size, size=size, most_lines=2)
        if sum(len(row[2]) for row in pages[-1]) + len(lines) > _LINES_PER_PAGE:
            pages.append([])
        pages[-1].append((instance, f"No.{index}", lines))
    return pages


def _indent(size: int) -> int:
    return round(size * 3.2)


def _open(path: Path, video: str) -> _File:
    with writing(path):
        try:
            container = av.open(f"file:{path}", "w", format="mp4", options={"movflags": "+faststart"})
            stream = container.add_stream(
                "libx264", rate=30, options={"crf": "20", "preset": "veryfast", "threads": "1"}
            )
        except av.error.FFmpegError as error:
            raise OutputError(
                f"{path}: no H.264 video can be written ({error.strerror}); choose another --out"
            ) from error
    stream.pix_fmt = "yuv420p"
    stream.codec_context.time_base = _TIME_BASE
    return _File(path, video, container, stream)


def _encode(file: _File, image_rgb: NDArray[np.uint8], pts_seconds: float) -> None:
    height, width = image_rgb.shape[:2]
    if file.last_pts < 0:
        file.stream.width, file.stream.height = width, height
    frame = av.VideoFrame.from_ndarray(image_rgb, format="rgb24")
    # Time stamps must rise; two frames of one time (a broken source) are a tick apart.
    frame.pts = file.last_pts = max(file.last_pts + 1, round(pts_seconds / _TIME_BASE))
    frame.time_base = _TIME_BASE
    with _encoding(file.path):
        for packet in file.stream.encode(frame):
            file.container.mux(packet)


@contextmanager
def _encoding(path: Path) -> Iterator[None]:
    """Turn what the encoder or the file refuses into an `OutputError`: a full disk, times that MP4 can't hold."""
    with writing(path):
        try:
            yield
        except av.error.FFmpegError as error:
            raise OutputError(
                f"{path}: the video can't be written on ({error.strerror}); free the disk, or leave out "
                "the annotated video"
            ) from error
