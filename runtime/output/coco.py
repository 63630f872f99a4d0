"""Instances as a COCO data set: key frames, boxes and run-length masks that the field's tools read.

In: rows of our captions file (their meta block carries key masks). Out: one JSON object in the COCO form: `images`,
`annotations`, `categories` (cocodataset.org, "format-data").

One image per instance and clip: the frame that shows this instance best, named by video and time; instances whose best
frame is the same share it. Annotations are not exhaustive: other things in an image are not annotated. Sizes, boxes and
areas are pixels of the working size (the masks'), `source_size_wh` tells the video's own.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from edgecap.runtime.data.mask import Mask
from edgecap.runtime.output import rle
from edgecap.runtime.output.reader import BrokenLine, CaptionRow, InstanceTexts


@dataclass(slots=True)
class _Set:
    """What has been gathered. Ids count from 1, as COCO's do."""

    images: dict[tuple[str, str, float], dict[str, Any]] = field(default_factory=dict)
    annotations: list[dict[str, Any]] = field(default_factory=list)
    categories: dict[str, int] = field(default_factory=dict)
    left_out: list[str] = field(default_factory=list)


def coco_dataset(rows: Iterable[CaptionRow | BrokenLine]) -> dict[str, Any]:
    """The data set of all rows that carry masks; `info.left_out` names the lines that add nothing, and why."""
    gathered = _Set()
    for row in rows:
        if isinstance(row, BrokenLine):
            gathered.left_out.append(f"line {row.line_number}: {row.reason}")
        elif "instances" not in row.meta:
            why = row.meta.get("message") or "; ".join(row.problems) or "it carries no masks of edgecap"
            gathered.left_out.append(f"line {row.line_number}: {why}")
        else:
            _add_row(gathered, row)
    return {
        "info": {
            "description": "edgecap: key frames of captioned instances; annotations are not exhaustive",
            "left_out": gathered.left_out,
        },
        "images": list(gathered.images.values()),
        "annotations": gathered.annotations,
        "categories": [{"id": number, "name": name} for name, number in gathered.categories.items()],
    }


def _add_row(gathered: _Set, row: CaptionRow) -> None:
    texts = {i.key: i for i in row.instances}
    for instance in row.meta["instances"]:
        if instance["key_mask"] is None or instance["key"] not in texts:
            continue
        try:
            mask = rle.decode(instance["key_mask"]["rle"])
        except ValueError as error:
            gathered.left_out.append(f"line {row.line_number}, {instance['key']}: {error}")
        else:
            _add(gathered, row, instance, mask, texts[instance["key"]])


def _add(gathered: _Set, row: CaptionRow, instance: Mapping[str, Any], mask: Mask, texts: InstanceTexts) -> None:
    pts, runs = instance["key_mask"]["pts_seconds"], instance["key_mask"]["rle"]
    height, width = runs["size"]
    image = gathered.images.setdefault(
        (row.video, (row.meta.get("identity") or {}).get("digest", ""), pts),
        {
            "id": len(gathered.images) + 1,
            "file_name": f"{row.video}#t={pts:.4f}",
            "video": row.video,
            "pts_seconds": pts,
            "width": width,
            "height": height,
            "source_size_wh": row.meta["video"]["size_wh"],
        },
    )
    x1, y1, x2, y2 = (float(v) for v in mask.box_xyxy)
    gathered.annotations.append(
        {
            "id": len(gathered.annotations) + 1,
            "image_id": image["id"],
            "category_id": gathered.categories.setdefault(texts.class_name, len(gathered.categories) + 1),
            "bbox": [round(v, 2) for v in (x1 * width, y1 * height, (x2 - x1) * width, (y2 - y1) * height)],
            "area": mask.area_pixels,
            "segmentation": dict(runs),
            "iscrowd": 0,
            "score": instance["mean_score"],
            "track_id": instance["track_id"],
            "clip": row.meta["clip"],
            "caption": texts.appearance,
        }
    )
