"""A video file in, upright working-size frames with presentation times out (PyAV).

    open_source(path)   -> Source: .info, iterates Frame once

Sample aspect ratio is ignored: pixels are taken as square. Frames are scaled inside the decoder's colour conversion, so
a 4K file never becomes a 4K RGB array.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path
from types import TracebackType

import av
import av.error
import av.logging
import numpy as np
from av.container import InputContainer
from av.video.frame import VideoFrame
from av.video.reformatter import Interpolation, VideoReformatter
from av.video.stream import VideoStream
from numpy.typing import NDArray

from edgecap.engines.errors import EmptyVideoError, InputError, MissingInputError, UnreadableVideoError
from edgecap.runtime.data.frame import Frame, VideoInfo
from edgecap.runtime.english import printable
from edgecap.runtime.video.inputs import looking_at

# A file is called cut short when this much of its promised duration is missing: both, so that neither a short clip's
# last frame nor a long film's trailing audio raises it.
_EARLY_END_SECONDS = 1.0
_EARLY_END_SHARE = 0.1
_BROKEN = (av.error.FFmpegError, IndexError)  # IndexError: of PyAV, where a stream turns up that no header named
_USUAL_FRAME_SECONDS = 0.04  # between two joined parts of a stream that names no rate
# Times that jump back further than this are a restart (a recorder restarted, files were joined); less is a stutter.
_RESTART_SECONDS = 1.0


def open_source(path: str | Path, *, working_side: int = 640, decode_threads: int = 1) -> Source:
    """Open a video and decode its first frame, so that whatever is wrong with it is said here.

    `working_side`: long side of the frames in pixels; smaller videos keep their size. `decode_threads` >= 1.
    Raises MissingInputError, UnreadableVideoError (not a video, or broken before its first frame), EmptyVideoError.
    libav's own log lines are switched off for the process: what matters of them is in the errors raised here.
    """
    path = Path(path)
    with looking_at(path):
        if not path.exists():
            raise MissingInputError(f"no such video: {printable(path)}; check the path")
        if path.is_dir():
            raise UnreadableVideoError(f"{printable(path)} is a folder, not a video; use find_videos for folders")
        size = path.stat().st_size
    av.logging.set_level(None)
    container = _open_container(path, size_bytes=size)
    try:
        return Source(
            container, _video_stream(container, path), path, working_side=working_side, decode_threads=decode_threads
        )
    except BaseException:
        container.close()
        raise


def _open_container(path: Path, *, size_bytes: int) -> InputContainer:
    try:
        return av.open(str(path), metadata_errors="replace")
    except (av.error.FFmpegError, OSError, ValueError) as error:
        reason = "0 bytes" if size_bytes == 0 else _reason(error)
        raise UnreadableVideoError(
            f"cannot read {printable(path)} as a video ({reason}); "
            "it is not a video, or truncated: play it, or write it again"
        ) from error


def _video_stream(container: InputContainer, path: Path) -> VideoStream:
    if not container.streams.video:
        raise UnreadableVideoError(
            f"{printable(path)} has no video stream; got streams "
            f"{[s.type for s in container.streams]}; name a file with pictures"
        )
    stream = container.streams.video[0]
    if stream.codec_context is None:
        raise UnreadableVideoError(
            f"{printable(path)} has pictures of a codec that can't be decoded here; re-encode it (ffmpeg -i IN OUT.mp4)"
        )
    return stream


def _reason(error: Exception) -> str:
    text = getattr(error, "strerror", None) or str(error)
    return text.splitlines()[0] if text else type(error).__name__


class Source:
    """One opened video. A context manager; iterate it once to get its `Frame`s.

    `info`: what is known of the video. `estimated_times`: frames without a presentation time, given the previous one
    plus one average frame. `skipped_frames`: frames whose time did not advance (the earlier one is kept). Both so far.
    """

    def __init__(
        self, container: InputContainer, stream: VideoStream, path: Path, *, working_side: int, decode_threads: int
    ) -> None:
        self._container, self._path = container, printable(path)
        stream.thread_type = "AUTO" if decode_threads > 1 else "SLICE"
        stream.codec_context.thread_count = max(1, decode_threads)
        self._fps = stream.average_rate or None
        self._decoded = self._decode(stream)
        self._first = self._decode_first()
        self._picture = _Picture(self._first, working_side)
        self.info = VideoInfo(
            path=str(path),
            size_wh=self._picture.size_wh,
            working_size_wh=self._picture.working_size_wh,
            rotation_degrees=self._picture.rotation_degrees,
            fps_average=self._fps,
            duration_seconds=_duration_seconds(container, stream),
            frame_count=stream.frames or None,
            codec=stream.codec_context.name,
        )
        # A container's duration covers its longest stream: beside audio it promises nothing about the pictures.
        self._duration_is_videos = stream.duration is not None or len(container.streams) == 1
        self._used = False
        self.estimated_times = 0
        self.skipped_frames = 0

    def __enter__(self) -> Source:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Release the file; may be called twice."""
        self._container.close()

    def __iter__(self) -> Iterator[Frame]:
        """All frames; see `sampled`."""
        return self.sampled(lambda pts_seconds: True)

    def sampled(self, keep: Callable[[float], bool]) -> Iterator[Frame]:
        """Frames in presentation order, times rising strictly from 0.0, of which `keep(pts_seconds)` is true.

        `keep` is asked once per frame, in order; a frame that is not kept is decoded but never turned into RGB, which
        is most of what a frame costs.

        Where times jump back by more than a second, time goes on from the last frame by one average frame.

        Raises UnreadableVideoError *after* the good frames, when decoding breaks or the file ends much earlier than
        its header promises.
        """
        if self._used:
            raise InputError(f"{self._path} was already read; open it again to iterate twice")
        self._used = True
        origin: float | None = None
        last = -1.0
        for index, raw in enumerate(self._all_frames()):
            seconds = self._seconds(raw)
            if origin is None:
                origin = seconds if seconds is not None else 0.0
            pts = last + self._frame_gap() if seconds is None else seconds - origin
            if index == 0:
                pts = 0.0
            if last - pts > _RESTART_SECONDS:
                step = float(1 / self._fps) if self._fps else _USUAL_FRAME_SECONDS
                origin, pts = origin - (last + step - pts), last + step
            if pts <= last:
                self.skipped_frames += 1
                continue
            self.estimated_times += seconds is None
            last = pts
            if keep(pts):
                yield Frame(index=index, pts_seconds=pts, image_rgb=self._picture.upright_rgb(raw))
        self._check_whole(last)

    def _all_frames(self) -> Iterator[VideoFrame]:
        yield self._first
        count = 1
        try:
            for raw in self._decoded:
                yield raw
                count += 1
        except _BROKEN as error:
            raise UnreadableVideoError(
                f"{self._path} decoding failed after {count} frames ({_reason(error)}); "
                "what came before it was used: repair or re-encode the file"
            ) from error

    def _decode(self, stream: VideoStream) -> Iterator[VideoFrame]:
        """Frames of the stream; undecodable packets before the first frame (a file cut mid-GOP) are passed over."""
        any_frame = False
        early_error: av.error.FFmpegError | None = None
        for packet in self._container.demux(stream):
            try:
                frames = packet.decode()
            except av.error.FFmpegError as error:
                if any_frame:
                    raise
                early_error = error
                continue
            any_frame = any_frame or bool(frames)
            yield from frames
        if not any_frame and early_error is not None:
            raise early_error

    def _decode_first(self) -> VideoFrame:
        try:
            first = next(self._decoded, None)
        except _BROKEN as error:
            raise UnreadableVideoError(
                f"{self._path} breaks before its first frame ({_reason(error)}); repair or re-encode the file"
            ) from error
        if first is None:
            raise EmptyVideoError(f"{self._path} opens as a video but has no frame; write it again")
        return first

    def _frame_gap(self) -> float:
        if self._fps is None:
            raise UnreadableVideoError(
                f"{self._path} gives its frames neither times nor a frame rate; "
                "put it into a container that does (ffmpeg -r FPS -i IN OUT.mp4)"
            )
        return float(1 / self._fps)

    @staticmethod
    def _seconds(raw: VideoFrame) -> float | None:
        """Presentation time in the stream's clock; None where the file gives none."""
        if raw.pts is None or raw.time_base is None:
            return None
        return float(raw.pts * Fraction(raw.time_base))

    def _check_whole(self, last_pts: float) -> None:
        promised = self.info.duration_seconds
        if promised is None or not self._duration_is_videos:
            return
        missing = promised - last_pts - (float(1 / self._fps) if self._fps else 0.0)
        if missing > max(_EARLY_END_SECONDS, _EARLY_END_SHARE * promised):
            raise UnreadableVideoError(
                f"{self._path} ends early: its header promises {promised:.1f} s, the pictures stop "
                f"after {last_pts:.1f} s; what came before was used: copy the file again"
            )


