"""Paths as a user gives them -> the video files they stand for.

find_videos(paths)  -> the files to caption, in order, or the first error
find_each(paths)    -> the same, each once, with the error of every path that cannot be used in its place
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from edgecap.engines.errors import InputError, MissingInputError
from edgecap.runtime.english import printable

VIDEO_SUFFIXES = frozenset(
    ".mp4 .mov .m4v .mkv .webm .avi .mpg .mpeg .ts .m2ts .mts .flv .wmv .3gp .ogv".split()  # noqa: SIM905 one line reads best
)


# As `Path` writes it: one slash of two is lost. A drive's letter is no scheme.
_ADDRESS = re.compile(r"(?P<scheme>[A-Za-z][A-Za-z0-9+.-]+):/+(?P<rest>.*)", re.DOTALL)


def find_videos(paths: Iterable[str | Path]) -> list[Path]:
    """Files as given; of a folder, its video files (one level, by suffix, "clip2" before "clip10").

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


def _videos_in(folder: Path) -> list[Path]:
    videos = [p for p in folder.iterdir() if p.is_file() and p.suffix.lower() in VIDEO_SUFFIXES]
    if not videos:
        wanted = " ".join(sorted(VIDEO_SUFFIXES))
        raise MissingInputError(
            f"folder {printable(folder)} holds no video; want files ending in {wanted}, or name a file directly"
        )
    return sorted(videos, key=lambda p: _natural_key(p.name))


def _natural_key(name: str) -> list[tuple[int, int, str]]:
    """Digits compare as numbers, the rest as lower-case text."""
    parts = re.split(r"(\d+)", name.lower())
    return [(0, int(part), "") if part.isdecimal() else (1, 0, part) for part in parts if part]
