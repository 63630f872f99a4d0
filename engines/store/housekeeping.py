"""What is in an engine store, and what may go: list, verify, explain, collect.

In: an `EngineStore`. Out: `StoreEntry` and rows about them; nothing here raises because of one damaged entry, which is
what these are asked about.
"""

from __future__ import annotations

import re
import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from edgecap.engines.errors import EngineError, OutputError, StoreBusyError
from edgecap.engines.store.file_lock import locked
from edgecap.engines.store.key import EngineKey
from edgecap.engines.store.manifest import EngineManifest, check_files, read_manifest
from edgecap.engines.store.store import STAMP_FILE, EngineStore, sweep

_DIGEST = re.compile(r"[0-9a-f]{32}")
_DAY_SECONDS = 86400.0


@dataclass(frozen=True, slots=True)
class StoreEntry:
    """One folder of the store. `manifest` is None where it can't be trusted, and `problem` then says why ("" = sound).

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
    """One entry against a wanted key. `differences`: in words; () where it is the very one.

    `related`: made from the same weights, or for the same place of the same pack.
    """

    entry: StoreEntry
    differences: tuple[str, ...]
    related: bool


@dataclass(frozen=True, slots=True)
class Collected:
    """What `collect` did. `removed`: entry and why. `busy`: digests left since a builder is at them. Sizes in bytes."""

    removed: tuple[tuple[StoreEntry, str], ...]
    busy: tuple[str, ...]
    leftovers: int
    freed_bytes: int
    kept_bytes: int


def entries(store: EngineStore) -> tuple[StoreEntry, ...]:
    """Every engine in the store, last used first. Manifests are read, engine files are not."""
    if not store.folder.is_dir():
        return ()
    found = [_entry(path) for path in store.folder.iterdir() if path.is_dir() and _DIGEST.fullmatch(path.name)]
    return tuple(sorted(found, key=lambda entry: (-entry.last_used, entry.digest)))


def verify(store: EngineStore) -> tuple[StoreEntry, ...]:
    """As `entries`, with every byte read: a file that is cut, changed, missing or unlisted is the entry's `problem`."""
    return tuple(_verified(entry) for entry in entries(store))


def explain(store: EngineStore, key: EngineKey, *, pack: str = "", graph: str = "") -> tuple[Explained, ...]:
    """What the store has instead of `key`, nearest first; sound entries only.

    Nearest: related ones (`pack` and `graph` name the place that is asked for), then the fewest differences, then the
    last use.
    """
    rows = []
    for entry in entries(store):
        if (made := entry.manifest) is not None:
            same_place = bool(pack) and (made.pack, made.graph) == (pack, graph)
            related = same_place or made.key.onnx_sha256 == key.onnx_sha256
            rows.append(Explained(entry, made.key.differences(key), related))
    return tuple(sorted(rows, key=lambda row: (not row.related, len(row.differences))))


def nearest_words(store: EngineStore, key: EngineKey, *, pack: str = "", graph: str = "") -> str:
    """How the nearest related engine is not the wanted one, to be put into an error; "" where there is none."""
    for row in explain(store, key, pack=pack, graph=graph):
        if row.related and row.differences:
            return f"; the nearest ({row.entry.label}) differs in {'; '.join(row.differences)}"
    return ""


