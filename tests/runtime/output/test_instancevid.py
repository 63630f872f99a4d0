"""InstanceVid rows made from a captions file: fields, names, agreement of the three files, bad lines."""

from __future__ import annotations

import csv
import json
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from edgecap.engines.errors import MissingInputError
from edgecap.runtime.data.record import FailedVideo, Record
from edgecap.runtime.output.instancevid import CSV_COLUMNS, write_instancevid, write_paragraphs
from edgecap.runtime.output.jsonl import JsonLinesSink
from edgecap.runtime.output.paragraph import dense_paragraph
from edgecap.runtime.output.reader import caption_row
from edgecap.runtime.output.row import record_to_json
from tests.runtime.fake_records import make_record

FAILED = FailedVideo("/in/b.mp4", "UnreadableVideoError", "/in/b.mp4: not a video", 3, 0)


def _captions(folder: Path, *records: Record) -> Path:
    path = folder / "captions.jsonl"
    with JsonLinesSink(path, root=Path("/in")) as sink:
        for record in records:
            sink.write(record)
        sink.fail(FAILED)
    return path


def _rows(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def _csv(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_rows_carry_the_clip_s_measures(tmp_path: Path) -> None:
    captions = _captions(tmp_path, make_record(path="/in/sub/a.mp4"), make_record(path="/in/sub/a.mp4", clip_index=1))
    count = write_instancevid(captions, tmp_path)
    assert count.rows == 2 and count.left_out == ((3, "the video failed: b.mp4: not a video"),)
    first, second = _rows(tmp_path / "instancevid.jsonl")
    # Clip 1 is the 2 s from second 2 at 24 frames a second, of a picture of 160 x 90.
    assert (first["Video"], second["Video"]) == ("sub__a_0_0to48.mp4", "sub__a_1_48to96.mp4")
    assert {k: second[k] for k in ("source", "start_seconds", "end_seconds")} == {
        "source": "sub/a.mp4",
        "start_seconds": 2.0,
        "end_seconds": 4.0,
    }
    measures = [second[k] for k in ("num_frames", "height", "width", "aspect_ratio", "fps", "resolution")]
    assert measures == [48, 90, 160, 0.5625, 24.0, 14400]
    keys = ["Video", "Global Description", "Structural Description"]
    assert list(first)[:3] == keys and caption_row(first).problems == ()
    assert list(first["Structural Description"]["Main Instance"]) == ["No.0", "No.1"]


def test_the_dense_files_say_the_same(tmp_path: Path) -> None:
    record = make_record(text='He says "no", then; waves.')
    captions = _captions(tmp_path, record)
    write_instancevid(captions, tmp_path)
    [dense], [table] = _rows(tmp_path / "instancevid_dense.jsonl"), _csv(tmp_path / "instancevid_dense.csv")
    assert tuple(table) == CSV_COLUMNS
    assert dense["text"] == table["text"] == dense_paragraph(caption_row(record_to_json(record, root=None)))
    assert dense["path"] == table["path"] == _rows(tmp_path / "instancevid.jsonl")[0]["Video"] == "a_0_0to48.mp4"
    assert [table[k] for k in CSV_COLUMNS[2:]] == ["48", "90", "160", "0.5625", "24.0", "14400"]


@pytest.mark.parametrize("fps", [None, Fraction(30000, 1001)], ids=["no rate", "29.97"])
def test_a_rate_is_never_made_up(tmp_path: Path, fps: Fraction | None) -> None:
    record = make_record()
    captions = _captions(tmp_path, replace(record, video=replace(record.video, fps_average=fps)))
    write_instancevid(captions, tmp_path)
    [row], [table] = _rows(tmp_path / "instancevid.jsonl"), _csv(tmp_path / "instancevid_dense.csv")
    if fps is None:
        assert row["fps"] is row["num_frames"] is None and row["Video"] == "a_0.mp4"
        assert table["fps"] == table["num_frames"] == "" and table["height"] == "90"
    else:
        assert (row["fps"], row["num_frames"], row["Video"]) == (29.97, 60, "a_0_0to60.mp4")


def test_commas_quotes_and_other_scripts_survive_the_csv(tmp_path: Path) -> None:
    row = record_to_json(make_record(track_ids=()), root=None)
    row["Global Description"] = 'A sign reads "Ω, 中文"; it glows.'
    path = tmp_path / "captions.jsonl"
    path.write_text(json.dumps(row, ensure_ascii=False) + "\n", encoding="utf-8")
    write_instancevid(path, tmp_path)
    [table] = _csv(tmp_path / "instancevid_dense.csv")
    assert table["text"].startswith('A sign reads "Ω, 中文"; it glows.')


def test_rows_of_another_program_and_broken_lines(tmp_path: Path) -> None:
    path = tmp_path / "theirs.jsonl"
    block = {"Main Instance": {}, "Background Detail": "A yard.", "Camera Movement": "The camera is static."}
    good = {"Video": "x_1_0to120.mp4", "Global Description": "A yard lies empty.", "Structured Description": block}
    path.write_text(f"{json.dumps(good)}\n\n{{broken\n", encoding="utf-8")
    count = write_instancevid(path, tmp_path)
    assert count.rows == 1 and [n for n, _ in count.left_out] == [2, 3]
    [row] = _rows(tmp_path / "instancevid.jsonl")
    assert row["Video"] == "x_1_0to120.mp4" and row["Structural Description"] == block
    assert row["num_frames"] is row["height"] is row["fps"] is row["start_seconds"] is None


def test_paragraphs(tmp_path: Path) -> None:
    captions = _captions(tmp_path, make_record(), make_record(clip_index=1))
    assert write_paragraphs(captions, tmp_path).rows == 2
    rows = _rows(tmp_path / "paragraphs.jsonl")
    assert [(r["Video"], r["clip"], r["start_seconds"], r["end_seconds"]) for r in rows] == [
        ("a.mp4", 0, 0.0, 2.0),
        ("a.mp4", 1, 2.0, 4.0),
    ]
    assert rows[0]["Paragraph"].endswith("The camera pans left slowly.")


def test_files_are_replaced_whole_or_not_at_all(tmp_path: Path) -> None:
    (tmp_path / "instancevid.jsonl").write_text("old\n", encoding="utf-8")
    with pytest.raises(MissingInputError):
        write_instancevid(tmp_path / "none.jsonl", tmp_path)
    assert (tmp_path / "instancevid.jsonl").read_text(encoding="utf-8") == "old\n"
    assert [p.name for p in tmp_path.iterdir()] == ["instancevid.jsonl"]
    write_instancevid(_captions(tmp_path, make_record()), tmp_path)
    assert "old" not in (tmp_path / "instancevid.jsonl").read_text(encoding="utf-8")
