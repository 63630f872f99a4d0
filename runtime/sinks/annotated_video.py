"""The analysed frames as an H.264 video with masks, names and the current caption below the picture.

In: records. Out: one `<video>.annotated.mp4` per source video, in its own time (a frame is shown when it was, VFR
included). Called by `pipeline` through the sink protocol.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import av
import numpy as np
from numpy.typing import NDArray

from edgecap.engines.errors import OutputError
from edgecap.runtime.caption import InstanceCaption
from edgecap.runtime.observation import Observation
from edgecap.runtime.record import FailedVideo, Record
from edgecap.runtime.sinks.drawing import (
    INK,
    PAPER,
    camera_label,
    colour_of,
    draw_camera,
    draw_observation,
    draw_path,
    styles_of,
    text_size,
)
from edgecap.runtime.sinks.lettering import LINE, SEMIBOLD, draw_text, text_width, wrap
from edgecap.runtime.sinks.output import file_for, ready_folder, writing

_TIME_BASE = Fraction(1, 90_000)
_WIDTH = 960
"""Pictures are drawn this wide, so that letters are readable whatever the source's size."""
_ROWS_PER_PAGE = 3
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
    """Writes into `folder` (None writes nothing). What is written when a run is interrupted plays up to that point."""

    def __init__(self, folder: str | Path | None, *, root: Path | None = None) -> None:
        self.folder = None if folder is None else Path(folder)
        self._root = root
        self._file: _File | None = None

    def __enter__(self) -> Self:
        """Make the folder. Raises `OutputError`."""
        if self.folder is not None:
            ready_folder(self.folder)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None,
                 trace: TracebackType | None) -> None:
        self._close()

    def write(self, record: Record) -> None:
        """Append the frames of one window."""
        if self.folder is None or not record.window.observations:
            return
        if self._file is None or self._file.video != record.video.path:
            self._close()
            path = file_for(self.folder, record.video.path, ".annotated.mp4", root=self._root)
            self._file = _open(path, record.video.path)
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
        with writing(file.path):
            try:
                for packet in file.stream.encode(None):
                    file.container.mux(packet)
            finally:
                file.container.close()


def annotated_frame(record: Record, observation: Observation) -> NDArray[np.uint8]:
    """The drawn picture over its caption strip: uint8 [H, W, 3] with even sides, as H.264 wants."""
    styles = styles_of(record)
    picture = draw_observation(observation, styles, width=_WIDTH)
    now = observation.frame.pts_seconds
    for track in record.evidence.tracks:
        seen = track.pts_seconds <= now + 1e-6
        if track.track_id in styles and track.motion_image.moving and seen.any():
            draw_path(picture, track.centroids_xy[seen], styles[track.track_id].colour)
    draw_camera(picture, camera_label(record.evidence.camera))
    canvas = np.concatenate([picture, caption_strip(record, now)])
    return canvas[:canvas.shape[0] // 2 * 2]


def caption_strip(record: Record, pts_seconds: float) -> NDArray[np.uint8]:
    """The caption in force: the global sentence, and a page of instance sentences (pages turn when they are many)."""
    size = text_size(_WIDTH)
    line, pad = round(size * LINE), size
    canvas = np.full((2 * pad + line * (2 + 2 * _ROWS_PER_PAGE) + size // 2, _WIDTH, 3), INK, np.uint8)
    for text in wrap(record.caption.global_description.text, width=_WIDTH - 2 * pad, size=size + 2, most_lines=1,
                     weight=SEMIBOLD):
        draw_text(canvas, text, x=pad, y=pad // 2, size=size + 2, colour=PAPER, weight=SEMIBOLD)
    instances = record.caption.instances
    pages = max(1, -(-len(instances) // _ROWS_PER_PAGE))
    page = int((pts_seconds - record.window.start_seconds) / _PAGE_SECONDS) % pages
    y = pad // 2 + round(line * 1.4)
    for index in range(page * _ROWS_PER_PAGE, min(len(instances), (page + 1) * _ROWS_PER_PAGE)):
        _instance_row(canvas, instances[index], index, y=y, size=size)
        y += 2 * line
    footer = f"{record.window.start_seconds:.1f} - {record.window.end_seconds:.1f} s"
    footer += f"   {page + 1}/{pages}" if pages > 1 else ""
    y = canvas.shape[0] - line - pad // 4
    draw_text(canvas, footer, x=_WIDTH - pad - text_width(footer, size=size - 2), y=y, size=size - 2, colour=_MUTED)
    for text in wrap(record.caption.camera.text, width=_WIDTH - 10 * pad, size=size - 2, most_lines=1):
        draw_text(canvas, text, x=pad, y=y, size=size - 2, colour=_MUTED)
    return canvas


def _instance_row(canvas: NDArray[np.uint8], instance: InstanceCaption, index: int, *, y: int, size: int) -> None:
    name, pad = f"No.{index}", size
    draw_text(canvas, name, x=pad, y=y, size=size, colour=colour_of(instance.track_id), weight=SEMIBOLD)
    indent = pad + round(size * 3.2)
    sentence = f"{instance.appearance.text} {instance.action.text} {instance.position.text}"
    for text in wrap(sentence, width=_WIDTH - indent - pad, size=size, most_lines=2):
        draw_text(canvas, text, x=indent, y=y, size=size, colour=PAPER)
        y += round(size * LINE)


def _open(path: Path, video: str) -> _File:
    with writing(path):
        try:
            container = av.open(str(path), "w", format="mp4", options={"movflags": "+faststart"})
            stream = container.add_stream("libx264", rate=30, options={"crf": "20", "preset": "veryfast", "threads": "1"})
        except av.error.FFmpegError as error:
            raise OutputError(f"{path}: no H.264 video can be written ({error.strerror}); choose another --out") from error
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
    with writing(file.path):
        try:
            for packet in file.stream.encode(frame):
                file.container.mux(packet)
        except av.error.FFmpegError as error:
            raise OutputError(f"{file.path}: the video can't be written on ({error.strerror}); free the disk, or leave out "
                              "the annotated video") from error
