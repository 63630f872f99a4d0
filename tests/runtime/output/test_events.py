"""The stream of events: who is born, updated, lost; the shipped schema; what survives an interrupted run."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from edgecap.engines.errors import OutputError
from edgecap.runtime.data.caption import FieldText
from edgecap.runtime.data.record import FailedVideo, Record
from edgecap.runtime.output import events as events_module
from edgecap.runtime.output import rle
from edgecap.runtime.output.event_sink import EventSink
from edgecap.runtime.output.events import EventStream
from tests.runtime.fake_records import make_record

SCHEMA = json.loads((Path(events_module.__file__).with_name("event_schema.json")).read_text(encoding="utf-8"))
FAILED = FailedVideo("/in/a.mp4", "UnreadableVideoError", "/in/a.mp4: broken at 4 s", 3, 1)


def _record(clip: int, track_ids: tuple[int, ...] = (7, 9), *, ends_shot: bool = False, **options: Any) -> Record:
    record = make_record(clip_index=clip, track_ids=track_ids, **options)
    return replace(record, window=replace(record.window, ends_shot=ends_shot))


def _told(events: list[dict[str, Any]]) -> list[tuple[str, int | None]]:
    return [(e["event"], e.get("track_id")) for e in events]


def _with_action(record: Record, index: int, text: str) -> Record:
    instances = list(record.caption.instances)
    instances[index] = replace(instances[index], action=FieldText(text, "model", kept_from_clip=0))
    return replace(record, caption=replace(record.caption, instances=tuple(instances)))


def test_a_life_is_born_updated_and_lost_and_each_clip_closes() -> None:
    stream = EventStream()
    first = list(stream.of_record(_record(0)))
    same = list(stream.of_record(_record(1)))
    other = list(stream.of_record(_with_action(_record(2), 1, "It sits down.")))
    without = list(stream.of_record(_record(3, (9,))))
    assert _told(first) == [("born", 7), ("born", 9), ("clip", None)]
    assert _told(same) == [("clip", None)]
    assert _told(other) == [("updated", 9), ("clip", None)]
    assert other[0]["changed"] == ["action"] and other[0]["action"]["kept_from_clip"] == 0
    assert _told(without)[:2] == [("updated", 9), ("lost", 7)]
    lost = without[1]
    # Track 7 was last seen in the last frame of clip 2: 7 steps of 0.25 s after second 4, 4 pixels a step from x = 10.
    assert lost["reason"] == "unseen" and lost["last_seen_seconds"] == 5.75
    assert lost["last_box_xyxy"] == pytest.approx([38 / 160, 20 / 90, 62 / 160, 40 / 90], abs=1e-4)


def test_one_that_comes_back_is_born_again_under_its_id_and_says_so() -> None:
    stream = EventStream()
    told = [e for clip, ids in enumerate([(7, 9), (9,), (7, 9)]) for e in stream.of_record(_record(clip, ids))]
    of_seven = [(e["event"], e.get("returned")) for e in told if e.get("track_id") == 7]
    assert of_seven == [("born", False), ("lost", None), ("born", True)]


def test_a_cut_or_the_end_loses_everyone_and_the_next_video_begins_anew() -> None:
    stream = EventStream()
    end = list(stream.of_record(_record(0, ends_shot=True)))
    assert [(e["event"], e.get("reason")) for e in end] == [
        ("born", None), ("born", None), ("lost", "shot_end"), ("lost", "shot_end"), ("clip", None),
    ]  # fmt: skip
    again = list(stream.of_record(_record(0, path="/in/b.mp4")))
    assert [e["returned"] for e in again if e["event"] == "born"] == [False, False]


def test_a_failure_loses_everyone_and_says_why_without_the_path() -> None:
    stream = EventStream()
    list(stream.of_record(_record(0)))
    events = list(stream.of_failure(FAILED))
    assert _told(events) == [("lost", 7), ("lost", 9), ("failed", None)]
    assert events[-1]["message"] == "a.mp4: broken at 4 s" and events[-1]["exit_code"] == 3


def test_events_carry_times_boxes_mask_age_and_provenance() -> None:
    record = _record(1)
    born = next(EventStream(root=Path("/in")).of_record(record))
    assert (born["video"], born["clip"], born["pts_start_seconds"], born["pts_end_seconds"]) == ("a.mp4", 1, 2.0, 4.0)
    assert born["age_seconds"] == 0.7
    assert [b["pts_seconds"] for b in born["boxes"]] == [2 + 0.25 * k for k in range(8)]
    mask = rle.decode(born["key_mask"]["rle"])
    assert mask.iou(record.window.observations[0].instances[0].mask) == 1.0
    assert born["appearance"] == {
        "text": "A person in a red shirt.",
        "provenance": "model",
        "confidence": 0.9,
        "rejections": ["colour: pink is 0 %"],
    }


def _all_kinds() -> list[dict[str, Any]]:
    stream = EventStream()
    records = [_record(0), _with_action(_record(1), 0, "It sits down."), _record(2, (9,))]
    told = [e for record in records for e in stream.of_record(record)]
    return [*told, *stream.of_failure(FAILED)]


def test_every_event_follows_the_shipped_schema() -> None:
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    validator = jsonschema.Draft202012Validator(SCHEMA)
    events = json.loads(json.dumps(_all_kinds(), allow_nan=False))
    assert {e["event"] for e in events} == {"born", "updated", "lost", "clip", "failed"}
    for event in events:
        validator.validate(event)


@pytest.mark.parametrize("kind", ["born", "updated", "lost", "clip", "failed"])
def test_the_schema_refuses_what_is_missing_and_what_is_unknown(kind: str) -> None:
    validator = jsonschema.Draft202012Validator(SCHEMA)
    event = next(e for e in _all_kinds() if e["event"] == kind)
    for name in event:
        if not (kind == "lost" and name in ("clip", "shot")):
            assert not validator.is_valid({k: v for k, v in event.items() if k != name}), name
    assert not validator.is_valid(event | {"colour": "red"})
    assert not validator.is_valid(event | {"schema_version": 2})


def _read(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def test_the_sink_writes_each_clip_at_once(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "events.jsonl"
    with EventSink(path) as sink:
        sink.write(_record(0))
        assert _told(_read(path)) == [("born", 7), ("born", 9), ("clip", None)]
        sink.fail(FAILED)
        assert _read(path)[-1]["event"] == "failed"
    with pytest.raises(OutputError, match="sink is closed"):
        sink.write(_record(1))
    with EventSink(path):
        pass
    assert path.read_bytes() == b""  # a run that is not resumed begins anew


def test_no_path_writes_nothing() -> None:
    with EventSink(None) as sink:
        sink.write(_record(0))
        sink.fail(FAILED)


@pytest.mark.parametrize("lost_bytes", range(0, 4000, 397))
def test_a_resumed_run_ends_with_the_events_of_an_unbroken_one(tmp_path: Path, lost_bytes: int) -> None:
    records = [_record(0), _record(1, (9,)), _record(2, ends_shot=True)]
    whole, cut = tmp_path / "whole.jsonl", tmp_path / "cut.jsonl"
    with EventSink(whole) as sink:
        for record in records:
            sink.write(record)
    data = whole.read_bytes()
    assert len(data) > 4000
    cut.write_bytes(data[: len(data) - lost_bytes])
    with EventSink(cut, resumed=True) as sink:
        for record in records:  # clips whose events are there are not told twice
            sink.write(record)
    assert cut.read_bytes() == data


def test_a_failure_is_not_told_twice_by_a_resumed_run(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    for resumed in (False, True):
        with EventSink(path, resumed=resumed) as sink:
            sink.fail(FAILED)
    assert _told(_read(path)) == [("failed", None)]


@pytest.mark.parametrize(
    "line",
    [
        b"not json\n",
        b"[1]\n",
        b'{"event": "clip"}\n',
        b'{"event": "clip", "video": "a", "clip": "x", "instances": []}\n',
    ],
    ids=["text", "list", "no video", "no number"],
)
def test_a_resumed_run_refuses_a_file_of_another_kind(tmp_path: Path, line: bytes) -> None:
    path = tmp_path / "events.jsonl"
    path.write_bytes(line)
    with pytest.raises(OutputError, match=r"line 1 is not an event of edgecap; choose another --out"):
        EventSink(path, resumed=True).__enter__()
    assert path.read_bytes() == line
