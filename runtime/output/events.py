"""What happens to each instance, as a stream of small facts: born, updated, lost, and the clip they were seen in.

In: records of one video after another. Out: events as JSON objects, in order.

A record comes when its window closes, so an event comes at most one window after what it reports (`age_seconds`:
wall time since the window's newest frame was decoded). Of every id "born" and "lost" alternate, beginning with
"born"; between them "updated" comes in each clip that changed a word. A clip's events end with its "clip" event: a
reader that waits for it has all of them. Ids are the tracker's: stable over the whole video, never reused. Boxes are
relative (0-1).

Schema: event_schema.json in this folder.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from edgecap import __version__
from edgecap.runtime.data.caption import FieldText, InstanceCaption
from edgecap.runtime.data.evidence import TrackEvidence
from edgecap.runtime.data.record import FailedVideo, Record
from edgecap.runtime.data.window import TrackedInstance, Window
from edgecap.runtime.measure.best_view import best_moment
from edgecap.runtime.output import rle
from edgecap.runtime.output.row import field_block, message_of, video_name

EVENT_SCHEMA_VERSION = 1
LostReason = Literal["left_frame", "unseen", "shot_end", "video_failed"]
_UNSEEN_SECONDS = 0.3
"""An instance last seen this long before a window's last frame is gone; the rule of `TrackEvidence.lost`."""
_TEXTS = ("class", "appearance", "action", "position")


@dataclass(frozen=True, slots=True)
class _Alive:
    """What was last said of an instance that is there: its four texts, and where and when it was last seen."""

    texts: tuple[str, ...]
    pts_seconds: float
    box_xyxy: list[float]


class EventStream:
    """Turns records into events; keeps who is there. `root`: see `record_to_json`."""

    def __init__(self, *, root: Path | None = None) -> None:
        self._root = root
        self._video = ""
        self._alive: dict[int, _Alive] = {}
        self._gone: set[int] = set()

    def of_record(self, record: Record) -> Iterator[dict[str, Any]]:
        """The events of one window, its "clip" last."""
        self._turn_to(video_name(record.video.path, root=self._root))
        head = self._head(record)
        tracks = {t.track_id: t for t in record.evidence.tracks}
        for instance in record.caption.instances:
            event = self._of_instance(instance, tracks[instance.track_id], record.window)
            if event is not None:
                yield head | event
        for event in self._losses(record.window, tracks):
            yield head | event
        yield head | _clip(record)

    def of_failure(self, failed: FailedVideo) -> Iterator[dict[str, Any]]:
        """The events of a video that could not be captioned to its end: who is lost with it, then "failed"."""
        self._turn_to(video_name(failed.path, root=self._root))
        head = {"schema_version": EVENT_SCHEMA_VERSION, "edgecap": __version__, "video": self._video}
        for track_id in sorted(self._alive):
            yield head | self._lose(track_id, "video_failed")
        yield head | {
            "event": "failed",
            "error": failed.error,
            "message": message_of(failed),
            "exit_code": failed.exit_code,
            "clips_written": failed.clips_written,
        }

    def replay(self, event: Mapping[str, Any]) -> None:
        """Take in an event of an earlier run, so that the next ones go on from it."""
        self._turn_to(event["video"])
        if event["event"] in ("born", "updated"):
            last = event["boxes"][-1]
            texts = tuple(event[name]["text"] for name in _TEXTS)
            self._alive[event["track_id"]] = _Alive(texts, last["pts_seconds"], last["box_xyxy"])
        elif event["event"] == "lost":
            self._alive.pop(event["track_id"], None)
            self._gone.add(event["track_id"])
        elif event["event"] == "clip":
            for seen in event["instances"]:
                known = self._alive.get(seen["track_id"])
                if known is not None:
                    now = _Alive(known.texts, seen["last_seen_seconds"], seen["last_box_xyxy"])
                    self._alive[seen["track_id"]] = now

    def _turn_to(self, video: str) -> None:
        if video != self._video:
            self._video, self._alive, self._gone = video, {}, set()

    def _head(self, record: Record) -> dict[str, Any]:
        window = record.window
        return {
            "schema_version": EVENT_SCHEMA_VERSION,
            "edgecap": __version__,
            "video": self._video,
            "clip": window.clip_index,
            "shot": window.shot_index,
            "pts_start_seconds": round(window.start_seconds, 6),
            "pts_end_seconds": round(window.end_seconds, 6),
            "age_seconds": round(record.age_seconds, 4),
        }

    def _of_instance(self, instance: InstanceCaption, track: TrackEvidence, window: Window) -> dict[str, Any] | None:
        """ "born" or "updated"; None where nothing about it is new."""
        fields = (instance.class_name, instance.appearance, instance.action, instance.position)
        texts = tuple(f.text for f in fields)
        before = self._alive.get(track.track_id)
        boxes = _boxes(track)
        self._alive[track.track_id] = _Alive(texts, boxes[-1]["pts_seconds"], boxes[-1]["box_xyxy"])
        if before is not None and before.texts == texts:
            return None
        if before is None:
            event: dict[str, Any] = {"event": "born", "returned": track.track_id in self._gone}
        else:
            changed = [name for name, old, new in zip(_TEXTS, before.texts, texts, strict=True) if old != new]
            event = {"event": "updated", "changed": changed}
        return event | {
            "track_id": track.track_id,
            **{name: _text(f) for name, f in zip(_TEXTS, fields, strict=True)},
            "boxes": boxes,
            "key_mask": _key_mask(window, track.track_id),
        }

    def _losses(self, window: Window, tracks: Mapping[int, TrackEvidence]) -> Iterator[dict[str, Any]]:
        """ "lost" of those who are no longer there; at a cut or the end of the file that is everyone."""
        seen = _last_seen(window)
        newest = window.observations[-1].frame.pts_seconds if window.observations else window.end_seconds
        for track_id in sorted(self._alive):
            if track_id in seen:
                pts_seconds, instance = seen[track_id]
                box = _box(instance.mask.box_xyxy)
                self._alive[track_id] = _Alive(self._alive[track_id].texts, pts_seconds, box)
            track = tracks.get(track_id)
            left = track is not None and track.out_of_frame_at_end
            gone = newest - self._alive[track_id].pts_seconds > _UNSEEN_SECONDS
            if gone or window.ends_shot:
                yield self._lose(track_id, "left_frame" if gone and left else "unseen" if gone else "shot_end")

    def _lose(self, track_id: int, reason: LostReason) -> dict[str, Any]:
        last = self._alive.pop(track_id)
        self._gone.add(track_id)
        return {
            "event": "lost",
            "track_id": track_id,
            "reason": reason,
            "last_seen_seconds": round(last.pts_seconds, 4),
            "last_box_xyxy": last.box_xyxy,
        }


