"""What is asked again and what is said again: thresholds from both sides, and the captioner with the gate in it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgecap.engines.errors import UsageError
from edgecap.runtime.config import PipelineConfig, make_config
from edgecap.runtime.data.caption import Caption
from edgecap.runtime.data.evidence import ColourShare, Evidence, TrackEvidence
from edgecap.runtime.data.record import DomainVerdict
from edgecap.runtime.data.window import Window
from edgecap.runtime.describe import change_gate
from edgecap.runtime.describe.captioner import Captioner
from edgecap.runtime.describe.change_gate import ChangeGate, action_changes, appearance_changes, palette_distance
from edgecap.runtime.output.row import field_block, record_to_json
from edgecap.runtime.output.schema import schema_errors
from edgecap.runtime.pipeline.pipeline import Pipeline
from tests.runtime.describe.test_captioner import GOOD, Scripted, _good
from tests.runtime.fake_records import RIGHT, STILL, make_evidence, make_record, make_track, make_window
from tests.runtime.pipeline.fake_videos import rig_of

INSIDE = DomainVerdict("inside", 0.4, 1.0)
WINDOW = make_window()


def _track(**changes: Any) -> TrackEvidence:
    return replace(make_track(WINDOW, 7, motion=RIGHT), **changes)


def _shares(red: float) -> tuple[ColourShare, ...]:
    return ColourShare("red", red), ColourShare("blue", round(1 - red, 6))


def test_palette_distance_is_total_variation() -> None:
    assert palette_distance(_shares(0.5), _shares(0.5)) == 0.0
    assert palette_distance(_shares(0.9), _shares(0.6)) == pytest.approx(0.3)
    assert palette_distance((ColourShare("red", 1.0),), (ColourShare("green", 1.0),)) == 1.0
    assert palette_distance((), _shares(0.5)) == 0.0  # nothing is known of it: no reason to ask


@pytest.mark.parametrize(
    ("after", "codes"),
    [
        ({}, []),
        ({"palette": _shares(0.66)}, []),
        ({"palette": _shares(0.64)}, ["look"]),
        ({"areas": np.full(8, 1.99 * 480 / 14400, np.float32)}, []),
        ({"areas": np.full(8, 2.01 * 480 / 14400, np.float32)}, ["size"]),
        ({"areas": np.full(8, 0.2 * 480 / 14400, np.float32)}, []),
        ({"class_name": "dog"}, ["class"]),
        ({"motion_world": STILL}, []),
    ],
    ids=["same", "near", "other colours", "a little larger", "twice", "smaller", "class", "motion is no look"],
)
def test_looks_change_beyond_the_thresholds(after: dict[str, Any], codes: list[str]) -> None:
    before = _track(palette=_shares(0.9))
    changed = appearance_changes(before, replace(_track(palette=_shares(0.9)), **after))
    assert [c.code for c in changed] == codes


@pytest.mark.parametrize(
    ("after", "codes"),
    [
        ({}, []),
        ({"motion_world": STILL}, ["motion"]),
        ({"motion_world": replace(RIGHT, speed_per_second=0.159)}, []),
        ({"motion_world": replace(RIGHT, speed_per_second=0.161)}, ["speed"]),
        ({"motion_world": replace(RIGHT, speed_per_second=0.062)}, ["speed"]),
        ({"motion_world": replace(RIGHT, direction="left", headings=("left",))}, []),
        ({"depth": "approaching"}, ["depth"]),
        ({"class_name": "dog"}, ["class"]),
        ({"palette": _shares(0.0)}, []),
    ],
    ids=["same", "rests", "pace", "faster", "slower", "turned", "closer", "class", "look is no action"],
)
def test_actions_change_beyond_the_thresholds(after: dict[str, Any], codes: list[str]) -> None:
    assert [c.code for c in action_changes(_track(), replace(_track(), **after))] == codes


def test_slow_drift_is_seen_because_the_writing_s_evidence_is_compared() -> None:
    gate = ChangeGate()
    gate.remember(_track(palette=_shares(1.0)), "appearance", "A red person.", confidence=0.9, clip_index=0)
    kept = [gate.kept(_track(palette=_shares(1 - 0.1 * n)), "appearance", clip_index=n) for n in (1, 2, 3)]
    assert [k is not None for k in kept] == [True, True, False]


def test_a_text_grows_old_and_is_forgotten() -> None:
    gate, most = ChangeGate(), change_gate.MOST_WINDOWS
    gate.remember(_track(), "action", "It walks.", confidence=0.9, clip_index=3)
    assert gate.kept(_track(), "action", clip_index=3 + most) is not None
    assert [c.code for c in gate.changes(_track(), "action", clip_index=4 + most)] == ["old"]
    gate.remember(make_track(WINDOW, 9), "action", "It sits.", confidence=0.9, clip_index=4 + most)
    assert gate.changes(_track(), "action", clip_index=4 + most) == ()  # nothing is known of it any more
    assert gate.kept(_track(), "action", clip_index=4 + most) is None


def test_a_new_video_begins_with_an_empty_memory() -> None:
    gate = ChangeGate()
    gate.remember(_track(), "action", "It walks.", confidence=0.9, clip_index=0)
    gate.begin_video()
    assert gate.kept(_track(), "action", clip_index=1) is None


def _asked(model: Scripted) -> list[list[tuple[int | None, str]]]:
    return [[(p.track_id, q.field) for p in prompts for q in p.questions] for prompts in model.batches]


def _windows(count: int) -> list[tuple[Window, Evidence]]:
    windows = [make_window(clip_index=n, start=2.0 * n) for n in range(count)]
    return [(window, make_evidence(window)) for window in windows]


def test_the_captioner_asks_of_instances_once_and_keeps_the_words() -> None:
    model, plain = Scripted(_good), Scripted(_good)
    gated, every_time = Captioner(model, gate=ChangeGate()), Captioner(plain)
    captions = [gated.describe(w, e, INSIDE) for w, e in _windows(3)]
    expected = [every_time.describe(w, e, INSIDE) for w, e in _windows(3)]
    scene = [(None, "background"), (None, "global")]
    instances = [(7, "appearance"), (7, "action"), (9, "appearance"), (9, "action")]
    assert _asked(model) == [[*instances, *scene], scene, scene]
    assert _asked(plain) == [[*instances, *scene]] * 3
    person = captions[2].instances[0]
    assert person.appearance.provenance == "model" and person.appearance.kept_from_clip == 0
    assert person.action.kept_from_clip == 0 and person.action.computed_part == "It moves to the right."
    assert captions[0].instances[0].action.kept_from_clip is None
    for ours, theirs in zip(captions, expected, strict=True):
        assert [i.action.text for i in ours.instances] == [i.action.text for i in theirs.instances]
        assert [i.appearance.text for i in ours.instances] == [i.appearance.text for i in theirs.instances]


def test_only_the_field_that_changed_is_asked_again_and_what_is_computed_is_new() -> None:
    model = Scripted(
        lambda track, q: "It stands still." if track == 7 and q.field == "action" else GOOD[track, q.field]
    )
    captioner = Captioner(model, gate=ChangeGate())
    (w0, e0), (w1, e1) = _windows(2)
    resting = Evidence(e0.camera, (replace(e0.tracks[0], motion_world=STILL, motion_image=STILL), e0.tracks[1]))
    captioner.describe(w0, resting, INSIDE)
    model._say = _good
    moving = captioner.describe(w1, e1, INSIDE).instances[0]
    assert _asked(model)[1] == [(7, "action"), (None, "background"), (None, "global")]
    assert moving.action.text == "It walks. It moves to the right." and moving.action.kept_from_clip is None
    assert moving.appearance.kept_from_clip == 0


def test_kept_words_must_pass_the_checks_against_the_new_evidence() -> None:
    said = "A person in a blue shirt and yellow trousers."
    model = Scripted(lambda track, q: said if (track, q.field) == (7, "appearance") else _good(track, q))
    captioner = Captioner(model, gate=ChangeGate())
    then = (ColourShare("blue", 0.75), ColourShare("yellow", 0.15), ColourShare("black", 0.1))
    now = (ColourShare("blue", 0.9), ColourShare("black", 0.1))
    assert palette_distance(then, now) < change_gate.LOOK_DISTANCE  # the gate alone would keep "yellow trousers"
    for (window, evidence), palette in zip(_windows(2), (then, now), strict=True):
        tracks = (replace(evidence.tracks[0], palette=palette), evidence.tracks[1])
        person = captioner.describe(window, Evidence(evidence.camera, tracks), INSIDE).instances[0]
    assert (7, "appearance") in _asked(model)[1] and (7, "action") not in _asked(model)[1]
    assert person.appearance.provenance == "fallback" and "yellow" in person.appearance.rejections[0]


def test_refused_and_computed_words_are_never_kept() -> None:
    model = Scripted(lambda track, q: "A yellow dog." if (track, q.field) == (9, "appearance") else _good(track, q))
    captioner = Captioner(model, gate=ChangeGate())
    captions = [captioner.describe(w, e, INSIDE) for w, e in _windows(2)]
    assert [c.instances[1].appearance.provenance for c in captions] == ["fallback", "fallback"]
    first_batch_of_second = _asked(model)[2]
    assert (9, "appearance") in first_batch_of_second and (7, "appearance") not in first_batch_of_second


def test_the_gate_needs_a_captioner() -> None:
    assert make_config(change_gate=True).change_gate
    with pytest.raises(UsageError, match="captioner='none' asks none"):
        make_config(change_gate=True, captioner="none")
    with pytest.raises(UsageError, match="change_gate is True or False; got 'yes'"):
        make_config(change_gate="yes")


def test_the_record_says_from_which_clip_words_were_kept() -> None:
    record = make_record(clip_index=2)
    instances = tuple(replace(i, appearance=replace(i.appearance, kept_from_clip=1)) for i in record.caption.instances)
    row = record_to_json(replace(record, caption=replace(record.caption, instances=instances)), root=None)
    assert row["meta"]["instances"][0]["appearance"]["kept_from_clip"] == 1
    assert schema_errors(row) == []
    assert "kept_from_clip" not in field_block(record.caption.instances[0].appearance)


def test_the_run_tells_the_gate_of_every_new_video(tmp_path: Path) -> None:
    rig, paths = rig_of(tmp_path, ("a.mp4", 4.0), ("b.mp4", 4.0))
    begun: list[str] = []
    stages = rig.stages()

    def describe(*args: Any) -> Caption:
        begun.append("clip")
        return stages.describe(*args)

    told = replace(stages, begin_video=lambda: begun.append("video"), describe=describe)
    Pipeline(PipelineConfig(window_seconds=2), stages=told).run(paths, [])
    assert begun == ["video", "clip", "clip", "video", "clip", "clip"]
