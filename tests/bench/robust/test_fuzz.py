"""Mutations are repeatable and do break things, results are told apart, and hundreds of tries end in clear errors."""

from __future__ import annotations

import json
import os
import random
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from edgecap.bench.robust import worker
from edgecap.bench.robust.attempt import (
    KINDS,
    Attempt,
    CommandLine,
    ExitCodeError,
    Outcome,
    attempt_of,
    judge,
)
from edgecap.bench.robust.exercise import Models
from edgecap.bench.robust.fuzz import FuzzLimits, FuzzReport, measure_fuzz
from edgecap.bench.robust.mutate_bytes import mutate_boxes, mutate_bytes
from edgecap.bench.robust.mutate_json import mutate_json, mutate_lines
from edgecap.bench.robust.mutate_options import CommandShape, OptionShape, mutate_command
from edgecap.bench.robust.mutate_video import mutate_video
from edgecap.bench.robust.samples import FORMATS, Samples, make_samples
from edgecap.cli.bench.robust import command_shapes, fuzz_lines, run_command
from edgecap.engines.errors import EdgecapError, InputError, OutputError, PackSchemaError, UsageError

SHAPES = (CommandShape(("caption",), (OptionShape(("--out",)),)),)


@pytest.fixture(scope="module")
def samples(tmp_path_factory: pytest.TempPathFactory) -> Samples:
    return make_samples(tmp_path_factory.mktemp("fuzz") / "samples")


def test_a_seed_names_a_mutation() -> None:
    data = random.Random(0).randbytes(5000)
    text = json.dumps({"a": [1, 2, {"b": "c"}], "d": None})
    for mutate, given in (
        (mutate_bytes, data),
        (mutate_boxes, b"\0\0\0\x10moov\0\0\0\x08trak" + data),
        (mutate_json, text),
        (mutate_lines, f"{text}\n{text}\n{text}\n"),
    ):
        made = [mutate(given, random.Random(n)) for n in range(300)]  # type: ignore[operator]
        assert made == [mutate(given, random.Random(n)) for n in range(300)]  # type: ignore[operator]
        original = given if isinstance(given, bytes) else given.encode()
        assert sum(content != original for content, _ in made) > 270, mutate
        assert all(words for _, words in made)


def test_a_video_is_mutated_alike_twice_and_stays_what_it_was(samples: Samples, tmp_path: Path) -> None:
    before = [video.read_bytes() for video in samples.videos]
    assert [video.name for video in samples.videos] == list(FORMATS)
    made = []
    for turn in range(2):
        folder = tmp_path / str(turn)
        folder.mkdir()
        for n in range(25):
            path, words = mutate_video(samples.videos, folder, random.Random(n))
            made.append((path.name, path.read_bytes(), words))
    assert [m[0::2] for m in made[:25]] == [m[0::2] for m in made[25:]]
    same = sum(a == b for a, b in zip(made[:25], made[25:], strict=True))
    assert same > 15  # Matroska gives each file an id of its own
    assert [video.read_bytes() for video in samples.videos] == before


def test_a_command_line_writes_into_its_folder_alone(tmp_path: Path) -> None:
    for n in range(60):
        arguments, _ = mutate_command(SHAPES, [tmp_path / "v.mp4"], tmp_path / ".", random.Random(n))
        assert arguments[0] == "caption" and arguments[-1].startswith(str(tmp_path))
    assert {shape.words[0] for shape in command_shapes()} == {"caption", "enhance", "dataset"}
    assert "--endpoint" not in {flag for s in command_shapes() for o in s.options for flag in o.flags}


def test_the_kind_of_a_number_is_drawn_once() -> None:
    kinds = [attempt_of(n, seed=0, kind=None).kind for n in range(500)]
    assert kinds == [attempt_of(n, seed=0, kind=None).kind for n in range(500)]
    assert set(kinds) == set(KINDS) and kinds.count("video") > 250
    assert attempt_of(7, seed=3, kind="rows") == Attempt("rows", 7, 3)


@pytest.mark.parametrize(
    ("error", "result"),
    [
        (InputError("no"), "input"),
        (PackSchemaError("no"), "pack"),
        (UsageError("no"), "usage"),
        (ExitCodeError(8), "some failed"),
        (ExitCodeError(1), "traceback"),
        (EdgecapError("bare"), "traceback"),
        (KeyError("x"), "traceback"),
        (OutputError(""), "unclear"),
        (OutputError("x" * 2000), "unclear"),
        (MemoryError(), "memory"),
    ],
)
def test_what_an_exception_counts_as(error: Exception, result: str) -> None:
    assert judge(error) == result
    assert Outcome(Attempt("rows", 0, 0), result).is_fault == (result in ("traceback", "unclear", "memory"))


def test_an_exception_is_placed_where_it_was_raised(
    samples: Samples, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*arguments: Any) -> None:
        samples.rows.with_name("no\0name").exists()
        raise AssertionError

    monkeypatch.setattr(worker, "make_and_use", broken)
    outcome = worker.run_attempt(Attempt("rows", 3, 0), samples, Models(), None, tmp_path)
    assert outcome.result == "traceback" and outcome.is_fault and outcome.attempt.number == 3


def _behave(arguments: Sequence[str]) -> int:
    """A command line that fills the memory, hangs or dies, by its number of files: 0, 1 or 2."""
    match len(arguments):
        case 3:
            filled = [b"x" * (50 << 20) for _ in range(20)]
            time.sleep(60)
            return len(filled)
        case 4:
            time.sleep(60)
    os.abort()


def _fuzz(folder: Path, tries: range, **options: Any) -> FuzzReport:
    settings: dict[str, Any] = {"seed": 0, "kind": None, "workers": 2, "limits": FuzzLimits(), "keep": None}
    return measure_fuzz(tries, folder, **(settings | options))


@pytest.mark.slow
def test_hangs_crashes_and_memory_are_counted_and_kept(tmp_path: Path) -> None:
    report = _fuzz(
        tmp_path / "work",
        range(34, 40),
        kind="options",
        limits=FuzzLimits(seconds=2.0, memory_mb=900.0),
        keep=tmp_path / "keep",
        command=CommandLine(SHAPES, _behave),
    )
    counts = report.counts["options"]
    assert {"hang", "crash", "memory"} <= set(counts) and report.tries == 6 == sum(counts.values())
    crash = next(fault for fault in report.faults if fault["result"] == "crash")
    assert "SIGABRT" in crash["message"] and crash["rerun"].startswith(
        "edgecap bench fuzz --kind options --seed 0 --on"
    )
    kept = sorted(path.name for path in (tmp_path / "keep").iterdir())
    assert len(kept) == len(report.faults) and (tmp_path / "keep" / kept[0] / "note.txt").exists()
    assert f"{len(report.faults)} faults" in fuzz_lines(report)[-1]


@pytest.mark.slow
def test_three_hundred_tries_without_a_fault(tmp_path: Path) -> None:
    report = _fuzz(tmp_path, range(300), command=CommandLine(command_shapes(), run_command))
    assert report.faults == (), "\n".join(fuzz_lines(report))
    assert report.tries == 300 and set(report.counts) == set(KINDS)
    assert report.counts["video"]["ok"] > 50 and report.counts["video"]["input"] > 20
    assert report.counts["pack-json"]["pack"] > 15 and report.counts["options"]["usage"] > 5