def _clip(record: Record) -> dict[str, Any]:
    window, caption = record.window, record.caption
    seen = _last_seen(window)
    return {
        "event": "clip",
        "global": _text(caption.global_description),
        "background": _text(caption.background),
        "camera": _text(caption.camera),
        "instances": [
            {
                "track_id": i.track_id,
                "last_seen_seconds": round(seen[i.track_id][0], 4),
                "last_box_xyxy": _box(seen[i.track_id][1].mask.box_xyxy),
            }
            for i in caption.instances
        ],
        "domain": record.domain.status,
        "model_calls": caption.model_calls,
        "analysed_frames": len(window.observations),
        "dropped_frames": window.dropped_frames,
    }


def _text(field: FieldText) -> dict[str, Any]:
    return {"text": field.text} | field_block(field)


def _boxes(track: TrackEvidence) -> list[dict[str, Any]]:
    return [
        {"pts_seconds": round(float(pts), 4), "box_xyxy": _box(box)}
        for pts, box in zip(track.pts_seconds, track.boxes_xyxy, strict=True)
    ]


def _box(box_xyxy: Any) -> list[float]:
    return [round(float(v), 4) for v in box_xyxy]


def _key_mask(window: Window, track_id: int) -> dict[str, Any] | None:
    """COCO run lengths of the frame that shows it best, at working size."""
    moment = best_moment(window, track_id)
    if moment is None:
        return None
    return {
        "pts_seconds": round(moment.observation.frame.pts_seconds, 4),
        "rle": dict(rle.encode(moment.instance.mask)),
    }


def _last_seen(window: Window) -> dict[int, tuple[float, TrackedInstance]]:
    """Track id -> time and instance of its last mask that is not empty."""
    return {
        instance.track_id: (observation.frame.pts_seconds, instance)
        for observation in window.observations
        for instance in observation.instances
        if instance.mask.area_pixels > 0
    }
