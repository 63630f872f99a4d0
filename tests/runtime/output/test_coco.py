"""COCO data sets: ids, pixel boxes, areas and masks that decode to the instances' own."""

from __future__ import annotations

import json
from typing import Any

import numpy as np

from edgecap.runtime.data.record import FailedVideo, Record
from edgecap.runtime.output import rle
from edgecap.runtime.output.coco import coco_dataset
from edgecap.runtime.output.reader import BrokenLine, CaptionRow, caption_row
from edgecap.runtime.output.row import failed_to_json, record_to_json
from tests.runtime.fake_records import make_record


def _row(record: Record, number: int = 1) -> CaptionRow:
    return caption_row(json.loads(json.dumps(record_to_json(record, root=None))), line_number=number)


def _by_id(items: list[dict[str, Any]]) -> dict[int, dict[str, Any]]:
    assert [item["id"] for item in items] == list(range(1, len(items) + 1))
    return {item["id"]: item for item in items}


def test_masks_boxes_and_ids_fit_together() -> None:
    records = [make_record(), make_record(clip_index=1)]
    data = coco_dataset(_row(r) for r in records)
    images, names = _by_id(data["images"]), {i: c["name"] for i, c in _by_id(data["categories"]).items()}
    # The best frame of both instances is the first one of a clip: they share an image.
    assert [(i["file_name"], i["width"], i["height"]) for i in images.values()] == [
        ("a.mp4#t=0.0000", 160, 90),
        ("a.mp4#t=2.0000", 160, 90),
    ]
    told = [(names[a["category_id"]], a["track_id"], a["clip"], a["image_id"]) for a in data["annotations"]]
    assert told == [("person", 7, 0, 1), ("dog", 9, 0, 1), ("person", 7, 1, 2), ("dog", 9, 1, 2)]
    for annotation in data["annotations"]:
        record = records[annotation["clip"]]
        [instance] = [
            i for i in record.window.observations[0].instances if i.track_id == annotation["track_id"]
        ]  # fmt: skip
        left, top = instance.mask.origin_xy
        assert annotation["bbox"] == [left, top, 24, 20] and annotation["area"] == 480
        assert rle.decode(annotation["segmentation"]).iou(instance.mask) == 1.0
        assert annotation["iscrowd"] == 0 and annotation["score"] == 0.9
    assert data["annotations"][0]["caption"] == "A person in a red shirt."
    assert json.loads(json.dumps(data)) == data  # JSON types only


def test_the_area_is_the_sum_of_the_odd_runs() -> None:
    """Counted from the published definition, not by our decoder: every second count is a run of ones."""
    [annotation, _] = coco_dataset([_row(make_record())])["annotations"]
    counts = rle.string_to_counts(annotation["segmentation"]["counts"])
    assert int(np.sum(counts[1::2])) == annotation["area"]
    assert int(np.sum(counts)) == 160 * 90


def test_what_adds_nothing_is_named() -> None:
    broken_mask = json.loads(json.dumps(record_to_json(make_record(), root=None)))
    broken_mask["meta"]["instances"][0]["key_mask"]["rle"]["size"] = [9, 9]
    failed = failed_to_json(FailedVideo("b.mp4", "UnreadableVideoError", "not a video", 3, 0), root=None)
    foreign = {k: v for k, v in record_to_json(make_record(), root=None).items() if k != "meta"}
    rows = [
        BrokenLine(1, "the line is blank"),
        caption_row(failed, line_number=2),
        caption_row(foreign, line_number=3),
        caption_row(broken_mask, line_number=4),
    ]
    data = coco_dataset(rows)
    one, two, three, four = data["info"]["left_out"]
    assert (one, two) == ("line 1: the line is blank", "line 2: not a video")
    assert three == "line 3: it carries no masks of edgecap"
    assert four.startswith("line 4, No.0: run lengths must be >= 0 and sum to 81")
    assert [a["track_id"] for a in data["annotations"]] == [9]


def test_no_rows_are_an_empty_data_set() -> None:
    data = coco_dataset([])
    assert (data["images"], data["annotations"], data["categories"]) == ([], [], [])
