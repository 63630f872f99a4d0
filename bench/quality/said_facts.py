"""Records of the pipeline -> `SaidClip`."""

from __future__ import annotations

from collections.abc import Sequence

from edgecap.bench.quality.facts import Heading, SaidClip, Statement
from edgecap.runtime.data.caption import InstanceCaption
from edgecap.runtime.data.evidence import Motion, TrackEvidence
from edgecap.runtime.data.mask import Mask
from edgecap.runtime.data.record import Record
from edgecap.runtime.output.row import record_to_json
from edgecap.runtime.output.schema import schema_errors


def said_clip(name: str, records: Sequence[Record]) -> SaidClip:
    """What the records of one clip say, in order. Of an instance in several records, the statement of the record that
    saw it longest is taken; texts of the whole picture and the camera labels come from the record with most frames, and
    are compared with the truth of the whole clip: fair only where a clip is one record, as with
    `compare.quality_config` (the figure `rows_per_clip` shows it). Without a record: nothing said, one invalid row."""
    if not records:
        return SaidClip(name, 0, (), {}, frozenset(), "", "", 0, ("no record was written",), (), invalid_rows=1)
    errors = [schema_errors(record_to_json(r, root=None)) for r in records]
    main = max(records, key=lambda r: len(r.window.observations))
    best: dict[int, tuple[int, Statement]] = {}
    for record in records:
        tracks = {t.track_id: t for t in record.evidence.tracks}
        for instance in record.caption.instances:
            seen = len(tracks[instance.track_id].pts_seconds)
            if instance.track_id not in best or seen > best[instance.track_id][0]:
                best[instance.track_id] = seen, _statement(instance, tracks[instance.track_id])
    return SaidClip(
        name=name,
        frame_count=sum(len(r.window.observations) for r in records),
        statements=tuple(s for _, s in best.values()),
        masks=_masks(records),
        camera_labels=frozenset(main.evidence.camera.labels),
        global_text=main.caption.global_description.text,
        background_text=main.caption.background.text,
        rows=len(records),
        schema_errors=tuple(e for row in errors for e in row),
        caption_ids=tuple(frozenset(i.track_id for i in r.caption.instances) for r in records),
        invalid_rows=sum(bool(row) for row in errors),
    )


def frame_indices(records: Sequence[Record]) -> list[int]:
    """Source frame numbers of the analysed frames, in order: where the truth must be read."""
    return [o.frame.index for r in records for o in r.window.observations]


def _statement(instance: InstanceCaption, track: TrackEvidence) -> Statement:
    return Statement(
        track_id=instance.track_id,
        class_name=instance.class_name.text,
        appearance=instance.appearance.text,
        action=_without(instance.action.text, instance.action.computed_part),
        position=instance.position.text,
        heading_image=_heading(track.motion_image),
        heading_world=_heading(track.motion_world),
    )


def _without(text: str, computed_part: str) -> str:
    """The model's own words: the action field ends with the computed motion sentence, which is scored as motion."""
    return text.removesuffix(computed_part).strip() if computed_part else text


def _heading(motion: Motion) -> Heading:
    return Heading(
        motion.displacement_xy, None if motion.direction == "static" else motion.angle_degrees, motion.moving
    )


def _masks(records: Sequence[Record]) -> dict[int, dict[int, Mask]]:
    masks: dict[int, dict[int, Mask]] = {}
    frame = 0
    for record in records:
        for observation in record.window.observations:
            for instance in observation.instances:
                masks.setdefault(instance.track_id, {})[frame] = instance.mask
            frame += 1
    return masks
