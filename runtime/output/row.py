"""Records as InstanceCap JSON, and rows of that format back.

In: `Record` or `FailedVideo`. Out: a dict whose key order is the format's (docs/spec/instancecap.md 4.1), with
our own `meta` block last. The code owns the structure:
no text of a model can break it. Schema: record_schema.json beside this file; `schema_errors` checks a row
against it.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path, PurePath
from typing import Any
from urllib.parse import urlsplit

from edgecap import __version__
from edgecap.engines.errors import InputError
from edgecap.runtime.data.caption import Caption, FieldText, InstanceCaption
from edgecap.runtime.data.evidence import CameraEvidence, Motion, TrackEvidence
from edgecap.runtime.data.frame import FileIdentity, VideoInfo
from edgecap.runtime.data.record import FailedVideo, Record
from edgecap.runtime.data.window import Window
from edgecap.runtime.describe.relation_sentences import relation_sentences
from edgecap.runtime.english import printable
from edgecap.runtime.measure.best_view import best_moment
from edgecap.runtime.output import rle

SCHEMA_VERSION = 1
_STRUCTURE, _STRUCTURE_ALSO = "Structural Description", "Structured Description"


def record_to_json(record: Record, *, root: Path | None) -> dict[str, Any]:
    """One window as an InstanceCap row, JSON types only.

    `root`: folder that "Video" is written relative to; None, or a video outside it, gives the bare file
    name. An absolute path is never written: it would say more of the machine than of the video.
    """
    caption = record.caption
    tracks = {t.track_id: t for t in record.evidence.tracks}
    return {
        "Video": video_name(record.video.path, root=root),
        "Global Description": caption.global_description.text,
        _STRUCTURE: {
            "Main Instance": {f"No.{i}": _instance_texts(instance) for i, instance in enumerate(caption.instances)},
            "Background Detail": caption.background.text,
            "Camera Movement": caption.camera.text,
        },
        "meta": _meta(record)
        | {
            "global": field_block(caption.global_description),
            "background": field_block(caption.background),
            "camera": field_block(caption.camera) | _camera(record.evidence.camera),
            **_relations(record),
            "instances": [
                _instance_meta(i, instance, tracks[instance.track_id], record.window)
                for i, instance in enumerate(caption.instances)
            ],
        },
    }


def failed_to_json(failed: FailedVideo, *, root: Path | None) -> dict[str, Any]:
    """The row of a video that could not be captioned (to its end): empty texts, and the reason in `meta`."""
    return {
        "Video": video_name(failed.path, root=root),
        "Global Description": "",
        _STRUCTURE: {"Main Instance": {}, "Background Detail": "", "Camera Movement": ""},
        "meta": {
            "schema_version": SCHEMA_VERSION,
            "edgecap": __version__,
            "status": "error",
            "error": failed.error,
            "message": message_of(failed),
            "exit_code": failed.exit_code,
            "clips_written": failed.clips_written,
            "identity": _identity(failed.identity),
        },
    }


def structure_of(row: Mapping[str, Any]) -> dict[str, Any]:
    """The structural block of any InstanceCap row, ours or another's: both spellings of its key are read.

    Raises `InputError` where the row has neither.
    """
    for key in (_STRUCTURE, _STRUCTURE_ALSO):
        if isinstance(block := row.get(key), dict):
            return block
    raise InputError(
        f"an InstanceCap row holds {_STRUCTURE!r} or {_STRUCTURE_ALSO!r}; got the keys {sorted(row)}; "
        "is it another kind of JSON Lines file?"
    )


def video_name(path: str, *, root: Path | None) -> str:
    """`path` relative to `root` with forward slashes, else its file name; of an address, host and path
    without secrets. Bytes that are no UTF-8 become U+FFFD."""
    path = printable(path)
    if "://" in path:
        address = urlsplit(path)
        return f"{address.hostname or ''}{address.path}"
    if root is not None:
        full, base = (Path(os.path.abspath(p)) for p in (path, printable(root)))  # abspath: without ".."
        if full.is_relative_to(base) and full != base:
            return full.relative_to(base).as_posix()
    return PurePath(path).name


def message_of(failed: FailedVideo) -> str:
    """Why it failed, with the video's own path cut to its name, for the same reason as in `record_to_json`."""
    path, name = printable(failed.path), video_name(failed.path, root=None)
    return failed.message.replace(str(Path(path).absolute()), name).replace(path, name) if path else failed.message


def field_block(text: FieldText) -> dict[str, Any]:
    """Where a text came from, as the meta block says it; the text itself is not in it."""
    block: dict[str, Any] = {"provenance": text.provenance}
    if text.computed_part:
        block["computed_part"] = text.computed_part
    if text.confidence is not None:
        block["confidence"] = _round(text.confidence, 4)
    if text.rejections:
        block["rejections"] = list(text.rejections)
    if text.kept_from_clip is not None:
        block["kept_from_clip"] = text.kept_from_clip
    return block


def _instance_texts(instance: InstanceCaption) -> dict[str, str]:
    return {
        "Class": instance.class_name.text,
        "Appearance": instance.appearance.text,
        "Actions and Motion": instance.action.text,
        "Position": instance.position.text,
    }


