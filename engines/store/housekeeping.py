"""Verify the engines of a store, and remove those that may go.

In: an `EngineStore`. Out: `StoreEntry` and rows about them; a damaged entry is a result, not an exception.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass

from edgecap.engines.errors import EngineError, OutputError, StoreBusyError
from edgecap.engines.store.entries import StoreEntry, entries, size_of
from edgecap.engines.store.file_lock import locked
from edgecap.engines.store.manifest import check_files
from edgecap.engines.store.store import EngineStore, sweep

_DAY_SECONDS = 86400.0


@dataclass(frozen=True, slots=True)
class Collected:
    """What `collect` did. `removed`: entry and reason. `busy`: digests kept because a build holds their lock.
    `leftovers`: how many folders of killed builds were removed. Sizes in bytes."""

    removed: tuple[tuple[StoreEntry, str], ...]
    busy: tuple[str, ...]
    leftovers: int
    freed_bytes: int
    kept_bytes: int


def verify(store: EngineStore) -> tuple[StoreEntry, ...]:
    """As `entries`, with every byte read: a file that is cut, changed, missing or unlisted is the entry's `problem`."""
    return tuple(_verified(entry) for entry in entries(store.folder))


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

    Entries whose manifest can't be trusted count as never used; `damaged` removes them, and those that fail
    `verify`, whatever the limits. Leftovers of killed builds are always removed, timing caches only where `timing` is
    true. An engine whose lock a build holds is kept. `dry_run` only reports what would be removed.
    Raises `OutputError` where the store can't be written.
    """
    kept = list(verify(store) if damaged else entries(store.folder))
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
        timing_bytes = size_of(store.timing_folder)
        if not dry_run:
            shutil.rmtree(store.timing_folder, ignore_errors=True)
    freed = sum(entry.bytes for entry, _ in removed)
    kept_bytes = sum(entry.bytes for entry in entries(store.folder)) - (freed if dry_run else 0)
    return Collected(tuple(removed), tuple(busy), swept, freed + timing_bytes, kept_bytes)


def _verified(entry: StoreEntry) -> StoreEntry:
    if entry.manifest is None:
        return entry
    try:
        check_files(entry.folder, entry.manifest)
    except EngineError as error:
        return StoreEntry(entry.digest, entry.folder, None, str(error), entry.bytes, entry.last_used)
    return entry


def _too_old(entry: StoreEntry, keep_days: float | None, *, damaged: bool) -> str:
    if damaged and entry.problem:
        return entry.problem
    days = (time.time() - entry.last_used) / _DAY_SECONDS
    if keep_days is not None and days > keep_days:
        return f"not used for {days:.0f} days"
    return ""


def _remove(store: EngineStore, entry: StoreEntry) -> bool:
    """Rename it away, then delete it: a reader finds all of it or none. False where a build holds its lock."""
    try:
        lock = store.lock_path(entry.digest)
        lock.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with locked(lock, label=entry.digest, wait_seconds=0):
            grave = store.folder / "building"
            grave.mkdir(mode=0o700, exist_ok=True)
            sweep(store.folder, entry.digest)
            entry.folder.rename(grave / f"{entry.digest}.gone")
            store.kernels_path(entry.digest).unlink(missing_ok=True)  # useless without the engine
            sweep(store.folder, entry.digest)
    except StoreBusyError:
        return False
    except FileNotFoundError:
        return True  # another process removed it
    except OSError as error:
        raise OutputError(f"{entry.folder}: can't be removed ({error.strerror}); check its permissions") from error
    return True


def _abandoned(store: EngineStore) -> Iterator[str]:
    """Digests with unfinished folders, whether or not their builds still run."""
    building = store.folder / "building"
    yield from sorted({path.name.partition(".")[0] for path in building.glob("*.*")} if building.is_dir() else ())


def _sweep_free(store: EngineStore, digest: str) -> int:
    try:
        with locked(store.lock_path(digest), label=digest, wait_seconds=0):
            return sweep(store.folder, digest)
    except (StoreBusyError, OutputError):
        return 0  # its build still runs
