"""Boxes of consecutive frames into tracks with lasting ids.

The rules are ByteTrack's (Zhang et al., ECCV 2022): good detections first, then the doubtful ones for tracks that found
none, new tracks last. Added to them: the camera's motion carries the predictions, the pairing cost counts colour
histograms and centre distance beside overlap, and boxes cut by the frame's border keep their size beyond it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgecap.runtime.data.boxes import box_areas, box_ious, iou_matrix, shared_areas
from edgecap.runtime.data.detections import Detections
from edgecap.runtime.data.frame import Frame
from edgecap.runtime.perceive.association import assign
from edgecap.runtime.perceive.pairing import MAX_COST, pairing_costs
from edgecap.runtime.perceive.returns import REMEMBERED, returning
from edgecap.runtime.perceive.track import Track, colour_histogram
from edgecap.runtime.perceive.tracker_settings import TrackerSettings


@dataclass(frozen=True, slots=True)
class Assignment:
    """Detection `detection_index` of this frame belongs to `track_id`, which may still be unconfirmed."""

    track_id: int
    detection_index: int


class Tracker:
    """Follows objects over one video. Ids begin at 1, rise, and are never given twice, cuts included."""

    def __init__(self, settings: TrackerSettings | None = None) -> None:
        self.settings = settings or TrackerSettings()
        self._tracks: list[Track] = []
        self._next_id = 1
        self._last_seconds: float | None = None
        self._confirmed: set[int] = set()
        self._departed: list[Track] = []
        self._identities: dict[int, int] = {}

    def update(self, detections: Detections, frame: Frame, camera_step: NDArray[np.float64] | None) -> list[Assignment]:
        """Take in one frame's detections; return which track each used one belongs to, sorted by track id.

        `camera_step`: as `Observation.camera_step`; None is taken as a still camera. Unconfirmed tracks are returned
        too: ask `is_confirmed` when the window closes, so that a track's first frames are not lost.
        """
        height = frame.image_rgb.shape[0] / frame.image_rgb.shape[1]
        boxes = detections.boxes_xyxy.astype(np.float64) * np.array([1, height, 1, height])
        histograms = [colour_histogram(frame.image_rgb, box) for box in detections.boxes_xyxy]
        self._predict(frame.pts_seconds, camera_step, height)
        pairs = self._associate(detections, boxes, histograms, height, frame.pts_seconds)
        merged = self._merged(pairs, boxes, height)
        shadowed = self._shadowed(pairs, boxes)
        for track, index in pairs:
            track.correct(boxes[index], frame_height=height, trust=_MERGED_TRUST if track.track_id in merged else 1.0)
            vote = int(detections.class_ids[index]), float(detections.scores[index])
            self._hit(track, histograms[index], vote, apart=track.track_id not in shadowed, seconds=frame.pts_seconds)
        matched = {id(track) for track, _ in pairs}
        for track in self._tracks:
            if id(track) not in matched:
                track.frames += 1
                track.misses += 1
        self._take_up_again(pairs)
        pairs += self._start_tracks(detections, boxes, histograms, pairs, frame.pts_seconds)
        pairs = self._without_duplicates(pairs, boxes)
        self._part(frame.pts_seconds, height)
        return sorted((Assignment(t.track_id, i) for t, i in pairs), key=lambda a: a.track_id)

    def is_confirmed(self, track_id: int) -> bool:
        """True once the track has been seen often enough, and for ever after (unless found to be a duplicate)."""
        return track_id in self._confirmed

    def identity(self, track_id: int) -> int:
        """The id of the object that `track_id` turned out to be: its own, or that of a lost track taken up again."""
        return self._identities.get(track_id, track_id)

    def reset(self) -> None:
        """Forget all tracks (a cut); ids go on rising and confirmations stay."""
        self._tracks, self._departed, self._last_seconds = [], [], None

    def _predict(self, seconds: float, camera_step: NDArray[np.float64] | None, height: float) -> None:
        gap = 0.0 if self._last_seconds is None else seconds - self._last_seconds
        self._last_seconds = seconds
        stretch = np.diag([1.0, height, 1.0])
        step = None if camera_step is None else stretch @ camera_step @ np.linalg.inv(stretch)
        for track in self._tracks:
            if step is not None:
                track.move_with_camera(step)
            track.predict(gap)

    def _associate(
        self,
        detections: Detections,
        boxes: NDArray[np.float64],
        histograms: list[NDArray[np.float32]],
        height: float,
        seconds: float,
    ) -> list[tuple[Track, int]]:
        good = [i for i, score in enumerate(detections.scores) if score >= self.settings.good_score]
        doubtful = [i for i, score in enumerate(detections.scores) if score < self.settings.good_score]
        old = [t for t in self._tracks if t.confirmed]
        young = [t for t in self._tracks if not t.confirmed]
        pairs: list[tuple[Track, int]] = []
        for tracks, indices in ((old, good), (old, doubtful), (young, good + doubtful)):
            taken_tracks, taken = {id(t) for t, _ in pairs}, {i for _, i in pairs}
            rows = [t for t in tracks if id(t) not in taken_tracks]
            if indices is doubtful:
                rows = [t for t in rows if t.misses <= 2]
            columns = [i for i in indices if i not in taken]
            if not rows or not columns:
                continue
            cost = pairing_costs(
                rows, boxes[columns], [histograms[i] for i in columns], detections.class_ids[columns], height, seconds
            )
            if indices is doubtful:
                predicted = np.stack([t.box(height) for t in rows]).astype(np.float32)
                apart = iou_matrix(predicted, boxes[columns].astype(np.float32)) < _DOUBTFUL_OVERLAP
                cost[apart] = np.inf
            pairs += [(rows[r], columns[c]) for r, c in assign(cost, max_cost=MAX_COST)]
        return pairs

    def _merged(self, pairs: list[tuple[Track, int]], boxes: NDArray[np.float64], height: float) -> set[int]:
        """Ids of the tracks whose box may hold another one too: a neighbour of the same class, expected in the same
        place, found none. When twins cross they are distinguished afterwards by how they moved before, so such a box
        must not change the speed of either.
        """
        taken = {id(track) for track, _ in pairs}
        lost = [
            t
            for t in self._tracks
            if id(t) not in taken and t.confirmed and t.misses <= _MERGED_FRAMES and t.inside(height) > 0.3
        ]
        merged = set()
        for track, index in pairs:
            expected = track.box(height).astype(np.float32)
            for other in (t for t in lost if t.class_id == track.class_id):
                box = other.box(height).astype(np.float32)
                near = box_ious(expected, box) > _MERGED_OVERLAP
                if near and shared_areas(box, boxes[index]) > _MERGED_COVER * box_areas(box):
                    merged.add(track.track_id)
        return merged

    def _shadowed(self, pairs: list[tuple[Track, int]], boxes: NDArray[np.float64]) -> set[int]:
        """Ids of candidates whose box is on, or in, one that another track of the class found: a confirmed one, or a
        larger candidate."""
        if self.settings.shadow_iou >= 1:
            return set()
        found = boxes[[i for _, i in pairs]]
        overlap = iou_matrix(*(found.astype(np.float32),) * 2)
        areas = box_areas(found)
        shadowed = set()
        for n, (young, _) in enumerate(pairs):
            for m, (other, _) in enumerate(pairs):
                if young.confirmed or n == m or other.class_id != young.class_id:
                    continue
                on = overlap[n, m] > self.settings.shadow_iou
                within = shared_areas(found[n], found[m]) > _WITHIN * areas[n] and areas[n] > _PART * areas[m]
                if (on or within) and (other.confirmed or areas[m] > areas[n]):
                    shadowed.add(young.track_id)
        return shadowed

    def _take_up_again(self, pairs: list[tuple[Track, int]]) -> None:
        """Give a track that this frame confirmed the id of the lost one that it continues, if there is one."""
        followed = [track for track, _ in pairs if track.confirmed]
        for track in [t for t in followed if t.newly_confirmed]:
            track.newly_confirmed = False
            before = self._before(track, followed)
            if before is not None:
                self._identities[track.track_id] = before.track_id
                track.continue_from(before)

    def _before(self, track: Track, followed: list[Track]) -> Track | None:
        """The lost track that `track` continues, no longer among the lost."""
        if not self.settings.remember_seconds:
            return None
        lost = [t for t in self._tracks if t.confirmed and t.misses] + self._departed
        before = returning(track, lost, followed)
        self._tracks = [t for t in self._tracks if t is not before]
        self._departed = [t for t in self._departed if t is not before]
        return before

    def _part(self, seconds: float, height: float) -> None:
        """Let go of tracks that are not waited for any longer; the confirmed ones can be taken up again for a while."""
        alive = [t for t in self._tracks if self._alive(t, seconds, height)]
        gone = {id(t) for t in self._tracks} - {id(t) for t in alive}
        self._departed += [t for t in self._tracks if id(t) in gone and t.confirmed]
        oldest = seconds - self.settings.remember_seconds
        self._departed = [t for t in self._departed if t.seen_seconds >= oldest][-REMEMBERED:]
        self._tracks = alive

    def _hit(
        self, track: Track, histogram: NDArray[np.float32], vote: tuple[int, float], *, apart: bool, seconds: float
    ) -> None:
        class_id, score = vote
        if apart and score >= self.settings.sure_score:
            track.sure_hits += 1
            track.sure_seconds += min(seconds - track.seen_seconds, _MOST_BETWEEN)
        track.frames += 1
        track.hits += 1
        track.misses = 0
        track.seen_seconds = seconds
        if apart:
            track.times.append(seconds)
        track.votes[class_id] = track.votes.get(class_id, 0.0) + score
        track.histogram = 0.85 * track.histogram + np.float32(0.15) * histogram
        if apart and not track.confirmed and self._is_proven(track):
            track.confirmed = track.newly_confirmed = True
            self._confirmed.add(track.track_id)

    def _is_proven(self, track: Track) -> bool:
        settings = self.settings
        if track.sure_hits < settings.confirm_hits or track.sure_seconds < settings.confirm_seconds - _ROUNDING:
            return False
        return track.travel >= settings.still_travel or track.mean_score >= settings.still_score

    def _start_tracks(
        self,
        detections: Detections,
        boxes: NDArray[np.float64],
        histograms: list[NDArray[np.float32]],
        pairs: list[tuple[Track, int]],
        seconds: float,
    ) -> list[tuple[Track, int]]:
        taken = {i for _, i in pairs}
        started = []
        for i, score in enumerate(detections.scores):
            if i in taken or score < self.settings.birth_score:
                continue
            x1, y1, x2, y2 = boxes[i]
            track = Track(
                track_id=self._next_id,
                state=np.array([(x1 + x2) / 2, (y1 + y2) / 2, x2 - x1, y2 - y1]),
                votes={int(detections.class_ids[i]): float(score)},
                histogram=histograms[i],
                sure_hits=int(score >= self.settings.sure_score),
                seen_seconds=seconds,
            )
            before = None
            if score >= self.settings.sure_score:
                before = self._before(track, [t for t, _ in pairs if t.confirmed])
            if before is None:
                self._next_id += 1
            else:
                track.continue_from(before)
                track.confirmed = True
            started.append((track, i))
        self._tracks += [track for track, _ in started]
        return started

    def _without_duplicates(
        self, pairs: list[tuple[Track, int]], boxes: NDArray[np.float64]
    ) -> list[tuple[Track, int]]:
        """Drop tracks that began on an older one of their class and never left it. Crossing objects are safe: they
        were apart once, which ends their probation."""
        overlap = iou_matrix(*(boxes[[i for _, i in pairs]].astype(np.float32),) * 2)
        dropped: set[int] = set()
        for n, (track, _) in enumerate(pairs):
            older = [
                m for m, (t, _) in enumerate(pairs) if t.track_id < track.track_id and t.class_id == track.class_id
            ]
            close = bool(older) and float(overlap[n, older].max()) > self.settings.duplicate_iou
            if not close or track.overlapped_frames != track.hits - 1:
                continue
            track.overlapped_frames += 1
            if track.overlapped_frames >= self.settings.duplicate_frames:
                dropped.add(id(track))
                self._confirmed.discard(track.track_id)
        self._tracks = [t for t in self._tracks if id(t) not in dropped]
        return [(t, i) for t, i in pairs if id(t) not in dropped]

    def _alive(self, track: Track, seconds: float, height: float) -> bool:
        if not track.confirmed:
            return track.frames - track.hits <= self.settings.confirm_frames - self.settings.confirm_hits
        track.left_frame = track.misses > 0 and (track.left_frame or track.inside(height) < 0.3)
        keep = self.settings.keep_outside_seconds if track.left_frame else self.settings.keep_seconds
        return seconds - track.seen_seconds <= keep


_DOUBTFUL_OVERLAP = 0.35  # IoU: a doubtful detection must be where its track is expected
_MERGED_OVERLAP, _MERGED_COVER = 0.2, 0.25  # IoU of two tracks' expected boxes; share of the lost one in the box found
_MERGED_FRAMES = 10  # a neighbour unseen for longer is no longer taken to be in that box
_MERGED_TRUST = 0.25  # what a box around two says of either's place and speed (.2-.3 alike on 280 clips)
_WITHIN, _PART = 0.85, 0.25  # share of a box that is in another; how large a part of an object may be taken for it
_MOST_BETWEEN = 0.15  # seconds that one detection stands for: after a gap it does not vouch for the gap
_ROUNDING = 1e-6  # seconds: frame times are sums of fractions
