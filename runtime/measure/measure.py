"""Everything about a window that can be computed: pure, no language model, no guess.

In: `Window`. Out: `Evidence`.

The arithmetic is in camera_path, position, motion, palette and ranking.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from edgecap.runtime.data.evidence import ColourShare, Evidence, TrackEvidence
from edgecap.runtime.data.window import Window
from edgecap.runtime.english import is_person
from edgecap.runtime.measure.body_position import BodyPosition, body_position
from edgecap.runtime.measure.camera_labels import camera_evidence
from edgecap.runtime.measure.camera_path import CameraPath, camera_path
from edgecap.runtime.measure.motion import depth, image_motion, world_motion
from edgecap.runtime.measure.naming import class_name
from edgecap.runtime.measure.palette import best_views, palette
from edgecap.runtime.measure.people.people import person_evidence
from edgecap.runtime.measure.people.riding import Neighbour
from edgecap.runtime.measure.position import cells, left_frame, well_seen
from edgecap.runtime.measure.ranking import held, importance, long_enough, without_duplicates
from edgecap.runtime.measure.relations.relations import relate
from edgecap.runtime.measure.tracklet import Tracklet, tracklets

_EDGE_SECONDS = 0.3
"""A track that starts (ends) this soon after (before) the window does is taken to continue across its border:
a tracker confirms a new track only on its second or third observation, and may miss one."""


def measure(window: Window, *, max_instances: int | None = None, movers_only: bool = False) -> Evidence:
    """Measure one window; the same window always gives the same Evidence.

    Tracks are ordered by importance (ranking.py), at most `max_instances` of them (all where None). `movers_only`:
    report only tracks that move, camera removed: what a motion detector marks and what then rests all the time was a
    shadow, a reflection or a leftover (seen on real footage: a piece of fence, a patch of road). Where the
    camera's own motion could not be measured nothing is known to move, and none is reported.
    Observations whose mask is empty are not used; a window without observations gives an unknown camera and
    no tracks.
    """
    if max_instances is not None and max_instances < 0:
        raise ValueError(f"max_instances must be >= 0 or None; got {max_instances}")
    if not window.observations:
        return Evidence(camera=camera_evidence((), aspect=1.0), tracks=())
    height, width = window.observations[0].frame.image_rgb.shape[:2]
    path = camera_path(window.observations, aspect=height / width)
    count = len(window.observations)
    kept = without_duplicates(long_enough(tracklets(window), observation_count=count))
    bodies = [body_position(tracklet, window, path) for tracklet in kept]
    tracks = [(_track(body, window, path), body) for body in bodies]
    camera = camera_evidence(window.observations, aspect=path.aspect)
    if movers_only:
        tracks = [(track, body) for track, body in tracks if camera.labels and track.motion_world.moving]
    ranked = sorted(tracks, key=lambda pair: _rank(pair[0], pair[1].tracklet, kept, count))[:max_instances]
    times = np.array([o.frame.pts_seconds for o in window.observations], np.float64)
    relations = relate([body for _, body in ranked], path, times)
    named = [Neighbour(class_name(t, window.labels)[0], t) for t in kept]
    people = tuple(_with_person(track, body, window, path, named) for track, body in ranked)
    pairs = {frozenset((t.track_id, act.on_track_id)) for t in people if t.person for act in t.person.acts}
    relations = tuple(r for r in relations if {r.subject_id, r.object_id} not in pairs)  # a rider passes no mount
    return Evidence(camera=camera, tracks=people, relations=relations)


def _rank(
    track: TrackEvidence, tracklet: Tracklet, tracklets: Sequence[Tracklet], observation_count: int
) -> tuple[float, int]:
    worth = importance(
        tracklet,
        moving=track.motion_world.moving,
        observation_count=observation_count,
        is_held=held(tracklet, tracklets),
    )
    return -worth, tracklet.track_id


def _track(body: BodyPosition, window: Window, path: CameraPath) -> TrackEvidence:
    tracklet = body.tracklet
    name, confidence = class_name(tracklet, window.labels)
    where, (first_seen, last_seen) = cells(tracklet), well_seen(tracklet)
    first, last = window.observations[0].frame.pts_seconds, window.observations[-1].frame.pts_seconds
    return TrackEvidence(
        track_id=tracklet.track_id,
        class_name=name,
        class_confidence=confidence,
        mean_score=float(tracklet.scores.mean()),
        pts_seconds=tracklet.pts_seconds,
        centroids_xy=tracklet.centroids_xy,
        boxes_xyxy=tracklet.boxes_xyxy,
        areas=tracklet.areas,
        cells=where,
        position_start=where[first_seen],
        position_end=where[last_seen],
        out_of_frame_at_end=left_frame(tracklet, step_count=len(window.observations), end_seconds=window.end_seconds),
        motion_image=image_motion(body, path),
        motion_world=world_motion(body, path),
        depth=depth(body),
        palette=_palette(body, window),
        born=float(tracklet.pts_seconds[0]) - first > _EDGE_SECONDS,
        lost=last - float(tracklet.pts_seconds[-1]) > _EDGE_SECONDS,
    )


def _with_person(
    track: TrackEvidence, body: BodyPosition, window: Window, path: CameraPath, named: Sequence[Neighbour]
) -> TrackEvidence:
    if not is_person(track.class_name):
        return track
    others = [one for one in named if one.tracklet.track_id != track.track_id]
    return replace(track, person=person_evidence(body, window, path, others))


def _palette(body: BodyPosition, window: Window) -> tuple[ColourShare, ...]:
    tracklet = body.tracklet
    return palette(
        [
            (window.observations[tracklet.steps[i]].frame.image_rgb, tracklet.masks[i])
            for i in best_views(tracklet.areas, body.clean)
        ]
    )
