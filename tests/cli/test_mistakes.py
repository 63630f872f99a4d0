"""Every mistake on the command line is one line and a code; --debug shows what is behind it."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgecap.cli.options import stage_threads
from edgecap.engines.errors import UsageError
from edgecap.runtime.config import StageThreads
from tests.cli.command import MOTION, run


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
    code, _, err = run(capsys, "doctor", "--debug")
    assert code == 1
    assert "Traceback" in err and "broken" in err