def _meta(record: Record) -> dict[str, Any]:
    window, caption = record.window, record.caption
    return {
        "schema_version": SCHEMA_VERSION,
        "edgecap": __version__,
        "status": "ok",
        "clip": window.clip_index,
        "shot": window.shot_index,
        "start_seconds": _round(window.start_seconds, 6),
        "end_seconds": _round(window.end_seconds, 6),
        "ends_video": record.ends_video,
        "analysed_frames": len(window.observations),
        "dropped_frames": window.dropped_frames,
        "video": _video(record.video),
        "identity": _identity(record.video.identity),
        "domain": {
            "status": record.domain.status,
            "distance": _round(record.domain.distance, 4),
            "threshold": _round(record.domain.threshold, 4),
        },
        "used": dict(record.used),
        "run": dict(record.run),
        "counts": {
            "model_calls": caption.model_calls,
            "prefill_tokens": caption.prefill_tokens,
            "decode_tokens": caption.decode_tokens,
            "generations": caption.generations,
        },
        **_lexicon(caption),
        "stage_seconds": {name: _round(seconds, 4) for name, seconds in record.stage_seconds.items()},
        "age_seconds": _round(record.age_seconds, 4),
    }


def _video(info: VideoInfo) -> dict[str, Any]:
    return {
        "size_wh": list(info.size_wh),
        "working_size_wh": list(info.working_size_wh),
        "rotation_degrees": info.rotation_degrees,
        "codec": info.codec,
        "frame_count": info.frame_count,
        "fps_average": None if info.fps_average is None else _round(float(info.fps_average), 4),
        "duration_seconds": _round(info.duration_seconds, 4),
        "skipped_frames": info.skipped_frames,
        "estimated_times": info.estimated_times,
    }


def _identity(identity: FileIdentity | None) -> dict[str, Any] | None:
    return None if identity is None else asdict(identity) | {"duration_seconds": _round(identity.duration_seconds, 4)}


def _instance_meta(index: int, instance: InstanceCaption, track: TrackEvidence, window: Window) -> dict[str, Any]:
    moment = best_moment(window, track.track_id)
    return {
        "key": f"No.{index}",
        "track_id": track.track_id,
        "class": field_block(instance.class_name),
        "appearance": field_block(instance.appearance),
        "action": field_block(instance.action),
        "position": field_block(instance.position),
        "class_confidence": _round(track.class_confidence, 4),
        "mean_score": _round(track.mean_score, 4),
        "born": track.born,
        "lost": track.lost,
        "position_start": track.position_start,
        "position_end": track.position_end,
        "out_of_frame_at_end": track.out_of_frame_at_end,
        "depth": track.depth,
        "motion_image": _motion(track.motion_image),
        "motion_world": _motion(track.motion_world),
        "palette": [{"name": c.name, "share": _round(c.share, 4)} for c in track.palette],
        **({} if track.person is None else {"person": _rounded(asdict(track.person))}),
        "path": [
            {
                "pts_seconds": _round(float(pts), 4),
                "box_xyxy": [_round(float(v), 4) for v in box],
                "centroid_xy": [_round(float(v), 4) for v in xy],
                "area": _round(float(area), 5),
            }
            for pts, box, xy, area in zip(
                track.pts_seconds, track.boxes_xyxy, track.centroids_xy, track.areas, strict=True
            )
        ],
        "key_mask": None
        if moment is None
        else {
            "pts_seconds": _round(moment.observation.frame.pts_seconds, 4),
            "rle": dict(rle.encode(moment.instance.mask)),
        },
    }


def _rounded(value: Any) -> Any:
    """Plain JSON types with every number rounded."""
    if isinstance(value, dict):
        return {name: _rounded(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_rounded(inner) for inner in value]
    return _round(value, 4) if isinstance(value, float) else value


def _motion(motion: Motion) -> dict[str, Any]:
    block: dict[str, Any] = _rounded(asdict(motion))
    return block | {"angle_degrees": _round(motion.angle_degrees, 2)}


def _camera(camera: CameraEvidence) -> dict[str, Any]:
    return {
        "labels": list(camera.labels),
        "phases": [list(group) for group in camera.phases],
        "pan_total": _round(camera.pan_total, 4),
        "tilt_total": _round(camera.tilt_total, 4),
        "zoom_total": _round(camera.zoom_total, 4),
        "roll_total_degrees": _round(camera.roll_total_degrees, 3),
        "shake_amplitude": _round(camera.shake_amplitude, 5),
        "speed_adverb": camera.speed_adverb,
        "estimate_confidence": _round(camera.confidence, 4),
    }


def _relations(record: Record) -> dict[str, Any]:
    """Relations of the row's instances, as rows and as sentences; none where no instance is reported."""
    reported = {instance.track_id for instance in record.caption.instances}
    rows = [r for r in record.evidence.relations if {r.subject_id, r.object_id} <= reported]
    return {
        "relations": [
            {
                "name": r.name,
                "subject": r.subject_id,
                "object": r.object_id,
                "start_seconds": _round(r.start_seconds, 4),
                "end_seconds": _round(r.end_seconds, 4),
                "confidence": _round(r.confidence, 4),
                "order": r.order,
            }
            for r in rows
        ],
        "relation_sentences": list(relation_sentences(rows, record.evidence)),
    }


def _lexicon(caption: Caption) -> dict[str, Any]:
    """Listed words that the model used, where the lists were part of its prompt."""
    if caption.lexicon_used is None:
        return {}
    prefer, avoid = caption.lexicon_used
    return {"lexicon": {"prefer": list(prefer), "avoid": list(avoid)}}


def _round(value: float | None, digits: int) -> float | None:
    """A plain float (JSON can't encode numpy's); NaN and infinity, which JSON has no words for, become null."""
    if value is None:
        return None
    number = round(float(value), digits)
    return number if number - number == 0 else None
