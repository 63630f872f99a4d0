"""`edgecap dataset` as a user meets it: real files, one line per mistake, nothing lost when a run is cut."""

from __future__ import annotations

import json
from pathlib import Path

import av
import cv2
import numpy as np
import pytest

from tests.cli.command import run

pytestmark = pytest.mark.slow

FILTER = ("dataset", "filter")
MOTION = ("--detector", "motion")


def write_video(path: Path, *, seconds: float = 3.0, speed: float = 0.3, seed: int = 0, mirrored: bool = False) -> None:
    """A red disc that moves at `speed` widths per second over a still, mottled ground."""
    mottled = np.random.default_rng(seed).integers(60, 200, (12, 20, 3), dtype=np.uint8)
    ground = cv2.resize(mottled, (480, 272), interpolation=cv2.INTER_CUBIC)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=12)
        stream.width, stream.height, stream.pix_fmt, stream.thread_count = 480, 272, "yuv420p", 1
        for index in range(round(12 * seconds)):
            image = ground.copy()
            cv2.circle(image, (40 + round(index / 12 * speed * 480), 130), 36, (220, 30, 30), -1)
            image = np.ascontiguousarray(image[:, ::-1]) if mirrored else image
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
        container.mux(stream.encode())


@pytest.fixture(scope="module")
def videos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("clips")
    write_video(folder / "a_moves.mp4")
    write_video(folder / "b_mirror.mp4", mirrored=True)
    write_video(folder / "c_still.mp4", speed=0.0, seed=1)
    write_video(folder / "d_short.mp4", seconds=1.0, seed=2)
    (folder / "e_broken.mp4").write_text("this is no video")
    write_video(folder / "f_moves.mp4", seed=3)
    return folder


def rows_of(path: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def test_a_folder_is_judged_clip_by_clip(tmp_path: Path, capsys: pytest.CaptureFixture[str], videos: Path) -> None:
    code, text, err = run(capsys, *FILTER, videos, *MOTION, "--out", tmp_path / "new")
    assert (code, err) == (8, "")
    rows = rows_of(tmp_path / "new" / "curation.jsonl")
    codes = {str(r["Video"]): {str(x).partition(":")[0] for x in r["reasons"]} for r in rows}  # type: ignore[attr-defined]
    assert codes["a_moves.mp4"] == codes["f_moves.mp4"] == set()
    assert codes["b_mirror.mp4"] == {"duplicate"} and "mirror of a_moves.mp4" in str(rows[1]["reasons"])
    assert codes["c_still.mp4"] == {"motion"}
    assert "duration" in codes["d_short.mp4"] and codes["e_broken.mp4"] == {"unreadable"}
    assert [r["Video"] for r in rows_of(tmp_path / "new" / "kept.jsonl")] == ["a_moves.mp4", "f_moves.mp4"]
    # The disc moves 0.3 widths = 0.53 short sides per second.
    assert 0.35 < float(str(rows[0]["motion"])) < 0.7
    assert "2 of 6 clips stay" in text
    summary = json.loads((tmp_path / "new" / "summary.json").read_text())
    assert (summary["clips"], summary["kept"], summary["rules"]["min_motion"]) == (6, 2, 0.06)


def test_a_cut_run_goes_on_and_new_thresholds_need_no_measuring(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], videos: Path
) -> None:
    command = (*FILTER, videos, *MOTION, "--out", tmp_path)
    run(capsys, *command)
    whole, measured = (tmp_path / "curation.jsonl").read_bytes(), tmp_path / "measured.jsonl"
    lines = measured.read_bytes().splitlines(keepends=True)
    measured.write_bytes(b"".join(lines[:3]) + lines[3][:40])
    _, text, _ = run(capsys, *command, "--resume")
    assert "3 measured before" in text and (tmp_path / "curation.jsonl").read_bytes() == whole
    assert len(measured.read_bytes().splitlines()) == len(lines)
    _, text, _ = run(capsys, *command, "--resume", "--min-motion", "0", "--duplicate-bits", "0", "--json")
    assert [json.loads(line)["keep"] for line in text.splitlines()][:2] == [True, True]
    code, _, err = run(capsys, *FILTER, videos, "--out", tmp_path, "--resume")
    assert code == 2 and "was measured with detector motion" in err and err.count("\n") == 1
    run(capsys, *command)
    assert (tmp_path / "measured.previous.jsonl").exists()