def _duration_seconds(container: InputContainer, stream: VideoStream) -> float | None:
    if stream.duration is not None and stream.time_base is not None:
        return float(stream.duration * stream.time_base)
    return container.duration / av.time_base if container.duration is not None else None


class _Picture:
    """Turns a decoded picture of one video into an upright RGB array of the working size."""

    def __init__(self, first: VideoFrame, working_side: int) -> None:
        self.rotation_degrees = round(first.rotation / 90) * 90 % 360  # counter-clockwise turn that makes it upright
        scale = min(1.0, working_side / max(first.width, first.height))
        self._coded_wh = max(1, round(first.width * scale)), max(1, round(first.height * scale))
        self._scaler = VideoReformatter()
        turned = self.rotation_degrees in (90, 270)
        self.size_wh = (first.height, first.width) if turned else (first.width, first.height)
        self.working_size_wh = self._coded_wh[::-1] if turned else self._coded_wh

    def upright_rgb(self, raw: VideoFrame) -> NDArray[np.uint8]:
        """uint8 [H, W, 3], contiguous. A picture of another size (mid-stream change) is stretched to the first's."""
        width, height = self._coded_wh
        small = self._scaler.reformat(raw, width=width, height=height, format="rgb24", interpolation=Interpolation.AREA)
        image = small.to_ndarray()
        if self.rotation_degrees:
            image = np.rot90(image, self.rotation_degrees // 90)
        return np.ascontiguousarray(image)
