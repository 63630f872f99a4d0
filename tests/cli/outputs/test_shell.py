"""What a shell does to a command: pipes that close, full devices, closed and legacy streams, names that command."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from edgecap.runtime.english import escaped, printable, printable_lines
from tests.cli.command import MOTION, rows_of, write_disc

pytestmark = pytest.mark.slow  # whole commands; what they are made of is tested below, quickly

COMMAND = f"{sys.executable} -m edgecap.cli"
FLAGS = " ".join(MOTION) + " --no-report"


@pytest.fixture(scope="module")
def disc(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("videos") / "disc.mp4"
    write_disc(path, seconds=2)
    return path


def bash(line: str, folder: Path, **environment: str) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        ["bash", "-c", line], cwd=folder, capture_output=True, timeout=120, env=os.environ | environment, check=False
    )


@pytest.mark.parametrize(
    ("redirect", "code", "said"),
    [
        ("| head -1 >/dev/null; exit ${PIPESTATUS[0]}", 0, b""),
        ("| true; exit ${PIPESTATUS[0]}", 0, b""),
        (">/dev/full", 4, b"edgecap: stdout: can't be written (No space left on device)"),
        ("--json >/dev/full", 4, b"edgecap: stdout: can't be written (No space left on device)"),
        ("2>&-", 0, b""),
        (">&-", 0, b""),
        ("<&- >&- 2>&-", 0, b""),
        ("2>/dev/full", 0, b""),
    ],
)
def test_streams_that_fail(tmp_path: Path, disc: Path, redirect: str, code: int, said: bytes) -> None:
    done = bash(f"{COMMAND} caption {disc} --out o {FLAGS} {redirect}", tmp_path)
    assert done.returncode == code and done.stderr.startswith(said) and done.stderr.count(b"\n") == bool(said)
    assert len(rows_of(tmp_path / "o")) == 1


@pytest.mark.parametrize("command", ["doctor --json", "enhance 'a dog' --json", "--help"])
def test_other_commands_take_a_closed_pipe_too(tmp_path: Path, command: str) -> None:
    done = bash(f"{COMMAND} {command} | true; exit ${{PIPESTATUS[0]}}", tmp_path)
    assert (done.returncode, done.stderr) == (0, b"")


@pytest.mark.parametrize("encoding", ["cp1252", "ascii"])
def test_a_legacy_encoding_shows_question_marks(tmp_path: Path, disc: Path, encoding: str) -> None:
    (tmp_path / "1 \u2728.mp4").write_bytes(disc.read_bytes())
    text = bash(f"{COMMAND} caption . --out o {FLAGS}", tmp_path, PYTHONIOENCODING=encoding)
    assert text.returncode == 0 and text.stdout.startswith(b"1 ?.mp4  clip 0")
    rows = bash(f"{COMMAND} caption . --out o {FLAGS} --json", tmp_path, PYTHONIOENCODING=encoding)
    assert rows.returncode == 0 and json.loads(rows.stdout)["Video"] == "1 \u2728.mp4"
    prompt = bash(f"{COMMAND} enhance 'a dog at a \u2728 caf\u00e9'", tmp_path, PYTHONIOENCODING=encoding)
    # click itself takes ASCII for a mistake and writes UTF-8
    assert prompt.returncode == 0 and (b"a dog at a ? caf" in prompt.stdout) == (encoding == "cp1252")


def test_names_command_no_terminal(tmp_path: Path, disc: Path) -> None:
    name = "a\x1b]0;t\x07\x1b[31m\u009b1m\u202egpj.mp4"
    (tmp_path / name).write_bytes(disc.read_bytes())
    (tmp_path / "\x1b[31mbad.mp4").write_bytes(b"no video")
    for more in ("", "--json", "--srt"):
        done = bash(f"{COMMAND} caption . --out o {FLAGS} {more}", tmp_path)
        assert done.returncode == 8
        shown = (done.stdout + done.stderr).decode()
        assert printable_lines(shown) == shown and "\ufffd" in shown
    assert all(printable(path.name) == path.name for path in (tmp_path / "o").iterdir())


def test_text_for_terminals() -> None:
    assert (
        printable("\x1b\u202e\udcff") == 3 * "\ufffd"
        and printable("caf\u00e9 \u05d0\u200f") == "caf\u00e9 \u05d0\u200f"
    )
    assert printable_lines("a\tb\n\x1b") == "a\tb\n\ufffd"
    text = json.dumps({"a": "\x9b\x7f\u2028\u202e"}, ensure_ascii=False)
    assert printable(escaped(text)) == escaped(text) and json.loads(escaped(text)) == json.loads(text)


def test_a_closed_terminal_leaves_complete_rows(tmp_path: Path) -> None:
    write_disc(tmp_path / "long.mp4", seconds=30)
    process = subprocess.Popen(
        [*COMMAND.split(), "caption", "long.mp4", "--out", "o", *FLAGS.split(), "--window-seconds", "2"],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_DFL),  # nohup's choice is inherited, and kept
    )
    assert process.stdout is not None
    try:
        assert b"clip 0" in process.stdout.readline()
        process.send_signal(signal.SIGHUP)
        process.stdout.read()
        assert process.wait(timeout=60) == 130
    finally:
        process.kill()
        process.stdout.close()
    assert [row["meta"]["clip"] for row in rows_of(tmp_path / "o")][:1] == [0]  # type: ignore[index]
