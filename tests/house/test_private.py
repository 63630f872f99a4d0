"""A run stores and sends nothing that was not asked for."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from edgecap.bench.world.cached_clips import cached_clip


@pytest.fixture(scope="module")
def video(tmp_path_factory) -> Path:
    return cached_clip(tmp_path_factory.mktemp("clips"), tier="clean", seed=5, duration_seconds=2.0).video


def _run(video: Path, folder: Path, *before: str) -> subprocess.CompletedProcess[str]:
    (folder / "home").mkdir()
    environment = {name: value for name, value in os.environ.items() if "TELEMETRY" not in name}
    environment |= {"HOME": str(folder / "home"), "TMPDIR": str(folder / "home")}
    environment.pop("XDG_CACHE_HOME", None)
    command = [*before, sys.executable, "-m", "edgecap.cli", "caption", str(video), "--out", str(folder / "out")]
    return subprocess.run(command, env=environment, cwd=folder, capture_output=True, text=True, timeout=300)


def test_nothing_is_left_in_home_or_the_working_folder(video, tmp_path):
    done = _run(video, tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    assert sorted(path.name for path in tmp_path.iterdir()) == ["home", "out"]
    left = [path for path in (tmp_path / "home").rglob("*") if path.is_file()]
    # numba's cache of compiled loops lies in home only where the package itself is read-only.
    assert [path for path in left if "numba" not in path.parts] == []
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["captions.jsonl", "report.html"]


@pytest.mark.skipif(shutil.which("strace") is None, reason="strace isn't installed: sockets of a run can't be watched")
def test_no_socket_leaves_the_machine(video, tmp_path):
    log = tmp_path / "calls"
    done = _run(video, tmp_path, "strace", "-f", "-qq", "-o", str(log), "-e", "trace=network,open,openat,creat")
    if "ptrace" in done.stderr:
        pytest.skip(f"strace may not watch here: {done.stderr.splitlines()[0]}")
    assert done.returncode == 0, done.stderr
    calls = log.read_text()
    assert "captions.jsonl" in calls  # the log is of the run
    assert re.findall(r"(?:socket\(AF_INET|connect\().*", calls) == []
    written = set(re.findall(r'open(?:at)?\([^"]*"([^"]+)", [^)]*O_CREAT', calls))
    elsewhere = {
        path for path in written if not path.startswith(("/dev/", str(tmp_path / "out"), str(tmp_path / "home")))
    }
    assert {path for path in elsewhere if "__pycache__" not in path} == set()
