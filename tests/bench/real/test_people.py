"""Labels of people: read, matched to tracks, judged kind by kind; the table counts claims, abstentions, confusions."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from click.testing import CliRunner

from edgecap.bench.real.people import KINDS, judge_people, people_lines, people_scores, read_labels
from edgecap.bench.tables.readme import RESULTS
from edgecap.cli.main import cli
from edgecap.engines.errors import InputError, MissingInputError
from edgecap.runtime.data.evidence import ColourShare
from edgecap.runtime.data.person import ACT_NAMES, FACINGS, Act, FacingSpan, PartColours, PersonEvidence
from edgecap.runtime.measure.palette import TERMS
from tests.runtime.fake_records import make_record

PERSON = PersonEvidence(
    8,
    0.0,
    1.75,
    (Act("walking", 0.0, 0.8), Act("arm_raised", 0.5, 0.8, side="left")),
    (FacingSpan("left", 0.0, 0.8),),
    (PartColours("upper", (ColourShare("red", 0.6), ColourShare("white", 0.4))),),
)


def _record():
    record = make_record()
    tracks = (replace(record.evidence.tracks[0], person=PERSON), *record.evidence.tracks[1:])
    return replace(record, evidence=replace(record.evidence, tracks=tracks))


def _row(record, frame=6, *, track=0, **true):
    [observation] = [o for o in record.window.observations if o.frame.index == frame]
    box = observation.instances[track].box_xyxy
    nothing = dict.fromkeys(KINDS)
    return {
        "sequence": "clips/one.mp4", "frame": frame, "half": "held back", "box_xyxy": [float(v) for v in box],
        **nothing, **true,
    }  # fmt: skip


def _labels(tmp_path, *rows):
    path = tmp_path / "labels.json"
    path.write_text(json.dumps({"labels": list(rows)}))
    return read_labels(path)


def _judged(tmp_path, frame=6, **true):
    record = _record()
    return judge_people(_labels(tmp_path, _row(record, frame, **true)), [record])


def test_what_is_said_is_right_where_it_is_among_the_true_values(tmp_path):
    judged = _judged(
        tmp_path, action=["walking", "arm raised"], facing=["right"], upper=["red", "white"], lower=["blue"]
    )
    counts = people_scores(judged)["held back"]
    assert (counts["action"]["claims"], counts["action"]["right"], counts["action"]["said"]) == (2, 2, 1)
    assert (counts["facing"]["right"], counts["facing"]["share_right"]) == (0, 0.0)
    assert counts["facing"]["confusion"] == {"right": {"left (false)": 1}}
    assert counts["upper"]["right"] == counts["upper"]["claims"] == 1
    assert (counts["lower"]["labelled"], counts["lower"]["claims"], counts["lower"]["share_right"]) == (1, 0, None)
    assert counts["shoes"]["labelled"] == 0  # not judged
    assert any("facing, true right: left (false) 1" in line for line in people_lines({"held back": counts}))


def test_one_wrong_colour_of_two_is_wrong_and_where_nothing_is_true_anything_is(tmp_path):
    counts = people_scores(_judged(tmp_path, action=[], upper=["red"]))["held back"]
    assert (counts["upper"]["claims"], counts["upper"]["right"]) == (1, 0)
    assert (counts["action"]["claims"], counts["action"]["right"]) == (2, 0)


def test_acts_are_those_of_the_time_of_the_label(tmp_path):
    late = people_scores(_judged(tmp_path, frame=30, action=["walking"], facing=["left"]))["held back"]
    assert late["action"]["claims"] == late["facing"]["claims"] == 0 and late["action"]["untracked"] == 0
    assert late["action"]["confusion"] == {"walking": {"nothing": 1}}


def test_a_label_without_a_track_is_an_abstention(tmp_path):
    record = _record()
    row = _row(record, action=["walking"]) | {"box_xyxy": [0.8, 0.8, 0.9, 0.95]}
    counts = people_scores(judge_people(_labels(tmp_path, row), [record]))["held back"]["action"]
    assert (counts["untracked"], counts["claims"], counts["labelled"]) == (1, 0, 1)
    far = _row(record, action=["walking"]) | {"frame": 9}  # analysed: 6 and 12
    assert people_scores(judge_people(_labels(tmp_path, far), [record]))["held back"]["action"]["untracked"] == 1


def test_bad_labels_get_one_clear_line(tmp_path):
    (tmp_path / "bad.json").write_text('{"labels": [{"sequence": "a"}]}')
    with pytest.raises(InputError, match="not a file of labelled people"):
        read_labels(tmp_path / "bad.json")
    done = CliRunner().invoke(cli, ["bench", "people", str(tmp_path), "--pack", "nano"], standalone_mode=False)
    assert isinstance(done.exception, MissingInputError) and "none of the labelled sequences" in str(done.exception)


def test_the_repository_s_labels_are_whole():
    labels = read_labels(RESULTS / "people_labels.json")
    allowed = {"action": {n.replace("_", " ") for n in ACT_NAMES}, "facing": set(FACINGS)}
    assert len(labels) >= 300 and len({one.half for one in labels}) >= 2
    for one in labels:
        assert (one.box_xyxy[2:] > one.box_xyxy[:2]).all() and np.abs(one.box_xyxy).max() < 1.1
        for kind, true in one.true.items():
            assert set(true or ()) <= allowed.get(kind, set(TERMS)), one
    halves = {}
    for one in labels:
        assert halves.setdefault(one.sequence, one.half) == one.half, "a sequence is in one half"
