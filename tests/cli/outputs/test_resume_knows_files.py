"""`--resume` by the content of the files, through the real command."""

from __future__ import annotations

import csv
import shutil
from pathlib import Path

import pytest

from tests.cli.command import MOTION, rows_of, run, write_disc
from tests.cli.outputs.cases import CASES, needs_cases

pytestmark = pytest.mark.slow  # whole commands; what they are made of is tested below, quickly

FLAGS = (*MOTION, "--no-report", "--srt", "--events", "--window-seconds", 2)


@pytest.fixture(scope="module")
def discs(tmp_path_factory: pytest.TempPathFactory) -> dict[int, Path]:
    """Discs of 3, 5 and 6 seconds."""
    folder = tmp_path_factory.mktemp("discs")
    for seconds in (3, 5, 6):
        write_disc(folder / f"{seconds}.mp4", seconds=seconds)
    return {seconds: folder / f"{seconds}.mp4" for seconds in (3, 5, 6)}


def times(folder: Path) -> list[tuple[object, object, object]]:
    return [(r["Video"], r["meta"].get("start_seconds"), r["meta"].get("end_seconds")) for r in rows_of(folder)]  # type: ignore[attr-defined]


def cut_rows(out: Path, keep: int) -> None:
    lines = (out / "captions.jsonl").read_text(encoding="utf-8").splitlines(keepends=True)
    (out / "captions.jsonl").write_text("".join(lines[:keep]), encoding="utf-8")


def test_a_mended_file_is_captioned_from_its_start(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], discs: dict[int, Path]
) -> None:
    video, out, data = tmp_path / "v.mp4", tmp_path / "o", discs[6].read_bytes()
    video.write_bytes(b"\0" * 64)  # not a video: an error row
    assert run(capsys, "caption", video, "--out", out, *FLAGS)[0] == 3
    video.write_bytes(data)
    assert run(capsys, "caption", video, "--out", out, *FLAGS, "--resume")[0] == 0
    assert times(out) == [("v.mp4", 0.0, 2.0), ("v.mp4", 2.0, 4.0), ("v.mp4", 4.0, 6.0)]
    assert [e["event"] for e in rows_of(out, "events.jsonl") if e["event"] in ("clip", "failed")] == ["clip"] * 3


def test_a_file_that_has_grown_since_it_was_interrupted(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], discs: dict[int, Path]
) -> None:
    video, out = tmp_path / "v.mp4", tmp_path / "o"
    shutil.copy(discs[5], video)
    assert run(capsys, "caption", video, "--out", out, *FLAGS)[0] == 0
    cut_rows(out, 1)  # as after kill -9: not read to its end
    shutil.copy(discs[6], video)
    assert run(capsys, "caption", video, "--out", out, *FLAGS, "--resume")[0] == 0
    assert times(out) == [("v.mp4", 0.0, 2.0), ("v.mp4", 2.0, 4.0), ("v.mp4", 4.0, 6.0)]
    assert (out / "v.srt").read_text(encoding="utf-8").count("-->") == 3
    clips = [e["pts_end_seconds"] for e in rows_of(out, "events.jsonl") if e["event"] == "clip"]
    assert clips == [2.0, 4.0, 6.0]


def test_a_hole_is_filled_and_the_subtitles_are_in_order(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], discs: dict[int, Path]
) -> None:
    video, out = tmp_path / "v.mp4", tmp_path / "o"
    shutil.copy(discs[6], video)
    assert run(capsys, "caption", video, "--out", out, *FLAGS)[0] == 0
    whole = (out / "v.srt").read_text(encoding="utf-8")
    lines = (out / "captions.jsonl").read_text(encoding="utf-8").splitlines(keepends=True)
    stale = lines[1].replace('"end_seconds": 4.0', '"end_seconds": 3.0')
    for rows in ([lines[0], lines[2]], [lines[0], stale, lines[2]], [*lines, lines[1]]):
        (out / "captions.jsonl").write_text("".join(rows), encoding="utf-8")
        assert run(capsys, "caption", video, "--out", out, *FLAGS, "--resume")[0] == 0
        assert sorted(times(out)) == [("v.mp4", 0.0, 2.0), ("v.mp4", 2.0, 4.0), ("v.mp4", 4.0, 6.0)]
        assert (out / "v.srt").read_text(encoding="utf-8") == whole


