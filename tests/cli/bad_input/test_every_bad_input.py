"""Every awkward input the product promises to survive, through the real command with the shipped pack."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

import edgecap.engines
from tests.cli.bad_media import write_all

pytestmark = pytest.mark.slow  # whole commands; what they are made of is tested below, quickly

PACK = Path(edgecap.engines.__file__).parent / "packs" / "nano"


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return write_all(tmp_path_factory.mktemp("bad"), PACK)


def caption(*arguments: str | Path, out: Path) -> tuple[int, list[str], list[dict[str, object]]]:
    """Exit code, lines on stderr, rows written."""
    done = subprocess.run(
        [sys.executable, "-m", "edgecap.cli", "caption", *map(str, arguments), "--out", str(out), "--no-report"],
        capture_output=True,
        text=True,
        timeout=300,
    )
    captions = out / "captions.jsonl"
    rows = [json.loads(line) for line in captions.read_text().splitlines()] if captions.is_file() else []
    return done.returncode, done.stderr.splitlines(), rows


@pytest.mark.parametrize(
    ("what", "words"),
    [
        ("missing file", "no such file"),
        ("directory without videos", "contains no video"),
        ("text file named .mp4", "as a video"),
        ("zero frames", "has no frame"),
    ],
)
def test_an_unusable_input_is_one_line_one_row_and_code_3(
    files: dict[str, Path], tmp_path: Path, what: str, words: str
) -> None:
    code, lines, rows = caption(files[what], out=tmp_path / "out")
    assert code == 3
    assert len(lines) == 1 and lines[0].startswith("edgecap: ") and words in lines[0]
    assert [row["meta"]["status"] for row in rows] == ["error"]  # type: ignore[index]


def test_a_truncated_file_keeps_what_was_there_and_says_where_it_ended(files: dict[str, Path], tmp_path: Path) -> None:
    code, lines, rows = caption(files["truncated mp4"], out=tmp_path / "out")
    assert code == 3 and len(lines) == 1 and "truncated.mp4" in lines[0]
    assert rows[-1]["meta"]["status"] == "error"  # type: ignore[index]


@pytest.mark.parametrize("what", ["one frame", "4K", "variable frame rate", "rotated phone video", "odd sizes"])
def test_an_unusual_but_sound_video_is_captioned(files: dict[str, Path], tmp_path: Path, what: str) -> None:
    code, lines, rows = caption(files[what], out=tmp_path / "out")
    assert (code, lines) == (0, [])
    assert [row["meta"]["status"] for row in rows] == ["ok"]  # type: ignore[index]
    assert rows[0]["Structural Description"]["Main Instance"]  # type: ignore[index]
    if what == "rotated phone video":
        assert rows[0]["meta"]["video"]["size_wh"] == [640, 360]  # type: ignore[index]


def test_one_frame_is_a_still_and_no_camera_is_claimed(files: dict[str, Path], tmp_path: Path) -> None:
    code, _, [row] = caption(files["one frame"], "--captioner", "none", out=tmp_path / "out")
    assert code == 0
    said = row["Structural Description"]
    assert said["Camera Movement"] == "The camera motion could not be measured."  # type: ignore[index]
    instances = said["Main Instance"].values()  # type: ignore[index]
    assert instances and all(" stays at " in one["Position"] for one in instances)
    assert not any("move" in one["Actions and Motion"] for one in instances)


def test_one_bad_clip_never_ends_a_run(files: dict[str, Path], tmp_path: Path) -> None:
    code, lines, rows = caption(
        files["text file named .mp4"], files["good"], files["missing file"], out=tmp_path / "out"
    )
    assert code == 8 and len(lines) == 2
    assert [row["meta"]["status"] for row in rows] == ["error", "ok", "error"]  # type: ignore[index]


def test_an_output_that_cannot_be_written_is_said_before_work_starts(files: dict[str, Path]) -> None:
    code, lines, rows = caption(files["good"], out=files["file in the way"] / "below")
    assert code == 4 and len(lines) == 1 and "in_the_way" in lines[0] and rows == []


def test_an_unknown_and_a_tampered_pack_are_named(files: dict[str, Path], tmp_path: Path) -> None:
    code, lines, _ = caption(files["good"], "--pack", "nonesuch", out=tmp_path / "a")
    assert code == 5 and len(lines) == 1 and "nonesuch" in lines[0] and "nano" in lines[0]
    code, lines, _ = caption(files["good"], "--pack", files["tampered pack"], out=tmp_path / "b")
    assert code == 5 and len(lines) == 1 and "detector" in lines[0]
