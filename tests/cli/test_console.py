"""What the console says beside the captions: warnings once per video, on stderr, each in one line."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from dataclasses import replace

import pytest

from edgecap.cli.console import ConsoleSink
from edgecap.runtime.data.record import DomainVerdict, Record
from tests.runtime.fake_records import make_record


@pytest.fixture(scope="module")
def record() -> Record:
    made = make_record()
    return replace(made, used={**made.used, "captioner": "nano"})


def warnings_said(capsys: pytest.CaptureFixture[str], *records: Record) -> list[str]:
    with ConsoleSink(quiet=True) as sink:
        for record in records:
            sink.write(record)
    captured = capsys.readouterr()
    assert captured.out == ""
    return captured.err.splitlines()


def test_nothing_is_warned_of_when_all_is_well(record: Record, capsys: pytest.CaptureFixture[str]) -> None:
    assert warnings_said(capsys, record) == []


def test_an_unchecked_domain_warns_once_where_a_model_speaks(
    record: Record, capsys: pytest.CaptureFixture[str]
) -> None:
    unchecked = replace(record, domain=DomainVerdict("unchecked", None, None))
    [line] = warnings_said(capsys, unchecked, unchecked)
    assert line.startswith("edgecap: warning: a.mp4: not checked whether") and "--captioner none" in line
    assert warnings_said(capsys, replace(unchecked, used={"captioner": "none"})) == []


def test_faulty_times_warn_once(record: Record, capsys: pytest.CaptureFixture[str]) -> None:
    faulty = replace(record, video=replace(record.video, skipped_frames=3, estimated_times=1))
    [line] = warnings_said(capsys, record, faulty, faulty)
    assert "3 frames whose time did not advance" in line and "1 frame without a time" in line


def test_what_was_done_with_a_file_is_said_once(record: Record, capsys: pytest.CaptureFixture[str]) -> None:
    noted = replace(record, video=replace(record.video, notes=("its clock jumps",)))
    more = replace(record, video=replace(record.video, notes=("its clock jumps", "a damaged part was left out")))
    assert warnings_said(capsys, record, noted, more, more) == [
        "edgecap: warning: a.mp4: its clock jumps",
        "edgecap: warning: a.mp4: a damaged part was left out",
    ]


def test_a_warning_of_the_domain_names_its_clip(record: Record, capsys: pytest.CaptureFixture[str]) -> None:
    window = replace(record.window, clip_index=3, start_seconds=15.0, end_seconds=20.0)
    outside = replace(record, window=window, domain=DomainVerdict("outside", 4.5, 3.5))
    [line] = warnings_said(capsys, record, outside, outside)
    assert line.startswith("edgecap: warning: a.mp4: clip 3 (15.0-20.0 s) is outside the training domain of pack ")
    assert "its instances are not reported, nor those of later clips like it" in line


def test_an_interrupt_leaves_at_once_though_a_stage_is_stuck() -> None:
    """The stuck thread is no daemon: an interpreter that leaves in order would wait for it for ever."""
    code = textwrap.dedent("""
        import threading, time
        from edgecap.cli import main as module

        def interrupted(*arguments, **rest):
            threading.Thread(target=time.sleep, args=(60,), name="edgecap-describe").start()
            raise KeyboardInterrupt

        module.cli.main = interrupted
        module.main(["caption"])
    """)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=30)
    assert (done.returncode, done.stderr) == (130, "edgecap: interrupted\n")


def test_a_damaged_engine_is_told_of_once_a_video(record: Record, capsys: pytest.CaptureFixture[str]) -> None:
    said = "detector.graph pack (the stored engine is damaged), segmenter.encoder store"
    hurt = replace(record, used={**record.used, "engines": said})
    (line,) = warnings_said(capsys, hurt, hurt)
    assert said in line and "edgecap build" in line
