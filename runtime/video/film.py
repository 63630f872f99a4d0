"""One stream of an opened container -> its decoded pictures, whatever is damaged in between."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from typing import Any

import av.error
from av.container import InputContainer
from av.packet import Packet
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from edgecap.runtime.video.clock import PacketClock

_TRIES_TO_READ_ON = 16  # after an error of the demuxer, without a packet in between
# Formats without a clock: libav counts 25 pictures a second unless the stream's own headers say more.
_RAW_FORMATS = frozenset("h264 hevc vvc evc m4v mpegvideo mjpeg obu av1 cavsvideo dirac vc1 h261 h263".split())  # noqa: SIM905 one line reads best
_ASSUMED_RATE = Fraction(25)
_MOST_GUESSED_RATE = 240  # a guess above it is a time base, not a rate
_DAMAGE_NOTE = "a damaged part could not be {}; it was left out: play the file there, or copy it again"


class Film:
    """The pictures of one video stream, decoded once.

    `rate`: pictures a second on average, None where nothing says. `is_raw`: the stream has no clock, only a rate.
    `clock`: corrects the packets' times. `notes`: what was done with a file that is not quite right, a line each.
    `lost_at_end`: packets refused since the last picture.
    """

    def __init__(self, container: InputContainer, stream: VideoStream, *, decode_threads: int) -> None:
        self._container, self._stream = container, stream
        stream.thread_type = "AUTO" if decode_threads > 1 else "SLICE"
        stream.codec_context.thread_count = max(1, decode_threads)
        self.notes: tuple[str, ...] = ()
        self.lost_at_end = 0
        self.is_raw = container.format.name in _RAW_FORMATS
        self.rate = self._own_rate()
        self.clock = PacketClock(container, stream, step_seconds=float(1 / self.rate) if self.rate else None)

    def note(self, text: str) -> None:
        """Add a note, once."""
        if text not in self.notes:
            self.notes += (text,)

    def note_damage(self) -> None:
        """Say that a part could not be decoded."""
        self.note(_DAMAGE_NOTE.format("decoded"))

    def frames(self) -> Iterator[VideoFrame]:
        """Pictures in presentation order. A packet that the decoder refuses is left out, and noted when pictures
        follow; before the first picture (a file that was cut mid-GOP) without a note. Raises FFmpegError where there is
        no picture at all, and where the file can't be read on."""
        any_frame, early_error = False, None
        for packet in self._packets():
            try:
                frames = packet.decode()
            except av.error.FFmpegError as error:
                if packet.size == 0:  # the end: there is nothing left to lose
                    continue
                self.lost_at_end += 1
                early_error = None if any_frame else error
                continue
            if frames and packet.size:  # what comes at the end was read before
                if any_frame and self.lost_at_end:
                    self.note_damage()
                self.lost_at_end = 0
            any_frame = any_frame or bool(frames)
            yield from (frame for frame in frames if isinstance(frame, VideoFrame))
        if not any_frame and early_error is not None:
            raise early_error

    def _packets(self) -> Iterator[Packet[Any]]:
        """Packets of the stream on one clock. After an error of the demuxer the rest is read too."""
        failures = 0
        while True:
            try:
                for packet in self._container.demux(self.clock.streams):
                    failures = 0
                    self.clock.correct(packet)
                    if self.clock.joints:
                        self.note("its clock jumps, as where recordings were joined; times go on from the last picture")
                    if packet.stream.index == self._stream.index:  # an end's own `stream_index` is 0 for every stream
                        yield packet
                return
            except (av.error.FFmpegError, IndexError):  # IndexError: of PyAV, a stream turned up that no header named
                failures += 1
                if failures > _TRIES_TO_READ_ON:
                    raise
                self.note(_DAMAGE_NOTE.format("read"))

    def _own_rate(self) -> Fraction | None:
        """The stream's own rate; for one without clock and rate the assumed one, with a note."""
        if self.is_raw:
            own = self._stream.codec_context.framerate
            if own and 0 < own <= _MOST_GUESSED_RATE:
                return Fraction(own)
            self.note(f"it has no times and no frame rate; {_ASSUMED_RATE} frames a second are assumed")
            return _ASSUMED_RATE
        guessed = self._stream.guessed_rate
        return self._stream.average_rate or (guessed if guessed and 0 < guessed <= _MOST_GUESSED_RATE else None)
