"""The report and the annotated video: whole after every record, true to the frames, words inside their boxes."""

from __future__ import annotations

import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import av
import cv2
import numpy as np
import pytest

from edgecap.runtime.data.evidence import Relation
from edgecap.runtime.data.mask import Mask
from edgecap.runtime.data.record import FailedVideo
from edgecap.runtime.output.pictures.annotated_video import AnnotatedVideoSink, annotated_frame
from edgecap.runtime.output.pictures.drawing import colour_of, draw_observation, styles_of
from edgecap.runtime.output.pictures.lettering import text_width, wrap
from edgecap.runtime.output.pictures.report import HtmlReportSink, clip_section
from tests.runtime.fake_records import make_record, with_text

FAILED = FailedVideo("/in/b.mp4", "UnreadableVideoError", "/in/b.mp4: <not> a video", 3, 0)


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
