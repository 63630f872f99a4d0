"""A second run over the same folder: nothing is lost, and --resume adds nothing twice."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.cli.command import MOTION, rows_of, run

pytestmark = pytest.mark.slow  # whole commands; what they are made of is tested below, quickly

CLIPS = ("--window-seconds", "2")
"""As the earlier run has it."""


def test_a_second_run_keeps_the_first_file_and_resume_adds_nothing_twice(
    capsys: pytest.CaptureFixture[str], disc_video: Path, earlier: Path
) -> None:
    command = ("caption", disc_video, *MOTION, *CLIPS, "--out", earlier, "--no-report")
    run(capsys, *command)
    assert len(rows_of(earlier)) == len(rows_of(earlier, "captions.previous.jsonl")) == 2
    code, text, _ = run(capsys, *command, "--resume")
    assert code == 0
    assert "2 clips already there" in text
    assert len(rows_of(earlier)) == 2


def test_resume_with_other_options_is_one_line_and_loses_nothing(
    capsys: pytest.CaptureFixture[str], disc_video: Path, earlier: Path
) -> None:
    before = (earlier / "captions.jsonl").read_bytes()
    code, _, err = run(capsys, "caption", disc_video, *MOTION, "--out", earlier, "--no-report", "--resume")
    assert code == 2 and err.count("\n") == 1
    assert "window_seconds 2.0, this run asks for 5.0" in err and "captions.jsonl" in err
    assert (earlier / "captions.jsonl").read_bytes() == before


def test_resume_goes_on_where_a_run_was_cut(
    capsys: pytest.CaptureFixture[str], disc_video: Path, earlier: Path
) -> None:
    """Rows, subtitles and the earlier report and video all survive; the second half is added."""
    captions, subtitles = earlier / "captions.jsonl", (earlier / "disc.srt").read_text()
    rows = captions.read_bytes().splitlines(keepends=True)
    assert len(rows) == 2
    captions.write_bytes(rows[0] + rows[1][:50])
    (earlier / "disc.srt").write_text(subtitles.split("\n\n")[0] + "\n\n")
    report, video = (earlier / "report.html").read_bytes(), (earlier / "disc.annotated.mp4").read_bytes()
    command = ("caption", disc_video, *MOTION, *CLIPS, "--out", earlier, "--srt", "--annotate", "--resume")
    code, text, err = run(capsys, *command)
    assert (code, err) == (0, "") and "1 clip already there" in text
    assert [row["meta"]["clip"] for row in rows_of(earlier)] == [0, 1]
    assert (earlier / "disc.srt").read_text() == subtitles
    assert (earlier / "report.html").read_bytes() == report
    assert (earlier / "disc.annotated.mp4").read_bytes() == video
    assert {"report.resumed-1.html", "disc.resumed-1.annotated.mp4"} <= {p.name for p in earlier.iterdir()}


def test_resuming_with_another_video_leaves_the_earlier_report(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], disc_video: Path, earlier: Path
) -> None:
    other = shutil.copy(disc_video, tmp_path / "other.mp4")
    report = (earlier / "report.html").read_bytes()
    run(capsys, "caption", other, *MOTION, *CLIPS, "--out", earlier, "--resume")
    assert (earlier / "report.html").read_bytes() == report
    assert [row["Video"] for row in rows_of(earlier)] == ["disc.mp4"] * 2 + ["other.mp4"] * 2


def test_resuming_a_failing_file_adds_no_row(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bad = tmp_path / "notes.mp4"
    bad.write_text("this is no video")
    for _ in range(3):
        code, _, err = run(capsys, "caption", bad, *MOTION, "--out", tmp_path / "o", "--no-report", "--resume")
        assert code == 3 and err.count("\n") == 1
    assert len(rows_of(tmp_path / "o")) == 1
