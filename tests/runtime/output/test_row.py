"""Rows of the InstanceCap format: key order, schema, privacy of paths, numbers."""

from __future__ import annotations

import copy
import json
import math
from dataclasses import replace
from pathlib import Path

import jsonschema
import numpy as np
import pytest

from edgecap.engines.errors import InputError
from edgecap.runtime.data.caption import FieldText
from edgecap.runtime.data.evidence import ColourShare, Relation
from edgecap.runtime.data.person import Act, FacingSpan, PartColours, PersonEvidence
from edgecap.runtime.data.record import FailedVideo, Record
from edgecap.runtime.output import rle
from edgecap.runtime.output.reader import caption_row
from edgecap.runtime.output.row import failed_to_json, record_to_json, structure_of, video_name
from edgecap.runtime.output.schema import record_schema, schema_errors
from tests.runtime.fake_records import make_record

FAILED = FailedVideo("/home/me/in/b.mp4", "UnreadableVideoError", "/home/me/in/b.mp4: not a video", 3, 2)


def _row() -> dict:
    return json.loads(json.dumps(record_to_json(make_record(path="/in/sub/a.mp4"), root=Path("/in")), allow_nan=False))


def test_key_order_is_the_format_s() -> None:
    row = _row()
    assert list(row) == ["Video", "Global Description", "Structural Description", "meta"]
    block = row["Structural Description"]
    assert list(block) == ["Main Instance", "Background Detail", "Camera Movement"]
    assert list(block["Main Instance"]) == ["No.0", "No.1"]
    assert list(block["Main Instance"]["No.0"]) == ["Class", "Appearance", "Actions and Motion", "Position"]
    assert block["Main Instance"]["No.1"]["Class"] == "dog"


def test_meta_tells_where_every_word_came_from() -> None:
    meta = _row()["meta"]
    first = meta["instances"][0]
    assert first["key"] == "No.0" and first["track_id"] == 7
    assert first["appearance"] == {"provenance": "model", "confidence": 0.9, "rejections": ["colour: pink is 0 %"]}
    assert first["action"]["computed_part"] == "It moves to the right."
    assert meta["background"] == {"provenance": "abstained"}
    assert meta["camera"]["labels"] == ["pan_left"] and meta["camera"]["phases"] == [["pan_left"]]
    assert meta["counts"] == {"model_calls": 12, "prefill_tokens": 300, "decode_tokens": 40, "generations": 0}


def test_path_and_key_mask_follow_the_masks() -> None:
    record = make_record()
    first = _row()["meta"]["instances"][0]
    assert [p["pts_seconds"] for p in first["path"]] == [0.25 * k for k in range(8)]
    np.testing.assert_allclose(first["path"][2]["box_xyxy"], [18 / 160, 20 / 90, 42 / 160, 40 / 90], atol=1e-4)
    mask = rle.decode(first["key_mask"]["rle"])
    best = record.window.observations[0].instances[0].mask  # all are whole and equal: the first of equals
    assert first["key_mask"]["pts_seconds"] == 0.0 and mask.iou(best) == 1.0


@pytest.mark.parametrize(
    "row",
    [
        pytest.param(record_to_json(make_record(), root=None), id="two instances"),
        pytest.param(record_to_json(make_record(track_ids=()), root=None), id="no instance"),
        pytest.param(failed_to_json(FAILED, root=None), id="failed video"),
    ],
)
def test_rows_follow_the_schema_in_both_validators(row: dict) -> None:
    row = json.loads(json.dumps(row))
    assert schema_errors(row) == []
    jsonschema.Draft202012Validator.check_schema(record_schema())
    jsonschema.Draft202012Validator(record_schema()).validate(row)


def _set(row: dict, path: tuple, value: object) -> dict:
    row = copy.deepcopy(row)
    place = row
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value
    return row