def test_rows_with_broken_lines_and_windows(tmp_path: Path, capsys: pytest.CaptureFixture[str], videos: Path) -> None:
    texts = {"Class": "object", "Appearance": "A red disc.", "Actions and Motion": "It moves.", "Position": "There."}
    block = {"Main Instance": {"No.0": texts}, "Background Detail": "A street.", "Camera Movement": "Static."}
    row = {"Video": "a_moves.mp4", "Global Description": "A disc moves.", "Structural Description": block}
    window = row | {"Video": "f_moves.mp4", "meta": {"clip": 0, "start_seconds": 0.5, "end_seconds": 2.75}}
    lost = row | {"Video": "none.mp4", "Global Description": ""}
    path = tmp_path / "rows.jsonl"
    path.write_text("\n".join([json.dumps(row), "{broken", json.dumps(window), json.dumps(lost)]) + "\n")
    code, _, _ = run(capsys, *FILTER, path, "--videos", videos, *MOTION, "--out", tmp_path / "out")
    rows = rows_of(tmp_path / "out" / "curation.jsonl")
    assert code == 8 and [r["keep"] for r in rows] == [True, False, True, False]
    assert "line 2 is not JSON" in str(rows[1]["reasons"]) and "no such video" in str(rows[3]["reasons"])
    assert rows[2]["duration_seconds"] == pytest.approx(2.25, abs=0.1) and rows[0]["scene"] == "street"
    assert rows_of(tmp_path / "out" / "kept.jsonl") == [row, window], "rows stay as they came"


def test_stats_write_a_picture_and_its_figures(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], videos: Path
) -> None:
    run(capsys, *FILTER, videos, *MOTION, "--out", tmp_path)
    code, text, err = run(
        capsys, "dataset", "stats", tmp_path / "curation.jsonl", "--out", tmp_path / "p.png", "--json"
    )
    assert (code, err) == (0, "")
    figures = json.loads(text)
    assert figures == json.loads((tmp_path / "p.json").read_text()) and (figures["kept"], figures["dropped"]) == (2, 4)
    assert cv2.imread(str(tmp_path / "p.png")).shape == (1060, 1600, 3)


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("filter", "nowhere", "--out", "OUT"), 3, "no such file or folder"),
        (("filter", "rows.jsonl", "--out", "OUT"), 3, "cannot look at rows.jsonl"),
        (("filter", ".", "--out", "OUT", "--min-seconds", "11"), 2, "below --max-seconds"),
        (("filter", "."), 2, "Missing option '--out'"),
        (("stats", "nowhere.jsonl", "--out", "OUT.png"), 3, "cannot look at nowhere.jsonl"),
    ],
    ids=["no folder", "no rows", "thresholds", "no out", "no curation"],
)
def test_mistakes_are_one_line_and_a_code(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: tuple[str, ...],
    code: int,
    words: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    got, out, err = run(capsys, "dataset", *arguments)
    assert (got, out) == (code, "") and words in err and err.count("\n") == 1


def test_stats_of_a_wrong_suffix_write_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "c.jsonl").write_text(
        json.dumps(
            {"keep": True, "reasons": [], "duration_seconds": 3.0, "size_wh": [2, 2], "scene": "x", "instances": []}
        )
    )
    code, _, err = run(capsys, "dataset", "stats", tmp_path / "c.jsonl", "--out", tmp_path / "p.gif")
    assert code == 2 and ".png or .jpg" in err and [p.name for p in tmp_path.iterdir()] == ["c.jsonl"]
