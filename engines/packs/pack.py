"""A model pack on disk: found by name or folder, read, and checked to be whole before one of its graphs runs.

In: a name that ships in the wheel, or a folder with a pack.json. Out: `Pack`, from which stages take their
numbers, files and sessions.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Protocol

from edgecap.engines.errors import PackError, TamperedPackError, UnknownPackError
from edgecap.engines.graph.onnx_session import open_onnx_session
from edgecap.engines.graph.providers import Provider
from edgecap.engines.graph.session import Session
from edgecap.engines.graph.spec import GraphSpec
from edgecap.engines.packs.pulled import STREET, pulled_pack
from edgecap.engines.packs.schema import content_of, decode_pack
from edgecap.engines.packs.specs import PackSpec

PACK_FILE = "pack.json"
SHIPPED_FOLDER = Path(__file__).parent

# What may be in a pack unlisted: text for people, and what Python or a file manager leaves behind.
_UNLISTED = re.compile(r"(^|/)(\.[^/]*|__pycache__/.*|__init__\.py|[^/]*\.(md|txt)|LICEN[CS]E|NOTICE)$")


class SessionOpener(Protocol):
    """Opens a pack's graphs from elsewhere than the pack; `EngineSessions` is one."""

    def open(self, pack: Pack, graph: GraphSpec, *, provider: Provider, intra_threads: int) -> Session:
        """As `Pack.open_session`."""
        ...


@dataclass(frozen=True, slots=True)
class Pack:
    """An opened pack. `folder`: absolute, links resolved. `spec`: the content of its pack.json.

    `opener`: where sessions come from; None = the graphs of the pack as they are.
    """

    folder: Path
    spec: PackSpec
    opener: SessionOpener | None = field(default=None, compare=False, repr=False)

    def __repr__(self) -> str:
        spec = self.spec
        return f"Pack({spec.name!r} {spec.version}, {len(spec.files)} files, {str(self.folder)!r})"

    @classmethod
    def open(cls, name_or_path: str | Path, *, verify: bool = True) -> Pack:
        """Open a pack that ships (by name), a folder (by path; write ./nano for a folder named like a
        shipped pack), or a pulled pack (by name, see `packs_folder`).

        `verify`: check size and SHA-256 of every file, and that there is no other. Raises `UnknownPackError`,
        `PackSchemaError`, `TamperedPackError`, and `PackError` where pack.json can't be read.
        """
        folder = _find(name_or_path).resolve()
        source = folder / PACK_FILE
        try:
            text = source.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise PackError(f"{source}: can't be read ({error}); reinstall or export the pack") from error
        pack = cls(folder, decode_pack(text, source=str(source)))
        if verify:
            pack.verify()
        return pack

    def verify(self) -> None:
        """Raise `TamperedPackError` naming the first file that is missing, changed, cut short, or not listed."""
        for name in self.spec.files:
            self._verify_file(name)
        for name in unlisted_candidates(self.folder):
            if name not in self.spec.files:
                raise TamperedPackError(
                    f"{self.folder}: contains {name}, which {PACK_FILE} doesn't list; remove the file, or {_AGAIN}"
                )

    def path(self, file: str) -> Path:
        """Absolute path of a listed file.

        Raises `TamperedPackError` for a name that isn't listed, and for a link that points outside the pack.
        """
        if file not in self.spec.files:
            raise TamperedPackError(
                f"{self.folder}: {file!r} is not listed in {PACK_FILE} "
                f"(it lists {', '.join(sorted(self.spec.files))}); {_AGAIN}"
            )
        path = (self.folder / file).resolve()
        if not path.is_relative_to(self.folder):
            raise TamperedPackError(f"{self.folder}: {file} points outside the pack folder, to {path}; {_AGAIN}")
        return path

    @property
    def digest(self) -> str:
        """12 hex digits over everything in pack.json, including the hashes of its files: packs with one name and
        version that differ in a weight, a threshold or a prompt have different digests."""
        return hashlib.sha256(json.dumps(content_of(self.spec), sort_keys=True).encode()).hexdigest()[:12]

    def using(self, opener: SessionOpener) -> Pack:
        """This pack, its sessions opened by `opener`."""
        return replace(self, opener=opener)

    def open_session(self, graph: GraphSpec, *, provider: Provider = "cpu", intra_threads: int = 1) -> Session:
        """A session over one of this pack's graphs, from the engine store where `opener` finds one: its `spec` may
        then be that of the graph's twin. Raises as `path`, `open_onnx_session` and `SessionOpener.open` do."""
        if self.opener is not None:
            return self.opener.open(self, graph, provider=provider, intra_threads=intra_threads)
        return open_onnx_session(self.path(graph.file), graph, provider=provider, intra_threads=intra_threads)

    def _verify_file(self, name: str) -> None:
        path, want = self.path(name), self.spec.files[name]
        if not path.is_file():
            raise TamperedPackError(f"{self.folder}: {name} is missing; {_AGAIN}")
        size = path.stat().st_size
        if size != want.bytes:
            raise TamperedPackError(f"{path}: expected {want.bytes} bytes, got {size}; {_AGAIN}")
        got = sha256_of(path)
        if got != want.sha256:
            raise TamperedPackError(f"{path}: expected SHA-256 {want.sha256}, got {got}; {_AGAIN}")


def shipped_packs() -> tuple[str, ...]:
    """Names of the packs inside this installation, sorted."""
    return tuple(sorted(path.parent.name for path in SHIPPED_FOLDER.glob(f"*/{PACK_FILE}")))


def sha256_of(path: Path) -> str:
    """Hex SHA-256 of a file. Raises `PackError` where it can't be read."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise PackError(f"{path}: can't be read ({error}); check its permissions") from error


def unlisted_candidates(folder: Path) -> Iterator[str]:
    """Names (forward slashes, sorted) of all files under `folder` that a pack.json has to list."""
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if name != PACK_FILE and not _UNLISTED.search(name) and not path.is_dir():
            yield name


def _find(name_or_path: str | Path) -> Path:
    if isinstance(name_or_path, str) and name_or_path in shipped_packs():
        return SHIPPED_FOLDER / name_or_path
    folder = Path(name_or_path)
    if folder.name == PACK_FILE:
        folder = folder.parent
    if not (folder / PACK_FILE).is_file():
        if len(folder.parts) == 1 and (pulled := pulled_pack(folder.name)) is not None:
            return pulled
        if (folder / "config.json").is_file():
            raise UnknownPackError(
                f"{folder}: is a checkpoint folder (config.json), not a pack (no {PACK_FILE}); make a pack of it with "
                "edgecap export"
            )
        shipped = ", ".join(shipped_packs()) or "none"
        raise UnknownPackError(
            f"no pack {str(name_or_path)!r}: none of that name ships (shipped: {shipped}) "
            f"and no folder of that name contains a {PACK_FILE}; "
            + (
                "edgecap pull street makes it"
                if str(name_or_path) == STREET
                else "name a shipped pack, or the folder that edgecap export wrote"
            )
        )
    return folder


_AGAIN = "reinstall edgecap, or write the pack again with edgecap export"
