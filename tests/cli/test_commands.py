"""The command line as a user meets it: one line and a code for every mistake, files where they are promised."""

from __future__ import annotations

import contextlib
import json
import os
import pty
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
from edgecap.cli.caption import stage_threads
from edgecap.cli.main import main
from edgecap.engines.errors import UsageError
from edgecap.runtime.config import PipelineConfig, StageThreads
from edgecap.runtime.output.schema import schema_errors

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
    assert "notes.mp4" in lines[0] and "no such file" in lines[1] and "contains no video" in lines[2]
    states = [row["meta"]["status"] for row in rows_of(out)]  # type: ignore[index]
    assert states == ["error", "ok", "error", "error"]
    assert "3 failed" in text


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
    assert [row["meta"]["clip"] for row in rows_of(tmp_path)] == [0, 1]  # type: ignore[index]
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


def test_a_mistyped_input_leaves_the_earlier_run_alone(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], disc_video: Path
) -> None:
    run(capsys, "caption", disc_video, *MOTION, "--out", tmp_path)
    before = {p.name: p.read_bytes() for p in tmp_path.iterdir()}
    code, _, err = run(capsys, "caption", tmp_path / "dsic.mp4", *MOTION, "--out", tmp_path)
    assert code == 3 and "no such file" in err
    assert {p.name: p.read_bytes() for p in tmp_path.iterdir()} == before


def test_one_input_in_two_spellings_is_captioned_once(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], disc_video: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(disc_video.parent)
    code, text, _ = run(capsys, "caption", "disc.mp4", disc_video, ".", *MOTION, "--out", tmp_path, "--no-report")
    assert code == 0 and "from 1 video;" in text
    assert len(rows_of(tmp_path)) == 1


def test_odd_names_are_printed_and_written(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], disc_video: Path
) -> None:
    odd = Path(os.fsdecode(os.fsencode(tmp_path) + b"/caf\xff.mp4"))
    odd.write_bytes(disc_video.read_bytes())
    out = tmp_path / "out"
    arguments = ("caption", odd, tmp_path / ("x" * 300), *MOTION, "--out", out, "--srt", "--annotate")
    code, text, err = run(capsys, *arguments)
    assert code == 8 and err.count("\n") == 1 and "name too long" in err and "internal error" not in err
    (text + err).encode("utf-8")
    assert rows_of(out)[0]["Video"] == "caf\ufffd.mp4"
    assert {"caf\ufffd.srt", "caf\ufffd.annotated.mp4"} <= {p.name for p in out.iterdir()}
    code, text, _ = run(capsys, *arguments, "--resume")
    assert "1 clip already there" in text and len(rows_of(out)) == 2


@pytest.mark.parametrize(
    ("text", "want"),
    [
        ("2", StageThreads(2, 2, 2)),
        ("describe=3", StageThreads(1, 1, 3)),
        ("decode=2, perceive=4,describe=1", StageThreads(2, 4, 1)),
    ],
)
def test_threads_per_stage(text: str, want: StageThreads) -> None:
    assert stage_threads(text) == want


@pytest.mark.parametrize("text", ["", "two", "decode", "decode=", "write=1", "decode=1,decode=2", "1,2", "-1", "0"])
def test_threads_that_mean_nothing_are_refused(text: str) -> None:
    with pytest.raises(UsageError, match="threads"):
        stage_threads(text)


def test_bench_quality_proves_its_output_first_and_writes_after_every_tier(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The measuring itself is faked: what is tested is when the file is touched."""
    (tmp_path / "file").write_text("in the way")
    tiers: list[str] = []

    def run_tier(pipeline: object, tier: str, **rest: object) -> str:
        if tier == "moving":
            raise UsageError("the second tier cannot be run")
        tiers.append(tier)
        return tier

    monkeypatch.setattr("edgecap.bench.quality.run.run_tier", run_tier)
    monkeypatch.setattr("edgecap.cli.bench_text.quality_json", lambda quality: {"of": quality})
    monkeypatch.setattr("edgecap.bench.quality.compare.quality_config", lambda *args, **rest: PipelineConfig())
    monkeypatch.setattr("edgecap.runtime.pipeline.pipeline.Pipeline.__init__", lambda self, config: None)
    code, _, err = run(capsys, "bench", "quality", "--json", "--out", tmp_path / "file" / "q.json")
    assert code == 4 and "file" in err and tiers == []
    code, _, err = run(capsys, "bench", "quality", "--json", "--out", tmp_path / "q.json")
    assert code == 2 and "second tier" in err
    assert json.loads((tmp_path / "q.json").read_text())["tiers"] == {"clean": {"of": "clean"}}


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


@pytest.mark.parametrize(
    ("arguments", "code", "complaint"),
    [
        (["caption"], 2, "Missing argument"),
        (["caption", "x.mp4", "--detector", "yolo"], 2, "'yolo' is not one of"),
        (["caption", "x.mp4", "--window-seconds", "11"], 2, "window_seconds must be 2 to 10 seconds; got 11"),
        (["caption", "x.mp4", "--pack", "nonesuch"], 5, "no pack 'nonesuch'"),
        (["caption", "x.mp4", "--threads", "fast"], 2, "--threads expects a whole number"),
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

    monkeypatch.setattr("edgecap.engines.doctor.doctor.examine", broken)
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
