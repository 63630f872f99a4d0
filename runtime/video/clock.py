"""Packets in, the same packets on one clock that only rises out.

Transport and program streams are often joined byte by byte, and their 33-bit clock wraps after 26.5 hours:

    file      10.0 ... 13.0 | 0.0 ... 3.0      a joint: time goes on by one picture
    file      95443.7 | 0.0 ...                a wrap: 2**33 ticks of 1/90000 s are added
"""

from __future__ import annotations

import math
from typing import Any

from av.audio.stream import AudioStream
from av.container import InputContainer
from av.packet import Packet
from av.video.stream import VideoStream

# Times that jump back further than this are a restart (a recorder restarted, files were joined); less is a stutter.
_BACK_SECONDS = 1.0
# As ffmpeg's dts_delta_threshold: where a format may be discontinuous, a longer step forward is a joint.
_FORWARD_SECONDS = 10.0
_WRAP_SECONDS = 2**33 / 90_000
_USUAL_STEP_SECONDS = 0.04  # between two joined parts of a stream that names no rate


class PacketClock:
    """The clock of one container. `streams`: what must be demuxed for it, the video stream first.

    `may_jump`: a transport or program stream. `joints`: how many jumps were closed so far.
    """

    def __init__(self, container: InputContainer, video: VideoStream, *, step_seconds: float | None) -> None:
        self.may_jump = container.format.name in ("mpegts", "mpeg")
        # A picture that stands for long and a joint look alike, except that the sound goes on under the picture.
        self.streams: list[VideoStream | AudioStream] = [video, *(container.streams.audio if self.may_jump else ())]
        self._step = step_seconds or _USUAL_STEP_SECONDS
        self._offset_of: dict[int, float] = {}
        self._offsets = [0.0]
        self._last: dict[int, float] = {}
        self.joints = 0

    def correct(self, packet: Packet[Any]) -> None:
        """Shift the packet's times in place. Call for every packet of `streams`, in the file's order."""
        ticks = packet.dts if packet.dts is not None else packet.pts
        if ticks is None or packet.time_base is None:
            return
        key, raw = packet.stream.index, float(ticks * packet.time_base)
        offset = self._offset_of.get(key, self._offsets[-1])
        last = self._last.get(key)
        if self._jumps(raw + offset, last):
            offset = self._offset_after_jump(raw, last)
        self._offset_of[key] = offset
        self._last[key] = raw + offset
        if offset:
            shift = round(offset / packet.time_base)
            packet.dts = None if packet.dts is None else packet.dts + shift
            packet.pts = None if packet.pts is None else packet.pts + shift

    def lead_seconds(self, first_seconds: float, start_seconds: float) -> float:
        """From the container's start to the first picture; a wrap between the two is taken out."""
        lead = first_seconds - start_seconds
        if self.may_jump:
            lead = math.remainder(lead, _WRAP_SECONDS)
        return lead

    def _jumps(self, seconds: float, last: float | None) -> bool:
        if last is not None and last - seconds > _BACK_SECONDS:
            return True
        newest = max(self._last.values(), default=None)
        return self.may_jump and newest is not None and seconds - newest > _FORWARD_SECONDS

    def _offset_after_jump(self, raw: float, last: float | None) -> float:
        """The offset that brings `raw` next to what came before: a known one, a wrap's, or a new one."""
        newest = max(self._last.values())
        near = newest if last is None else last
        wrapped = [o + _WRAP_SECONDS for o in self._offsets] if self.may_jump else []
        for offset in (*reversed(self._offsets), *wrapped):
            if -_BACK_SECONDS <= raw + offset - near <= _FORWARD_SECONDS:
                break
        else:
            offset = newest + self._step - raw
            self.joints += 1
        if offset not in self._offsets:
            self._offsets.append(offset)
        return offset