def collect(
    store: EngineStore,
    *,
    max_bytes: int | None = None,
    keep_days: float | None = None,
    damaged: bool = False,
    timing: bool = False,
    dry_run: bool = False,
) -> Collected:
    """Remove engines not used for `keep_days`, then those unused for longest until at most `max_bytes` are left.

    Entries whose manifest can't be trusted serve nobody and count as never used; `damaged` removes them, and those
    that fail `verify`, whatever the limits. What killed builds left is swept always, timing caches only where `timing`
    is true. An engine whose lock a builder holds is left. `dry_run` says what would go. Raises `OutputError` where the
    store can't be written.
    """
    kept = list(verify(store) if damaged else entries(store))
    doomed = [(entry, reason) for entry in kept if (reason := _too_old(entry, keep_days, damaged=damaged))]
    kept = [entry for entry in kept if entry not in [gone for gone, _ in doomed]]
    if max_bytes is not None:
        total = sum(entry.bytes for entry in kept)
        for entry in sorted(kept, key=lambda e: (not e.problem, e.last_used)):
            if total <= max_bytes:
                break
            doomed.append((entry, f"unused for longest, and the store is over {max_bytes / 1e9:g} GB"))
            total -= entry.bytes
    removed, busy = [], []
    for entry, reason in doomed:
        if dry_run or _remove(store, entry):
            removed.append((entry, reason))
        else:
            busy.append(entry.digest)
    swept = 0 if dry_run else sum(_sweep_free(store, digest) for digest in _abandoned(store))
    timing_bytes = 0
    if timing:
        timing_bytes = _size(store.timing_folder)
        if not dry_run:
            shutil.rmtree(store.timing_folder, ignore_errors=True)
    freed = sum(entry.bytes for entry, _ in removed)
    kept_bytes = sum(entry.bytes for entry in entries(store)) - (freed if dry_run else 0)
    return Collected(tuple(removed), tuple(busy), swept, freed + timing_bytes, kept_bytes)


def _entry(folder: Path) -> StoreEntry:
    manifest: EngineManifest | None = None
    problem = ""
    try:
        found = read_manifest(folder)
        if found.key.digest == folder.name:
            manifest = found
        else:
            problem = f"{folder}: its manifest is that of engine {found.key.digest}"
    except EngineError as error:
        problem = str(error)
    return StoreEntry(folder.name, folder, manifest, problem, _size(folder), _last_used(folder))


def _verified(entry: StoreEntry) -> StoreEntry:
    if entry.manifest is None:
        return entry
    try:
        check_files(entry.folder, entry.manifest)
    except EngineError as error:
        return StoreEntry(entry.digest, entry.folder, None, str(error), entry.bytes, entry.last_used)
    return entry


def _last_used(folder: Path) -> float:
    for path in (folder / STAMP_FILE, folder):
        try:
            return path.stat().st_mtime
        except OSError:
            continue
    return 0.0


def _size(folder: Path) -> int:
    """Of all files; one that goes away meanwhile counts nothing."""
    total = 0
    for path in folder.rglob("*"):
        try:
            total += path.lstat().st_size if not path.is_dir() else 0
        except OSError:
            continue
    return total


def _too_old(entry: StoreEntry, keep_days: float | None, *, damaged: bool) -> str:
    if damaged and entry.problem:
        return entry.problem
    days = (time.time() - entry.last_used) / _DAY_SECONDS
    if keep_days is not None and days > keep_days:
        return f"not used for {days:.0f} days"
    return ""


def _remove(store: EngineStore, entry: StoreEntry) -> bool:
    """Rename it out of sight, then delete: a reader finds all of it or none. False where a builder holds its lock."""
    try:
        lock = store.lock_path(entry.digest)
        lock.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with locked(lock, label=entry.digest, wait_seconds=0):
            grave = store.folder / "building"
            grave.mkdir(mode=0o700, exist_ok=True)
            sweep(store.folder, entry.digest)
            entry.folder.rename(grave / f"{entry.digest}.gone")
            store.kernels_path(entry.digest).unlink(missing_ok=True)  # of no use without the engine
            sweep(store.folder, entry.digest)
    except StoreBusyError:
        return False
    except FileNotFoundError:
        return True  # somebody else removed it
    except OSError as error:
        raise OutputError(f"{entry.folder}: can't be removed ({error.strerror}); check its permissions") from error
    return True


def _abandoned(store: EngineStore) -> Iterator[str]:
    """Digests with folders under way, whether their builders live or not."""
    building = store.folder / "building"
    yield from sorted({path.name.partition(".")[0] for path in building.glob("*.*")} if building.is_dir() else ())


def _sweep_free(store: EngineStore, digest: str) -> int:
    try:
        with locked(store.lock_path(digest), label=digest, wait_seconds=0):
            return sweep(store.folder, digest)
    except (StoreBusyError, OutputError):
        return 0  # its builder lives
