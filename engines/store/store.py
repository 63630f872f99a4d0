"""Compiled engines on disk, by a digest of everything that they depend on.

    <store>/<digest of the key>/{engine files, manifest.json}     published whole, or not there
    <store>/building/<digest>.<random>/                           an unfinished engine, on the same disk
    <store>/locks/<digest>.lock                                   see `file_lock`
    <store>/timing/                                               timing caches of the compilers

In: an `EngineKey`. Out: a `StoredEngine` whose every byte was compared with its manifest, or an error that
says which part of the key differs.
"""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from edgecap.engines.caches import cache_folder
from edgecap.engines.errors import EngineError, EngineMismatchError, OutputError
from edgecap.engines.files import replace_folder
from edgecap.engines.store.entries import STAMP_FILE, nearest_words
from edgecap.engines.store.file_lock import locked
from edgecap.engines.store.key import EngineKey
from edgecap.engines.store.manifest import MANIFEST_FILE, EngineManifest, check_files, encode_manifest, read_manifest

STORE_VARIABLE = "EDGECAP_ENGINES"
_SPARE_BYTES = 64 << 20
"""Kept free on the disk beyond what a build needs."""
_FULL = (errno.ENOSPC, errno.EDQUOT)


@dataclass(frozen=True, slots=True)
class StoredEngine:
    """An engine that was found. `folder`: absolute."""

    folder: Path
    manifest: EngineManifest

    @property
    def path(self) -> Path:
        """The file that a session opens."""
        return self.folder / self.manifest.engine_file


class EngineStore:
    """A folder of engines. `folder` None: $EDGECAP_ENGINES, else ~/.cache/edgecap/engines (or below $XDG_CACHE_HOME).

    Nothing is created before the first build.
    """

    def __init__(self, folder: str | Path | None = None) -> None:
        self.folder = (Path(folder) if folder is not None else default_folder()).absolute()

    def __repr__(self) -> str:
        return f"EngineStore({str(self.folder)!r})"

    @property
    def timing_folder(self) -> Path:
        """Where builders keep timing caches; made by `building`."""
        return self.folder / "timing"

    def entry_folder(self, digest: str) -> Path:
        """Folder of the engine with that digest, built or not."""
        return self.folder / digest

    def lock_path(self, digest: str) -> Path:
        """The lock that a build of that engine holds."""
        return self.folder / "locks" / f"{digest}.lock"

    def kernels_path(self, digest: str) -> Path:
        """Cache of the kernels that TensorRT-RTX compiled when it opened that engine."""
        return self.timing_folder / f"{digest}.kernels"

    def find(self, key: EngineKey) -> StoredEngine | None:
        """The engine of `key`, its manifest read but its files not; None where none was published.

        Raises `TamperedEngineError` and `EngineMismatchError` as `open_checked` does, for the manifest alone.
        """
        folder = self.entry_folder(key.digest)
        if not folder.is_dir():
            return None
        manifest = read_manifest(folder)
        if found := manifest.key.differences(key):
            raise EngineMismatchError(
                f"{folder}: contains an engine made for something else: {'; '.join(found)}; {_BUILD}"
            )
        return StoredEngine(folder, manifest)

    def open_checked(self, key: EngineKey) -> StoredEngine:
        """The engine of `key`, every byte compared with its manifest; its last use is now.

        Raises `EngineMismatchError` where the store has none and the nearest differs (the message says in what), or
        where the folder holds an engine of another key; `TamperedEngineError` where manifest or files are not what was
        published; `EngineError` where the store is empty.
        """
        engine = self.find(key)
        if engine is None:
            raise self._absent(key)
        check_files(engine.folder, engine.manifest)
        with contextlib.suppress(OSError):  # a read-only store works too; its use is not recorded
            (engine.folder / STAMP_FILE).touch()
        return engine

    @contextlib.contextmanager
    def building(
        self,
        key: EngineKey,
        *,
        wait_seconds: float = 0.0,
        needs_bytes: int = 0,
        say: Callable[[str], None] = lambda line: None,
    ) -> Iterator[Build]:
        """Hold the right to build the engine of `key`; see `Build` for what to do inside the with block.

        `wait_seconds`: how long to wait for another build; `say` gets a line when that begins. `needs_bytes`: free
        space that is required. The temporary folder is removed afterwards, whatever happened, and nothing is in the
        store that was not published. Raises `StoreBusyError` (another process is building it) and `OutputError` (not
        enough space, the disk ran full inside the block, the folder can't be written).
        """
        digest = key.digest
        try:
            self._make_folders()
            with locked(self.lock_path(digest), label=f"engine {digest}", wait_seconds=wait_seconds, say=say):
                sweep(self.folder, digest)
                self._check_space(needs_bytes)
                scratch = self._make_scratch(digest)
                try:
                    yield Build(self, key, folder=scratch, existing=self._usable(key))
                finally:
                    shutil.rmtree(scratch, ignore_errors=True)
        except OSError as error:
            if error.errno not in _FULL:
                raise
            raise OutputError(
                f"{self.folder}: the disk ran full while engine {digest} was built, nothing was published; "
                f"free some space (edgecap engines gc --max-gb 2), or set {STORE_VARIABLE} to another disk"
            ) from error

    def _usable(self, key: EngineKey) -> StoredEngine | None:
        """An engine that need not be built again; a damaged one must be."""
        with contextlib.suppress(EngineError):
            return self.open_checked(key)
        return None

    def _absent(self, key: EngineKey) -> EngineError:
        words = nearest_words(self.folder, key)
        kind = EngineMismatchError if words else EngineError
        return kind(f"{self.folder}: no engine {key.digest} for {key.target}{words}; {_BUILD}")

    def _make_folders(self) -> None:
        with _written(self.folder):
            for name in ("building", "locks", "timing"):
                (self.folder / name).mkdir(mode=0o700, parents=True, exist_ok=True)

    def _make_scratch(self, digest: str) -> Path:
        with _written(self.folder):
            return Path(tempfile.mkdtemp(prefix=f"{digest}.", dir=self.folder / "building"))

    def _check_space(self, needs_bytes: int) -> None:
        free = shutil.disk_usage(self.folder).free
        if free < needs_bytes + _SPARE_BYTES:
            raise OutputError(
                f"{self.folder}: an engine needs about {(needs_bytes + _SPARE_BYTES) / 1e6:.0f} MB here, "
                f"{free / 1e6:.0f} MB are free; free some space (edgecap engines gc --max-gb 2), "
                f"or set {STORE_VARIABLE} to another disk"
            )