@pytest.mark.parametrize(
    ("path", "value"),
    [
        pytest.param(("Video",), 3, id="wrong type"),
        pytest.param(("Video",), "/home/me/a.mp4", id="absolute path"),
        pytest.param(("extra",), "x", id="unknown key"),
        pytest.param(("meta", "clip"), -1, id="below minimum"),
        pytest.param(("meta", "clip"), True, id="boolean for integer"),
        pytest.param(("meta", "status"), "fine", id="unknown status"),
        pytest.param(("meta", "instances", 0, "born"), 1, id="integer for boolean"),
        pytest.param(("meta", "instances", 0, "palette", 0, "name"), "teal", id="not a basic colour"),
        pytest.param(("meta", "instances", 0, "position_start"), "up-left", id="no cell"),
        pytest.param(("meta", "instances", 0, "path", 0, "box_xyxy"), [0, 0, 1], id="three corners"),
        pytest.param(("meta", "instances", 0, "path", 0, "area"), 1.5, id="above maximum"),
        pytest.param(("meta", "instances", 0, "class"), {"provenance": "guess"}, id="unknown provenance"),
        pytest.param(("meta", "used", "masks"), "sam", id="masks of no such kind"),
        pytest.param(("meta", "used", "mask_refresh"), "0", id="no refresh"),
        pytest.param(("Structural Description", "Main Instance", "first"), {}, id="instance key"),
        pytest.param(("Structural Description", "Main Instance", "No.0", "Appearance"), "", id="empty text"),
    ],
)
def test_both_validators_refuse(path: tuple, value: object) -> None:
    row = _set(_row(), path, value)
    assert schema_errors(row)
    assert not jsonschema.Draft202012Validator(record_schema()).is_valid(row)


def test_masks_from_memory_are_read_back() -> None:
    row = _set(_row(), ("meta", "used"), {"masks": "memory", "mask_refresh": "8", "pack": "own 1"})
    jsonschema.Draft202012Validator(record_schema()).validate(row)
    assert caption_row(row).meta["used"]["mask_refresh"] == "8"


@pytest.mark.parametrize("key", ["Global Description", "Structural Description", "meta"])
def test_missing_key_is_named(key: str) -> None:
    row = _row()
    del row[key]
    assert any(repr(key) in complaint for complaint in schema_errors(row))


def test_failed_row_hides_folders() -> None:
    row = failed_to_json(FAILED, root=None)
    assert row["Video"] == "b.mp4" and "/home" not in json.dumps(row)
    meta = row["meta"]
    assert (meta["status"], meta["exit_code"], meta["clips_written"]) == ("error", 3, 2)
    assert row["Structural Description"] == {"Main Instance": {}, "Background Detail": "", "Camera Movement": ""}


@pytest.mark.parametrize(
    ("path", "root", "name"),
    [
        pytest.param("/in/sub/a.mp4", "/in", "sub/a.mp4", id="below root"),
        pytest.param("/other/a.mp4", "/in", "a.mp4", id="outside root"),
        pytest.param("/in/a.mp4", None, "a.mp4", id="no root"),
        pytest.param("/in", "/in", "in", id="root itself"),
        pytest.param(
            "rtsp://user:secret@cam.local:554/stream?key=1", None, "cam.local/stream", id="address without secrets"
        ),
    ],
)
def test_video_name_is_never_absolute(path: str, root: str | None, name: str) -> None:
    assert video_name(path, root=None if root is None else Path(root)) == name


def test_numbers_that_are_none_become_null() -> None:
    record = make_record()
    record = replace(record, age_seconds=math.inf, domain=replace(record.domain, distance=math.nan))
    row = json.loads(json.dumps(record_to_json(record, root=None), allow_nan=False))
    assert row["meta"]["age_seconds"] is None and row["meta"]["domain"]["distance"] is None


@pytest.mark.parametrize("key", ["Structural Description", "Structured Description"])
def test_both_spellings_are_read(key: str) -> None:
    block = {"Main Instance": {}, "Background Detail": "b", "Camera Movement": "c"}
    assert structure_of({"Video": "a.mp4", key: block}) is block


def test_a_row_of_another_kind_is_refused_by_name() -> None:
    with pytest.raises(
        InputError,
        match=r"'Structural Description' or 'Structured Description'; got the "
        r"keys \['text'\]",
    ):
        structure_of({"text": "x"})


CROSSES = Relation("crosses", 7, 9, 0.5, 1.5, 0.8, "in front")


def _related(**changes: object) -> Record:
    record = make_record()
    return replace(record, evidence=replace(record.evidence, relations=(CROSSES,)), **changes)


