"""Files that the sinks write: whole after every record, readable by the tools they are for, refused in good
time."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import textwrap
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import av
import cv2
import numpy as np
import pytest

from edgecap.engines.errors import OutputError, UsageError
from edgecap.runtime.data.mask import Mask
from edgecap.runtime.data.record import FailedVideo, Record
from edgecap.runtime.data.relation import Relation
from edgecap.runtime.output.files import VideoFiles
from edgecap.runtime.output.jsonl import JsonLinesSink
from edgecap.runtime.output.pictures.annotated_video import AnnotatedVideoSink, annotated_frame
from edgecap.runtime.output.pictures.drawing import colour_of, draw_observation, styles_of
from edgecap.runtime.output.pictures.lettering import text_width, wrap
from edgecap.runtime.output.pictures.report import HtmlReportSink, clip_section
from edgecap.runtime.output.resume import EarlierRun
from edgecap.runtime.output.srt import SrtSink, timecode
from tests.runtime.fake_records import make_record, with_text

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


def test_skip_names_inputs_with_their_starts_and_leaves_ambiguous_names_alone(tmp_path: Path) -> None:
    records = [make_record(path="/in/x/a.mp4"), make_record(path="/in/c.mp4", clip_index=2), make_record(path="/in/g")]
    earlier = write_rows(tmp_path / "c.jsonl", *records, root=Path("/in"))
    skip = earlier.skip(["/in/x/a.mp4", "/in/c.mp4"], root=Path("/in"))
    assert skip == {("/in/x/a.mp4", 0): 0.0, ("/in/c.mp4", 2): 4.0}
    assert earlier.skip(["/p/c.mp4", "/q/c.mp4"], root=None) == {}


def test_resuming_with_other_options_is_refused(tmp_path: Path) -> None:
    run = {"pack": "nano 1", "window_seconds": 5.0, "sample_fps": 8.0}
    earlier = write_rows(tmp_path / "c.jsonl", replace(make_record(), run=run))
    earlier.check(run)
    with pytest.raises(UsageError, match=r"c\.jsonl was written with window_seconds 5\.0, this run asks for 3\.0"):
        earlier.check(run | {"window_seconds": 3.0, "sample_fps": 4.0})
    with pytest.raises(UsageError, match="window_seconds an unknown value"):
        write_rows(tmp_path / "old.jsonl", make_record()).check({"window_seconds": 3.0})


def test_a_failure_that_is_in_the_file_is_not_written_again(tmp_path: Path) -> None:
    path = tmp_path / "c.jsonl"
    for _ in range(3):
        with JsonLinesSink(path, known_failures=EarlierRun.read(path).failures) as sink:
            sink.fail(FAILED)
    assert len(path.read_bytes().splitlines()) == 1


def test_a_resumed_srt_holds_the_earlier_cues_first(tmp_path: Path) -> None:
    first, second = (make_record(path="/in/a.mp4", clip_index=k) for k in (0, 1))
    with SrtSink(tmp_path / "once") as sink:
        sink.write(first)
        sink.write(second)
    earlier = write_rows(tmp_path / "c.jsonl", first)
    for records in ([second], []):  # with something to add, and with nothing
        with SrtSink(tmp_path / "resumed", inputs=["/in/a.mp4"], earlier=earlier) as sink:
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
    assert earlier.clips[0].video == "caf\ufffd.mp4" and (odd, 0) in earlier.skip([odd], root=None)


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


class _Page(HTMLParser):
    """Collects what a report must not have (outside addresses) and what it must (balanced elements,
    pictures)."""

    VOID = frozenset({"meta", "img", "br"})

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.images: list[str] = []
        self.links: list[str] = []
        self.words: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        if tag not in self.VOID:
            self.open.append(tag)
        if tag == "img":
            self.images.append(values["src"] or "")
        self.links += [v or "" for k, v in attrs if k in {"href", "src"} and not (v or "").startswith("data:")]

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words.append(data)


def test_report_is_whole_after_every_write_and_needs_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "report.html"
    with HtmlReportSink(path, root=Path("/in")) as sink:
        sink.write(make_record(text="A <b>person</b> & a dog."))
        page = _Page(path.read_text())
        assert page.open == [] and "A <b>person</b> & a dog. " in page.words
        sink.write(make_record(clip_index=1))
        sink.fail(FAILED)
    text = path.read_text()
    page = _Page(text)
    assert page.open == [] and page.links == [] and not re.search(r"https?://|@import|url\(", text)
    assert len(page.images) == 2 * 3, "a key frame and two strips per clip"
    assert any(w.strip() == ": b.mp4: <not> a video" for w in page.words) and any(
        "2 clips, 4 instances" in w for w in page.words
    )
    assert [p.name for p in tmp_path.iterdir()] == ["report.html"], "no temporary file is left"


def test_report_tells_relations_of_reported_instances_only() -> None:
    record = make_record()
    crosses = Relation("crosses", 7, 9, 0.5, 1.5, 0.8, "in front")
    related = replace(record, evidence=replace(record.evidence, relations=(crosses,)))
    page = clip_section(related)
    assert "<dt>Relations</dt><dd>The person crosses in front of the dog. <span" in page
    assert "Relations" not in clip_section(record)
    assert "Relations" not in clip_section(replace(related, caption=replace(related.caption, instances=())))


def test_report_s_key_frame_shows_the_frame(tmp_path: Path) -> None:
    import base64

    with HtmlReportSink(tmp_path / "r.html") as sink:
        sink.write(make_record())
    first = _Page((tmp_path / "r.html").read_text()).images[0]
    data = base64.b64decode(first.removeprefix("data:image/jpeg;base64,"))
    image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)[..., ::-1]
    assert image.shape == (540, 960, 3)
    np.testing.assert_allclose(image[500, 30], (120, 120, 120), atol=4)
    blue = image[400, 700].astype(int)
    assert blue[2] > 150 and blue[0] < 90, "track 9's block, lightly tinted"


def test_a_long_report_is_not_written_anew_for_every_clip(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from edgecap.runtime.output.pictures import report as html_report

    saves: list[Path] = []
    write = html_report.replace_text

    def slow(path: Path, parts: object) -> None:
        saves.append(path)
        write(path, parts)

    clock = iter(np.arange(0.0, 1000.0, 1.0))  # every look at it is a second later: writing "takes" one
    monkeypatch.setattr(html_report, "replace_text", slow)
    monkeypatch.setattr(html_report.time, "monotonic", lambda: float(next(clock)))
    with HtmlReportSink(tmp_path / "r.html") as sink:
        for clip in range(10):
            sink.write(make_record(clip_index=clip, frames=2))
    assert len(saves) == 2, "the first clip at once, the rest together at the end"
    assert "10 clips" in (tmp_path / "r.html").read_text()


def test_annotated_video_keeps_the_source_s_own_times(tmp_path: Path) -> None:
    record = make_record(frames=6)
    times = [0.0, 0.04, 0.5, 0.51, 1.3, 2.0]
    moved = tuple(
        replace(o, frame=replace(o.frame, pts_seconds=t))
        for o, t in zip(record.window.observations, times, strict=True)
    )
    record = replace(record, window=replace(record.window, observations=moved))
    with AnnotatedVideoSink(tmp_path) as sink:
        sink.write(record)
        sink.write(replace(make_record(clip_index=1, frames=4), video=record.video))
    with av.open(str(tmp_path / "a.annotated.mp4")) as container:
        stream = container.streams.video[0]
        frames = list(container.decode(stream))
        assert stream.codec_context.name == "h264" and stream.codec_context.pix_fmt == "yuv420p"
    got = [float(f.time) for f in frames]
    expected = [*times, 2.0, 2.25, 2.5, 2.75]  # the next window begins a tick after the last frame
    np.testing.assert_allclose(got, expected, atol=1e-4)
    assert (np.diff(got) > 0).all() and frames[0].width == 960 and frames[0].height % 2 == 0
    image = frames[0].to_ndarray(format="rgb24")
    np.testing.assert_allclose(image[500, 30], (120, 120, 120), atol=6)
    assert image[540:].mean() < 60 and image[540:].max() > 200, "light words on a dark strip"


def test_each_video_has_its_own_file_and_a_failed_one_still_plays(tmp_path: Path) -> None:
    with AnnotatedVideoSink(tmp_path, root=Path("/in")) as sink:
        sink.write(make_record(path="/in/b.mp4", frames=3))
        sink.fail(FAILED)
        sink.write(make_record(path="/in/x/c.mp4", frames=2))
    for name, count in (("b.annotated.mp4", 3), ("x__c.annotated.mp4", 2)):
        with av.open(str(tmp_path / name)) as container:
            assert len(list(container.decode(video=0))) == count


def test_drawing_marks_instances_and_leaves_the_frame_and_strangers_alone() -> None:
    record = make_record()
    observation = record.window.observations[0]
    before = observation.frame.image_rgb.copy()
    styles = {7: styles_of(record)[7]}
    drawn = draw_observation(observation, styles, width=160, trails={})
    np.testing.assert_array_equal(observation.frame.image_rgb, before)
    near = np.abs(drawn.astype(int) - np.array(colour_of(7))).max(2) < 12
    assert near.any(), "the outline's colour is there"
    np.testing.assert_array_equal(drawn[50:70, 100:124], before[50:70, 100:124])
    np.testing.assert_array_equal(drawn[80:, :], before[80:, :])


def test_masks_at_every_border_and_empty_ones_can_be_drawn() -> None:
    record = make_record()
    width, height = record.video.size_wh
    bits = np.ones((height, width), bool)
    for mask in (
        Mask.from_full(bits),
        Mask.from_full(~bits),
        Mask((width - 1, height - 1), np.ones((1, 1), bool), (width, height)),
    ):
        [observation] = [
            replace(o, instances=tuple(replace(i, mask=mask, box_xyxy=mask.box_xyxy) for i in o.instances))
            for o in record.window.observations[:1]
        ]
        for w in (96, 960):
            assert draw_observation(observation, styles_of(record), width=w, trails={}).shape[1] == w


def test_many_long_sentences_turn_pages_inside_the_strip() -> None:
    record = make_record(track_ids=(7, 9))
    many = tuple(
        replace(
            record.caption.instances[0], appearance=replace(record.caption.instances[0].appearance, text="word " * 60)
        )
        for _ in range(5)
    )
    record = replace(with_text(record, "long " * 80), caption=replace(record.caption, instances=many))
    shapes = {annotated_frame(record, o).shape for o in record.window.observations}
    assert len(shapes) == 1
    first, last = record.window.observations[0], replace(record.window.observations[-1])
    assert not np.array_equal(
        annotated_frame(record, first)[540:],
        annotated_frame(record, replace(last, frame=replace(last.frame, pts_seconds=3.0)))[540:],
    ), "another page"


def test_wrap_keeps_lines_inside_and_says_when_it_cuts() -> None:
    lines = wrap("one two three four five six seven " * 4, width=200, size=16, most_lines=2)
    assert len(lines) == 2 and lines[1].endswith("...") and all(text_width(line, size=16) <= 200 for line in lines)
    assert wrap("short one", width=200, size=16, most_lines=2) == ["short one"]
    assert wrap("W" * 90, width=100, size=16, most_lines=2)[0].endswith("...")
    assert wrap("", width=100, size=16, most_lines=2) == []


@pytest.mark.parametrize("kind", ["html", "srt", "video", "jsonl"])
def test_a_clip_without_instances_is_written(kind: str, tmp_path: Path) -> None:
    with SINKS[kind](tmp_path / "o") as sink:
        sink.write(make_record(track_ids=()))
    written = tmp_path / "o"
    files = [written] if written.is_file() else list(written.iterdir())
    assert len(files) == 1 and files[0].stat().st_size > 50
