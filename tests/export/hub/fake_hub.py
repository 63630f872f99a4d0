"""A model hub on localhost that speaks what huggingface_hub asks: repository info with checksums, HEAD and ranged GET.

Repositories are folders: ROOT/org/name/<files>. `breaks`: file -> how many more times its transfer ends after half the
bytes. `lies`: files whose bytes are not those the checksum was made of. `status`: answer every request with this,
and with `reason` as the hub's error code (GatedRepo, RepoNotFound).
"""

from __future__ import annotations

import hashlib
import json
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

COMMIT = "0123456789abcdef0123456789abcdef01234567"
LARGE = 64  # bytes from which a file has a SHA-256, as large files of the hub have


@dataclass
class FakeHub:
    """What the server holds and was asked."""

    root: Path
    url: str = ""
    breaks: dict[str, int] = field(default_factory=dict)
    lies: set[str] = field(default_factory=set)
    status: int = 0
    reason: str = ""
    ranges: bool = True
    asked: list[tuple[str, str, str]] = field(default_factory=list)
    """(method, path, Range header)"""

    def downloads(self, name: str) -> list[str]:
        """Range headers of the transfers of one file."""
        return [ranges for method, path, ranges in self.asked if method == "GET" and path.endswith(f"/{name}")]


class _QuietServer(ThreadingHTTPServer):
    """A client that goes away in the middle of an answer is the test's intent, not news for stderr."""

    def handle_error(self, request: object, client_address: object) -> None:
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, client_address)  # type: ignore[arg-type]


@contextmanager
def serving(root: Path) -> Iterator[FakeHub]:
    """Serve `root` until the block ends."""
    hub = FakeHub(root)
    handler = type("Handler", (_Handler,), {"hub": hub})
    with _QuietServer(("127.0.0.1", 0), handler) as server:
        hub.url = f"http://127.0.0.1:{server.server_address[1]}"
        thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        try:
            yield hub
        finally:
            server.shutdown()
            thread.join()


class _Handler(BaseHTTPRequestHandler):
    hub: FakeHub
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self._answer(body=True)

    def do_HEAD(self) -> None:
        self._answer(body=False)

    def log_message(self, *_: object) -> None:
        """Nothing on the test's stderr."""

    def _answer(self, *, body: bool) -> None:
        path = unquote(urlsplit(self.path).path)
        if path.startswith("/api/") and not path.startswith("/api/models/"):
            return self._send(404, {}, b"")  # the client's own look-ups
        self.hub.asked.append((self.command, path, self.headers.get("Range", "")))
        if self.hub.status:
            return self._send(self.hub.status, {"X-Error-Code": self.hub.reason} if self.hub.reason else {}, b"no")
        parts = path.strip("/").split("/")
        if parts[:2] == ["api", "models"]:
            return self._info("/".join(parts[2:4]), parts[5] if len(parts) > 5 else "main")
        repo, revision, name = "/".join(parts[:2]), parts[3], "/".join(parts[4:])
        return self._file(repo, revision, name, body=body)

    def _info(self, repo: str, revision: str) -> None:
        folder = self.hub.root / repo
        if not folder.is_dir():
            return self._send(404, {"X-Error-Code": "RepoNotFound"}, b"{}")
        if revision not in ("main", COMMIT):
            return self._send(404, {"X-Error-Code": "RevisionNotFound"}, b"{}")
        files = []
        for path in sorted(p for p in folder.rglob("*") if p.is_file()):
            data = path.read_bytes()
            git = hashlib.sha1(f"blob {len(data)}\0".encode() + data).hexdigest()
            entry: dict[str, Any] = {"rfilename": path.relative_to(folder).as_posix(), "size": len(data), "blobId": git}
            if len(data) >= LARGE:
                entry["lfs"] = {"sha256": hashlib.sha256(data).hexdigest(), "size": len(data), "pointerSize": 130}
            files.append(entry)
        answer = {"id": repo, "modelId": repo, "sha": COMMIT, "private": False, "siblings": files, "tags": []}
        return self._send(200, {"Content-Type": "application/json"}, json.dumps(answer).encode())

    def _file(self, repo: str, revision: str, name: str, *, body: bool) -> None:
        path = self.hub.root / repo / name
        if revision not in ("main", COMMIT) or not path.is_file():
            return self._send(404, {"X-Error-Code": "EntryNotFound", "X-Repo-Commit": COMMIT}, b"")
        data = path.read_bytes()
        headers = {"ETag": f'"{hashlib.sha256(data).hexdigest()}"', "X-Repo-Commit": COMMIT, "Accept-Ranges": "bytes"}
        if name in self.hub.lies:
            data = data[::-1]
        start, code = 0, 200
        if body and self.hub.ranges and (asked := self.headers.get("Range")):
            start, code = int(asked.removeprefix("bytes=").split("-")[0]), 206
            headers["Content-Range"] = f"bytes {start}-{len(data) - 1}/{len(data)}"
        rest = data[start:]
        if body and self.hub.breaks.get(name, 0):
            self.hub.breaks[name] -= 1
            self._head(code, {**headers, "Content-Length": str(len(rest))})
            self.wfile.write(rest[: len(rest) // 2])
            self.wfile.flush()
            self.close_connection = True
            return None
        return self._send(code, headers, rest, body=body)

    def _send(self, code: int, headers: dict[str, str], content: bytes, *, body: bool = True) -> None:
        self._head(code, {**headers, "Content-Length": str(len(content))})
        if body and self.command != "HEAD":
            self.wfile.write(content)

    def _head(self, code: int, headers: dict[str, str]) -> None:
        self.send_response(code)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
