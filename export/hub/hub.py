"""A checkpoint from the model hub, of one revision, whole: what is fetched is checked against the hub's own checksums.

In: "org/name[@revision]". Out: `Fetched`, a folder in the hub's cache that `Checkpoint.open` reads. huggingface_hub
keeps the cache, `hub_transfer` takes up an interrupted transfer; here are the choice of files, the room on the disk,
the checksums and the words of every failure.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import partial
from pathlib import Path
from typing import Any

from edgecap.engines.errors import HubError, MissingExtraError, OutputError
from edgecap.export.hub.transfer import LARGE_BYTES, OnBytes, transfer

CHECKPOINT_FILES = ("*.json", "*.safetensors", "*.txt", "*.jinja", "*.model", "README.md", "LICENSE*", "NOTICE*")
"""What a checkpoint consists of. Pickled weights (.bin, .pt) are never fetched."""
HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*/[\w.-]+")
COMMIT = re.compile(r"[0-9a-f]{40}")
STILL_WORKS = (
    "what still works without it: pack nano, packs already made, checkpoint folders you bring "
    "(edgecap pull PACK --from DIR, edgecap export RECIPE --checkpoint DIR)"
)
_SPARE_BYTES = 512 * 1024**2  # left free beside what is fetched
_TIMEOUT_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class Watch:
    """Callbacks of a fetch. `on_file`: (name, its number from 1, how many, bytes to come; 0 where it is there
    already), before each file. `on_bytes`: (name, bytes of it that have arrived), for large ones."""

    on_file: Callable[[str, int, int, int], None] = lambda name, number, of, size: None
    on_bytes: Callable[[str, int], None] = lambda name, there: None


@dataclass(frozen=True, slots=True)
class HubId:
    """`revision`: a commit, tag or branch; "main" where none was named."""

    repo: str
    revision: str = "main"

    @classmethod
    def parse(cls, text: str) -> HubId | None:
        """ "org/name" or "org/name@revision"; None where the text has another form."""
        repo, at, revision = text.partition("@")
        if not HUB_ID.fullmatch(repo) or (at and not revision):
            return None
        return cls(repo, revision or "main")

    @property
    def pinned(self) -> bool:
        """Whether the revision can't move: a full commit."""
        return COMMIT.fullmatch(self.revision) is not None


@dataclass(frozen=True, slots=True)
class Fetched:
    """`folder`: the snapshot. `commit`: what the revision was. `from_cache`: why the hub wasn't asked, "" where it
    was."""

    folder: Path
    repo: str
    commit: str
    from_cache: str = ""


@dataclass(frozen=True, slots=True)
class _File:
    name: str
    size: int
    sha256: str | None
    git_sha1: str | None


def fetch(
    hub_id: HubId,
    *,
    files: Sequence[str] = CHECKPOINT_FILES,
    cache: Path | None = None,
    endpoint: str | None = None,
    watch: Watch = Watch(),
) -> Fetched:
    """Download what is missing of a revision. `cache`, `endpoint`: the hub's own settings (HF_HOME, HF_ENDPOINT)
    where None. HF_HUB_OFFLINE=1: the cache alone.

    Raises `HubError` (out of reach and not in the cache; no such model or revision; gated; a wrong checksum),
    `OutputError` (no room), `MissingExtraError` (no huggingface_hub).
    """
    hub = _import_hub()
    endpoint = endpoint or os.environ.get("HF_ENDPOINT") or None
    if hub.constants.is_offline_mode():
        return _from_cache(hub, hub_id, cache, why="HF_HUB_OFFLINE is set", cause=None)
    try:
        with _hub_errors(hub, hub_id):
            info = hub.HfApi(endpoint=endpoint).model_info(
                hub_id.repo, revision=hub_id.revision, files_metadata=True, timeout=_TIMEOUT_SECONDS
            )
    except _OutOfReach as error:
        return _from_cache(hub, hub_id, cache, why=str(error), cause=error)
    chosen = _choose(info, files, hub_id)
    room = Path(cache or hub.constants.HF_HUB_CACHE)
    missing = [f for f in chosen if not _is_cached(hub, f, hub_id.repo, info.sha, cache)]
    _require_room(room, sum(f.size for f in missing))
    for number, file in enumerate(chosen, 1):
        watch.on_file(file.name, number, len(chosen), file.size if file in missing else 0)
        _download(
            hub, hub_id, info.sha, file, cache=room, endpoint=endpoint, on_bytes=partial(watch.on_bytes, file.name)
        )
    folder = Path(hub.snapshot_download(hub_id.repo, revision=info.sha, cache_dir=cache, local_files_only=True))
    return Fetched(folder, hub_id.repo, info.sha)


class _OutOfReach(Exception):
    """The hub could not be asked; the reason in words."""


def _import_hub() -> Any:
    try:
        import huggingface_hub
        import huggingface_hub.constants
        import huggingface_hub.errors
        import huggingface_hub.utils
    except ImportError as error:
        raise MissingExtraError(
            'the model hub needs huggingface_hub, which isn\'t installed; run: pip install "edgecap[export]"'
        ) from error
    hub: Any = huggingface_hub
    hub.utils.logging.set_verbosity_error()  # what goes wrong is said here, in one line
    return hub