def test_relations_are_rows_and_sentences() -> None:
    row = record_to_json(_related(), root=None)
    assert row["meta"]["relations"] == [
        {
            "name": "crosses",
            "subject": 7,
            "object": 9,
            "start_seconds": 0.5,
            "end_seconds": 1.5,
            "confidence": 0.8,
            "order": "in front",
        }
    ]
    assert row["meta"]["relation_sentences"] == ["The person crosses in front of the dog."]
    assert schema_errors(row) == []


def test_relations_of_instances_that_are_not_reported_stay_out() -> None:
    """Outside its domain a pack reports no instance, whatever was measured."""
    record = _related()
    meta = record_to_json(replace(record, caption=replace(record.caption, instances=())), root=None)["meta"]
    assert meta["relations"] == [] and meta["relation_sentences"] == []


def test_rows_from_before_relations_are_still_valid() -> None:
    row = record_to_json(make_record(), root=None)
    for name in ("relations", "relation_sentences"):
        del row["meta"][name]
    del row["meta"]["counts"]["generations"]
    assert schema_errors(row) == []


def test_listed_words_are_reported_where_the_lists_were_told() -> None:
    record = make_record()
    told = replace(record, caption=replace(record.caption, lexicon_used=(("striped",), ())))
    row = record_to_json(told, root=None)
    assert row["meta"]["lexicon"] == {"prefer": ["striped"], "avoid": []} and schema_errors(row) == []
    assert "lexicon" not in record_to_json(record, root=None)["meta"]


def _posed_row() -> dict:
    """The fake record whose person has poses, written and read back."""
    record = make_record()
    person = PersonEvidence(
        8,
        0.0,
        1.75,
        (Act("riding", 0.0, 1.23456, on_track_id=9, on_class="bicycle"), Act("waving", 0.5, 1.0, side="left")),
        (FacingSpan("camera", 0.0, 1.0),),
        (PartColours("lower", (ColourShare("blue", 0.51239),), to_ankles=True),),
    )
    first, *others = record.evidence.tracks
    evidence = replace(record.evidence, tracks=(replace(first, person=person), *others))
    caption, (one, *rest) = record.caption, record.caption.instances
    one = replace(one, action=FieldText("The person rides the bicycle.", "pose"))
    record = replace(record, evidence=evidence, caption=replace(caption, instances=(one, *rest)))
    return json.loads(json.dumps(record_to_json(record, root=None), allow_nan=False))


def test_what_poses_show_is_in_the_row_and_follows_the_schema() -> None:
    row = _posed_row()
    assert not schema_errors(row)
    jsonschema.validate(row, record_schema())
    rider, dog = row["meta"]["instances"]
    assert "person" not in dog and rider["action"] == {"provenance": "pose"}
    assert rider["person"] == {
        "looks": 8,
        "start_seconds": 0.0,
        "end_seconds": 1.75,
        "acts": [
            {"name": "riding", "start_seconds": 0.0, "end_seconds": 1.2346, "side": "", "on_track_id": 9,
             "on_class": "bicycle"},
            {"name": "waving", "start_seconds": 0.5, "end_seconds": 1.0, "side": "left", "on_track_id": None,
             "on_class": ""},
        ],
        "facings": [{"facing": "camera", "start_seconds": 0.0, "end_seconds": 1.0}],
        "clothes": [{"part": "lower", "colours": [{"name": "blue", "share": 0.5124}], "to_ankles": True}],
    }  # fmt: skip
    read = caption_row(row)
    assert not read.problems and read.meta["instances"][0]["person"]["acts"][0]["on_class"] == "bicycle"


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("acts", 0, "name"), "flying"),
        (("acts", 1, "side"), "up"),
        (("facings", 0, "facing"), "north"),
        (("clothes", 0, "part"), "skin"),
        (("clothes", 0, "colours", 0, "share"), 1.5),
        (("looks",), -1),
    ],
)
def test_both_validators_refuse_other_people(path: tuple, value: object) -> None:
    row = _set(_posed_row(), ("meta", "instances", 0, "person", *path), value)
    assert schema_errors(row)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(row, record_schema())
