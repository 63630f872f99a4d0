"""What an engine store contains, and which of its engines is nearest to a wanted key.

In: the folder of an `EngineStore`. Out: `StoreEntry` and `Explained`. A damaged entry is reported, never raised.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from edgecap.engines.errors import EngineError
from edgecap.engines.store.key import EngineKey
from edgecap.engines.store.manifest import EngineManifest, read_manifest

STAMP_FILE = ".last-used"
"""In an engine's folder; its modification time is when the engine was last opened."""
_DIGEST = re.compile(r"[0-9a-f]{32}")


@dataclass(frozen=True, slots=True)
class StoreEntry:
    """One folder of the store. `manifest` is None where it can't be trusted; `problem` then gives the reason, else "".

    `bytes`: on the disk, all files. `last_used`: seconds since 1970 of the last opening, or of publishing.
    """

    digest: str
    folder: Path
    manifest: EngineManifest | None
    problem: str
    bytes: int
    last_used: float

    @property
    def label(self) -> str:
        """In a few words: "nano 1.0 detector.graph, tensorrt 11.4.0.106, sm_89"; of a CPU the architecture alone."""
        if self.manifest is None:
            return "damaged"
        made = self.manifest
        by = f"{made.key.backend} {made.key.backend_version}"
        return f"{made.pack} {made.pack_version} {made.graph}, {by}, {made.key.target.partition(' ')[0]}"


@dataclass(frozen=True, slots=True)
class Explained:
    """One entry against a wanted key. `differences`: in words; () where it is exactly the wanted one.

    `related`: made from the same weights, or for the same graph path of the same pack.
    """

    entry: StoreEntry
    differences: tuple[str, ...]
    related: bool


def entries(folder: Path) -> tuple[StoreEntry, ...]:
    """Every engine in the store, most recently used first. Manifests are read, engine files are not."""
    if not folder.is_dir():
        return ()
    found = [_entry(path) for path in folder.iterdir() if path.is_dir() and _DIGEST.fullmatch(path.name)]
    return tuple(sorted(found, key=lambda entry: (-entry.last_used, entry.digest)))


def explain(folder: Path, key: EngineKey, *, pack: str = "", graph: str = "") -> tuple[Explained, ...]:
    """What the store has instead of `key`, nearest first; sound entries only.

    Nearest: related ones (`pack` and `graph` name the graph that is asked for), then the fewest differences, then the
    last use.
    """
    rows = []
    for entry in entries(folder):
        if (made := entry.manifest) is not None:
            same_graph = bool(pack) and (made.pack, made.graph) == (pack, graph)
            related = same_graph or made.key.onnx_sha256 == key.onnx_sha256
            rows.append(Explained(entry, made.key.differences(key), related))
    return tuple(sorted(rows, key=lambda row: (not row.related, len(row.differences))))


def nearest_words(folder: Path, key: EngineKey, *, pack: str = "", graph: str = "") -> str:
    """In what the nearest related engine differs from the wanted one, for an error message; "" where there is none."""
    for row in explain(folder, key, pack=pack, graph=graph):
        if row.related and row.differences:
            return f"; the nearest ({row.entry.label}) differs in {'; '.join(row.differences)}"
    return ""


def _entry(folder: Path) -> StoreEntry:
    manifest: EngineManifest | None = None
    problem = ""
    try:
        found = read_manifest(folder)
        if found.key.digest == folder.name:
            manifest = found
        else:
            problem = f"{folder}: its manifest belongs to engine {found.key.digest}"
    except EngineError as error:
        problem = str(error)
    return StoreEntry(folder.name, folder, manifest, problem, size_of(folder), _last_used(folder))


def _last_used(folder: Path) -> float:
    for path in (folder / STAMP_FILE, folder):
        try:
            return path.stat().st_mtime
        except OSError:
            continue
    return 0.0


def size_of(folder: Path) -> int:
    """Bytes of all files under `folder`; a file that disappears meanwhile counts as 0."""
    total = 0
    for path in folder.rglob("*"):
        try:
            total += path.lstat().st_size if not path.is_dir() else 0
        except OSError:
            continue
    return total
