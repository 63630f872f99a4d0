"""What is known of a stored engine: its key, where it came from, its size, its parity with the graph.

In: a folder of finished engine files and the figures of their build. Out: `EngineManifest`, and its JSON text, which
contains a SHA-256 over itself.
"""

from __future__ import annotations

import dataclasses
import datetime
import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from edgecap import __version__
from edgecap.engines.errors import EdgecapError, EngineBuildError, PackSchemaError, TamperedEngineError
from edgecap.engines.packs.pack import Pack, sha256_of
from edgecap.engines.packs.schema import check_file_name, decode_strictly
from edgecap.engines.packs.specs import FileEntry
from edgecap.engines.store.key import EngineKey

MANIFEST_FILE = "manifest.json"
MANIFEST_VERSION = 1


@dataclass(frozen=True, slots=True)
class EngineManifest:
    """One stored engine.

    `key`: see `EngineKey`. `pack`, `pack_version`, `graph`: name, version and graph path ("detector.graph") that it was
    first built for; an engine serves every pack with the same graph. `engine_file`: the one of `files` that is
    opened. `parity`: figure -> value against the graph that it was compiled from ("tokens.cosine"); {} where none
    could be measured, and `parity_note` then says why. `drift_allowed`: published though its gate failed, on request.
    `onnx_bytes`: of the graph with all its weights. `created_utc`: "2026-01-01T00:00:00Z".
    """

    key: EngineKey
    pack: str
    pack_version: str
    graph: str
    engine_file: str
    files: dict[str, FileEntry]
    parity: dict[str, float]
    parity_note: str
    drift_allowed: bool
    build_seconds: float
    onnx_bytes: int
    created_utc: str
    edgecap_version: str

    @property
    def engine_bytes(self) -> int:
        """Size of all files of the engine."""
        return sum(entry.bytes for entry in self.files.values())


@dataclass(frozen=True, slots=True)
class _SealedManifest:
    """manifest.json as it is on disk."""

    manifest_version: int
    manifest_sha256: str
    engine: EngineManifest


def describe(
    folder: Path,
    *,
    key: EngineKey,
    pack: Pack,
    graph: str,
    engine_file: str,
    build_seconds: float,
    onnx_bytes: int,
    parity: Mapping[str, float] | None = None,
    parity_note: str = "",
    drift_allowed: bool = False,
) -> EngineManifest:
    """The manifest of the files in `folder` (every file in it, hashed now), made at this moment by this edgecap.

    Raises `EngineBuildError` where `engine_file` is missing, empty, or a parity figure is not a finite number.
    """
    names = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
    files = {name: FileEntry(sha256_of(folder / name), (folder / name).stat().st_size) for name in names}
    if engine_file not in files or files[engine_file].bytes == 0:
        raise EngineBuildError(f"{graph}: the compiler wrote no {engine_file}, or an empty one; nothing was published")
    for name, value in (parity or {}).items():
        if not math.isfinite(value):
            raise EngineBuildError(
                f"{graph}: parity figure {name} is {value}; the engine's output is not finite, build it again"
            )
    return EngineManifest(
        key=key,
        pack=pack.spec.name,
        pack_version=pack.spec.version,
        graph=graph,
        engine_file=engine_file,
        files=files,
        parity={name: float(value) for name, value in (parity or {}).items()},
        parity_note=parity_note,
        drift_allowed=drift_allowed,
        build_seconds=round(float(build_seconds), 3),
        onnx_bytes=onnx_bytes,
        created_utc=datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        edgecap_version=__version__,
    )


def encode_manifest(manifest: EngineManifest) -> str:
    """The text of manifest.json, indented, with a final newline. Same manifest, same bytes."""
    sealed = _SealedManifest(MANIFEST_VERSION, _seal(manifest), manifest)
    return json.dumps(dataclasses.asdict(sealed), indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def read_manifest(folder: Path) -> EngineManifest:
    """The manifest of a stored engine. Raises `TamperedEngineError` where it is missing, unreadable, of another version
    or layout, names a file outside its folder, or was edited after it was written."""
    path = folder / MANIFEST_FILE
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise TamperedEngineError(f"{path}: can't be read ({_reason(error)}); {AGAIN}") from error
    try:
        sealed = decode_strictly(text, _SealedManifest)
        for name in sealed.engine.files:
            check_file_name(name, at=f"$.engine.files[{name!r}]")
    except PackSchemaError as error:
        raise TamperedEngineError(f"{path}: {error}; {AGAIN}") from None
    if sealed.manifest_version != MANIFEST_VERSION:
        raise TamperedEngineError(
            f"{path}: manifest version {sealed.manifest_version}, this edgecap reads {MANIFEST_VERSION}; {AGAIN}"
        )
    if sealed.manifest_sha256 != _seal(sealed.engine):
        raise TamperedEngineError(f"{path}: was edited after the engine was published (its SHA-256 differs); {AGAIN}")
    if sealed.engine.engine_file not in sealed.engine.files:
        raise TamperedEngineError(f"{path}: engine_file {sealed.engine.engine_file!r} is not one of its files; {AGAIN}")
    return sealed.engine


def check_files(folder: Path, manifest: EngineManifest) -> None:
    """Raise `TamperedEngineError` naming the first file that is missing, a link, cut short, changed or not listed.

    Reads every byte. Hidden files are ignored (the store's own stamp is one).
    """
    found = {path.relative_to(folder).as_posix() for path in folder.rglob("[!.]*") if not path.is_dir()}
    for name in sorted(found - set(manifest.files) - {MANIFEST_FILE}):
        raise TamperedEngineError(f"{folder}: contains {name}, which its manifest doesn't list; {AGAIN}")
    for name, want in manifest.files.items():
        path = folder / name
        if path.is_symlink() or not path.is_file():
            raise TamperedEngineError(f"{path}: is missing, or not a plain file; {AGAIN}")
        size = path.stat().st_size
        if size != want.bytes:
            raise TamperedEngineError(f"{path}: expected {want.bytes} bytes, got {size}; {AGAIN}")
        try:
            got = sha256_of(path)
        except EdgecapError as error:
            raise TamperedEngineError(f"{path}: can't be read; {AGAIN}") from error
        if got != want.sha256:
            raise TamperedEngineError(f"{path}: expected SHA-256 {want.sha256[:16]}..., got {got[:16]}...; {AGAIN}")


def _seal(manifest: EngineManifest) -> str:
    """SHA-256 over everything else in the file. It detects an edit or a bad disk, not a forger, who can write both."""
    text = json.dumps(dataclasses.asdict(manifest), sort_keys=True, ensure_ascii=False, allow_nan=False)
    return hashlib.sha256(text.encode("utf-8")).hexdigest()


def _reason(error: OSError | UnicodeDecodeError) -> str:
    return (error.strerror or str(error)) if isinstance(error, OSError) else "not UTF-8"


AGAIN = "build it again with edgecap build, or remove it with edgecap engines gc --damaged"
