"""One captioned clip as a value: text, instances, boxes per frame, the row of the files."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from edgecap.runtime.data.record import Record
from edgecap.runtime.data.window import Observation


@dataclass(frozen=True, slots=True)
class Instance:
    """One instance of one clip in words. `id`: the same over all clips of a video."""

    id: int
    class_name: str
    appearance: str
    action: str
    position: str


@dataclass(frozen=True, slots=True)
class Clip:
    """A captioned window of a video; no pixels are kept.

    `video`: the source's path or name. `index`: 0-based in the video. `start_seconds`, `end_seconds`: half-open, on the
    source's clock. `instances`: largest and longest first. `global_description`, `background`, `camera`: one
    sentence each, "unknown" where the pack abstains.
    """

    video: str
    index: int
    start_seconds: float
    end_seconds: float
    global_description: str
    instances: tuple[Instance, ...]
    background: str
    camera: str
    _row_json: str
    _observations: tuple[Observation, ...]
    _labels: tuple[str, ...]

    @property
    def text(self) -> str:
        """The caption as one paragraph, made from the row without a model."""
        from edgecap.runtime.output.paragraph import dense_paragraph
        from edgecap.runtime.output.reader import caption_row

        return dense_paragraph(caption_row(self.to_dict()))

    @property
    def frame_seconds(self) -> tuple[float, ...]:
        """Presentation time of every analysed frame."""
        return tuple(observation.frame.pts_seconds for observation in self._observations)

    @property
    def detections(self) -> list[Any]:
        """One `supervision.Detections` per analysed frame (boxes in working-size pixels, masks, ids, class names).

        Raises MissingExtraError where supervision is not installed.
        """
        from edgecap.runtime.output.interop import to_supervision

        return [to_supervision(observation, labels=self._labels) for observation in self._observations]

    def to_dict(self) -> dict[str, Any]:
        """The row as `captions.jsonl` has it: JSON types only, a fresh copy."""
        row: dict[str, Any] = json.loads(self._row_json)
        return row

    def __repr__(self) -> str:
        return (
            f"Clip({self.video!r}, index={self.index}, {self.start_seconds:.2f}-{self.end_seconds:.2f} s, "
            f"{len(self.instances)} instances)"
        )


def clip_of(record: Record) -> Clip:
    """The clip of a finished record, without its pictures."""
    from edgecap.runtime.output.row import record_to_json

    caption, window = record.caption, record.window
    return Clip(
        video=record.video.path,
        index=window.clip_index,
        start_seconds=window.start_seconds,
        end_seconds=window.end_seconds,
        global_description=caption.global_description.text,
        instances=tuple(
            Instance(i.track_id, i.class_name.text, i.appearance.text, i.action.text, i.position.text)
            for i in caption.instances
        ),
        background=caption.background.text,
        camera=caption.camera.text,
        _row_json=json.dumps(record_to_json(record, root=None)),
        _observations=tuple(_without_pixels(observation) for observation in window.observations),
        _labels=window.labels,
    )


def _without_pixels(observation: Observation) -> Observation:
    """The frame's size is kept (by an array of one byte, shown as [H, W, 3]), its picture is freed."""
    shape = observation.frame.image_rgb.shape
    blank = np.broadcast_to(np.zeros(1, np.uint8), shape)
    return replace(observation, frame=replace(observation.frame, image_rgb=blank))
