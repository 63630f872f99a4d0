"""A role into a pack folder: a new pack, or an existing one whose role is replaced; at once or not at all.

In: a `RoleExport`, the folder its files were written to, the pack's folder. Out: the `PackSpec` that was published.

    DIR/.pack.fresh-PID/   hard links to the files that stay + the new role's files + pack.json
    exchange names with DIR/pack/ (one system call), remove the old folder

A crash before the exchange leaves the old pack, after it the new one; where the file system can't exchange two names,
the old folder is set aside first, and `recover_folder` (run by the next merge) puts it back.
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, fields, is_dataclass, replace
from pathlib import Path
from typing import Any

from edgecap.engines.errors import OutputError, PackError, UsageError
from edgecap.engines.files import recover_folder, replace_folder
from edgecap.engines.packs.pack import PACK_FILE, SHIPPED_FOLDER, Pack, shipped_packs, unlisted_candidates
from edgecap.engines.packs.specs import PackSpec
from edgecap.engines.packs.writer import write_pack
from edgecap.export.job import Role, RoleExport
from edgecap.export.publish.gate import report

ROLES: tuple[Role, ...] = ("detector", "segmenter", "captioner", "pose")


@dataclass(frozen=True, slots=True)
class Merged:
    """`spec`: what was published. `notes`: what a person should know, e.g. that the domain check had to go."""

    spec: PackSpec
    notes: tuple[str, ...]


def merge_role(pack: Path, role_export: RoleExport, staged: Path, *, drift: Sequence[str] = ()) -> Merged:
    """Publish the role: `staged` holds its files and is emptied. `drift`: failures that --allow-drift let through.

    Raises `OutputError` (disk full, not writable) with the old pack as it was, and whatever `Pack.open` raises where
    the folder holds a pack that is not whole.
    """
    # Between reading the old pack and putting the new one in its place no other export may do the same, or its role
    # would be lost.
    with fresh_folder(pack) as fresh, _alone(pack.parent):
        recover_folder(pack)
        old = open_existing(pack)
        kept = _files_that_stay(old, role_export.role)
        for name in kept:
            _link(old.folder / name, fresh / name)  # type: ignore[union-attr]
        for name in _documents(old):
            _link(old.folder / name, fresh / name)  # type: ignore[union-attr]
        _check_names(staged, kept, role_export.role)
        for path in sorted(p for p in staged.rglob("*") if p.is_file()):
            target = fresh / path.relative_to(staged)
            target.parent.mkdir(parents=True, exist_ok=True)
            os.replace(path, target)
        _write_reports(fresh, role_export, drift)
        spec, notes = _merged_spec(old.spec if old else _empty_spec(pack.name), role_export, drift)
        written = write_pack(fresh, spec)
        Pack.open(fresh)  # what a reader would refuse is not published
        replace_folder(fresh, pack)
    return Merged(written, notes)


def open_existing(pack: Path) -> Pack | None:
    """The pack in a folder; None where there is no folder or an empty one. Raises `OutputError` where the folder holds
    something else, as nothing of a person's may be replaced."""
    if (pack / PACK_FILE).is_file():
        return Pack.open(pack)
    if pack.exists() and (not pack.is_dir() or any(pack.iterdir())):
        raise OutputError(f"{pack}: exists and is not a pack (no {PACK_FILE}); choose another --out or empty it")
    return None


def refuse_shipped(pack: Path) -> None:
    """`pack`: as the person wrote it. Raise `UsageError` for the bare name of a shipped pack, which would go on meaning
    that one, and `OutputError` for its installed folder, which every user of the installation reads."""
    if str(pack) in shipped_packs():
        raise UsageError(
            f"--out {pack}: is the name of a pack that ships with edgecap, and --pack {pack} would go on meaning that "
            "one; choose another name"
        )
    folder = pack.expanduser().resolve()
    if folder.is_relative_to(SHIPPED_FOLDER.resolve()):
        raise OutputError(f"{folder}: ships with edgecap and is not changed; copy it and name the copy as --out")


def files_of_role(spec: PackSpec, role: Role) -> set[str]:
    """Names that pack.json's role, its twins and its reports use; external data beside a graph are not named there."""
    names = {f"parity.{role}.json", f"sensitivity.{role}.json", *_named_files(getattr(spec, role))}
    return names | {graph.file for path, graph in spec.twins.items() if path.split(".")[0] == role}


def _named_files(held: Any) -> Iterator[str]:
    """Every file that a role names, however deep: `file` of a graph, and fields whose names end in _file."""
    if not is_dataclass(held):
        return
    for one in fields(held):
        value = getattr(held, one.name)
        if isinstance(value, str) and (one.name == "file" or one.name.endswith("_file")):
            yield value
        yield from _named_files(value)


