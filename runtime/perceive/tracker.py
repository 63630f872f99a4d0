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
from edgecap.runtime.perceive.track import Track, colour_histogram, histogram_distance


@dataclass(frozen=True, slots=True)
class TrackerSettings:
    """Scores are 0-1, times seconds, overlaps IoU.

    `birth_score`: what a new track needs; `good_score`: below it detections only prolong a confirmed track that is
    expected there. `confirm_hits` detections of at least `sure_score`, over `confirm_seconds`, make a candidate real,
    and its first, doubtful frames with it (an object comes in across the border before a detector is sure of it). One
    that has not moved by `still_travel` box sides against the background needs a mean score of `still_score` too: a
    stain is taken for a bird in every frame alike, and the hundredth frame says no more than the first. A candidate
    that is unseen in more than `confirm_frames - confirm_hits` frames is dropped. `keep_seconds`: how long an unseen
    track is waited for; `keep_outside_seconds`: the same when it left the frame (a camera may pan back).
    `duplicate_iou`: a younger track of the same class that begins on an older one and stays this close for
    `duplicate_frames` frames is dropped.
    """

    birth_score: float = 0.3
    good_score: float = 0.4
    sure_score: float = 0.5
    confirm_hits: int = 3
    confirm_frames: int = 6
    confirm_seconds: float = 0.0
    still_travel: float = 0.0
    still_score: float = 0.0
    keep_seconds: float = 1.5
    keep_outside_seconds: float = 4.0
    duplicate_iou: float = 0.7
    duplicate_frames: int = 4


PROBABILITIES = TrackerSettings(sure_score=0.6, confirm_seconds=0.2, still_travel=0.6, still_score=0.8)
"""For detectors whose scores are probabilities. Chosen on two sequences of MOT15 (TUD-Campus and TUD-Stadtmitte), where
neighbours do as well (still_travel .4-.8, still_score .8-.85)."""


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
        for track, index in pairs:
            track.correct(boxes[index], frame_height=height, trust=_MERGED_TRUST if track.track_id in merged else 1.0)
            class_id, score = int(detections.class_ids[index]), float(detections.scores[index])
            self._hit(track, histograms[index], class_id, score, frame.pts_seconds)
        matched = {id(track) for track, _ in pairs}
        for track in self._tracks:
            if id(track) not in matched:
                track.frames += 1
                track.misses += 1
        pairs += self._start_tracks(detections, boxes, histograms, pairs, frame.pts_seconds)
        pairs = self._without_duplicates(pairs, boxes)
        self._tracks = [t for t in self._tracks if self._alive(t, frame.pts_seconds, height)]
        return sorted((Assignment(t.track_id, i) for t, i in pairs), key=lambda a: a.track_id)

    def is_confirmed(self, track_id: int) -> bool:
        """True once the track has been seen often enough, and for ever after (unless found to be a duplicate)."""
        return track_id in self._confirmed

    def reset(self) -> None:
        """Forget all tracks (a cut); ids go on rising and confirmations stay."""
        self._tracks, self._last_seconds = [], None

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
            cost = _costs(
                rows, boxes[columns], [histograms[i] for i in columns], detections.class_ids[columns], height, seconds
            )
            if indices is doubtful:
                predicted = np.stack([t.box(height) for t in rows]).astype(np.float32)
                apart = iou_matrix(predicted, boxes[columns].astype(np.float32)) < _DOUBTFUL_OVERLAP
                cost[apart] = np.inf
            pairs += [(rows[r], columns[c]) for r, c in assign(cost, max_cost=_MAX_COST)]
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

    def _hit(self, track: Track, histogram: NDArray[np.float32], class_id: int, score: float, seconds: float) -> None:
        if score >= self.settings.sure_score:
            track.sure_hits += 1
            track.sure_seconds += min(seconds - track.seen_seconds, _MOST_BETWEEN)
        track.frames += 1
        track.hits += 1
        track.misses = 0
        track.seen_seconds = seconds
        track.votes[class_id] = track.votes.get(class_id, 0.0) + score
        track.histogram = 0.85 * track.histogram + np.float32(0.15) * histogram
        if not track.confirmed and self._is_proven(track):
            track.confirmed = True
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
            self._next_id += 1
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


# Parts of the pairing cost; they sum to 1, so that a cost is 0 (certain) to 1.
_OVERLAP, _DISTANCE, _HISTOGRAM, _CLASS = 0.37, 0.23, 0.24, 0.16
_MAX_COST = 0.68
_DOUBTFUL_OVERLAP = 0.35  # IoU: a doubtful detection must be where its track is expected
_NEAR, _NEAR_SIGMAS = 0.4, 2.0  # how far a detection's centre may be: box sides, plus sigmas of the prediction,
_NEAR_GROWTH, _NEAR_MOST = 1.0, 2.5  # plus box sides per second unseen (the hidden turn and stop); box sides at most
_MERGED_OVERLAP, _MERGED_COVER = 0.2, 0.25  # IoU of two tracks' expected boxes; share of the lost one in the box found
_MERGED_FRAMES = 10  # a neighbour unseen for longer is no longer taken to be in that box
_MERGED_TRUST = 0.25  # what a box around two says of either's place and speed (.2-.3 alike on 280 clips)
_MOST_BETWEEN = 0.15  # seconds that one detection stands for: after a gap it does not vouch for the gap
_ROUNDING = 1e-6  # seconds: frame times are sums of fractions
_STRANGE_HISTOGRAM = 0.8  # a histogram this different never reclaims a track that went unseen


def _costs(
    tracks: list[Track],
    boxes: NDArray[np.float64],
    histograms: list[NDArray[np.float32]],
    class_ids: NDArray[np.int64],
    height: float,
    seconds: float,
) -> NDArray[np.float64]:
    """Cost float64 [T, D] in 0-1 of a pair, inf where it is impossible.

    `seconds`: this frame's time. Unseen tracks look farther around, and ask for a histogram that is not strange.
    """
    predicted = np.stack([t.box(height) for t in tracks])
    overlap = iou_matrix(predicted.astype(np.float32), boxes.astype(np.float32))
    centres_t, centres_d = (predicted[:, :2] + predicted[:, 2:]) / 2, (boxes[:, :2] + boxes[:, 2:]) / 2
    sides = np.sqrt(np.array([t.state[2] * t.state[3] for t in tracks]))
    sigmas = np.sqrt(np.array([t.cov[:2, 0, 0].max() for t in tracks]))
    hidden = np.array([seconds - t.seen_seconds if t.misses else 0.0 for t in tracks])
    reach = np.minimum((_NEAR + _NEAR_GROWTH * hidden) * sides + _NEAR_SIGMAS * sigmas, _NEAR_MOST * sides)
    distance = np.linalg.norm(centres_t[:, None] - centres_d[None], axis=2) / reach[:, None]
    colours = np.array([[histogram_distance(t.histogram, other) for other in histograms] for t in tracks])
    other_class = np.array([t.class_id for t in tracks])[:, None] != class_ids[None]
    cost = _OVERLAP * (1 - overlap) + _DISTANCE * np.minimum(distance, 1) + _HISTOGRAM * colours + _CLASS * other_class
    unseen = np.array([t.misses > 0 for t in tracks])[:, None]
    strange = unseen & (colours > _STRANGE_HISTOGRAM) & (overlap < 0.3)
    near = (distance < 1) | (overlap > 0.2)
    return np.where(near & ~strange, cost, np.inf).astype(np.float64)
