"""A video file in, upright working-size frames with presentation times out (PyAV).

    open_source(path)   -> Source: .info, iterates Frame once

Files as they are in the wild: docs/sources.md says what is done with each kind.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path
from types import TracebackType

import av
import av.error
from av.container import InputContainer
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from edgecap.engines.errors import EmptyVideoError, InputError, UnreadableVideoError
from edgecap.runtime.data.frame import Frame, VideoInfo
from edgecap.runtime.english import printable
from edgecap.runtime.video.container import film_stream, missing_bytes, open_container, why_unreadable
from edgecap.runtime.video.film import Film
from edgecap.runtime.video.picture import Picture

# A file is called cut short when this much of its promised duration is missing: both, so that neither a short clip's
# last frame nor a long film's trailing audio raises it.
_EARLY_END_SECONDS = 1.0
_EARLY_END_SHARE = 0.1
_BROKEN = (av.error.FFmpegError, IndexError)  # IndexError: of PyAV, where a stream turns up that no header named
_USUAL_FRAME_SECONDS = 0.04  # of a last frame without a duration, in a stream without a rate
# A promise below this many bits per second is a jump of the clock that libav took for playing time.
_LEAST_BITS_PER_SECOND = 1_000


def open_source(path: str | Path, *, working_side: int = 640, decode_threads: int = 1) -> Source:
    """Open a video and decode its first frame, so that whatever is wrong with it is said here.

    `working_side`: long side of the frames in pixels; smaller videos keep their size. `decode_threads` >= 1.
    Raises MissingInputError, UnreadableVideoError (not a video, or broken before its first frame), EmptyVideoError.
    """
    path = Path(path)
    container = open_container(path)
    try:
        stream = film_stream(container, path)
        return Source(container, stream, path, working_side=working_side, decode_threads=decode_threads)
    except BaseException:
        container.close()
        raise


class Source:
    """One opened video. A context manager; iterate it once to get its `Frame`s.

    `info`: what is known of the video. `estimated_times`: frames without a presentation time, given the previous one
    plus one average frame (not counted in raw streams, where the rate is the clock). `skipped_frames`: frames whose
    time did not advance (the earlier one is kept). Both so far. `end_seconds`: when the last frame's own time is over;
    None before the end was reached.
    """

    def __init__(
        self, container: InputContainer, stream: VideoStream, path: Path, *, working_side: int, decode_threads: int
    ) -> None:
        self._container, self._stream, self._path, self._file = container, stream, printable(path), path
        self._film = Film(container, stream, decode_threads=decode_threads)
        self._fps = self._film.rate
        self._decoded = self._film.frames()
        self._first = self._decode_first()
        self._picture = Picture(self._first, pixel_aspect=stream.sample_aspect_ratio, working_side=working_side)
        if self._picture.colours.unknown is not None:
            self._film.note(f"its colours can't be converted ({self._picture.colours.unknown}); none are reported")
        self._origin = self._origin_seconds()
        self.info = VideoInfo(
            path=str(path),
            size_wh=self._picture.size_wh,
            working_size_wh=self._picture.working_size_wh,
            rotation_degrees=self._picture.rotation_degrees,
            fps_average=self._fps,
            duration_seconds=self._promised_seconds(),
            frame_count=stream.frames or None,
            codec=stream.codec_context.name,
            colours_known=self._picture.colours.unknown is None,
        )
        self._used = False
        self.estimated_times = 0
        self.skipped_frames = 0
        self.end_seconds: float | None = None

    @property
    def notes(self) -> tuple[str, ...]:
        """What was done so far with a file that is not quite right, a line each."""
        return self._film.notes

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
        """Frames in presentation order of which `keep(pts_seconds)` is true. Times rise strictly and count from the
        start of the container: where pictures begin after the sound, the first is later than 0.0.

        `keep` is asked once per frame, in order; a frame that is not kept is decoded but never turned into RGB, which
        is most of what a frame costs.

        Raises UnreadableVideoError *after* the good frames, when the rest can't be decoded or was cut off.
        """
        if self._used:
            raise InputError(f"{self._path} was already read; open it again to iterate twice")
        self._used = True
        last, own = -self._frame_gap() if self._fps else -1.0, 0.0
        for index, raw in enumerate(self._all_frames()):
            seconds = self._seconds(raw)
            pts = last + self._frame_gap() if seconds is None else seconds - self._origin
            if pts <= last:
                self.skipped_frames += 1
                continue
            self.estimated_times += seconds is None and not self._film.is_raw
            last, own = pts, self._own_seconds(raw)
            if keep(pts):
                image = self._picture.upright_rgb(raw, self._pixel_aspect(raw))
                yield Frame(index=index, pts_seconds=pts, image_rgb=image)
        self.end_seconds = self._checked_end(last, last + own)
        if self._film.lost_at_end:
            self._film.note_damage()

    def _all_frames(self) -> Iterator[VideoFrame]:
        yield self._first
        count = 1
        try:
            for raw in self._decoded:
                yield raw
                count += 1
        except _BROKEN as error:
            raise UnreadableVideoError(
                f"{self._path} decoding failed after {count} frames ({why_unreadable(error)}); "
                "what came before it was used: repair or re-encode the file"
            ) from error

    def _decode_first(self) -> VideoFrame:
        try:
            first = next(self._decoded, None)
        except _BROKEN as error:
            raise UnreadableVideoError(
                f"{self._path} breaks before its first frame ({why_unreadable(error)}); repair or re-encode the file"
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

    def _own_seconds(self, raw: VideoFrame) -> float:
        """How long the frame is to be shown: recorders give the last one all the time that nothing changed."""
        if raw.duration and raw.time_base is not None:
            return float(raw.duration * Fraction(raw.time_base))
        return float(1 / self._fps) if self._fps else _USUAL_FRAME_SECONDS

    def _pixel_aspect(self, raw: VideoFrame) -> Fraction | None:
        """The container's word counts for the size that it describes, the decoder's for another one."""
        same = (raw.width, raw.height) == (self._first.width, self._first.height)
        return (self._stream if same else self._stream.codec_context).sample_aspect_ratio

    def _origin_seconds(self) -> float:
        """Time 0 on the stream's clock: the start of the container, never after the first frame."""
        first = self._seconds(self._first)
        start: int | None = self._container.start_time
        if first is None:
            return 0.0
        if start is None:
            return first
        return first - max(0.0, self._film.clock.lead_seconds(first, start / av.time_base))

    def _promised_seconds(self) -> float | None:
        """When the pictures end as the container says; its own end where it says nothing of the pictures."""
        stream = self._stream
        if stream.duration is not None and stream.time_base is not None:
            begin = stream.start_time * stream.time_base if stream.start_time is not None else self._origin
            promised = float(begin + stream.duration * stream.time_base) - self._origin
        elif (tagged := _tagged_seconds(stream.metadata.get("DURATION", ""))) is not None:
            promised = tagged
        elif self._container.duration is not None:
            promised = self._container.duration / av.time_base
        else:
            return None
        if self._container.format.name == "avi" and stream.frames and stream.average_rate:
            promised = max(promised, float(stream.frames / stream.average_rate))  # libav goes by the file's size
        size = self._file.stat().st_size if self._film.clock.may_jump and self._file.is_file() else None
        if promised <= 0 or (size is not None and 8 * size < _LEAST_BITS_PER_SECOND * promised):
            return None
        return promised

    def _checked_end(self, last: float, end: float) -> float:
        """When the pictures are over. Raises UnreadableVideoError where the file ends before that."""
        stream, promised = self._stream, self.info.duration_seconds
        # A container's duration covers its longest stream: beside audio it promises nothing about the pictures.
        of_video = stream.duration is not None or "DURATION" in stream.metadata or len(self._container.streams) == 1
        if promised is None or not of_video or self._film.clock.joints:
            return end
        lost, cut = self._film.lost_at_end, missing_bytes(self._file) != 0
        if promised - end <= max(_EARLY_END_SECONDS, _EARLY_END_SHARE * promised):
            return end if lost or cut else max(end, promised)
        if not lost and not cut:
            return promised  # the last picture stands until then
        rest = ", and the rest can't be decoded" if lost else ""
        raise UnreadableVideoError(
            f"{self._path} ends early: its header promises {promised:.1f} s, the pictures stop "
            f"after {last:.1f} s{rest}; what came before was used: copy the file again"
        )


def _tagged_seconds(text: str) -> float | None:
    """Matroska's statistics tag of a stream, "00:00:24.000000000"."""
    found = re.fullmatch(r"(\d+):(\d\d):(\d\d(?:\.\d+)?)", text.strip())
    return int(found[1]) * 3600 + int(found[2]) * 60 + float(found[3]) if found else None
