"""The command as a process: a bar on a terminal, Ctrl-C in the middle."""

from __future__ import annotations

import contextlib
import os
import pty
import signal
import subprocess
import sys
import time
from pathlib import Path

from tests.cli.command import MOTION, rows_of, write_disc


def in_a_terminal(*arguments: object) -> tuple[int, str, str]:
    """Exit code, stdout (a pipe) and stderr (a terminal) of the command."""
    terminal, theirs = pty.openpty()
    command = [sys.executable, "-m", "edgecap.cli", *map(str, arguments)]
    environment = os.environ | {"TERM": "xterm", "COLUMNS": "100"}
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=theirs, text=True, env=environment)
    os.close(theirs)
    seen = b""
    with contextlib.suppress(OSError):  # EIO: the other side was closed
        while part := os.read(terminal, 65536):
            seen += part
    os.close(terminal)
    text, _ = process.communicate(timeout=60)
    return process.returncode, text, seen.decode("utf-8", "replace")


def test_a_bar_is_shown_on_a_terminal_and_nowhere_else(tmp_path: Path, disc_video: Path) -> None:
    command = ("caption", disc_video, *MOTION, "--out", tmp_path, "--no-report", "--window-seconds", "2")
    code, text, seen = in_a_terminal(*command)
    assert code == 0
    assert "disc.mp4" in seen and "100%" in seen, "the bar came to the end of the video"
    assert "%" not in text and "\x1b" not in text and "clip 1" in text


def test_ctrl_c_ends_with_130_and_complete_rows(tmp_path: Path) -> None:
    video, out = tmp_path / "long.mp4", tmp_path / "out"
    write_disc(video, seconds=60)
    command = [sys.executable, "-m", "edgecap.cli", "caption", video, *MOTION, "--out", out, "--window-seconds", "2"]
    process = subprocess.Popen([str(c) for c in command], stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 120
    while (time.monotonic() < deadline and not (out / "captions.jsonl").exists()) or not rows_of(out):
        time.sleep(0.05)
    os.kill(process.pid, signal.SIGINT)
    text, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert err == ""
    assert "interrupted: what is written is complete" in text
    rows = rows_of(out)
    assert [row["meta"]["clip"] for row in rows] == list(range(len(rows)))
    assert 1 <= len(rows) < 30
    assert (out / "report.html").read_text(encoding="utf-8").rstrip().endswith("</html>")
