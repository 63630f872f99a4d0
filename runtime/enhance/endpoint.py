"""An OpenAI-compatible chat endpoint that the user names, through urllib: time limits, retries, clear errors.

In: messages. Out: the answer's text. The key is sent to that
address only (redirects are refused) and is never in an error.
"""

from __future__ import annotations

import http.client
import json
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Sequence
from typing import IO, Any
from urllib.parse import urlsplit

from edgecap.engines.errors import EndpointError, UsageError
from edgecap.runtime.decode.chat import Message

MOST_BYTES = 4 << 20
_RETRIED_STATUS = frozenset({408, 425, 429, 500, 502, 503, 504})
_LONGEST_WAIT_SECONDS = 30.0


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(
        self, req: urllib.request.Request, fp: IO[bytes], code: int, msg: str, headers: Any, newurl: str
    ) -> None:
        return None


class Endpoint:
    """`url`: the server's base ("http://localhost:8000/v1") or the full .../chat/completions. `timeout_seconds`: for
    one answer from first byte sent to last received. `attempts` >= 1; the waits between them are 1, 2, 4... seconds,
    or what the server asks for. Raises `UsageError` for an address that is not an http(s) URL."""

    mode = "endpoint"

    def __init__(
        self,
        url: str,
        *,
        model: str,
        api_key: str = "",
        timeout_seconds: float = 60.0,
        attempts: int = 3,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise UsageError(
                f"--endpoint expects an http or https address such as http://localhost:8000/v1; got {url!r}"
            )
        if parts.username or parts.password:
            raise UsageError("--endpoint must not contain a user or password; name a variable with --api-key-env")
        base = url.rstrip("/")
        self._url = base if base.endswith("/chat/completions") else f"{base}/chat/completions"
        self._shown = f"{parts.scheme}://{parts.netloc}{urlsplit(self._url).path}"
        self._model, self._key = model, api_key
        self._timeout, self._attempts, self._sleep = timeout_seconds, attempts, sleep
        self._opener = urllib.request.build_opener(_NoRedirect)

    @property
    def name(self) -> str:
        """The model's name, as the server was asked for it."""
        return self._model

    def ask(self, messages: Sequence[Message]) -> str:
        """The answer's text. Raises `EndpointError` after the last attempt, or immediately where trying again can't
        help."""
        body = json.dumps({"model": self._model, "messages": list(messages), "temperature": 0.7}).encode()
        for attempt in range(1, self._attempts + 1):
            problem, wait = "", 2.0 ** (attempt - 1)
            try:
                return self._content(self._post(body))
            except urllib.error.HTTPError as error:
                problem = f"HTTP {error.code} {error.reason}"
                error.close()  # it keeps the connection
                if error.code not in _RETRIED_STATUS:
                    raise self._failed(problem, attempt) from error
                wait = _wanted_wait(error, wait)
            except (OSError, http.client.HTTPException) as error:
                problem = _reason(error, self._timeout)
            except EndpointError as error:
                problem = str(error)
            if attempt < self._attempts:
                self._sleep(min(wait, _LONGEST_WAIT_SECONDS))
        raise self._failed(problem, self._attempts)

    def _post(self, body: bytes) -> bytes:
        headers = {"Content-Type": "application/json", "Accept": "application/json"}
        if self._key:
            headers["Authorization"] = f"Bearer {self._key}"
        request = urllib.request.Request(self._url, data=body, headers=headers, method="POST")
        deadline = time.monotonic() + self._timeout
        received = bytearray()
        with self._opener.open(request, timeout=self._timeout) as response:
            # read1 gives what has come: a server that drips a byte at a time is cut off at the deadline too
            while piece := response.read1(1 << 16):
                received += piece
                if len(received) > MOST_BYTES:
                    raise EndpointError(f"the answer is longer than {MOST_BYTES >> 20} MiB")
                if time.monotonic() > deadline:
                    raise TimeoutError
        return bytes(received)

    def _content(self, data: bytes) -> str:
        try:
            content = json.loads(data)["choices"][0]["message"]["content"]
        except (ValueError, LookupError, TypeError, RecursionError):
            start = data[:60].decode("utf-8", "replace")
            raise EndpointError(f"the answer is not a chat completion; it begins with {start!r}") from None
        if not isinstance(content, str) or not content.strip():
            raise EndpointError("the answer has no text")
        return content

    def _failed(self, problem: str, attempts: int) -> EndpointError:
        tries = "once" if attempts == 1 else f"{attempts} times"
        return EndpointError(
            f"{self._shown}: asked {tries} for an answer of {self._model!r}, got: {problem}; check --endpoint, "
            "--model and --api-key-env, or leave them out to enhance by rules"
        )


def _reason(error: Exception, timeout_seconds: float) -> str:
    inner = getattr(error, "reason", error)
    if isinstance(inner, TimeoutError):
        return f"no complete answer in {timeout_seconds:g} s"
    return " ".join(str(inner).split()) or type(inner).__name__


def _wanted_wait(error: urllib.error.HTTPError, default: float) -> float:
    wanted = error.headers.get("Retry-After", "") if error.headers else ""
    return float(wanted) if wanted.isdecimal() else default
