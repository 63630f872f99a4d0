"""From a window and its Evidence to what the captioner is shown and asked. Called by `describe`.

One prompt per instance (isolated views of it; appearance and action), one of the whole picture (background
and global). The views are made by `views`, as in training; the wording is the pack's.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from edgecap.engines.specs import CaptionerSpec
from edgecap.runtime.evidence import Evidence, TrackEvidence
from edgecap.runtime.keyframe import Moment, moment_weight, moments
from edgecap.runtime.observation import Window
from edgecap.runtime.phrases import instances_phrase
from edgecap.runtime.prompt import FieldName, Question, VisualPrompt
from edgecap.runtime.views import frame_picture, instance_picture, nearest_size, pick_times, spread_times


def build_prompts(window: Window, evidence: Evidence, spec: CaptionerSpec) -> tuple[VisualPrompt, ...]:
    """Prompts of every track that has a mask anywhere in the window, in rank order, then that of the whole
    picture."""
    subjects = [instance_prompt(window, track, spec) for track in evidence.tracks]
    return (*(s for s in subjects if s is not None), scene_prompt(window, evidence, spec))


def instance_prompt(window: Window, track: TrackEvidence, spec: CaptionerSpec) -> VisualPrompt | None:
    """The isolated views of one track with its two questions; None where no frame has a mask of it."""
    seen = moments(window, track.track_id)
    if not seen:
        return None
    times = np.array([m.observation.frame.pts_seconds for m in seen], np.float64)
    weights = np.array([moment_weight(m) for m in seen], np.float64)
    picks = pick_times(times, weights, count=spec.views, gap_seconds=spec.view_gap_seconds)
    size_wh = nearest_size(_box_aspect(seen, picks), spec.sizes_wh)
    views = {
        i: instance_picture(
            seen[i].observation.frame.image_rgb,
            seen[i].instance.mask,
            box_xyxy=seen[i].instance.box_xyxy,
            size_wh=size_wh,
            margin=spec.view_margin,
        )
        for i in set(picks)
    }
    hints = {"class": track.class_name, "motion": "moving" if track.motion_world.moving else "still"}
    return VisualPrompt(
        track.track_id,
        np.stack([views[i] for i in picks]),
        times[picks],
        _questions(spec, ("appearance", "action"), hints),
    )


def scene_prompt(window: Window, evidence: Evidence, spec: CaptionerSpec) -> VisualPrompt:
    """The whole picture at evenly spread times, with its two questions."""
    frames = [window.observations[i].frame for i in spread_times(len(window.observations), count=spec.views)]
    height, width = frames[0].image_rgb.shape[:2]
    size_wh = nearest_size(width / height, spec.sizes_wh)
    hints = {"instances": instances_phrase([t.class_name for t in evidence.tracks], label_order=window.labels)}
    return VisualPrompt(
        None,
        np.stack([frame_picture(f.image_rgb, size_wh=size_wh) for f in frames]),
        np.array([f.pts_seconds for f in frames], np.float64),
        _questions(spec, ("background", "global"), hints),
    )


def _box_aspect(seen: Sequence[Moment], picks: Sequence[int]) -> float:
    """Width / height in pixels of the picked boxes, their geometric mean: one size serves all views of a prompt."""
    logs = []
    for i in picks:
        height, width = seen[i].observation.frame.image_rgb.shape[:2]
        x1, y1, x2, y2 = seen[i].instance.box_xyxy * np.array([width, height, width, height], np.float32)
        logs.append(np.log(max(x2 - x1, 1.0) / max(y2 - y1, 1.0)))
    return float(np.exp(np.mean(logs)))


def _questions(spec: CaptionerSpec, fields: tuple[FieldName, ...], hints: dict[str, str]) -> tuple[Question, ...]:
    """One question per field that the pack has a prompt for."""
    return tuple(
        Question(field, spec.prompts[field].format(**hints), spec.max_tokens[field])
        for field in fields
        if field in spec.prompts
    )