def _files_that_stay(old: Pack | None, role: Role) -> list[str]:
    """Files of the old pack that don't belong to `role` alone."""
    if old is None:
        return []
    others = set().union(*(files_of_role(old.spec, other) for other in ROLES if other != role))
    if old.spec.domain is not None and role != "detector":
        others.add(old.spec.domain.file)
    leaving = files_of_role(old.spec, role)
    if role == "detector" and old.spec.domain is not None:
        leaving.add(old.spec.domain.file)

    def stays(name: str) -> bool:
        if any(name == other or name.startswith(f"{other}.") for other in others):
            return True
        if any(name == gone or name.startswith(f"{gone}.") for gone in leaving):  # a graph's external data too
            return False
        return not name.startswith((f"{role}.", f"{role}_", f"{role}-"))

    return [name for name in old.spec.files if stays(name)]


def _documents(old: Pack | None) -> list[str]:
    """Unlisted words for people (README, LICENSE) at the top of the old pack."""
    if old is None:
        return []
    listed = {*unlisted_candidates(old.folder), PACK_FILE}
    return [p.name for p in old.folder.iterdir() if p.is_file() and p.name not in listed and not p.name.startswith(".")]


def _check_names(staged: Path, kept: Sequence[str], role: Role) -> None:
    for path in staged.rglob("*"):
        name = path.relative_to(staged).as_posix()
        if name in kept:
            raise PackError(f"{name}: the {role}'s file has the name of another role's; rename it in the recipe")


def _write_reports(folder: Path, role_export: RoleExport, drift: Sequence[str]) -> None:
    parity = {
        **report(role_export.comparisons, drift),
        "source": role_export.source,
        "kept_high": role_export.kept_high,
    }
    _write_json(folder / f"parity.{role_export.role}.json", parity)
    if role_export.sensitivity:
        _write_json(folder / f"sensitivity.{role_export.role}.json", list(role_export.sensitivity))


def _write_json(path: Path, content: Any) -> None:
    path.write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def _merged_spec(old: PackSpec, made: RoleExport, drift: Sequence[str]) -> tuple[PackSpec, tuple[str, ...]]:
    role = made.role
    twins = {path: graph for path, graph in old.twins.items() if path.split(".")[0] != role} | made.twins
    licences = _licences(old) | {role: made.licence}
    drifts = [line for line in old.source.get("drift", "").split("\n") if line and not line.startswith(f"{role}: ")]
    drifts += [f"{role}: {line}" for line in drift]
    source = {k: v for k, v in old.source.items() if k not in ("drift", f"licence of {role}", role)}
    source |= {role: made.source, **{f"licence of {r}": text for r, text in licences.items()}}
    if drifts:
        source["drift"] = "\n".join(drifts)
    drop_domain = role == "detector" and old.domain is not None
    notes = ("the domain check was calibrated on the old detector and is gone",) if drop_domain else ()
    changes: dict[str, Any] = {role: made.spec}
    spec = replace(
        old,
        version=str(int(old.version) + 1) if old.version.isdecimal() else f"{old.version}+{role}",
        licence=" AND ".join(sorted({text.casefold(): text for text in licences.values()}.values())),
        source=source,
        files={},
        domain=None if drop_domain else old.domain,
        twins=twins,
        **changes,
    )
    return spec, notes


def _licences(old: PackSpec) -> dict[str, str]:
    """Role -> licence; a pack made at once has one for all."""
    present = [role for role in ROLES if getattr(old, role) is not None]
    return {role: old.source.get(f"licence of {role}", old.licence) for role in present}


def _empty_spec(name: str) -> PackSpec:
    return PackSpec(name, "0", "", {}, {}, None, None, None, None)


@contextmanager
def fresh_folder(pack: Path) -> Iterator[Path]:
    """An empty folder beside `pack`, to be filled and put in its place (`replace_folder`); removed whatever happens. A
    failing disk becomes `OutputError`."""
    fresh = pack.with_name(f".{pack.name}.fresh-{os.getpid()}")
    try:
        shutil.rmtree(fresh, ignore_errors=True)
        fresh.mkdir(parents=True)
        yield fresh
    except OSError as error:
        raise OutputError(
            f"{pack}: can't be written ({error.strerror or error}); what was there is unchanged; free the disk or "
            "choose another --out"
        ) from error
    finally:
        shutil.rmtree(fresh, ignore_errors=True)


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """One process at a time inside the with block; others wait. The folder itself is locked (flock(2)): whatever kills
    the holder frees it, and no file is left behind. Raises OSError where it can't be opened or locked."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _link(source: Path, target: Path) -> None:
    """A hard link, a copy where the file system has none. Files of a pack are never changed in place."""
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)
