"""Every sequence of a folder through the pipeline, and its scores.

In: sequences, a pipeline whose `sample_fps` covers every frame. Out: `SequenceScores`, one after the other.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from edgecap.bench.real.objects import MaskFunction, ObjectScores, object_scores
from edgecap.bench.real.sequences import Boxes, RealSequence
from edgecap.bench.real.tracking import TrackingScores, tracking_scores
from edgecap.bench.real.words import WordScores, word_scores
from edgecap.engines.packs.pack import Pack
from edgecap.runtime.config import PipelineConfig
from edgecap.runtime.data.record import Record
from edgecap.runtime.perceive.segmenter import Segmenter
from edgecap.runtime.pipeline.collect import CollectSink
from edgecap.runtime.pipeline.pipeline import Pipeline
from edgecap.runtime.pipeline.write import Sink

_PERSON = "person"


@dataclass(frozen=True, slots=True)
class SequenceScores:
    """One sequence; a part is None where the folder has no truth for it."""

    name: str
    video_seconds: float
    wall_seconds: float
    tracking: TrackingScores | None
    object: ObjectScores | None
    words: WordScores | None
    failure: str
    """Why the video gave no captions to its end; "" where it did."""


def score_sequences(
    pipeline: Pipeline,
    sequences: Iterable[RealSequence],
    *,
    masks_of: MaskFunction | None,
    sinks: Sequence[Sink] = (),
) -> Iterator[SequenceScores]:
    """Caption and score one sequence after the other. `masks_of`: the pack's segmenter, for masks from true boxes.
    `sinks` get the records too. Raises KeyboardInterrupt; `InputError` for truth that can't be read.
    """
    for sequence in sequences:
        sink = CollectSink()
        summary = pipeline.run([sequence.video], [sink, *sinks])
        if summary.interrupted:
            raise KeyboardInterrupt
        yield SequenceScores(
            name=sequence.name,
            video_seconds=summary.video_seconds,
            wall_seconds=summary.wall_seconds,
            tracking=_tracking(sequence, sink.records),
            object=_object(sequence, sink.records, masks_of),
            words=word_scores(sequence.seen, sink.records) if sequence.seen is not None else None,
            failure="; ".join(failed.message for failed in sink.failures),
        )


def open_segmenter(config: PipelineConfig) -> MaskFunction | None:
    """The pack's segmenter by itself; None where the pack has none. Raises PackError, EngineError."""
    pack = Pack.open(config.pack)
    spec, threads = pack.spec.segmenter, config.threads.perceive
    if spec is None:
        return None
    encoder, decoder = (
        pack.open_session(graph, provider=config.provider, intra_threads=threads)
        for graph in (spec.encoder, spec.decoder)
    )
    return Segmenter(spec, encoder, decoder).masks


def class_by_track(records: Iterable[Record]) -> dict[int, str]:
    """The class that was voted for each track, the later window's where two differ."""
    return {track.track_id: track.class_name for record in records for track in record.evidence.tracks}


def _tracking(sequence: RealSequence, records: list[Record]) -> TrackingScores | None:
    if sequence.kind != "mot" or sequence.truth_file is None:
        return None
    truth = sequence.boxes()
    frames = 1 + max((frame for boxes in truth.values() for frame in boxes), default=-1)
    return tracking_scores(truth, person_boxes(records), frame_count=frames)


def person_boxes(records: Iterable[Record]) -> Boxes:
    """Boxes of every confirmed track of a person, by track id and frame, in pixels of the source.

    A track's class is the vote over its frames in all windows.
    """
    found: Boxes = {}
    votes: dict[int, float] = {}
    for record in records:
        size = np.array(record.video.size_wh * 2, np.float64)
        for observation in record.window.observations:
            for one in observation.instances:
                sign = 1.0 if record.window.labels[one.class_id] == _PERSON else -1.0
                votes[one.track_id] = votes.get(one.track_id, 0.0) + sign * one.score
                found.setdefault(one.track_id, {})[observation.frame.index] = one.box_xyxy * size
    return {track: boxes for track, boxes in found.items() if votes[track] > 0}


def _object(sequence: RealSequence, records: list[Record], masks_of: MaskFunction | None) -> ObjectScores | None:
    if sequence.kind != "davis" or sequence.truth_file is None:
        return None
    classes = [name for one in sequence.seen.instances for name in one.classes] if sequence.seen is not None else []
    return object_scores(
        sequence.masks(),
        [observation for record in records for observation in record.window.observations],
        class_of=class_by_track(records),
        labels=records[0].window.labels if records else (),
        classes=classes,
        masks_of=masks_of,
    )
