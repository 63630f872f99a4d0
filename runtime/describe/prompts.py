"""From a window and its Evidence to what the language model is shown and asked.

One prompt per instance (isolated views of it; appearance and action), one of the whole picture (background,
global and camera). The views are made by `views`, as in training; the questions by `script`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from edgecap.runtime.config import Isolation
from edgecap.runtime.data.evidence import Evidence, TrackEvidence
from edgecap.runtime.data.question import FieldName, Question, VisualPrompt
from edgecap.runtime.data.window import Window
from edgecap.runtime.describe.questions import INSTANCE_FIELDS, SCENE_FIELDS, Questions
from edgecap.runtime.describe.views import frame_picture, instance_picture, nearest_size, pick_times, spread_times
from edgecap.runtime.measure.best_view import Moment, moment_weight, moments


def build_prompts(
    window: Window,
    evidence: Evidence,
    script: Questions,
    *,
    fields: tuple[FieldName, ...] = (*INSTANCE_FIELDS, *SCENE_FIELDS),
    relations: Mapping[int, str] | None = None,
    said: str = "",
) -> tuple[VisualPrompt, ...]:
    """Prompts of every track that has a mask anywhere in the window, in rank order, then that of the whole
    picture; those with no question among `fields` are left out.

    `relations`: track id -> what it does to others, as a sentence. `said`: the accepted global sentence.
    """
    out: list[VisualPrompt] = []
    for track in evidence.tracks:
        acts = (relations or {}).get(track.track_id, "")
        questions = script.instance_questions(track, fields, relations=acts, said=said)
        if questions and (prompt := instance_prompt(window, track, script, questions)) is not None:
            out.append(prompt)
    if questions := script.scene_questions(evidence, window.labels, fields, said=said):
        out.append(scene_prompt(window, script, questions))
    return tuple(out)


def instance_prompt(
    window: Window, track: TrackEvidence, script: Questions, questions: tuple[Question, ...]
) -> VisualPrompt | None:
    """The isolated views of one track with its questions; None where no frame has a mask of it."""
    spec, seen = script.spec, moments(window, track.track_id)
    if not seen:
        return None
    times = np.array([m.observation.frame.pts_seconds for m in seen], np.float64)
    weights = np.array([moment_weight(m) for m in seen], np.float64)
    picks = pick_times(times, weights, count=spec.views, gap_seconds=spec.view_gap_seconds)
    size_wh = nearest_size(_box_aspect(seen, picks), spec.sizes_wh)
    isolation = script.options.visual_prompt
    views = {i: _view(seen[i], size_wh, margin=spec.view_margin, isolation=isolation) for i in set(picks)}
    return VisualPrompt(track.track_id, np.stack([views[i] for i in picks]), times[picks], questions, script.system)


def scene_prompt(window: Window, script: Questions, questions: tuple[Question, ...]) -> VisualPrompt:
    """The whole picture at evenly spread times, with its questions."""
    spec = script.spec
    frames = [window.observations[i].frame for i in spread_times(len(window.observations), count=spec.views)]
    height, width = frames[0].image_rgb.shape[:2]
    size_wh = nearest_size(width / height, spec.sizes_wh)
    return VisualPrompt(
        None,
        np.stack([frame_picture(f.image_rgb, size_wh=size_wh) for f in frames]),
        np.array([f.pts_seconds for f in frames], np.float64),
        questions,
        script.system,
    )


def _view(moment: Moment, size_wh: tuple[int, int], *, margin: float, isolation: Isolation) -> NDArray[np.uint8]:
    return instance_picture(
        moment.observation.frame.image_rgb,
        moment.instance.mask,
        box_xyxy=moment.instance.box_xyxy,
        size_wh=size_wh,
        margin=margin,
        isolation=isolation,
    )


def _box_aspect(seen: Sequence[Moment], picks: Sequence[int]) -> float:
    """Width / height in pixels of the picked boxes, their geometric mean: one size serves all views of a prompt."""
    logs = []
    for i in picks:
        height, width = seen[i].observation.frame.image_rgb.shape[:2]
        x1, y1, x2, y2 = seen[i].instance.box_xyxy * np.array([width, height, width, height], np.float32)
        logs.append(np.log(max(x2 - x1, 1.0) / max(y2 - y1, 1.0)))
    return float(np.exp(np.mean(logs)))
