"""Rows of any InstanceCap file: both spellings, missing texts, broken lines; nothing ends in a crash."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pytest

from edgecap.engines.errors import InputError, MissingInputError
from edgecap.runtime.data.record import FailedVideo
from edgecap.runtime.output.reader import BrokenLine, CaptionRow, caption_row, parse_lines, read_captions
from edgecap.runtime.output.row import failed_to_json, record_to_json
from tests.runtime.fake_records import make_record

FOREIGN: dict[str, Any] = {
    "Video": "courtyard_7.mp4",
    "Global Description": "A courier wheels a bicycle.",
    "Structured Description": {
        "Main Instance": {
            "No.10": {"Class": "dog", "Appearance": "A dog.", "Actions and Motion": "It lies.", "Position": "y"},
            "No.2": {"Class": "person", "Appearance": "A man\n in  blue.", "Actions and Motion": "He walks.",
                     "Position": "x"},
        },
        "Background Detail": "A yard.",
        "Camera Movement": "The camera is static.",
    },
}  # fmt: skip


def _line(row: Any) -> bytes:
    return json.dumps(row).encode() + b"\n"


def _one(line: bytes) -> CaptionRow | BrokenLine:
    [row] = parse_lines([line])
    return row


@pytest.mark.parametrize("key", ["Structural Description", "Structured Description"])
def test_both_spellings_are_read(key: str) -> None:
    row = {("Structured Description" if k == key else k): v for k, v in FOREIGN.items()}
    row = {(key if k == "Structured Description" else k): v for k, v in row.items()}
    read = _one(_line(row))
    assert isinstance(read, CaptionRow) and read.problems == () and read.meta == {}
    assert (read.video, read.background, read.camera) == ("courtyard_7.mp4", "A yard.", "The camera is static.")
    assert [(i.key, i.class_name) for i in read.instances] == [("No.2", "person"), ("No.10", "dog")]  # by number
    assert read.instances[0].appearance == "A man in blue."  # line breaks and runs of blanks are plain blanks


def test_our_own_rows_come_back_whole() -> None:
    row = record_to_json(make_record(), root=None)
    read = caption_row(json.loads(json.dumps(row)))
    assert read.problems == () and not read.failed and read.meta["clip"] == 0
    assert read.instances[0].action == "It walks. It moves to the right."
    failed = caption_row(failed_to_json(FailedVideo("/in/b.mp4", "UnreadableVideoError", "no video", 3, 0), root=None))
    assert failed.failed and failed.meta["message"] == "no video"


def test_missing_and_mistyped_texts_are_named_and_the_rest_is_used() -> None:
    row = json.loads(json.dumps(FOREIGN))
    del row["Global Description"]
    block = row["Structured Description"]
    block["Camera Movement"] = ["pan"]
    del block["Main Instance"]["No.2"]["Position"]
    block["Main Instance"]["person"] = {}
    block["Main Instance"]["No.3"] = "a car"
    read = _one(_line(row))
    assert isinstance(read, CaptionRow)
    assert sorted(read.problems) == [
        "Main Instance: 'No.3' is not an instance (expected No.<number> with an object)",
        "Main Instance: 'person' is not an instance (expected No.<number> with an object)",
        "No.2: 'Position' is missing",
        "row: 'Camera Movement' is list, expected text",
        "row: 'Global Description' is missing",
    ]
    assert (read.global_description, read.camera, read.instances[0].position) == ("", "", "")
    assert read.instances[0].action == "He walks."


def test_a_meta_block_that_is_not_ours_or_is_damaged_is_not_trusted() -> None:
    row = json.loads(json.dumps(record_to_json(make_record(), root=None)))
    row["meta"]["video"]["size_wh"] = "large"
    read = caption_row(row)
    assert read.meta == {} and read.problems[0].startswith("meta is not used: meta")
    assert read.global_description == "A person and a dog are here."
    assert caption_row(FOREIGN | {"meta": 5}).meta == {}


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b"\n", "the line is blank"),
        (b"{", "not JSON"),
        (b"[1, 2]\n", "expected a JSON object, got list: '[1, 2]'"),
        (b'"Video"\n', "expected a JSON object, got str"),
        (b'{"Video": "a.mp4"}\n', "'Structural Description' or 'Structured Description'; got the keys ['Video']"),
        (b'{"Structural Description": 3}\n', "'Structural Description' or"),
        (b'{"Video": "\xff"}\n', "not UTF-8 at byte 11"),
        (b"[" * 100_000, "nested too deeply"),
        (b"9" * 5_000, "not JSON"),
        (b'{"Video": "a.mp4", "Structu', "not JSON"),
    ],
    ids=["blank", "brace", "list", "text", "no structure", "no object", "bytes", "deep", "digits", "cut short"],
)
def test_a_broken_line_is_a_row_with_its_number_and_reason(line: bytes, reason: str) -> None:
    first, broken, last = parse_lines([_line(FOREIGN), line, _line(FOREIGN)])
    assert isinstance(broken, BrokenLine) and broken.line_number == 2 and reason in broken.reason
    assert len(broken.reason) < 300 and "\n" not in broken.reason
    assert isinstance(first, CaptionRow) and isinstance(last, CaptionRow) and last.line_number == 3


def test_a_thousand_mutilated_lines_never_crash() -> None:
    rng = random.Random(4)
    good = _line(record_to_json(make_record(frames=2), root=None))
    kinds = set()
    for _ in range(1000):
        data = bytearray(good)
        for _ in range(rng.randint(1, 6)):
            at = rng.randrange(len(data))
            data[at : at + rng.randint(0, 30)] = rng.randbytes(rng.randint(0, 3))
        kinds |= {type(row) for row in parse_lines(bytes(data).splitlines(keepends=True))}
    assert kinds == {CaptionRow, BrokenLine}


def test_a_byte_order_mark_is_no_fault(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_bytes(b"\xef\xbb\xbf" + _line(FOREIGN) * 2)
    assert [type(row) for row in read_captions(path)] == [CaptionRow, CaptionRow]


def test_a_file_that_cannot_be_read_is_one_clear_line(tmp_path: Path) -> None:
    with pytest.raises(MissingInputError, match=r"none\.jsonl: no such file; give a JSON Lines file"):
        list(read_captions(tmp_path / "none.jsonl"))
    with pytest.raises(InputError, match="can't be read"):
        list(read_captions(tmp_path))
