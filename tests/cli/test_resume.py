"""A second run over the same folder: nothing is lost, and --resume adds nothing twice."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.command import MOTION, rows_of, run


def test_a_second_run_keeps_the_first_file_and_resume_adds_nothing_twice(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], disc_video: Path
) -> None:
    command = ("caption", disc_video, *MOTION, "--out", tmp_path, "--no-report")
    run(capsys, *command)
    run(capsys, *command)
    assert len(rows_of(tmp_path)) == len(rows_of(tmp_path, "captions.previous.jsonl")) == 1
    code, text, _ = run(capsys, *command, "--resume")
    assert code == 0
    assert "1 clip already there" in text
    assert len(rows_of(tmp_path)) == 1


def test_resume_with_other_options_is_one_line_and_loses_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], disc_video: Path
) -> None:
    command = ("caption", disc_video, *MOTION, "--out", tmp_path, "--no-report")
    run(capsys, *command)
    before = (tmp_path / "captions.jsonl").read_bytes()
    code, _, err = run(capsys, *command, "--resume", "--window-seconds", "2")
    assert code == 2 and err.count("\n") == 1
    assert "window_seconds 5.0, this run asks for 2.0" in err and "captions.jsonl" in err
    assert (tmp_path / "captions.jsonl").read_bytes() == before


def test_resume_goes_on_where_a_run_was_cut(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], disc_video: Path
) -> None:
    """Rows, subtitles and the earlier report and video all survive; the second half is added."""
    command = ("caption", disc_video, *MOTION, "--out", tmp_path, "--window-seconds", "2", "--srt", "--annotate")
    run(capsys, *command)
    captions, subtitles = tmp_path / "captions.jsonl", (tmp_path / "disc.srt").read_text()
    rows = captions.read_bytes().splitlines(keepends=True)
    assert len(rows) == 2
    captions.write_bytes(rows[0] + rows[1][:50])
    (tmp_path / "disc.srt").write_text(subtitles.split("\n\n")[0] + "\n\n")
    report, video = (tmp_path / "report.html").read_bytes(), (tmp_path / "disc.annotated.mp4").read_bytes()
    code, text, err = run(capsys, *command, "--resume")
    assert (code, err) == (0, "") and "1 clip already there" in text
    assert [row["meta"]["clip"] for row in rows_of(tmp_path)] == [0, 1]
    assert (tmp_path / "disc.srt").read_text() == subtitles
    assert (tmp_path / "report.html").read_bytes() == report
    assert (tmp_path / "disc.annotated.mp4").read_bytes() == video
    assert {"report.resumed-1.html", "disc.resumed-1.annotated.mp4"} <= {p.name for p in tmp_path.iterdir()}


def test_resuming_with_another_video_leaves_the_earlier_report(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], disc_video: Path
) -> None:
    other, out = disc_video.with_name("other.mp4"), tmp_path / "out"
    other.write_bytes(disc_video.read_bytes())
    run(capsys, "caption", disc_video, *MOTION, "--out", out)
    report = (out / "report.html").read_bytes()
    run(capsys, "caption", other, *MOTION, "--out", out, "--resume")
    assert (out / "report.html").read_bytes() == report
    assert [row["Video"] for row in rows_of(out)] == ["disc.mp4", "other.mp4"]
    other.unlink()


def test_resuming_a_failing_file_adds_no_row(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bad = tmp_path / "notes.mp4"
    bad.write_text("this is no video")
    for _ in range(3):
        code, _, err = run(capsys, "caption", bad, *MOTION, "--out", tmp_path / "o", "--no-report", "--resume")
        assert code == 3 and err.count("\n") == 1
    assert len(rows_of(tmp_path / "o")) == 1
