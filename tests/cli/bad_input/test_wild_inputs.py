"""Files, folders and names as they are in the wild, through the command: rows, warnings, codes."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import av
import pytest

from tests.cli.command import MOTION, rows_of, run, write_disc

pytestmark = pytest.mark.slow  # whole commands; what they are made of is tested below, quickly

Capture = pytest.CaptureFixture[str]


def meta(row: dict[str, object]) -> dict[str, Any]:
    return row["meta"]  # type: ignore[return-value]


def test_a_mac_folder_is_captioned_without_an_error_row(tmp_path: Path, capsys: Capture) -> None:
    folder = tmp_path / "mac"
    folder.mkdir()
    write_disc(folder / "clip.ts", seconds=2)
    (folder / "._clip.ts").write_bytes(b"\x00\x05\x16\x07\x00\x02\x00\x00Mac OS X        ")
    (folder / "index.ts").write_text("export const x: number = 1;\n")
    code, _, err = run(capsys, "caption", folder, *MOTION, "--out", tmp_path / "out", "--no-report")
    assert (code, err) == (0, "")
    assert [row["Video"] for row in rows_of(tmp_path / "out")] == ["clip.ts"]


def test_recursive_looks_into_folders_inside(tmp_path: Path, capsys: Capture) -> None:
    folder = tmp_path / "card"
    for name in ("DCIM/100/a.mp4", "DCIM/101/b.mp4", ".Trashes/c.mp4"):
        (folder / name).parent.mkdir(parents=True)
        write_disc(folder / name, seconds=2)
    code, _, err = run(capsys, "caption", folder, *MOTION, "--out", tmp_path / "out", "--no-report")
    assert code == 3 and "--recursive looks into folders" in err
    code, _, err = run(capsys, "caption", folder, "--recursive", *MOTION, "--out", tmp_path / "out", "--no-report")
    assert (code, err) == (0, "")
    assert [row["Video"] for row in rows_of(tmp_path / "out")] == ["100/a.mp4", "101/b.mp4"]


def test_a_file_that_may_not_be_read_is_a_row(
    tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch, disc_video: Path
) -> None:
    """The tests may run as a user who may read everything: the system's answers are made here."""
    locked, out = tmp_path / "locked.mp4", tmp_path / "out"
    locked.write_bytes(disc_video.read_bytes())
    access, opened = os.access, av.open

    def refuses(path: Any, mode: int, **rest: Any) -> bool:
        return os.fspath(path) != str(locked) and access(path, mode, **rest)

    def fails(file: Any, *arguments: Any, **options: Any) -> Any:
        if str(file).endswith("locked.mp4"):
            raise av.error.PermissionError(13, "Permission denied", str(file))
        return opened(file, *arguments, **options)

    monkeypatch.setattr(os, "access", refuses)
    monkeypatch.setattr(av, "open", fails)
    code, _, err = run(capsys, "caption", locked, disc_video, *MOTION, "--out", out, "--no-report")
    assert code == 8
    [line] = err.splitlines()
    assert "locked.mp4 (Permission denied); check its permissions" in line
    assert [meta(row)["status"] for row in rows_of(out)] == ["error", "ok"]


def test_an_address_is_answered_in_one_line(tmp_path: Path, capsys: Capture) -> None:
    code, _, err = run(capsys, "caption", "rtsp://cam.local/stream1", *MOTION, "--out", tmp_path / "out")
    assert code == 3
    assert err == (
        "edgecap: rtsp://cam.local/stream1: addresses are not read; record to a file, or pipe: "
        "ffmpeg -i URL -c copy -f mpegts - | edgecap caption /dev/stdin\n"
    )


def test_colons_in_names_of_files_and_folders(
    tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch, disc_video: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("2024-05-01T12:30:00.mp4").write_bytes(disc_video.read_bytes())
    code, _, err = run(
        capsys, "caption", "2024-05-01T12:30:00.mp4", *MOTION, "--out", "a:b", "--annotate", "--no-report"
    )
    assert (code, err) == (0, "")
    with av.open("file:a:b/2024-05-01T12:30:00.annotated.mp4") as annotated:
        assert annotated.streams.video[0].frames > 10


def test_a_damaged_file_is_captioned_to_its_end_with_one_warning(tmp_path: Path, capsys: Capture) -> None:
    from tests.runtime.video.made_videos import moving, write_stream

    path = write_stream(
        tmp_path / "d.webm",
        moving(250),
        codec="libvpx",
        damage=lambda k, data: b"\xff" * len(data) if k in (30, 130, 247) else data,
    )
    code, _, err = run(capsys, "caption", path, *MOTION, "--out", tmp_path / "out", "--no-report", "--srt")
    assert code == 0
    [line] = err.splitlines()
    assert line.startswith("edgecap: warning: d.webm: a damaged part could not be decoded")
    assert meta(rows_of(tmp_path / "out")[-1])["end_seconds"] == pytest.approx(10.0, abs=0.05)


def test_cues_and_rows_of_a_late_held_and_mirrored_video(tmp_path: Path, capsys: Capture) -> None:
    from tests.runtime.video.made_videos import moving, write_stream

    path = write_stream(
        tmp_path / "late.mp4",
        moving(50),
        codec="libx264",
        options={"bf": "0"},
        durations_ms={49: 7000},
        sound_seconds=3.0,
        begin_ms=2500,
    )
    out = tmp_path / "out"
    code, _, err = run(capsys, "caption", path, *MOTION, "--out", out, "--no-report", "--srt")
    assert (code, err) == (0, "")
    [row] = [meta(r) for r in rows_of(out)]
    assert (row["start_seconds"], row["end_seconds"]) == (pytest.approx(2.5, abs=0.03), pytest.approx(11.46, abs=0.05))
    assert "00:00:02,5" in (out / "late.srt").read_text() and json.dumps(row["video"]["size_wh"]) == "[160, 96]"


def test_colours_that_no_formula_converts_are_not_reported(tmp_path: Path, capsys: Capture) -> None:
    from tests.runtime.video.made_videos import moving, write_stream

    def ictcp(stream: Any) -> None:
        context = stream.codec_context
        context.color_trc, context.color_primaries, context.colorspace = 16, 9, 14

    palettes = []
    for name, prepare in (("plain.mp4", None), ("odd.mp4", ictcp)):
        write_stream(tmp_path / name, moving(75), codec="libx264", prepare=prepare)
        out = tmp_path / f"out-{name}"
        code, _, err = run(capsys, "caption", tmp_path / name, *MOTION, "--out", out, "--no-report")
        assert code == 0 and err.count("\n") == (prepare is not None)
        palettes.append([i["palette"] for row in rows_of(out) for i in meta(row)["instances"]])
    assert all(palettes[0]) and palettes[0], "a moving thing with colours, where they are known"
    assert palettes[1] and not any(palettes[1])
    assert "odd.mp4: its colours can't be converted (ICtCp components); none are reported" in err
