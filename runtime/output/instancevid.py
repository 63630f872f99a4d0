"""Rows of the InstanceVid data set, and paragraphs, made from a captions file when a run is over.

In: the captions file (ours, or InstanceCap JSON of another program). Out: `instancevid.jsonl` (structured rows),
`instancevid_dense.jsonl` and `instancevid_dense.csv` (paragraphs), or `paragraphs.jsonl`; each written whole or not
at all, so that they always agree with the captions file, after `--resume` too.

Fields (docs/spec/instancecap.md 4.2): num_frames, height, width, aspect_ratio, fps, resolution; the csv columns and
their meaning are Open-Sora's, which InstanceVid's card points to: aspect_ratio = height / width, resolution = height x
width in pixels (tools/datasets/utils.py there). A row is a clip, a separate file in InstanceVid: "Video" is named
as there, `<id>_<k>_<a>to<b>.mp4` (id: see `ClipNames`; clip k, source frames a up to and without b, by the average
rate), and `source` with `start_seconds`, `end_seconds` tell where to cut it. Where the container tells no rate, `fps`,
`num_frames` and the frame numbers are not made up: they are null (in csv: empty) and the name is `<id>_<k>.mp4`.
"""

from __future__ import annotations

import csv
import hashlib
import io
import itertools
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from edgecap.runtime.output.files import replace_text
from edgecap.runtime.output.paragraph import Paragraph, computed_paragraph
from edgecap.runtime.output.reader import BrokenLine, CaptionRow, InstanceTexts, read_captions

CSV_COLUMNS = ("path", "text", "num_frames", "height", "width", "aspect_ratio", "fps", "resolution")
STRUCTURED_FILE, DENSE_FILE, CSV_FILE = "instancevid.jsonl", "instancevid_dense.jsonl", "instancevid_dense.csv"
PARAGRAPHS_FILE = "paragraphs.jsonl"


@dataclass(frozen=True, slots=True)
class RowCount:
    """`rows` written to each file; `left_out`: (line number, reason) of every line that made none."""

    rows: int
    left_out: tuple[tuple[int, str], ...]


Writes = Callable[[CaptionRow], Paragraph]


def write_instancevid(captions: Path, folder: Path, *, paragraph_of: Writes = computed_paragraph) -> RowCount:
    """Write the three files. Raises `InputError` (captions can't be read) and `OutputError`."""
    names = ClipNames()
    replace_text(folder / STRUCTURED_FILE, (_line(_structured(row, names)) for row in _rows(captions)))
    replace_text(folder / DENSE_FILE, (_line(_dense(row, paragraph_of, names)) for row in _rows(captions)))
    replace_text(folder / CSV_FILE, _csv_lines(captions, paragraph_of, names))
    return _count(captions)


def write_paragraphs(captions: Path, folder: Path, *, paragraph_of: Writes = computed_paragraph) -> RowCount:
    """Write `paragraphs.jsonl`: Video, clip, start_seconds, end_seconds (null in rows of another program),
    Paragraph, its provenance, and why a model's was refused where it was."""
    replace_text(folder / PARAGRAPHS_FILE, (_line(_paragraph(row, paragraph_of(row))) for row in _rows(captions)))
    return _count(captions)


def clip_facts(row: CaptionRow) -> dict[str, Any]:
    """The measures of a row's clip; null where the row does not tell (rows of another program have no meta)."""
    video = row.meta.get("video", {})
    width, height = video.get("size_wh") or (None, None)
    fps, start, end = video.get("fps_average"), row.meta.get("start_seconds"), row.meta.get("end_seconds")
    frames = None if fps is None or start is None or end is None else _frame(end, fps) - _frame(start, fps)
    return {
        "num_frames": None if frames is None else max(1, frames),
        "height": height,
        "width": width,
        "aspect_ratio": round(height / width, 6) if width and height else None,
        "fps": fps,
        "resolution": height * width if width and height else None,
    }


