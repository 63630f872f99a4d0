"""From a window and its Evidence to what the captioner is shown and asked. Called by `describe`.

One prompt per instance (isolated views of it; appearance and action), one of the whole picture (background
and global). The views are made by `views`, as in training; the wording is the pack's.
"""

from __future__ import annotations

import numpy as np

from edgecap.engines.specs import CaptionerSpec
from edgecap.runtime.evidence import Evidence, TrackEvidence
from edgecap.runtime.keyframe import moment_weight, moments
from edgecap.runtime.observation import Window
from edgecap.runtime.phrases import instances_phrase
from edgecap.runtime.prompt import FieldName, Question, VisualPrompt
from edgecap.runtime.views import frame_view, instance_view, pick_times, spread_times


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
    views = {
        i: instance_view(
            seen[i].observation.frame.image_rgb,
            seen[i].instance.mask,
            box_xyxy=seen[i].instance.box_xyxy,
            side=spec.view_side,
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
    hints = {"instances": instances_phrase([t.class_name for t in evidence.tracks], label_order=window.labels)}
    return VisualPrompt(
        None,
        np.stack([frame_view(f.image_rgb, side=spec.view_side) for f in frames]),
        np.array([f.pts_seconds for f in frames], np.float64),
        _questions(spec, ("background", "global"), hints),
    )


def _questions(spec: CaptionerSpec, fields: tuple[FieldName, ...], hints: dict[str, str]) -> tuple[Question, ...]:
    """One question per field that the pack has a prompt for."""
    return tuple(
        Question(field, spec.prompts[field].format(**hints), spec.max_tokens[field])
        for field in fields
        if field in spec.prompts
    )
