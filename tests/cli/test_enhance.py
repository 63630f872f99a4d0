"""`edgecap enhance` as a user meets it: text, JSON, files of prompts, and every mistake as one line and a code."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from edgecap.cli.main import main
from edgecap.runtime.output.schema import schema_errors


def run(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str, list[str]]:
    with pytest.raises(SystemExit) as end:
        main(["enhance", *map(str, arguments)])
    captured = capsys.readouterr()
    return int(end.value.code or 0), captured.out, captured.err.splitlines()


def rows_of(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").split("\n")[:-1]]


@pytest.fixture
def broken_server() -> Iterator[str]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.send_response(403)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            """Quiet."""

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}/v1"
        server.shutdown()
        thread.join()


def test_text_and_json(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = run(capsys, "two dogs chase a red ball", "--seed", 3)
    assert code == 0 and err == [] and "The second dog chases a red ball." in out and "[invented]" in out
    code, out, _ = run(capsys, "two dogs chase a red ball", "--seed", 3, "--json")
    assert code == 0 and schema_errors(json.loads(out)) == []


def test_what_is_not_understood_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = run(capsys, "한 남자가 걷는다", "--json")
    assert code == 0 and json.loads(out)["Global Description"] == "한 남자가 걷는다"
    assert "HANGUL" in err[0] and "not understood: 한, 남자가, 걷는다" in err[1]


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        ((), 2, "either a PROMPT or --file"),
        (("a dog", "--file", "x"), 2, "either a PROMPT or --file"),
        (("a dog", "--out", "x"), 2, "go together"),
        (("a dog", "--resume"), 2, "go together"),
        (("--file", "x"), 2, "go together"),
        (("",), 3, "prompt is empty"),
        (("dog " * 5000,), 3, "5000 words, at most 200"),
        (("a dog", "--max-instances", "0"), 2, "1 to 10"),
        (("a dog", "--model", "m"), 2, "need --endpoint"),
        (("a dog", "--endpoint", "http://x"), 2, "needs --model"),
        (("a dog", "--endpoint", "x", "--model", "m"), 2, "http or https"),
        (
            ("a dog", "--endpoint", "http://x", "--model", "m", "--api-key-env", "EDGECAP_NO_SUCH"),
            2,
            "no such variable",
        ),
        (("a dog", "--endpoint", "http://x", "--model", "m", "--timeout", "nan"), 2, "--timeout"),
        (("a dog", "--pack", "nano"), 2, "only answers about pictures"),
        (("a dog", "--pack", "nosuch"), 5, "nosuch"),
        (("--file", "/nosuch/prompts.txt", "--out", "/tmp/rows.jsonl"), 3, "no such file"),
    ],
)
def test_a_mistake_is_one_line_and_its_code(
    capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], code: int, words: str
) -> None:
    got, out, err = run(capsys, *arguments)
    assert (got, out) == (code, "") and len(err) == 1 and err[0].startswith("edgecap: ") and words in err[0]


def test_a_file_of_prompts_keeps_every_line(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    prompts, rows = tmp_path / "prompts.txt", tmp_path / "out" / "rows.jsonl"
    lines = ["a dog runs", "", "dog " * 5000, "caf\xe9 \u2028 a cat", "...", "a dog runs"]
    prompts.write_bytes("\r\n".join(lines).encode() + b"\r\na \xff\xfe bird\n")
    code, out, err = run(capsys, "--file", prompts, "--out", rows)
    assert code == 8 and [e.split(":")[1].strip() for e in err] == ["line 3", "line 5"]
    assert "4 prompts enhanced, 2 refused, 0 done before, 1 blank lines" in out
    written = rows_of(rows)
    assert [r["meta"]["status"] for r in written] == ["enhanced", "error", "enhanced", "error", "enhanced", "enhanced"]
    assert written[1]["Global Description"].count("dog") == 5000
    assert all(schema_errors(r) == [] for r in written)


def test_resume_goes_on_after_a_cut_line(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    prompts, rows = tmp_path / "p.txt", tmp_path / "rows.jsonl"
    prompts.write_text("a dog runs\na cat sleeps\n...\na dog runs\na bird flies\n")
    assert run(capsys, "--file", prompts, "--out", rows)[0] == 8
    whole = rows.read_bytes()
    lines = whole.splitlines(keepends=True)
    rows.write_bytes(b"".join(lines[:3]) + lines[3][:40])  # as kill -9 leaves it
    code, out, err = run(capsys, "--file", prompts, "--out", rows, "--resume", "--json")
    assert (code, err) == (0, []) and rows.read_bytes() == whole
    assert json.loads(out) == {"out": str(rows), "written": 2, "refused": 0, "skipped": 3, "blank": 0}


def test_an_earlier_file_is_never_overwritten(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    prompts, rows = tmp_path / "p.txt", tmp_path / "rows.jsonl"
    prompts.write_text("a dog runs\n")
    assert run(capsys, "--file", prompts, "--out", rows)[0] == 0
    before = rows.read_bytes()
    for more, code, words in (
        ((), 4, "add --resume"),
        (("--resume", "--seed", 9), 2, "use the same options"),
        (("--resume", "--max-instances", 2), 2, "use the same options"),
    ):
        got, _, err = run(capsys, "--file", prompts, "--out", rows, *more)
        assert got == code and words in err[0] and rows.read_bytes() == before
    other = tmp_path / "other.jsonl"
    other.write_text('{"some": "row"}\n')
    got, _, err = run(capsys, "--file", prompts, "--out", other, "--resume")
    assert got == 4 and "line 1: no row of edgecap enhance" in err[0] and other.read_text() == '{"some": "row"}\n'
    got, _, err = run(capsys, "--file", prompts, "--out", prompts)
    assert got == 2 and prompts.read_text() == "a dog runs\n"


def test_a_dead_endpoint_stops_the_file_and_resume_asks_again(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, broken_server: str
) -> None:
    prompts, rows = tmp_path / "p.txt", tmp_path / "rows.jsonl"
    prompts.write_text("".join(f"{n} dogs run\n" for n in range(1, 7)))
    asked = ("--file", prompts, "--out", rows, "--endpoint", broken_server, "--model", "m")
    code, _, err = run(capsys, *asked)
    assert code == 6 and len(err) == 4 and "stopped at line 3" in err[-1] and "--resume" in err[-1]
    assert [r["meta"]["error"] for r in rows_of(rows)] == ["EndpointError"] * 3
    assert all(schema_errors(r) == [] for r in rows_of(rows))
    assert run(capsys, *asked, "--resume")[0] == 6 and len(rows_of(rows)) == 6  # none of the three counted as done
