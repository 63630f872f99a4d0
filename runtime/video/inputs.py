"""Paths as a user gives them -> the video files they stand for.

find_videos(paths)  -> the files to caption, in order, or the first error
find_each(paths)    -> the same, each once, with the error of every path that cannot be used in its place
"""

from __future__ import annotations

import codecs
import os
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from edgecap.engines.errors import InputError, MissingInputError
from edgecap.runtime.english import printable
from edgecap.runtime.video.identity import is_drawn_by_edgecap

VIDEO_SUFFIXES = frozenset(
    ".mp4 .mov .m4v .mkv .webm .avi .mpg .mpeg .ts .m2ts .mts .flv .wmv .3gp .ogv".split()  # noqa: SIM905 one line reads best
) | frozenset(
    ".3g2 .asf .f4v .mxf .vob .m2v .h264 .264 .hevc .h265 .265 .ivf .obu .y4m .mjpeg .mjpg".split()  # noqa: SIM905 as above
)
# TypeScript modules and Qt's translations are called like transport streams.
_AMBIGUOUS_SUFFIXES = frozenset((".ts", ".mts"))
_SYNC_BYTE, _PACKET_SIZES = 0x47, (188, 192, 204)  # of MPEG-TS, of M2TS, with error correction
# Folders of a NAS's indexer and of bins.
_PASSED_OVER = frozenset(("@eadir", "#recycle", "$recycle.bin", "system volume information", "lost+found"))


# As `Path` writes it: one slash of two is lost. A drive's letter is no scheme.
_ADDRESS = re.compile(r"(?P<scheme>[A-Za-z][A-Za-z0-9+.-]+):/+(?P<rest>.*)", re.DOTALL)


def find_videos(paths: Iterable[str | Path]) -> list[Path]:
    """Files as given; of a folder, its video files (one level, by suffix, "clip2" before "clip10"; hidden files and
    text named .ts are passed over).

    Raises MissingInputError for a path that does not exist and for a folder without a video, InputError for one that
    the system does not let us look at (no permission, name too long).
    """
    found: list[Path] = []
    for path in map(Path, paths):
        with looking_at(path):
            refuse_address(path)
            if path.is_dir():
                found += _videos_in(path)
            elif path.exists():
                found.append(path)
            else:
                raise MissingInputError(f"no such file or folder: {printable(path)}; check the path")
    return found


def find_each(paths: Iterable[str | Path]) -> Iterator[tuple[Path, InputError | None]]:
    """Every file (None), and every given path that cannot be used with its error, in order. A file that is named twice,
    by whatever spelling or link, comes once.
    """
    seen: set[str] = set()
    for path in map(Path, paths):
        found: list[tuple[Path, InputError | None]]
        try:
            found = [(video, None) for video in find_videos([path])]
        except InputError as error:
            found = [(path, error)]
        for video, trouble in found:
            real = os.path.realpath(video)
            if real not in seen:
                seen.add(real)
                yield video, trouble


def refuse_address(path: Path) -> None:
    """Raises InputError for an address in place of a path: live sources are not read."""
    found = _ADDRESS.fullmatch(str(path))
    if found is None or path.exists():
        return
    scheme, rest = found["scheme"].lower(), found["rest"].rpartition("@")[2]  # no password in a log
    if scheme == "file":
        raise InputError(f"file:///{printable(rest)} is an address; give the path: /{printable(rest)}")
    raise InputError(
        f"{scheme}://{printable(rest)}: addresses are not read; record to a file, or pipe: "
        "ffmpeg -i URL -c copy -f mpegts - | edgecap caption /dev/stdin"
    )


@contextmanager
def looking_at(path: Path) -> Iterator[None]:
    """Turn an OSError inside the block, and a name that no file can have, into an InputError that names `path`."""
    try:
        yield
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise InputError(f"cannot look at {printable(path)} ({reason}); check the name and its permissions") from error


def with_folders_inside(paths: Iterable[str | Path]) -> list[Path]:
    """The same paths with every folder replaced by its own videos and those of all folders inside it, depth first.

    Hidden folders, links to folders and the folders of bins and indexers are passed over. A folder without any video,
    and one that can't be listed, stays in the list: `find_each` has its error.
    """
    out: list[Path] = []
    for given in map(Path, paths):
        found: list[Path] = []
        unlisted: list[OSError] = []
        for folder, names, files in os.walk(given, onerror=unlisted.append):
            names[:] = sorted((n for n in names if not _is_passed_over(n)), key=_natural_key)
            videos = [p for p in map(Path(folder).joinpath, files) if _is_video_of_folder(p)]
            found += sorted(videos, key=lambda p: _natural_key(p.name))
        found += [Path(error.filename) for error in unlisted if isinstance(error.filename, str)]
        out += found or [given]
    return out


def _videos_in(folder: Path) -> list[Path]:
    videos = [p for p in folder.iterdir() if _is_video_of_folder(p)]
    if not videos:
        suffixes = " ".join(sorted(VIDEO_SUFFIXES))
        raise MissingInputError(
            f"folder {printable(folder)} contains no video; expected files ending in {suffixes}, or name a file "
            "directly (--recursive looks into folders inside it)"
        )
    return sorted(videos, key=lambda p: _natural_key(p.name))


def _is_video_of_folder(path: Path) -> bool:
    """By its name, unless edgecap has drawn it; the first bytes decide where the name may mean text. A file that can't
    be looked at counts: its error is worth a row."""
    suffix = path.suffix.lower()
    if suffix not in VIDEO_SUFFIXES or path.name.startswith(".") or not path.is_file():
        return False
    if suffix in _AMBIGUOUS_SUFFIXES and _is_text(path):
        return False
    return not is_drawn_by_edgecap(path)


def _is_passed_over(folder_name: str) -> bool:
    return folder_name.startswith(".") or folder_name.lower() in _PASSED_OVER


def _is_text(path: Path) -> bool:
    """Text, and no transport stream: a damaged stream is neither, and is tried."""
    try:
        with path.open("rb") as file:
            head = file.read(4096)
    except OSError:
        return False
    return bool(head) and not _has_sync_bytes(head) and _reads_as_text(head)


def _has_sync_bytes(head: bytes) -> bool:
    """Three packets in a row begin with the sync byte."""
    return any(
        all(head[start + k * size : start + k * size + 1] == bytes((_SYNC_BYTE,)) for k in range(3))
        for size in _PACKET_SIZES
        for start in range(size)
    )


def _reads_as_text(head: bytes) -> bool:
    if head.startswith((b"\xff\xfe", b"\xfe\xff")):
        return True
    if any(byte < 32 and byte not in b"\t\n\r\f\x1b" for byte in head):
        return False
    try:
        codecs.getincrementaldecoder("utf-8-sig")().decode(head)  # may end inside a character
    except UnicodeDecodeError:
        return False
    return True


def _natural_key(name: str) -> list[tuple[int, int, str]]:
    """Digits compare as numbers, the rest as lower-case text."""
    parts = re.split(r"(\d+)", name.lower())
    return [(0, int(part), "") if part.isdecimal() else (1, 0, part) for part in parts if part]