def clip_name(row: CaptionRow, names: ClipNames | None = None) -> str:
    """The clip's file name (see the module); a row without a clip keeps its "Video". `names`: of the file that the row
    is in, so that no other video of it has the same."""
    if "clip" not in row.meta:
        return row.video
    stem, number = (names or ClipNames()).of(row), row.meta["clip"]
    facts = clip_facts(row)
    if facts["num_frames"] is None:
        return f"{stem}_{number}.mp4"
    first = _frame(row.meta["start_seconds"], facts["fps"])
    return f"{stem}_{number}_{first}to{first + facts['num_frames']}.mp4"


class ClipNames:
    """`<name>-<8 hex digits>` of each video: the digits stand for the file's name and content, and for nothing else, so
    that a name stays when other inputs are added. Copies of one name and content in several folders, and what is not a
    file, get the folder into it from the second on."""

    def __init__(self) -> None:
        self._names: dict[tuple[str, str], str] = {}

    def of(self, row: CaptionRow) -> str:
        """The name of a row's video; the same each time."""
        digest = (row.meta.get("identity") or {}).get("digest", "")
        key = row.video, digest
        if key not in self._names:
            name = PurePosixPath(row.video).name
            self._names[key] = next(n for n in _stems(row.video, name, digest) if n not in self._names.values())
        return self._names[key]


def _stems(video: str, name: str, digest: str) -> Iterator[str]:
    folders = PurePosixPath(video).with_suffix("").as_posix().replace("/", "__") if name else "stream"
    if digest:
        yield f"{PurePosixPath(name).stem or 'stream'}-{_hex(f'{name} {digest}')}"
    else:
        yield folders
    yield from (f"{folders}-{_hex(f'{video} {digest} {number}')}" for number in itertools.count(1))


def _hex(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()[:8]


def _frame(seconds: float, fps: float) -> int:
    return round(seconds * fps)


def _structured(row: CaptionRow, names: ClipNames) -> dict[str, Any]:
    return {
        "Video": clip_name(row, names),
        "Global Description": row.global_description,
        "Structural Description": {
            "Main Instance": {f"No.{n}": _instance(i) for n, i in enumerate(row.instances)},
            "Background Detail": row.background,
            "Camera Movement": row.camera,
        },
    } | _place(row)


def _instance(instance: InstanceTexts) -> dict[str, str]:
    return {
        "Class": instance.class_name,
        "Appearance": instance.appearance,
        "Actions and Motion": instance.action,
        "Position": instance.position,
    }


def _dense(row: CaptionRow, paragraph_of: Writes, names: ClipNames) -> dict[str, Any]:
    return {"path": clip_name(row, names), "text": paragraph_of(row).text} | _place(row)


def _place(row: CaptionRow) -> dict[str, Any]:
    times = {name: row.meta.get(name) for name in ("start_seconds", "end_seconds")}
    return clip_facts(row) | {"source": row.video} | times


def _paragraph(row: CaptionRow, paragraph: Paragraph) -> dict[str, Any]:
    head = {"Video": row.video} | {name: row.meta.get(name) for name in ("clip", "start_seconds", "end_seconds")}
    refused = {"rejections": list(paragraph.rejections)} if paragraph.rejections else {}
    return head | {"Paragraph": paragraph.text, "provenance": paragraph.provenance} | refused


def _csv_lines(captions: Path, paragraph_of: Writes, names: ClipNames) -> Iterator[str]:
    yield _csv_line(CSV_COLUMNS)
    for row in _rows(captions):
        dense = _dense(row, paragraph_of, names)
        yield _csv_line([dense[name] for name in CSV_COLUMNS])


def _csv_line(values: Any) -> str:
    buffer = io.StringIO()
    csv.writer(buffer, lineterminator="\n").writerow(values)
    return buffer.getvalue()


def _rows(captions: Path) -> Iterator[CaptionRow]:
    for row in read_captions(captions):
        if isinstance(row, CaptionRow) and not row.failed:
            yield row


def _count(captions: Path) -> RowCount:
    rows, left_out = 0, []
    for row in read_captions(captions):
        if isinstance(row, BrokenLine):
            left_out.append((row.line_number, row.reason))
        elif row.failed:
            left_out.append((row.line_number, f"the video failed: {row.meta.get('message', 'no reason given')}"))
        else:
            rows += 1
    return RowCount(rows, tuple(left_out))


def _line(row: dict[str, Any]) -> str:
    return f"{json.dumps(row, ensure_ascii=False)}\n"