@contextmanager
def _hub_errors(hub: Any, hub_id: HubId) -> Iterator[None]:
    """Foreign errors become one line; what a retry or the cache may mend becomes `_OutOfReach`."""
    known = hub.errors
    try:
        yield
    except known.GatedRepoError as error:
        raise HubError(
            f"{hub_id.repo}: its owner asks for an agreement; accept it on the hub's page, then run: hf auth login"
        ) from error
    except known.RevisionNotFoundError as error:
        raise HubError(
            f"{hub_id.repo}: the hub has no revision {hub_id.revision!r}; name a commit, tag or branch of it"
        ) from error
    except known.RepositoryNotFoundError as error:
        raise HubError(
            f"{hub_id.repo}: the hub has no such model, or it is private (then run: hf auth login); check the spelling"
        ) from error
    except (known.HFValidationError, known.EntryNotFoundError) as error:
        raise HubError(f"{hub_id.repo}: {_one_line(error)}; check the id and the revision") from error
    except known.HfHubHTTPError as error:
        status = getattr(error.response, "status_code", 0)
        if status in (401, 403):
            raise HubError(
                f"{hub_id.repo}: the hub refuses access ({status}); log in with a token that may read this model: "
                "hf auth login, or set HF_TOKEN"
            ) from error
        raise _OutOfReach(f"the hub answered with an error ({_one_line(error)})") from error
    except OSError as error:  # huggingface_hub's own errors of a lost connection among them
        if error.errno is not None and not isinstance(error, ConnectionError | TimeoutError):
            raise OutputError(f"{error.filename or 'the cache'}: can't be written ({error.strerror})") from error
        raise _OutOfReach(f"the hub can't be reached ({_one_line(error)})") from error
    except Exception as error:
        if type(error).__module__.split(".")[0] not in ("httpx", "httpx2", "httpcore", "httpcore2", "requests"):
            raise
        raise _OutOfReach(f"the hub can't be reached ({_one_line(error)})") from error


def _from_cache(hub: Any, hub_id: HubId, cache: Path | None, *, why: str, cause: Exception | None) -> Fetched:
    try:
        held = hub.snapshot_download(hub_id.repo, revision=hub_id.revision, cache_dir=cache, local_files_only=True)
    except (OSError, ValueError) as error:
        raise HubError(f"{hub_id.repo}@{hub_id.revision}: {why}, and the cache doesn't hold it; {STILL_WORKS}") from (
            cause or error
        )
    return Fetched(Path(held), hub_id.repo, Path(held).name, from_cache=why)


def _choose(info: Any, patterns: Sequence[str], hub_id: HubId) -> list[_File]:
    chosen = []
    for entry in info.siblings or ():
        if any(fnmatchcase(entry.rfilename, pattern) for pattern in patterns):
            digest = getattr(entry.lfs, "sha256", None) if entry.lfs else None
            chosen.append(_File(entry.rfilename, entry.size or 0, digest, None if digest else entry.blob_id))
    if not chosen:
        raise HubError(
            f"{hub_id.repo}@{hub_id.revision}: contains none of {', '.join(patterns)}; it is another kind of checkpoint"
        )
    return sorted(chosen, key=lambda file: (file.size, file.name))


def _is_cached(hub: Any, file: _File, repo: str, commit: str, cache: Path | None) -> bool:
    held = hub.try_to_load_from_cache(repo, file.name, cache_dir=cache, revision=commit)
    return isinstance(held, str) and Path(held).stat().st_size == file.size


def _require_room(folder: Path, needed: int) -> None:
    exists = next(held for held in (folder, *folder.absolute().parents) if held.exists())
    free = shutil.disk_usage(exists).free
    if needed and free < needed + _SPARE_BYTES:
        raise OutputError(
            f"{folder}: {needed / 1e9:.3f} GB are to be fetched and {free / 1e9:.3f} GB are free (0.5 GB stay spare); "
            "free the disk or set HF_HOME to another one"
        )


def _download(
    hub: Any, hub_id: HubId, commit: str, file: _File, *, cache: Path, endpoint: str | None, on_bytes: OnBytes
) -> None:
    def check(path: Path) -> None:
        got, expected = _digest(path, file)
        if expected is not None and got != expected:
            raise HubError(
                f"{hub_id.repo}: {file.name} has checksum {got[:12]}..., the hub says {expected[:12]}...; "
                "it was removed: run it again"
            )

    try:
        with _hub_errors(hub, hub_id):
            if file.size >= LARGE_BYTES and not _is_cached(hub, file, hub_id.repo, commit, cache):
                transfer(
                    hub, hub_id.repo, commit, file.name, cache=cache, endpoint=endpoint, check=check, on_bytes=on_bytes
                )
            held = Path(
                hub.hf_hub_download(hub_id.repo, file.name, revision=commit, cache_dir=cache, endpoint=endpoint)
            )
    except _OutOfReach as error:
        raise HubError(
            f"{hub_id.repo}: {file.name} broke off ({error}); run it again: it goes on where it stopped; {STILL_WORKS}"
        ) from error
    try:
        check(held)
    except HubError:
        for path in (held, Path(os.path.realpath(held))):  # the next run fetches it again
            with suppress(OSError):
                path.unlink()
        raise


def _digest(path: Path, file: _File) -> tuple[str, str | None]:
    """(digest of the file, the hub's): SHA-256 of large files, git's SHA-1 of small ones."""
    if file.sha256 is not None:
        with path.open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest(), file.sha256
    data = path.read_bytes()
    header = f"blob {len(data)}\0".encode()
    return hashlib.sha1(header + data, usedforsecurity=False).hexdigest(), file.git_sha1


def _one_line(error: BaseException) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return (lines[0] if lines else type(error).__name__)[:160]
