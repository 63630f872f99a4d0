"""Small hand-made windows, Evidence and records with known contents, shared by the tests of describe and
the sinks."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import numpy as np

from edgecap.runtime.data.caption import Caption, FieldText, InstanceCaption
from edgecap.runtime.data.evidence import CameraEvidence, ColourShare, Evidence, Motion, TrackEvidence
from edgecap.runtime.data.frame import Frame, VideoInfo
from edgecap.runtime.data.mask import Mask
from edgecap.runtime.data.record import DomainVerdict, Record
from edgecap.runtime.data.window import Observation, TrackedInstance, Window

LABELS = ("person", "dog", "car", "sports ball", "orange")
SIZE_WH = (160, 90)
STILL = Motion("static", False, (0.0, 0.0), None, 0.0, False, False, False, False)
RIGHT = Motion("right", True, (0.3, 0.0), 0.0, 0.1, False, False, False, False, ("right",))
CAMERA = CameraEvidence(("pan_left",), 0.25, 0.0, 1.0, 0.0, 0.0, "slowly", 0.9, (("pan_left",),))
PATHS = {7: (10, 20), 9: (100, 50)}
"""Track id -> left and top pixel at time 0; a track is 24 x 20 pixels, and track 7 moves 4 pixels a frame."""


def make_window(
    *, frames: int = 8, track_ids: tuple[int, ...] = (7, 9), clip_index: int = 0, start: float = 0.0
) -> Window:
    """Frames 0.25 s apart on gray ground: track 7 is a red block that moves right, track 9 a blue block at
    rest."""
    observations = []
    for k in range(frames):
        image = np.full((SIZE_WH[1], SIZE_WH[0], 3), 120, np.uint8)
        instances = []
        for track_id in track_ids:
            x, y = PATHS[track_id]
            x += 4 * k if track_id == 7 else 0
            image[y : y + 20, x : x + 24] = (220, 30, 30) if track_id == 7 else (30, 60, 220)
            mask = Mask((x, y), np.ones((20, 24), bool), SIZE_WH)
            instances.append(TrackedInstance(track_id, mask.box_xyxy, 0.9, 0, mask))
        observations.append(Observation(Frame(k * 6, start + k * 0.25, image), tuple(instances), np.eye(3), 0.9))
    return Window(clip_index, 0, start, start + frames * 0.25, tuple(observations), LABELS, False, 100.0)


def make_track(
    window: Window,
    track_id: int,
    *,
    class_name: str = "person",
    motion: Motion = STILL,
    palette: tuple[tuple[str, float], ...] = (("red", 0.6), ("blue", 0.3), ("black", 0.1)),
) -> TrackEvidence:
    """Evidence whose arrays follow the window's masks and whose judgements are given."""
    seen = [(o, i) for o in window.observations for i in o.instances if i.track_id == track_id]
    centroids = np.array([i.mask.centroid_xy for _, i in seen], np.float32)
    return TrackEvidence(
        track_id=track_id,
        class_name=class_name,
        class_confidence=0.97,
        mean_score=0.9,
        pts_seconds=np.array([o.frame.pts_seconds for o, _ in seen]),
        centroids_xy=centroids,
        boxes_xyxy=np.stack([i.box_xyxy for _, i in seen]),
        areas=np.full(len(seen), 480 / 14400, np.float32),
        cells=("top-left",) * len(seen),
        position_start="top-left",
        position_end="top-left",
        out_of_frame_at_end=False,
        motion_image=motion,
        motion_world=motion,
        depth="constant",
        palette=tuple(ColourShare(n, s) for n, s in palette),
        born=False,
        lost=False,
    )


def make_evidence(window: Window) -> Evidence:
    """Track 7: a red and blue person that moves right; track 9: a blue dog at rest. Only those the window
    holds."""
    held = {i.track_id for o in window.observations for i in o.instances}
    tracks = [make_track(window, 7, motion=RIGHT)] if 7 in held else []
    if 9 in held:
        tracks.append(make_track(window, 9, class_name="dog", palette=(("blue", 0.9), ("gray", 0.1))))
    return Evidence(CAMERA, tuple(tracks))


def make_record(
    *,
    path: str = "/in/a.mp4",
    clip_index: int = 0,
    frames: int = 8,
    track_ids: tuple[int, ...] = (7, 9),
    text: str = "A person and a dog are here.",
) -> Record:
    """A complete record with one field of every provenance."""
    window = make_window(frames=frames, track_ids=track_ids, clip_index=clip_index, start=clip_index * 2.0)
    evidence = make_evidence(window)
    instances = tuple(
        InstanceCaption(
            t.track_id,
            FieldText(t.class_name, "detector", confidence=0.97),
            FieldText("A person in a red shirt.", "model", confidence=0.9, rejections=("colour: pink is 0 %",)),
            FieldText(
                "It walks. It moves to the right.", "model", computed_part="It moves to the right.", confidence=0.8
            ),
            FieldText("The person stays at top-left.", "computed"),
        )
        for t in evidence.tracks
    )
    caption = Caption(
        FieldText(text, "model", confidence=0.9),
        instances,
        FieldText("unknown", "abstained"),
        FieldText("The camera pans left slowly.", "computed"),
        12,
        300,
        40,
    )
    info = VideoInfo(path, SIZE_WH, SIZE_WH, 0, Fraction(24), 10.0, 240, "h264")
    return Record(
        info,
        window,
        evidence,
        caption,
        DomainVerdict("inside", 0.5, 1.5),
        0.7,
        {"decode": 0.1, "describe": 0.2},
        {"pack": "nano 1.0", "provider": "cpu"},
    )


def with_text(record: Record, text: str) -> Record:
    """The record with another global sentence."""
    caption = replace(record.caption, global_description=FieldText(text, "model"))
    return replace(record, caption=caption)
