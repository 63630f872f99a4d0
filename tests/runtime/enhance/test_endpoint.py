"""The enhancer with a model behind a real local HTTP server that behaves, and misbehaves, as servers do."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from edgecap.engines.errors import EndpointError, UsageError
from edgecap.runtime.enhance import enhanced_to_json
from edgecap.runtime.enhance.dialogue import enhance_with
from edgecap.runtime.enhance.endpoint import Endpoint
from edgecap.runtime.output.schema import schema_errors

GOOD: dict[str, Any] = {
    "story": "A small dog runs over wet sand while a second one follows it.",
    "subjects": [{"class": "dog", "name": "the first dog"}, {"class": "dog", "name": "the second dog"}],
    "first": {
        "appearance": "The first dog has a brindle coat.",
        "action": "The first dog runs along the water.",
        "position": "The dog moves from center-left to center-right.",
    },
    "second": {
        "appearance": "The second dog has a pale coat.",
        "action": "The second dog runs behind it.",
        "position": "The dog moves from bottom-left to bottom-middle and out of frame in the end.",
    },
    "scene": {"background": "A wide beach with wet sand.", "camera": "The camera pans right slowly."},
}


def content_for(body: dict[str, Any], answers: dict[str, Any]) -> str:
    """What a tame model says: told by the last question that is no correction."""
    asked = [m["content"] for m in body["messages"] if m["role"] == "user" and "can't be used" not in m["content"]][-1]
    if asked.startswith("The idea"):
        return str(answers["story"])
    key = "subjects" if asked.startswith("List") else "scene" if "background" in asked else ""
    key = key or ("first" if "only the first dog" in asked else "second")
    return answers[key] if isinstance(answers[key], str) else f"```json\n{json.dumps(answers[key])}\n```"


class Server(ThreadingHTTPServer):
    daemon_threads = True
    answer: Callable[[BaseHTTPRequestHandler, dict[str, Any], int], None]
    asked: list[dict[str, Any]]
    keys: list[str | None]


class Handler(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        server = self.server
        assert isinstance(server, Server)
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        server.asked.append(body)
        server.keys.append(self.headers.get("Authorization"))
        server.answer(self, body, len(server.asked))

    def log_message(self, format: str, *args: object) -> None:
        """Quiet."""


def send(handler: BaseHTTPRequestHandler, data: bytes, status: int = 200, **headers: str) -> None:
    handler.send_response(status)
    for name, value in headers.items():
        handler.send_header(name.replace("_", "-"), value)
    handler.send_header("Content-Length", str(len(data)))
    handler.end_headers()
    handler.wfile.write(data)


def tame(handler: BaseHTTPRequestHandler, body: dict[str, Any], number: int, answers: dict[str, Any] = GOOD) -> None:
    message = {"role": "assistant", "content": content_for(body, answers)}
    send(handler, json.dumps({"choices": [{"message": message}]}).encode())


@contextmanager
def serving(answer: Callable[[Any, dict[str, Any], int], None]) -> Iterator[tuple[str, Server]]:
    with Server(("127.0.0.1", 0), Handler) as server:
        server.answer, server.asked, server.keys = answer, [], []
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}/v1", server
        finally:
            server.shutdown()
            thread.join()


def chat(url: str, **options: Any) -> Endpoint:
    return Endpoint(url, model="m", sleep=options.pop("sleep", lambda seconds: None), **options)


def test_a_tame_model_writes_every_field_in_three_calls_and_one_per_instance() -> None:
    with serving(tame) as (url, server):
        enhanced = enhance_with(chat(url, api_key="secret"), "two dogs run on a beach")
    row = enhanced_to_json(enhanced)
    assert schema_errors(row) == [] and row["meta"]["model_calls"] == len(server.asked) == 5
    assert row["meta"]["used"] == {"mode": "endpoint", "model": "m"} and row["meta"]["story"] == GOOD["story"]
    assert [i.action.provenance for i in enhanced.instances] == ["model", "model"]
    assert enhanced.instances[1].position.text == GOOD["second"]["position"]
    assert set(server.keys) == {"Bearer secret"} and "secret" not in json.dumps(row)
    roles = [m["role"] for m in server.asked[-1]["messages"]]
    assert roles == ["system", *["user", "assistant"] * 4, "user"]  # never two of one role in a row


@pytest.mark.parametrize(
    ("key", "value", "field", "reason"),
    [
        ("first", {**GOOD["first"], "position": "The dog is at middle-left."}, "position", "ROW-COLUMN"),
        ("first", {**GOOD["first"], "action": "The first dog sleeps."}, "action", "the prompt says that it runs"),
        ("first", {**GOOD["first"], "action": "The first dog runs and barks."}, "action", "a sound: barks"),
        ("first", {**GOOD["first"], "appearance": "- brown\n- small"}, "appearance", "list markers"),
        ("first", {"action": "The first dog runs."}, "appearance", "empty"),
        ("first", "I'm sorry, I can't.", "appearance", "empty"),
        ("first", '{"appearance": "cut of', "action", "empty"),
    ],
)
def test_a_field_that_is_refused_twice_is_the_rules(key: str, value: object, field: str, reason: str) -> None:
    answers = {**GOOD, key: value}
    with serving(lambda h, b, n: tame(h, b, n, answers)) as (url, server):
        enhanced = enhance_with(chat(url), "two dogs run on a beach")
    written = getattr(enhanced.instances[0], field)
    assert written.provenance == "fallback" and any(reason in r for r in written.rejections)
    assert len(server.asked) == 6 and enhanced.instances[1].action.provenance == "model"
    assert schema_errors(enhanced_to_json(enhanced)) == []


def test_a_second_try_may_cure_it_and_the_first_good_answer_stays() -> None:
    bad = {**GOOD, "first": {**GOOD["first"], "position": "left"}}
    with serving(lambda h, b, n: tame(h, b, n, bad if n == 3 else GOOD)) as (url, _):
        first = enhance_with(chat(url), "two dogs run on a beach").instances[0]
    assert first.position.provenance == "model" and first.position.rejections
    assert first.appearance.text == GOOD["first"]["appearance"] and not first.appearance.rejections


def test_twins_described_alike_are_refused() -> None:
    alike = {**GOOD, "second": {**GOOD["second"], "appearance": GOOD["first"]["appearance"]}}
    with serving(lambda h, b, n: tame(h, b, n, alike)) as (url, _):
        second = enhance_with(chat(url), "two dogs run on a beach").instances[1]
    assert second.appearance.provenance == "fallback" and "same as another's" in second.appearance.rejections[0]


@pytest.mark.parametrize(
    "subjects",
    [
        [{"class": "dog", "name": f"dog {i}"} for i in range(5)],
        [{"class": "cat", "name": "the cat"}],
        [{"class": "dog", "name": "a dog"}] * 2,
        {"dogs": 2},
        "BREAK",
        [1, 2],
    ],
    ids=["too many", "one of the prompt's missing", "one name twice", "no list", "no JSON", "no objects"],
)
def test_a_bad_list_of_instances_becomes_the_prompts_own(subjects: object) -> None:
    with serving(lambda h, b, n: tame(h, b, n, {**GOOD, "subjects": subjects})) as (url, _):
        enhanced = enhance_with(chat(url), "two dogs run on a beach")
    assert [i.name for i in enhanced.instances] == ["the first dog", "the second dog"]
    assert any("list of instances was refused" in note for note in enhanced.notes)


def test_a_prompt_in_another_script_gets_the_models_instances() -> None:
    with serving(tame) as (url, _):
        enhanced = enhance_with(chat(url), "해변을 달리는 두 마리의 개")
    assert [i.class_name for i in enhanced.instances] == ["dog", "dog"]
    assert enhanced.background.provenance == "model" and schema_errors(enhanced_to_json(enhanced)) == []


def _status(code: int, **headers: str) -> Callable[[Any, dict[str, Any], int], None]:
    return lambda h, b, n: send(h, b"no", code, **headers)


@pytest.mark.parametrize(
    ("answer", "calls", "words"),
    [
        (_status(401), 1, "asked once .* HTTP 401"),
        (_status(404), 1, "HTTP 404"),
        (_status(500), 3, "asked 3 times .* HTTP 500"),
        (_status(302, Location="http://127.0.0.1:9/other"), 1, "HTTP 302"),
        (lambda h, b, n: send(h, b"<html>hello"), 3, "not a chat completion; it begins with '<html>hello'"),
        (lambda h, b, n: send(h, b"\xff\x00\xfe"), 3, "not a chat completion"),
        (lambda h, b, n: send(h, b'{"choices": []}'), 3, "not a chat completion"),
        (lambda h, b, n: send(h, b'{"choices": [{"message": {"content": null}}]}'), 3, "has no text"),
        (lambda h, b, n: send(h, b"[" * 100_000), 3, "not a chat completion"),
        (lambda h, b, n: h.wfile.write(b"nonsense\r\n\r\n"), 3, "asked 3 times"),
        (lambda h, b, n: None, 3, "asked 3 times"),
    ],
    ids=["401", "404", "500", "redirect", "html", "binary", "no choices", "null", "nested", "no HTTP", "closed"],
)
def test_a_broken_endpoint_is_one_clear_line(answer: Callable[..., None], calls: int, words: str) -> None:
    with serving(answer) as (url, server), pytest.raises(EndpointError, match=words) as caught:
        enhance_with(chat(url, api_key="secret"), "a dog")
    assert len(server.asked) == calls
    assert "\n" not in str(caught.value) and "secret" not in str(caught.value) and "--endpoint" in str(caught.value)


def test_an_endpoint_that_recovers_is_asked_again_after_the_wait_it_wants() -> None:
    waits: list[float] = []

    def answer(handler: Any, body: dict[str, Any], number: int) -> None:
        if number < 3:
            send(handler, b"busy", 429, **({"Retry_After": "7"} if number == 2 else {}))
        else:
            tame(handler, body, number)

    with serving(answer) as (url, _):
        enhanced = enhance_with(chat(url, sleep=waits.append), "two dogs run")
    assert waits == [1.0, 7.0] and enhanced.instances[0].action.provenance == "model"


@pytest.mark.parametrize("drip", [False, True], ids=["silent", "a byte now and then"])
def test_an_endpoint_that_takes_too_long_is_left(drip: bool) -> None:
    stop = threading.Event()

    def answer(handler: Any, body: dict[str, Any], number: int) -> None:
        if drip:
            handler.send_response(200)
            handler.end_headers()
        while not stop.wait(0.05):
            if drip:
                try:
                    handler.wfile.write(b" ")
                except OSError:
                    return

    with serving(answer) as (url, _):
        began = time.monotonic()
        with pytest.raises(EndpointError, match=r"no complete answer in 0\.3 s"):
            chat(url, timeout_seconds=0.3, attempts=1).ask([{"role": "user", "content": "x"}])
        stop.set()
    assert time.monotonic() - began < 5


def test_nobody_at_the_address() -> None:
    with serving(tame) as (url, _):
        pass
    with pytest.raises(EndpointError, match="refused"):
        chat(url).ask([{"role": "user", "content": "x"}])


@pytest.mark.parametrize(
    "url", ["localhost:8000", "ftp://x/y", "file:///etc/passwd", "http://", "http://me:pw@host/v1"]
)
def test_an_address_that_is_none_is_refused(url: str) -> None:
    with pytest.raises(UsageError, match="--endpoint"):
        Endpoint(url, model="m")
