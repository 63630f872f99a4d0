"""Our tracker and those of PyPI `trackers` on the very same detections of the mot/ sequences.

In: a folder of real sequences, a pack, the Python of an environment that has `trackers` (Apache-2.0; 660 MB with its
dependencies, among them another OpenCV than ours: hence an environment of its own). Out: MOTA, IDF1, HOTA a tracker.
Masks play no part: our figures here are the tracker's, those of `edgecap bench real` the whole pipeline's.

    make peers REAL=../shared/real PACK=street
"""

from __future__ import annotations

import json
import subprocess
import tempfile
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path

import click
import numpy as np
from numpy.typing import NDArray

from edgecap.bench.real.sequences import Boxes, RealSequence, read_sequences
from edgecap.bench.real.tracking import TrackingScores, tracking_scores
from edgecap.engines.errors import EngineError, InputError, MissingInputError
from edgecap.engines.graph.device import probe_device
from edgecap.engines.packs.pack import Pack
from edgecap.engines.packs.specs import DetectorSpec
from edgecap.runtime.data.detections import Detections
from edgecap.runtime.data.frame import Frame
from edgecap.runtime.perceive.camera_step import CameraEstimator
from edgecap.runtime.perceive.detector import PackDetector
from edgecap.runtime.perceive.tracker import Tracker
from edgecap.runtime.perceive.tracker_settings import settings_for
from edgecap.runtime.video.source import open_source

_WORKER = Path(__file__).with_name("peer_worker.py")
_OURS = "edgecap"
_Found = tuple[Frame, Detections, NDArray[np.float64] | None]
"""A frame, what was found in it, and the camera's step to it."""


@click.command()
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--pack", default="street", show_default=True)
@click.option("--python", "interpreter", default=".venv-peers/bin/python", show_default=True, help="Has `trackers`.")
@click.option("--out", type=click.Path(path_type=Path), default=None, help="Also write the JSON here.")
def command(folder: Path, pack: str, interpreter: str, out: Path | None) -> None:
    """Score every tracker on the mot/ sequences of FOLDER."""
    sequences = [one for one in read_sequences(folder) if one.kind == "mot" and one.truth_file is not None]
    if not sequences:
        raise MissingInputError(f"{folder} has no mot/NAME.mp4 with NAME.gt.txt")
    spec = Pack.open(pack).spec
    found = {one.name: _scores(one, pack, interpreter) for one in sequences}
    names = list(next(iter(found.values()))[0])
    report = {
        "machine": probe_device().machine_line(),
        "pack": f"{spec.name} {spec.version}",
        "peers": next(iter(found.values()))[1],
        "trackers": {name: _mean([scores[name] for scores, _ in found.values()]) for name in names},
        "sequences": {
            sequence: {name: asdict(one) for name, one in scores.items()} for sequence, (scores, _) in found.items()
        },
    }
    text = json.dumps(report, indent=2)
    click.echo(text)
    if out is not None:
        out.write_text(text + "\n", encoding="utf-8")


def _scores(sequence: RealSequence, pack: str, interpreter: str) -> tuple[dict[str, TrackingScores], str]:
    """Scores by tracker, ours first, and the peers' version."""
    frames, spec, fps = _detections(sequence, pack)
    person = spec.labels.index("person")
    truth = sequence.boxes()
    count = 1 + max((frame for boxes in truth.values() for frame in boxes), default=-1)
    with open_source(sequence.video, working_side=640, decode_threads=1) as source:
        size = np.array(source.info.size_wh * 2, np.float64)
    people = {
        frame.index: (found.boxes_xyxy[keep] * size, found.scores[keep])
        for frame, found, _ in frames
        for keep in (found.class_ids == person,)
    }
    tracks = {_OURS: _own_tracks(frames, spec, person, size)}
    peers, version = _peer_tracks(people, interpreter, fps)
    return {name: tracking_scores(truth, one, frame_count=count) for name, one in (tracks | peers).items()}, version


def _detections(sequence: RealSequence, pack_name: str) -> tuple[list[_Found], DetectorSpec, float]:
    pack = Pack.open(pack_name)
    spec = pack.spec.detector
    if spec is None:
        raise MissingInputError(f"pack {pack_name!r} has no detector")
    detector = PackDetector(spec, pack.open_session(spec.graph, provider="cpu", intra_threads=2))
    camera, frames = CameraEstimator(), list[_Found]()
    before: Frame | None = None
    with open_source(sequence.video, working_side=640, decode_threads=1) as source:
        for frame in source.sampled(lambda seconds: True):
            step = None if before is None else camera.step(before, frame, ()).matrix
            frames.append((frame, detector.detect(frame), step))
            before = frame
        fps = source.info.fps_average
    if not fps:
        raise InputError(f"{sequence.name} has no average frame rate, which the peers are set by")
    return frames, spec, float(fps)


def _own_tracks(
    frames: list[_Found],
    spec: DetectorSpec,
    person: int,
    size: NDArray[np.float64],
) -> Boxes:
    tracker, given, votes = Tracker(settings_for(spec.scores)), [], dict[int, float]()
    for frame, found, step in frames:
        for one in tracker.update(found, frame, step):
            n = one.detection_index
            given.append((one.track_id, frame.index, found.boxes_xyxy[n] * size))
            sign = 1.0 if found.class_ids[n] == person else -1.0
            votes[one.track_id] = votes.get(one.track_id, 0.0) + sign * float(found.scores[n])
    tracks: Boxes = {}
    for track_id, index, box in given:
        if tracker.is_confirmed(track_id) and votes[track_id] > 0:
            tracks.setdefault(tracker.identity(track_id), {})[index] = box
    return tracks


def _peer_tracks(
    people: Mapping[int, tuple[NDArray[np.float64], NDArray[np.float32]]], interpreter: str, fps: float
) -> tuple[dict[str, Boxes], str]:
    with tempfile.TemporaryDirectory() as folder:
        rows = [
            [index, *box, score]
            for index, (boxes, scores) in sorted(people.items())
            for box, score in zip(boxes, scores, strict=True)
        ]
        np.save(f"{folder}/found.npy", np.array(rows, np.float64).reshape(-1, 6))
        command = [interpreter, str(_WORKER), f"{folder}/found.npy", str(max(people)), str(fps)]
        try:
            done = subprocess.run(command, capture_output=True, text=True, check=False)
        except OSError as error:
            raise EngineError(f"{interpreter}: can't be run ({error.strerror}); make peers prepares it") from error
    if done.returncode:
        raise EngineError(f"{interpreter} {_WORKER.name}: {(done.stderr.strip().splitlines() or ['no message'])[-1]}")
    answer = json.loads(done.stdout)
    tracks: dict[str, Boxes] = {}
    for name, found in answer["tracks"].items():
        boxes: Boxes = tracks.setdefault(name, {})
        for index, identity, *box in found:
            boxes.setdefault(int(identity), {})[int(index)] = np.array(box, np.float64)
    return tracks, answer["version"]


def _mean(scores: list[TrackingScores]) -> dict[str, float]:
    return {name: round(float(np.mean([getattr(s, name) for s in scores])), 4) for name in ("mota", "idf1", "hota")}


if __name__ == "__main__":
    command()
