"""Folders of real sequences: truth read, objects and words scored, the command on a folder made of a drawn clip."""

from __future__ import annotations

import dataclasses
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from edgecap.bench.real.objects import object_scores
from edgecap.bench.real.report import score_lines, totals
from edgecap.bench.real.run import SequenceScores
from edgecap.bench.real.sequences import read_sequences
from edgecap.bench.real.tracking import TrackingScores
from edgecap.bench.world.cached_clips import cached_clip
from edgecap.cli.main import cli
from edgecap.engines.errors import InputError, MissingInputError
from edgecap.runtime.data.frame import Frame
from edgecap.runtime.data.mask import Mask
from edgecap.runtime.data.window import Observation, TrackedInstance

REAL = Path(__file__).parents[4] / "shared" / "real"


def _disc(x, y, radius=20):
    rows, columns = np.mgrid[:120, :160]
    return (rows - y) ** 2 + (columns - x) ** 2 < radius**2


def _observation(index, *parts, class_id=0):
    instances = tuple(
        TrackedInstance(track, Mask.from_full(bits).box_xyxy, 0.9, class_id, Mask.from_full(bits))
        for track, bits in parts
    )
    return Observation(Frame(index, index / 8, np.zeros((120, 160, 3), np.uint8)), instances, None, 0.0)


def _scores(truth, observations, classes=("horse", "person"), labels=("person", "horse", "car"), masks_of=None):
    return object_scores(truth, observations, class_of={}, labels=labels, classes=classes, masks_of=masks_of)


def test_the_true_mask_scores_one_in_j_f_and_box():
    truth = np.stack([_disc(50 + 5 * f, 60) for f in range(6)])
    scores = _scores(truth, [_observation(f, (7, truth[f])) for f in range(6)])
    assert (scores.tracked_j, scores.tracked_f, scores.box_and_class, scores.frames) == (1.0, 1.0, 1.0, 6)
    assert scores.prompted_j is None and 0.7 < scores.box_j < 0.85  # a disc fills pi/4 of its box


def test_a_rider_and_the_mount_are_matched_together():
    halves = [_disc(60, 40), _disc(60, 80, 30)]
    truth = np.stack([halves[0] | halves[1]] * 4)
    together = _scores(truth, [_observation(f, (1, halves[0]), (2, halves[1])) for f in range(4)])
    alone = _scores(truth, [_observation(f, (2, halves[1])) for f in range(4)])
    assert together.tracked_j > 0.99 > alone.tracked_j
    assert together.box_and_class == 1.0


def test_a_wrong_class_and_a_box_elsewhere_are_no_hit():
    truth = np.stack([_disc(50, 60)] * 4)
    assert _scores(truth, [_observation(f, (1, truth[f]), class_id=2) for f in range(4)]).box_and_class == 0.0
    assert _scores(truth, [_observation(f, (1, _disc(120, 60))) for f in range(4)]).box_and_class == 0.0


def test_masks_from_true_boxes_are_scored_and_timed():
    truth = np.stack([_disc(50, 60)] * 3)

    given = []

    def filled(frame, boxes, class_ids):
        given.append(class_ids.tolist())
        x0, y0, x1, y1 = (boxes[0] * [160, 120, 160, 120]).round().astype(int)
        bits = np.zeros((120, 160), bool)
        bits[y0:y1, x0:x1] = True
        return (Mask.from_full(bits),), np.ones(1, np.float32)

    scores = _scores(truth, [_observation(f) for f in range(3)], masks_of=filled)
    assert scores.prompted_j == pytest.approx(scores.box_j, abs=1e-6)
    assert scores.prompted_ms > 0 and scores.tracked_j == 0.0
    assert given == [[1]] * 3  # the first of the right classes, "horse", as the pack's labels number it


def test_a_class_that_the_pack_does_not_know_is_left_to_the_segmenter():
    truth = np.stack([_disc(50, 60)])

    def without_class(frame, boxes, class_ids):
        assert class_ids is None
        return (Mask.from_full(truth[0]),), np.ones(1, np.float32)

    scores = _scores(truth, [_observation(0)], classes=("camel",), masks_of=without_class)
    assert scores.prompted_j == pytest.approx(1.0)