class Build:
    """The right to build one engine. Made by `EngineStore.building`, valid only inside its with block.

    `existing`: a sound engine of this key that is already there (another process may have finished it while this one
    waited): use it, and publish nothing. `folder`: empty, on the store's disk; write the engine's files into it, then
    `publish`. Without `publish` everything in it is deleted.
    """

    def __init__(self, store: EngineStore, key: EngineKey, *, folder: Path, existing: StoredEngine | None) -> None:
        self.key, self.folder, self.existing = key, folder, existing
        self._store = store

    def publish(self, manifest: EngineManifest) -> StoredEngine:
        """Put the folder into the store in one step, replacing an older engine of the same key.

        Raises `EngineMismatchError` for the manifest
        of another key, `TamperedEngineError` where the files are not those of `manifest`, `OutputError` on a full disk
        (by the with block).
        """
        if found := manifest.key.differences(self.key):
            raise EngineMismatchError(f"the manifest is not of the engine being built: {'; '.join(found)}")
        check_files(self.folder, manifest)
        (self.folder / MANIFEST_FILE).write_text(encode_manifest(manifest), encoding="utf-8")
        (self.folder / STAMP_FILE).touch()
        final = self._store.entry_folder(self.key.digest)
        replace_folder(self.folder, final, aside=self._store.folder / "building" / f"{self.key.digest}.old")
        sweep(self._store.folder, self.key.digest)
        return StoredEngine(final, manifest)


def default_folder() -> Path:
    """$EDGECAP_ENGINES, else edgecap/engines in the user's cache folder."""
    if given := os.environ.get(STORE_VARIABLE):
        return Path(given).expanduser()
    return cache_folder("edgecap") / "engines"


def sweep(store: Path, digest: str) -> int:
    """Remove what killed builds of one engine left; the caller must hold its lock. Returns the number of folders."""
    left = list((store / "building").glob(f"{digest}.*"))
    for folder in left:
        shutil.rmtree(folder, ignore_errors=True)
    return len(left)


@contextlib.contextmanager
def _written(folder: Path) -> Iterator[None]:
    """Permissions and the like as `OutputError`; a full disk is reported by `EngineStore.building`."""
    try:
        yield
    except OSError as error:
        if error.errno in _FULL:
            raise
        raise OutputError(
            f"{folder}: can't be written ({error.strerror}); set {STORE_VARIABLE} to a folder that can"
        ) from error


_BUILD = "run edgecap build for this device"
