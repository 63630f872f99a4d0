"""`edgecap caption` with --events, --instancevid, --paragraph, --coco: the files, together, of a real run."""

from __future__ import annotations

import csv
import hashlib
import json
import subprocess
import sys
from pathlib import Path

import jsonschema
import pytest

from edgecap.runtime.output import events, rle
from tests.cli.command import MOTION, rows_of, run

pytestmark = pytest.mark.slow  # whole commands; what they are made of is tested below, quickly

FLAGS = ("--events", "--instancevid", "--paragraph", "--coco", "--no-report")


def test_all_files_tell_of_the_same_clips(tmp_path: Path, capsys: pytest.CaptureFixture[str], disc_video: Path) -> None:
    code, _, _ = run(capsys, "caption", disc_video, "--out", tmp_path, *MOTION, *FLAGS, "--window-seconds", 2)
    assert code == 0
    rows, told = rows_of(tmp_path), rows_of(tmp_path, "events.jsonl")
    assert len(rows) == 2
    schema = json.loads(Path(events.__file__).with_name("event_schema.json").read_text(encoding="utf-8"))
    for event in told:
        jsonschema.validate(event, schema)
    assert [e["clip"] for e in told if e["event"] == "clip"] == [0, 1]
    of_disc = [e["event"] for e in told if e.get("track_id") == rows[0]["meta"]["instances"][0]["track_id"]]
    assert of_disc[0] == "born" and of_disc[-1] == "lost" and set(of_disc[1:-1]) <= {"updated"}
    with (tmp_path / "instancevid_dense.csv").open(encoding="utf-8", newline="") as file:
        table = list(csv.DictReader(file))
    identity = rows[0]["meta"]["identity"]["digest"]  # type: ignore[index]
    name = f"disc-{hashlib.sha256(f'disc.mp4 {identity}'.encode()).hexdigest()[:8]}"
    assert [t["path"] for t in table] == [f"{name}_0_0to24.mp4", f"{name}_1_24to48.mp4"]
    assert [(t["height"], t["width"], t["fps"], t["num_frames"]) for t in table] == [("192", "320", "12.0", "24")] * 2
    assert [t["text"] for t in table] == [p["Paragraph"] for p in rows_of(tmp_path, "paragraphs.jsonl")]
    assert [r["Video"] for r in rows_of(tmp_path, "instancevid.jsonl")] == [t["path"] for t in table]
    annotations = json.loads((tmp_path / "coco.json").read_text(encoding="utf-8"))["annotations"]
    reported = [(r["meta"]["clip"], i["track_id"]) for r in rows for i in r["meta"]["instances"]]
    assert [(a["clip"], a["track_id"]) for a in annotations] == reported
    for annotation in annotations:
        assert rle.decode(annotation["segmentation"]).area_pixels == annotation["area"]
    disc = rows[0]["meta"]["instances"][0]["track_id"]  # of radius 26 on a picture 320 wide, shown at its own size
    assert all(0.5 * 2124 < a["area"] < 1.6 * 2124 for a in annotations if a["track_id"] == disc)


def test_nothing_of_it_is_written_unasked(tmp_path: Path, capsys: pytest.CaptureFixture[str], disc_video: Path) -> None:
    assert run(capsys, "caption", disc_video, "--out", tmp_path, *MOTION, "--no-report")[0] == 0
    assert [p.name for p in tmp_path.iterdir()] == ["captions.jsonl"]


def test_an_earlier_run_s_events_are_kept_aside(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], disc_video: Path
) -> None:
    for _ in range(2):
        assert run(capsys, "caption", disc_video, "--out", tmp_path, *MOTION, "--events", "--no-report")[0] == 0
    assert len(rows_of(tmp_path, "events.previous.jsonl")) == len(rows_of(tmp_path, "events.jsonl")) > 0


def test_the_gate_without_a_captioner_is_a_clear_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], disc_video: Path
) -> None:
    code, _, error = run(capsys, "caption", disc_video, "--out", tmp_path, *MOTION, "--change-gate")
    assert code == 2 and "change_gate saves questions to a captioner" in error and error.count("\n") == 1
    assert not list(tmp_path.iterdir())


def test_a_failed_video_is_an_event_and_no_row(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    video = tmp_path / "bad.mp4"
    video.write_bytes(b"no video")
    code, _, _ = run(capsys, "caption", video, "--out", tmp_path / "out", *MOTION, *FLAGS)
    assert code == 3
    [failed] = rows_of(tmp_path / "out", "events.jsonl")
    assert failed["event"] == "failed" and failed["error"] == "UnreadableVideoError"
    assert (tmp_path / "out" / "instancevid.jsonl").read_bytes() == b""
    [left_out] = json.loads((tmp_path / "out" / "coco.json").read_text(encoding="utf-8"))["info"]["left_out"]
    assert left_out.startswith("line 1: cannot read bad.mp4")


def test_two_runs_at_once_do_not_meet(disc_video: Path, tmp_path: Path) -> None:
    """The reference's runs share one folder of frames and destroy each other's (docs/spec/instancecap.md 10.2, 3)."""
    words = [sys.executable, "-m", "edgecap.cli", "caption", str(disc_video), *MOTION, "--no-report", "--out"]
    both = [subprocess.Popen([*words, str(tmp_path / name)], stdout=subprocess.DEVNULL) for name in ("a", "b")]
    assert [one.wait(timeout=300) for one in both] == [0, 0]
    rows = [json.loads((tmp_path / name / "captions.jsonl").read_text().splitlines()[0]) for name in ("a", "b")]
    texts = [{k: row[k] for k in ("Video", "Global Description", "Structural Description")} for row in rows]
    assert texts[0] == texts[1]
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a", "b"], "nothing is written but what was asked for"
