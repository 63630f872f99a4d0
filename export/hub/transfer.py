"""One large file of the model hub into the hub's cache, going on where an interrupted run stopped.

huggingface_hub's own transfer (2.4) resumes within one call only and starts over in the next process, which on a
shard of 5 GB costs an hour. The part is kept beside the blob it becomes:

    CACHE/models--org--name/blobs/<etag>.edgecap-part  ->  checked  ->  CACHE/models--org--name/blobs/<etag>
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from edgecap.engines.store.file_lock import locked

LARGE_BYTES = 8 * 1024**2
"""Smaller files are fetched again."""
_PIECE_BYTES = 1024**2
_TRIES = 5
_TIMEOUT_SECONDS = 20.0
_LOCK_SECONDS = 3600.0  # another process that fetches the same file is waited for: then it is there

OnBytes = Callable[[int], None]
"""(bytes of the file that are there so far)"""


def blob_of(cache: Path, repo: str, etag: str) -> Path:
    """Where the hub's cache keeps the content that has this etag."""
    return cache / f"models--{repo.replace('/', '--')}" / "blobs" / etag


def transfer(
    hub: Any,
    repo: str,
    commit: str,
    name: str,
    *,
    cache: Path,
    endpoint: str | None,
    check: Callable[[Path], None],
    on_bytes: OnBytes,
) -> None:
    """Put the file's content into the cache, where `hf_hub_download` finds it. `check` raises for wrong content.

    Raises what the hub's client raises when every try fails; what has arrived then stays for the next run.
    """
    url = hub.hf_hub_url(repo, name, revision=commit, endpoint=endpoint)
    metadata = hub.get_hf_file_metadata(url, timeout=_TIMEOUT_SECONDS, endpoint=endpoint)
    blob = blob_of(cache, repo, metadata.etag)
    if blob.exists() or metadata.size is None:
        return
    blob.parent.mkdir(parents=True, exist_ok=True)
    part = blob.with_name(f"{blob.name}.edgecap-part")
    headers = hub.utils.build_hf_headers()
    if urlsplit(metadata.location).netloc != urlsplit(url).netloc:  # a store of signed links: our token is not for it
        headers.pop("authorization", None)
    locks = cache / ".locks" / blob.parent.parent.name
    locks.mkdir(parents=True, exist_ok=True)
    with locked(locks / f"{blob.name}.edgecap.lock", label=f"the download of {name}", wait_seconds=_LOCK_SECONDS):
        if not blob.exists():
            _fill(hub, metadata.location, part, metadata.size, headers, on_bytes)
            _publish(part, blob, check)


def _fill(hub: Any, location: str, part: Path, size: int, headers: dict[str, str], on_bytes: OnBytes) -> None:
    """Bring the part to its full size; every try that brought something on counts as none."""
    failures = 0
    while (held := part.stat().st_size if part.exists() else 0) < size:
        try:
            _append(hub, location, part, held, headers, on_bytes)
        except Exception as error:
            failures = 1 if part.exists() and part.stat().st_size > held else failures + 1
            if failures == _TRIES or not _may_pass(hub, error):
                raise
            time.sleep(min(0.2 * 2**failures, 5.0))
    if held > size:  # left by another version of the file; the check would find it, but too late
        part.unlink()
        _fill(hub, location, part, size, headers, on_bytes)


def _append(hub: Any, location: str, part: Path, held: int, headers: dict[str, str], on_bytes: OnBytes) -> None:
    asked = {**headers, "Accept-Encoding": "identity", **({"Range": f"bytes={held}-"} if held else {})}
    session = hub.utils.get_session()
    with session.stream("GET", location, headers=asked, timeout=_TIMEOUT_SECONDS) as response:
        hub.utils.hf_raise_for_status(response)
        whole = held and response.status_code != 206  # the server sends everything again
        with part.open("wb" if whole else "ab") as file:
            for piece in response.iter_bytes(_PIECE_BYTES):
                file.write(piece)
                on_bytes(file.tell())


def _may_pass(hub: Any, error: Exception) -> bool:
    """Whether trying again may help: a lost connection, a server in trouble; not a full disk, not a refusal."""
    if isinstance(error, hub.errors.HfHubHTTPError):
        return bool(error.response.status_code >= 500)
    return not isinstance(error, OSError) or isinstance(error, ConnectionError | TimeoutError)


def _publish(part: Path, blob: Path, check: Callable[[Path], None]) -> None:
    try:
        check(part)
    except Exception:
        with suppress(OSError):
            part.unlink()
        raise
    with part.open("rb") as file:
        os.fsync(file.fileno())
    os.replace(part, blob)