def _folder(tmp_path, video):
    for kind in ("mot", "davis", "clips"):
        (tmp_path / kind).mkdir()
        shutil.copy(video, tmp_path / kind / "one.mp4")
    (tmp_path / "mot" / "one.gt.txt").write_text("1,1,10,20,30,40,1,-1,-1,-1\n1,2,10,20,30,40,0,-1,-1,-1\n")
    np.savez(tmp_path / "davis" / "one.masks.npz", shape=(2, 3, 4), bits=np.packbits(np.ones(24, bool)))
    entry = {"instances": [{"class": ["dog"], "colours": ["red"]}], "camera": ["static"], "never": ["the camera"]}
    (tmp_path / "truth.json").write_text(json.dumps({"clips/one.mp4": entry}))
    return tmp_path


@pytest.fixture(scope="module")
def video(tmp_path_factory):
    return cached_clip(tmp_path_factory.mktemp("clips"), tier="clean", seed=3, duration_seconds=2.0).video


def test_truth_of_all_three_kinds_is_read(tmp_path, video):
    found = {one.name: one for one in read_sequences(_folder(tmp_path, video))}
    assert list(found) == ["mot/one.mp4", "davis/one.mp4", "clips/one.mp4"]
    assert found["mot/one.mp4"].boxes()[1][0].tolist() == [10, 20, 40, 60]
    assert 2 not in found["mot/one.mp4"].boxes()  # flag 0: not counted
    assert found["davis/one.mp4"].masks().shape == (2, 3, 4)
    assert found["clips/one.mp4"].seen.instances[0].colours == ("red",)
    assert found["davis/one.mp4"].seen is None


def test_bad_folders_get_one_clear_line(tmp_path, video):
    with pytest.raises(MissingInputError, match="no video in mot/, davis/ or clips/"):
        read_sequences(tmp_path)
    folder = _folder(tmp_path, video)
    (folder / "mot" / "one.gt.txt").write_text("1,1,10\n")
    with pytest.raises(InputError, match="line 1 is not a row of MOTChallenge"):
        read_sequences(folder)[0].boxes()
    (folder / "davis" / "one.masks.npz").write_bytes(b"no zip")
    with pytest.raises(InputError, match="can't be read as packed masks"):
        read_sequences(folder)[1].masks()
    (folder / "truth.json").write_text('{"clips/one.mp4": {}}')
    with pytest.raises(InputError, match=r"entry clips/one\.mp4 is incomplete"):
        read_sequences(folder)


def test_the_command_scores_a_folder(tmp_path, video):
    folder = _folder(tmp_path, video)
    out = tmp_path / "out"
    done = CliRunner().invoke(
        cli, ["bench", "real", str(folder), "--only", "clips", "--json", "--fps", "4", "--out", str(out)],
        standalone_mode=False,
    )  # fmt: skip
    assert done.exception is None and done.return_value == 0
    scores = json.loads(done.stdout)
    (one,) = scores["sequences"]
    assert one["name"] == "clips/one.mp4" and one["failure"] == ""
    assert one["words"]["never"] == ["the camera"]  # every caption says it
    assert one["words"]["expected"] == one["words"]["coloured"] == 1
    assert scores["totals"]["false words said"] == 1.0 and scores["totals"]["MOTA, mean"] is None
    assert (out / "report.html").exists() and (out / "captions.jsonl").read_text().count("\n") == 1


def test_means_are_over_sequences_and_missing_parts_are_left_out():
    tracking = TrackingScores(0.5, 0.6, 0.7, 1, 2, 3, 4)
    one = SequenceScores("mot/a.mp4", 2.0, 4.0, tracking, None, None, "")
    two = dataclasses.replace(
        one, name="mot/b.mp4", tracking=dataclasses.replace(tracking, mota=-0.5), failure="truncated"
    )
    figures = totals([one, two])
    assert figures["MOTA, mean"] == 0.0 and figures["right box and class, mean"] is None
    assert figures["times real time"] == 0.5
    assert any(line.startswith("mot/b.mp4") and line.endswith("FAILED: truncated") for line in score_lines([one, two]))


@pytest.mark.skipif(not REAL.exists(), reason="../shared/real isn't here: real sequences can't be read")
def test_every_shared_sequence_has_truth():
    for one in read_sequences(REAL):
        assert one.seen is not None, one.name
        if one.kind == "mot":
            assert len(one.boxes()) >= 6
        if one.kind == "davis":
            assert one.masks().any((1, 2)).mean() > 0.9
