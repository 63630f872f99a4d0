"""The one place where a failing disk becomes an `OutputError` and where output files get their names."""

from __future__ import annotations

import hashlib
import itertools
import os
import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from edgecap.engines.errors import OutputError
from edgecap.runtime.english import printable
from edgecap.runtime.output.row import video_name

ADVICE = "choose another --out, or free the disk and check permissions"
"""What to do where a file of the output folder can't be written."""


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Turn an OSError inside the block into an `OutputError` that names `path`."""
    try:
        yield
    except OSError as error:
        raise OutputError(f"{printable(path)}: can't be written ({error.strerror or error}); {ADVICE}") from error


def whole_lines(path: Path) -> list[bytes]:
    """The lines that end in a newline, without it; a last one cut short (kill -9, power) is left out.

    A file that does not exist has none. Raises `OutputError`.
    """
    if not path.exists():
        return []
    with writing(path):
        return path.read_bytes().split(b"\n")[:-1]


def ready_file(path: Path) -> None:
    """Make the file's folder and prove that the file can be written; an existing file is left as it is."""
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        existed = path.exists()
        with path.open("ab"):
            pass
        if not existed:
            path.unlink()


def ready_folder(folder: Path) -> None:
    """Make the folder and prove that files can be made in it."""
    with writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass


def replace_text(path: Path, parts: Iterator[str]) -> None:
    """Write a whole text file so that a reader sees the old one or the new one, never a part."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    with writing(path):
        try:
            with temporary.open("w", encoding="utf-8", errors="replace", newline="\n") as file:
                file.writelines(parts)
            temporary.replace(path)
        finally:
            with suppress(OSError):
                temporary.unlink(missing_ok=True)


_LONGEST_STEM = 200  # bytes; file systems take 255 for a whole name


def _flat(name: str) -> str:
    """A video's name for a file in a flat folder. Ways up are left out: a name that begins with a dot is hidden."""
    return "__".join(part for part in name.split("/") if part not in ("", ".", ".."))


class VideoFiles:
    """The output files of videos in a flat folder: `NAME<suffix>`, folders below `root` joined with "__".

    Where two of `inputs` would share a NAME, theirs keeps the video's own suffix (v.mp4.srt, v.mov.srt). No file is
    given out twice, nor one that is itself an input, nor that of one of `others`: videos by their name in the rows, of
    which the folder has files. `fresh`: nor one that exists: `NAME.resumed-1<suffix>` and so on.
    """

    def __init__(
        self,
        folder: Path,
        suffix: str,
        *,
        root: Path | None,
        inputs: Iterable[str | Path] = (),
        fresh: bool = False,
        others: Iterable[str] = (),
    ) -> None:
        self._folder, self._suffix, self._root, self._fresh = folder, suffix, root, fresh
        videos = {str(path) for path in inputs}
        self._forbidden = {os.path.realpath(path) for path in videos}
        self._owners = Counter(self._plain(video).casefold() for video in videos)
        self._given: dict[str, Path] = {}
        for name in others:
            for stem in (_without_suffix(flat := _flat(name)), flat):
                if (path := folder / f"{_shortened(stem)}{suffix}").exists():
                    self._forbidden.add(os.path.realpath(path))

    def of(self, video_path: str) -> Path:
        """The file of one video; the same each time."""
        if video_path not in self._given:
            path = next(p for p in self._candidates(video_path) if self._is_free(p))
            self._forbidden.add(os.path.realpath(path))
            self._given[video_path] = path
        return self._given[video_path]

    def _candidates(self, video_path: str) -> Iterator[Path]:
        plain, full = self._plain(video_path), self._full(video_path)
        stems = [full] if self._owners[plain.casefold()] > 1 else [plain, full]
        for stem in itertools.chain(stems, (f"{full}.{n}" for n in itertools.count(2))):
            path = self._folder / f"{_shortened(stem)}{self._suffix}"
            yield fresh_path(path) if self._fresh else path

    def _is_free(self, path: Path) -> bool:
        real = os.path.realpath(path)
        return all(real.casefold() != taken.casefold() for taken in self._forbidden)

    def _full(self, video_path: str) -> str:
        return _flat(video_name(video_path, root=self._root)) or "stream"

    def _plain(self, video_path: str) -> str:
        return _without_suffix(self._full(video_path))


def _without_suffix(name: str) -> str:
    return name if "." not in name.lstrip(".") else name.rsplit(".", 1)[0]


def fresh_path(path: Path) -> Path:
    """`path`, or where that exists the first free of NAME.resumed-1, NAME.resumed-2... (before all its suffixes)."""
    stem, dot, suffixes = path.name.partition(".")
    if path.name.endswith(".annotated.mp4"):  # the video's own name may contain dots
        stem, dot, suffixes = path.name.removesuffix(".annotated.mp4"), ".", "annotated.mp4"
    others = (path.with_name(f"{stem}.resumed-{n}{dot}{suffixes}") for n in itertools.count(1))
    return next(p for p in itertools.chain([path], others) if not p.exists())


def _shortened(stem: str) -> str:
    """`stem`, or its beginning and a digest of all of it where file systems would refuse it."""
    data = stem.encode("utf-8")
    if len(data) <= _LONGEST_STEM:
        return stem
    return f"{data[: _LONGEST_STEM - 9].decode('utf-8', 'ignore')}~{hashlib.sha256(data).hexdigest()[:8]}"
