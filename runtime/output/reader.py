"""InstanceCap JSON Lines read back, ours or another's, with what is wrong in it as separate rows.

In: a file, or its lines. Out: one `CaptionRow` or `BrokenLine` per line, in order; the content of a line never raises.

Format: docs/spec/instancecap.md 4.1. The structural block is read under both of its names ("Structural Description" in
code and released data, "Structured Description" in README and figure). A text that is missing or of another type is
"" and its name is in `CaptionRow.problems`: the rest of the row is still good.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from edgecap.engines.errors import InputError, MissingInputError
from edgecap.runtime.output.row import structure_of
from edgecap.runtime.output.schema import schema_errors

_KEY = re.compile(r"No\.(\d{1,9})")
_SHOWN = 60
_LONGEST = 200


@dataclass(frozen=True, slots=True)
class InstanceTexts:
    """The four texts of one instance under its key ("No.0"); "" where a text is missing."""

    key: str
    class_name: str
    appearance: str
    action: str
    position: str


@dataclass(frozen=True, slots=True)
class CaptionRow:
    """One row. `line_number` counts from 1. `instances` by the number in their key.

    `meta`: our own block (it follows record_schema.json), {} in a row of another program. `problems`: what was missing
    or unusable, by name, as in "No.1: 'Position' is missing"; empty for a whole row.
    """

    line_number: int
    video: str
    global_description: str
    instances: tuple[InstanceTexts, ...]
    background: str
    camera: str
    meta: Mapping[str, Any] = field(default_factory=dict)
    problems: tuple[str, ...] = ()

    @property
    def failed(self) -> bool:
        """Whether it is the row of a video that could not be captioned (our meta says status "error")."""
        return self.meta.get("status") == "error"  # "enhanced" rows (enhance/row.py) are whole


@dataclass(frozen=True, slots=True)
class BrokenLine:
    """A line that is not a row, and why."""

    line_number: int
    reason: str


def read_captions(path: str | Path) -> Iterator[CaptionRow | BrokenLine]:
    """The rows of a file, read as they are asked for. Raises `InputError` where the file can't be read."""
    path = Path(path)
    try:
        with path.open("rb") as file:
            yield from parse_lines(file)
    except FileNotFoundError as error:
        raise MissingInputError(f"{path}: no such file; give a JSON Lines file of captions") from error
    except OSError as error:
        raise InputError(
            f"{path}: can't be read ({error.strerror or error}); give a JSON Lines file of captions"
        ) from error


def parse_lines(lines: Iterable[bytes]) -> Iterator[CaptionRow | BrokenLine]:
    """One row per line (with or without its newline)."""
    for number, line in enumerate(lines, 1):
        yield _parse(line.removeprefix(b"\xef\xbb\xbf") if number == 1 else line, number)


def caption_row(row: Mapping[str, Any], *, line_number: int = 1) -> CaptionRow:
    """A row that is parsed already (`record_to_json` makes such). Raises `InputError` where it has no structural
    block."""
    block = structure_of(row)
    problems: list[str] = []
    instances = _instances(block.get("Main Instance"), problems)
    meta = _meta(row, problems)
    return CaptionRow(
        line_number=line_number,
        video=_text(row, "Video", "row", problems),
        global_description=_text(row, "Global Description", "row", problems),
        instances=instances,
        background=_text(block, "Background Detail", "row", problems),
        camera=_text(block, "Camera Movement", "row", problems),
        meta=meta,
        problems=tuple(problems),
    )


def _parse(line: bytes, number: int) -> CaptionRow | BrokenLine:
    if not line.strip():
        return BrokenLine(number, "the line is blank")
    try:
        row = json.loads(line.decode("utf-8"))
        if not isinstance(row, dict):
            return BrokenLine(number, f"expected a JSON object, got {type(row).__name__}: {_shown(line)}")
        return caption_row(row, line_number=number)
    except UnicodeDecodeError as error:
        return BrokenLine(number, f"not UTF-8 at byte {error.start}: {_shown(line)}")
    except (ValueError, RecursionError) as error:
        kind = "nested too deeply" if isinstance(error, RecursionError) else str(error)
        return BrokenLine(number, f"not JSON ({kind}): {_shown(line)}")
    except InputError as error:
        return BrokenLine(number, str(error))


def _instances(block: Any, problems: list[str]) -> tuple[InstanceTexts, ...]:
    if not isinstance(block, dict):
        problems.append(_complaint("row", "Main Instance", block, want="an object"))
        return ()
    numbered = []
    for key, texts in block.items():
        match = _KEY.fullmatch(key)
        if match is None or not isinstance(texts, dict):
            problems.append(f"Main Instance: {key[:_SHOWN]!r} is not an instance (expected No.<number> with an object)")
        else:
            numbered.append((int(match.group(1)), key, texts))
    return tuple(
        InstanceTexts(
            key=key,
            class_name=_text(texts, "Class", key, problems),
            appearance=_text(texts, "Appearance", key, problems),
            action=_text(texts, "Actions and Motion", key, problems),
            position=_text(texts, "Position", key, problems),
        )
        for _, key, texts in sorted(numbered, key=lambda item: item[0])
    )


def _meta(row: Mapping[str, Any], problems: list[str]) -> Mapping[str, Any]:
    """Our own meta block, so that its types can be trusted; another's, or a damaged one, is {}."""
    if "meta" not in row:
        return {}
    complaints = [c for c in schema_errors(dict(row)) if c.startswith("row.meta")]
    if complaints:
        problems.append(f"meta is not used: {complaints[0].removeprefix('row.')[:_LONGEST]}")
        return {}
    meta: Mapping[str, Any] = row["meta"]
    return meta


def _text(block: Mapping[str, Any], name: str, where: str, problems: list[str]) -> str:
    """The text with its white space made plain (a line break would end a subtitle or a csv row)."""
    value = block.get(name)
    if isinstance(value, str):
        return " ".join(value.split())
    problems.append(_complaint(where, name, value, want="text"))
    return ""


def _complaint(where: str, name: str, value: Any, *, want: str) -> str:
    return f"{where}: {name!r} is " + ("missing" if value is None else f"{type(value).__name__}, expected {want}")


def _shown(line: bytes) -> str:
    text = line.decode("utf-8", "replace").strip()
    return repr(text if len(text) <= _SHOWN else f"{text[:_SHOWN]}...")