def test_another_film_of_that_name_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], discs: dict[int, Path]
) -> None:
    out = tmp_path / "o"
    for day, seconds in (("day1", 3), ("day2", 5)):
        (tmp_path / day).mkdir()
        shutil.copy(discs[seconds], tmp_path / day / "v.mp4")
    assert run(capsys, "caption", tmp_path / "day1" / "v.mp4", "--out", out, *FLAGS, "--resume")[0] == 0
    before = {p.name: p.read_bytes() for p in out.iterdir()}
    code, _, error = run(capsys, "caption", tmp_path / "day2" / "v.mp4", "--out", out, *FLAGS, "--resume")
    assert code == 2 and error.count("\n") == 1 and "another file named v.mp4" in error and "day2/v.mp4" in error
    assert {p.name: p.read_bytes() for p in out.iterdir()} == before
    # Beside each other they have different names; the rows of the first are found by its content.
    code, text, _ = run(capsys, "caption", tmp_path / "day1", tmp_path / "day2", "--out", out, *FLAGS, "--resume")
    assert code == 0 and "1 clip already there" in text
    assert [name for name, *_ in times(out)] == ["day1/v.mp4"] + ["day2/v.mp4"] * 2


def test_subtitles_of_a_video_that_is_no_input_stay(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], discs: dict[int, Path]
) -> None:
    out = tmp_path / "o"
    shutil.copy(discs[3], tmp_path / "v.mp4")
    shutil.copy(discs[5], tmp_path / "v.m4v")
    assert run(capsys, "caption", tmp_path / "v.mp4", "--out", out, *FLAGS)[0] == 0
    first = (out / "v.srt").read_bytes()
    assert run(capsys, "caption", tmp_path / "v.m4v", "--out", out, *FLAGS, "--resume")[0] == 0
    assert (out / "v.srt").read_bytes() == first and (out / "v.m4v.srt").exists()


def test_a_file_that_changes_while_it_is_read_is_an_error_row(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], discs: dict[int, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    from edgecap.runtime.output.jsonl import JsonLinesSink

    video, out, write = tmp_path / "v.mp4", tmp_path / "o", JsonLinesSink.write
    shutil.copy(discs[5], video)

    def and_grow(self: JsonLinesSink, record: object) -> None:
        write(self, record)  # type: ignore[arg-type]
        with video.open("ab") as file:
            file.write(b"more")

    monkeypatch.setattr(JsonLinesSink, "write", and_grow)
    code, _, error = run(capsys, "caption", video, "--out", out, *FLAGS, "--serial")
    assert code == 3 and "v.mp4 was changed while it was read" in error
    assert rows_of(out)[-1]["meta"]["identity"]["size_bytes"] == discs[5].stat().st_size  # type: ignore[index]


def test_instancevid_names_stand_for_the_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], discs: dict[int, Path]
) -> None:
    videos = tmp_path / "in"
    videos.mkdir()
    flags = (*MOTION, "--no-report", "--instancevid")

    def names() -> list[str]:
        assert run(capsys, "caption", tmp_path / "in", "--out", tmp_path / "o", *flags)[0] == 0
        with (tmp_path / "o" / "instancevid_dense.csv").open(encoding="utf-8", newline="") as file:
            return [row["path"] for row in csv.DictReader(file)]

    shutil.copy(discs[3], videos / "v.mp4")
    alone = names()
    shutil.copy(discs[3], videos / "v.m4v")  # a copy: one content, another name
    shutil.copy(discs[5], videos / "v.mov")
    together = names()
    assert len(set(together)) == len(together) == 3 and alone[0] in together
    assert all(name.startswith("v-") for name in together)


@needs_cases
def test_the_cases_as_they_were_met(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    flags = (*MOTION, "--no-report", "--srt")
    video, out = tmp_path / "v.mp4", tmp_path / "o"
    shutil.copyfile(CASES / "03-resume-hole" / "cut.mp4", video)
    assert run(capsys, "caption", video, "--out", out, *flags)[0] == 3
    shutil.copyfile(CASES / "03-resume-hole" / "whole.mp4", video)
    assert run(capsys, "caption", video, "--out", out, *flags, "--resume")[0] == 0
    assert [t[1:] for t in times(out)] == [(0.0, 5.0), (5.0, 10.0), (10.0, 15.0), (15.0, 18.0)]
    days = CASES / "04-resume-other-video"
    codes = [
        run(capsys, "caption", days / d / "video.mp4", "--out", tmp_path / "o4", *flags, "--resume")[0]
        for d in ("day1", "day2")
    ]
    assert codes == [0, 2]
