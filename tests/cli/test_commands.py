"""The command line as a user meets it: one line and a code for every mistake, files where they are promised."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import av
import cv2
import numpy as np
import pytest

from edgecap import __version__
from edgecap.cli.main import main
from edgecap.runtime.schema_check import schema_errors

MOTION = ("--detector", "motion", "--captioner", "none")


@pytest.fixture(scope="module")
def disc_video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four seconds of a red disc crossing a still, mottled background."""
    path = tmp_path_factory.mktemp("videos") / "disc.mp4"
    write_disc(path, seconds=4)
    return path


def write_disc(path: Path, *, seconds: int) -> None:
    mottled = np.random.default_rng(0).integers(60, 200, (24, 40, 3), dtype=np.uint8)
    background = cv2.resize(mottled, (320, 192), interpolation=cv2.INTER_CUBIC)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=12)
        stream.width, stream.height, stream.pix_fmt = 320, 192, "yuv420p"
        for index in range(12 * seconds):
            image = background.copy()
            cv2.circle(image, (40 + index * 220 // (12 * seconds), 100), 26, (220, 30, 30), -1)
            for packet in stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")):
                container.mux(packet)
        for packet in stream.encode():
            container.mux(packet)


def run(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as end:
        main([str(a) for a in arguments])
    captured = capsys.readouterr()
    return int(end.value.code or 0), captured.out, captured.err


def rows_of(folder: Path, name: str = "captions.jsonl") -> list[dict[str, object]]:
    return [json.loads(line) for line in (folder / name).read_text(encoding="utf-8").splitlines()]


def test_version_and_help(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(capsys, "--version") == (0, f"edgecap {__version__}\n", "")
    code, out, _ = run(capsys, "caption", "--help")
    assert code == 0
    assert all(option in out for option in ("--pack", "--detector", "--resume", "--serial", "--json", "--srt"))


def test_caption_writes_what_it_promises(tmp_path: Path, capsys: pytest.CaptureFixture[str], disc_video: Path) -> None:
    out = tmp_path / "new" / "folder"
    code, text, err = run(capsys, "caption", disc_video, *MOTION, "--out", out, "--srt", "--annotate")
    assert (code, err) == (0, "")
    assert {p.name for p in out.iterdir()} == {"captions.jsonl", "report.html", "disc.srt", "disc.annotated.mp4"}
    rows = rows_of(out)
    assert len(rows) == 1 and schema_errors(rows[0]) == []
    instances = rows[0]["Structural Description"]["Main Instance"]  # type: ignore[index]
    assert instances["No.0"]["Class"] == "object"
    for sentence in instances["No.0"].values():
        assert sentence in text, "what is written is also shown"
    assert "1 clip, " in text and str(out) in text


def test_json_prints_rows_and_nothing_else(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], disc_video: Path
) -> None:
    code, text, _ = run(capsys, "caption", disc_video, *MOTION, "--out", tmp_path, "--no-report", "--json", "--serial")
    assert code == 0
    assert [json.loads(line) for line in text.splitlines()] == rows_of(tmp_path)
    assert not (tmp_path / "report.html").exists()


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


def test_bad_inputs_among_good_ones(tmp_path: Path, capsys: pytest.CaptureFixture[str], disc_video: Path) -> None:
    text_file, empty_folder = tmp_path / "notes.mp4", tmp_path / "empty"
    text_file.write_text("this is no video")
    empty_folder.mkdir()
    out = tmp_path / "out"
    code, text, err = run(
        capsys,
        "caption",
        text_file,
        disc_video,
        tmp_path / "none.mp4",
        empty_folder,
        *MOTION,
        "--out",
        out,
        "--no-report",
    )
    assert code == 8
    lines = err.splitlines()
    assert len(lines) == 3 and all(line.startswith("edgecap: ") for line in lines)
    assert "notes.mp4" in lines[0] and "no such file" in lines[1] and "holds no video" in lines[2]
    states = [row["meta"]["status"] for row in rows_of(out)]  # type: ignore[index]
    assert states == ["error", "ok", "error", "error"]
    assert "3 failed" in text


@pytest.mark.parametrize(
    ("arguments", "code", "complaint"),
    [
        (["caption"], 2, "Missing argument"),
        (["caption", "x.mp4", "--detector", "yolo"], 2, "'yolo' is not one of"),
        (["caption", "x.mp4", "--window-seconds", "11"], 2, "window_seconds must be 2 to 10 seconds; got 11"),
        (["caption", "x.mp4", "--pack", "nonesuch"], 5, "no pack 'nonesuch'"),
        (["caption", "none.mp4", *MOTION], 3, "no such file or folder: none.mp4"),
        (["caption", "none.mp4", *MOTION, "--out", "file.txt"], 4, "file.txt"),
        (["caption", "none.mp4", *MOTION, "--out", "file.txt/below"], 4, "file.txt"),
        (["world", "--count", "0"], 2, "--count must be at least 1"),
        (["world", "--seconds", "500"], 2, "--seconds must be 0.5 to 120"),
        (["bench", "quality", "--seed-start", "1000000"], 2, "held-out seeds are 0 to 99999"),
        (["bench", "caption", "--repeats", "0"], 2, "--repeats must be at least 1"),
        (["frob"], 2, "No such command 'frob'"),
    ],
    ids=lambda value: "-".join(value) if isinstance(value, list) else "",
)
def test_mistakes_are_one_line_and_a_code(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    code: int,
    complaint: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file.txt").write_text("in the way")
    got, _, err = run(capsys, *arguments)
    assert got == code
    assert err.startswith("edgecap: ") and err.count("\n") == 1
    assert complaint in err


def test_a_bug_is_one_line_too_and_debug_shows_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken() -> None:
        raise KeyError("lost")

    monkeypatch.setattr("edgecap.engines.doctor.examine", broken)
    code, _, err = run(capsys, "doctor")
    assert code == 1
    assert (
        err
        == "edgecap: internal error: KeyError: 'lost'; run again with --debug for the traceback, and please report it\n"
    )
    monkeypatch.setenv("EDGECAP_DEBUG", "")  # so that what main sets is undone
    code, _, err = run(capsys, "doctor", "--debug")
    assert code == 1
    assert "Traceback" in err and "broken" in err


def test_doctor_json(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(capsys, "doctor", "--json")
    checks = {check["name"]: check for check in json.loads(out)}
    assert checks["edgecap"]["detail"] == __version__
    assert code == (0 if all(c["status"] == "ok" for c in checks.values() if c["required"]) else 6)


def test_world_renders_a_clip_with_its_truth(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(
        capsys, "world", "--tier", "clean", "--seed", "5", "--seconds", "0.5", "--out", tmp_path, "--json"
    )
    assert code == 0
    [clip] = json.loads(out)
    assert json.loads(Path(clip["truth"]).read_text())["num_frames"] == 12
    with av.open(clip["video"]) as container:
        assert sum(1 for _ in container.decode(video=0)) == 12


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
    assert [row["meta"]["clip"] for row in rows] == list(range(len(rows)))  # type: ignore[index]
    assert 1 <= len(rows) < 30
    assert (out / "report.html").read_text(encoding="utf-8").rstrip().endswith("</html>")
