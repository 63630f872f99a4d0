"""Files that the sinks write: whole after every record, resumed where they stopped, refused before any work."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap
from dataclasses import replace
from pathlib import Path

import pytest

from edgecap.engines.errors import OutputError, UsageError
from edgecap.runtime.data.record import FailedVideo, Record
from edgecap.runtime.output.files import VideoFiles
from edgecap.runtime.output.jsonl import JsonLinesSink
from edgecap.runtime.output.pictures.annotated_video import AnnotatedVideoSink
from edgecap.runtime.output.pictures.report import HtmlReportSink
from edgecap.runtime.output.resume import EarlierRun
from edgecap.runtime.output.row import video_name
from edgecap.runtime.output.srt import SrtSink, timecode
from tests.runtime.fake_records import make_record

FAILED = FailedVideo("/in/b.mp4", "UnreadableVideoError", "/in/b.mp4: <not> a video", 3, 0)


def clips_done(path: Path) -> set[tuple[str, int]]:
    return {(clip.video, clip.clip_index) for clip in EarlierRun.read(path).clips}


SINKS = {"jsonl": JsonLinesSink, "html": HtmlReportSink, "srt": SrtSink, "video": AnnotatedVideoSink}


@pytest.mark.parametrize("kind", SINKS)
def test_no_path_writes_nothing(kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with SINKS[kind](None) as sink:
        sink.write(make_record())
        sink.fail(FAILED)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("kind", SINKS)
def test_unwritable_place_is_refused_before_work(kind: str, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with (
        pytest.raises(OutputError, match=r"file.*can't be written \(.+\); choose another --out"),
        SINKS[kind](tmp_path / "file" / "out"),
    ):
        pytest.fail("opened")


def test_jsonl_appends_a_row_per_record(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "c.jsonl"
    with JsonLinesSink(path, root=Path("/in")) as sink:
        sink.write(make_record(path="/in/x/a.mp4", text="Ein Hünd \u2028 läuft."))
        first = path.read_bytes()
        assert first.endswith(b"\n"), "on the disk before the next record"
        sink.fail(FAILED)
    with JsonLinesSink(path, root=Path("/in")) as sink:
        sink.write(make_record(path="/in/x/a.mp4", clip_index=1))
    rows = [json.loads(line) for line in path.read_bytes().splitlines()]
    assert [(r["Video"], r["meta"]["status"]) for r in rows] == [
        ("x/a.mp4", "ok"),
        ("b.mp4", "error"),
        ("x/a.mp4", "ok"),
    ]
    assert rows[0]["Global Description"] == "Ein Hünd \u2028 läuft." and "ü".encode() in first
    assert clips_done(path) == {("x/a.mp4", 0), ("x/a.mp4", 1)}


@pytest.mark.parametrize("tail", [b'{"Video": "a.mp4", "Glo', b"{", "ü".encode()[:1], b"x" * 200_000])
def test_broken_last_line_is_cut_and_work_goes_on(tmp_path: Path, tail: bytes) -> None:
    path = tmp_path / "c.jsonl"
    with JsonLinesSink(path) as sink:
        sink.write(make_record())
    whole = path.read_bytes()
    path.write_bytes(whole + tail)
    assert clips_done(path) == {("a.mp4", 0)}
    with JsonLinesSink(path) as sink:
        assert path.read_bytes() == whole
        sink.write(make_record(clip_index=1))
    assert clips_done(path) == {("a.mp4", 0), ("a.mp4", 1)}


def test_broken_only_line_leaves_an_empty_file(tmp_path: Path) -> None:
    path = tmp_path / "c.jsonl"
    path.write_bytes(b'{"Video"')
    with JsonLinesSink(path):
        pass
    assert path.read_bytes() == b"" and clips_done(path) == set()
    assert clips_done(tmp_path / "none.jsonl") == set()


def test_rows_survive_kill_minus_nine(tmp_path: Path) -> None:
    path = tmp_path / "c.jsonl"
    code = textwrap.dedent(f"""
        import os, signal, sys
        sys.path.insert(0, {str(Path(__file__).resolve().parents[3])!r})
        from tests.runtime.fake_records import make_record
        from edgecap.runtime.output.jsonl import JsonLinesSink
        sink = JsonLinesSink({str(path)!r}).__enter__()
        for clip in range(3):
            sink.write(make_record(clip_index=clip))
        os.kill(os.getpid(), signal.SIGKILL)
        """)
    done = subprocess.run(
        [sys.executable, "-c", code], check=False, env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    )
    assert done.returncode == -9
    assert clips_done(path) == {("a.mp4", k) for k in range(3)}


def test_foreign_file_is_not_taken_for_an_earlier_run(tmp_path: Path) -> None:
    path = tmp_path / "c.jsonl"
    path.write_text('{"text": 1}\n')
    with pytest.raises(OutputError, match="line 1 is not a row of edgecap"):
        clips_done(path)


def write_rows(path: Path, *records: Record, root: Path | None = None) -> EarlierRun:
    with JsonLinesSink(path, root=root) as sink:
        for record in records:
            sink.write(record)
    return EarlierRun.read(path)


def test_resuming_with_other_options_is_refused(tmp_path: Path) -> None:
    run = {"pack": "nano 1", "window_seconds": 5.0, "sample_fps": 8.0}
    earlier = write_rows(tmp_path / "c.jsonl", replace(make_record(), run=run))
    earlier.check(lambda there: run)
    with pytest.raises(UsageError, match=r"c\.jsonl was written with window_seconds 5\.0, this run asks for 3\.0"):
        earlier.check(lambda there: run | {"window_seconds": 3.0, "sample_fps": 4.0})
    with pytest.raises(UsageError, match="window_seconds an unknown value"):
        write_rows(tmp_path / "old.jsonl", make_record()).check(lambda there: {"window_seconds": 3.0})


def test_a_failure_that_is_in_the_file_is_not_written_again(tmp_path: Path) -> None:
    path = tmp_path / "c.jsonl"
    for _ in range(3):
        with JsonLinesSink(path, earlier=EarlierRun.read(path)) as sink:
            sink.fail(FAILED)
    assert len(path.read_bytes().splitlines()) == 1


def test_a_resumed_srt_holds_the_earlier_cues_first(tmp_path: Path) -> None:
    first, second = (make_record(path="/in/a.mp4", clip_index=k) for k in (0, 1))
    with SrtSink(tmp_path / "once") as sink:
        sink.write(first)
        sink.write(second)
    earlier = write_rows(tmp_path / "c.jsonl", first)
    for records in ([second], []):  # with something to add, and with nothing
        held = replace(earlier, clips_by_input={"/in/a.mp4": earlier.clips})
        with SrtSink(tmp_path / "resumed", inputs=["/in/a.mp4"], earlier=held) as sink:
            for record in records:
                sink.write(record)
        text = (tmp_path / "resumed" / "a.srt").read_text()
        assert (tmp_path / "once" / "a.srt").read_text().startswith(text) and text.startswith("1\n")
        assert text.count("-->") == 1 + len(records)


def test_resumed_report_and_video_leave_the_earlier_ones(tmp_path: Path) -> None:
    for turn in range(3):
        with (
            HtmlReportSink(tmp_path / "report.html", resumed=turn > 0) as report,
            AnnotatedVideoSink(tmp_path, resumed=turn > 0) as video,
        ):
            for sink in (report, video):
                sink.write(make_record(path="/in/a.b.mp4", clip_index=turn, frames=2))
    with HtmlReportSink(tmp_path / "report.html", resumed=True):
        pass  # nothing new: no file
    names = {"report.html", "report.resumed-1.html", "report.resumed-2.html"}
    names |= {f"a.b{middle}.annotated.mp4" for middle in ("", ".resumed-1", ".resumed-2")}
    assert {p.name for p in tmp_path.iterdir()} == names
    assert "1 clip, " in (tmp_path / "report.resumed-2.html").read_text(), "the new clips only"


def test_names_that_would_collide_keep_the_video_s_suffix(tmp_path: Path) -> None:
    inputs = ["/in/v.mp4", "/in/v.mov", "/in/V.avi", "/in/w.mp4", "/in/x/a.mp4", "/in/x__a.mp4"]
    files = VideoFiles(tmp_path, ".srt", root=Path("/in"), inputs=inputs)
    names = [files.of(path).name for path in inputs]
    assert names[:4] == ["v.mp4.srt", "v.mov.srt", "V.avi.srt", "w.srt"]
    assert len(set(names)) == len(names) and files.of("/in/v.mov").name == "v.mov.srt"
    unknown = VideoFiles(tmp_path, ".srt", root=None)
    assert [unknown.of(p).name for p in ("/p/v.mp4", "/p/v.mov", "/q/v.mov")] == ["v.srt", "v.mov.srt", "v.mov.2.srt"]


def test_ways_up_make_no_hidden_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    inputs = [f"../{tmp_path.name}/a/v.mp4", "../b/v.mp4"]
    files = VideoFiles(tmp_path, ".srt", root=tmp_path.parent, inputs=inputs)
    assert [files.of(path).name for path in inputs] == [f"{tmp_path.name}__a__v.srt", "b__v.srt"]
    assert video_name("../b/v.mp4", root=tmp_path.parent) == "b/v.mp4"


def test_no_output_takes_the_place_of_an_input(tmp_path: Path) -> None:
    inputs = [tmp_path / "v.mp4", tmp_path / "v.annotated.mp4"]
    files = VideoFiles(tmp_path, ".annotated.mp4", root=tmp_path, inputs=inputs)
    assert files.of(str(inputs[0])).name == "v.mp4.annotated.mp4"
    assert files.of(str(inputs[1])).name == "v.annotated.annotated.mp4"


def test_odd_and_long_names_can_be_written(tmp_path: Path) -> None:
    odd = os.fsdecode(b"/in/caf\xff.mp4")
    long = ["/in/" + "x" * 250 + end + ".mp4" for end in "ab"]
    with SrtSink(tmp_path) as sink, JsonLinesSink(tmp_path / "c.jsonl") as rows:
        for path in (odd, *long):
            sink.write(make_record(path=path))
            rows.write(make_record(path=path))
    names = sorted(p.name for p in tmp_path.iterdir())
    assert "caf\ufffd.srt" in names and len(names) == 4 and max(len(n) for n in names) <= 204
    earlier = EarlierRun.read(tmp_path / "c.jsonl")
    assert earlier.clips[0].video == "caf\ufffd.mp4"


def test_srt_has_one_cue_per_window_and_one_file_per_video(tmp_path: Path) -> None:
    with SrtSink(tmp_path, root=Path("/in")) as sink:
        sink.write(make_record(path="/in/a.mp4", text="First\n\nline."))
        sink.write(make_record(path="/in/a.mp4", clip_index=1))
        sink.write(make_record(path="/in/x/a.mp4"))
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.srt", "x__a.srt"]
    cues = (tmp_path / "a.srt").read_text().strip().split("\n\n")
    assert [c.split("\n")[:2] for c in cues] == [
        ["1", "00:00:00,000 --> 00:00:02,000"],
        ["2", "00:00:02,000 --> 00:00:04,000"],
    ]
    assert cues[0].split("\n")[2:] == [
        "First line.",
        "No.0 person: A person in a red shirt. It walks. It moves to the right.",
        "No.1 dog: A person in a red shirt. It walks. It moves to the right.",
        "The camera pans left slowly.",
    ]


@pytest.mark.parametrize(
    ("seconds", "code"),
    [(0.0, "00:00:00,000"), (3661.0016, "01:01:01,002"), (59.9996, "00:01:00,000"), (-1.0, "00:00:00,000")],
)
def test_timecode_carries(seconds: float, code: str) -> None:
    assert timecode(seconds) == code


@pytest.mark.parametrize("kind", ["html", "srt", "video", "jsonl"])
def test_a_clip_without_instances_is_written(kind: str, tmp_path: Path) -> None:
    with SINKS[kind](tmp_path / "o") as sink:
        sink.write(make_record(track_ids=()))
    written = tmp_path / "o"
    files = [written] if written.is_file() else list(written.iterdir())
    assert len(files) == 1 and files[0].stat().st_size > 50
