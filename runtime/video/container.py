"""A path in, an opened container and the stream that players would show out.

What can't be opened, or has no pictures to show, is said here in one line.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterable
from pathlib import Path

import av
import av.error
import av.logging
from av.container import InputContainer
from av.stream import Disposition, Stream
from av.video.stream import VideoStream

from edgecap.engines.errors import MissingInputError, UnreadableVideoError
from edgecap.runtime.english import printable
from edgecap.runtime.video.inputs import looking_at, refuse_address

# libav unwraps the 33-bit clock of transport streams by itself, and takes a jump back for a wrap: a clock that starts
# again would be 26.5 hours ahead. `PacketClock` tells the two apart.
_OPTIONS = {"correct_ts_overflow": "0"}
_NO_FILM = Disposition.attached_pic | Disposition.timed_thumbnails | Disposition.dependent
_APPLE_DOUBLE = b"\x00\x05\x16\x07"


def open_container(path: Path) -> InputContainer:
    """Open a file for reading; a path is never taken for an address, whatever is in it.

    Raises MissingInputError, and UnreadableVideoError where libav finds no container in it. libav's own log lines are
    switched off for the process: what matters of them is in the errors raised here.
    """
    refuse_address(path)
    with looking_at(path):
        if not path.exists():
            raise MissingInputError(f"no such video: {printable(path)}; check the path")
        if path.is_dir():
            raise UnreadableVideoError(f"{printable(path)} is a folder, not a video; use find_videos for folders")
        size = path.stat().st_size
    av.logging.set_level(None)
    try:
        return av.open(f"file:{path}", options=dict(_OPTIONS), metadata_errors="replace")
    except PermissionError as error:
        raise UnreadableVideoError(
            f"cannot read {printable(path)} ({why_unreadable(error)}); check its permissions"
        ) from error
    except (av.error.FFmpegError, OSError, ValueError) as error:
        if _begins_with(path, _APPLE_DOUBLE):
            raise UnreadableVideoError(
                f"{printable(path)} is an AppleDouble file (what macOS keeps beside a file), not a video; "
                f"name {printable(path.name.removeprefix('._'))}"
            ) from error
        reason = "0 bytes" if size == 0 else why_unreadable(error)
        raise UnreadableVideoError(
            f"cannot read {printable(path)} as a video ({reason}); "
            "it is not a video, or truncated: play it, or write it again"
        ) from error


def film_stream(container: InputContainer, path: Path) -> VideoStream:
    """The stream that players show: no cover or thumbnail, the default one, one of more than a single picture, the
    largest. Raises UnreadableVideoError where there is none."""
    streams = container.streams
    films = [s for s in streams.video if not s.disposition & _NO_FILM]
    if not films:
        raise UnreadableVideoError(f"{printable(path)} has no video{_instead(streams)}; name a file with pictures")
    decodable = [s for s in films if s.codec_context is not None]
    if not decodable:
        raise UnreadableVideoError(
            f"{printable(path)}: no decoder for its pictures here; convert it (ffmpeg -i IN -c:v libx264 OUT.mp4)"
        )
    return max(decodable, key=_rank)


def _rank(stream: VideoStream) -> tuple[bool, bool, int, int]:
    still = stream.frames == 1 or bool(stream.disposition & Disposition.still_image)
    return (
        not still,
        bool(stream.disposition & Disposition.default),
        stream.width * stream.height,
        -stream.index,
    )


def _instead(streams: Iterable[Stream]) -> str:
    kinds = {s.type for s in streams}
    if "video" in kinds:
        return ", only sound and a cover picture" if "audio" in kinds else ", only a cover picture"
    return f" stream; got streams {sorted(kinds)}"


def _begins_with(path: Path, magic: bytes) -> bool:
    if not path.is_file():  # a pipe would wait, and lose what is read
        return False
    with path.open("rb") as file:
        return file.read(len(magic)) == magic


def why_unreadable(error: Exception) -> str:
    """The first line of what a library says."""
    text = getattr(error, "strerror", None) or str(error)
    return text.splitlines()[0] if text else type(error).__name__


def missing_bytes(path: Path) -> int | None:
    """How many bytes the file's own structure promises beyond its end; 0 for a whole file, None where the structure
    does not say (a stream without lengths, or one not known here).

    Known: MP4 boxes (ISO/IEC 14496-12, 4.2), the Matroska segment (RFC 8794, 4), RIFF chunks of AVI, the size that FLV
    files carry.
    """
    if not path.is_file():
        return None
    size = path.stat().st_size
    with path.open("rb") as file:
        head = file.read(4096)
    end: int | None
    if head[4:8] in (b"ftyp", b"moov", b"mdat", b"free", b"skip", b"wide", b"styp"):
        end = _end_of_boxes(path, size)
    elif head[:4] == b"\x1a\x45\xdf\xa3":
        end = _end_of_segment(head)
    elif head[:4] == b"RIFF":
        end = 8 + int.from_bytes(head[4:8], "little")
    else:
        end = _end_of_flv(head)
    return None if end is None else max(0, end - size)


def _end_of_boxes(path: Path, size: int) -> int:
    at = 0
    with path.open("rb") as file:
        while at + 8 <= size:
            file.seek(at)
            head = file.read(16)
            length = int.from_bytes(head[:4], "big")
            if length == 1:
                length = int.from_bytes(head[8:16], "big")
            if length < 8:  # 0: up to the end of the file; less: zeros after the last box
                break
            at += length
    return at


def _end_of_segment(head: bytes) -> int | None:
    at = head.find(b"\x18\x53\x80\x67")
    if at < 0:
        return None
    first = head[at + 4]
    width = 9 - first.bit_length()
    coded = int.from_bytes(head[at + 4 : at + 4 + width], "big") & ((1 << 7 * width) - 1)
    if coded == (1 << 7 * width) - 1:  # unknown: written live
        return None
    return at + 4 + width + coded


def _end_of_flv(head: bytes) -> int | None:
    found = re.search(rb"\x00\x08filesize\x00(.{8})", head, re.DOTALL) if head[:3] == b"FLV" else None
    if found is None:
        return None
    return int(struct.unpack(">d", found[1])[0])
