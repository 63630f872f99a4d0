"""Peers run in an environment of their own: here one with two small modules of these names."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

from edgecap.bench.real import peers
from edgecap.engines.errors import EngineError

_SUPERVISION = """
class Detections:
    def __init__(self, xyxy, confidence, class_id):
        self.xyxy, self.confidence, self.tracker_id = xyxy, confidence, None
"""
_TRACKERS = """
import numpy as np
class SORTTracker:
    def __init__(self, frame_rate):
        self.rate = int(frame_rate)
    def update(self, found):
        found.tracker_id = np.arange(len(found.xyxy)) * self.rate
        return found
class ByteTrackTracker(SORTTracker): pass
class OCSORTTracker(SORTTracker): pass
class CBIoUTracker(SORTTracker):
    def update(self, found):
        found.tracker_id = np.full(len(found.xyxy), -1)
        return found
"""


@pytest.fixture
def environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "supervision.py").write_text(_SUPERVISION)
    (tmp_path / "trackers.py").write_text(_TRACKERS)
    info = tmp_path / "trackers-9.9.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: trackers\nVersion: 9.9\n")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    return tmp_path


def test_every_peer_gets_the_same_boxes_and_answers_with_tracks(environment: Path) -> None:
    boxes = np.array([[1.0, 2.0, 3.0, 4.0], [5.0, 6.0, 7.0, 8.0]])
    people = {
        0: (boxes, np.array([0.9, 0.8], np.float32)),
        1: (boxes[:0], np.zeros(0, np.float32)),
        2: (boxes[1:], np.array([0.7], np.float32)),
    }
    tracks, version = peers._peer_tracks(people, sys.executable, 25.0)
    assert version == "trackers 9.9" and set(tracks) == {
        "SORTTracker",
        "ByteTrackTracker",
        "OCSORTTracker",
        "CBIoUTracker",
    }
    assert {i: sorted(found) for i, found in tracks["SORTTracker"].items()} == {0: [0, 2], 25: [0]}
    np.testing.assert_array_equal(tracks["SORTTracker"][25][0], boxes[1])
    assert tracks["CBIoUTracker"] == {}, "an identity below 0 is no track yet"


def test_a_missing_library_is_a_line(tmp_path: Path) -> None:
    with pytest.raises(EngineError, match="No module named"):
        peers._peer_tracks({0: (np.zeros((0, 4)), np.zeros(0, np.float32))}, sys.executable, 25.0)


def test_a_missing_environment_is_a_line(tmp_path: Path) -> None:
    people = {0: (np.zeros((0, 4)), np.zeros(0, np.float32))}
    with pytest.raises(EngineError, match=r"can't be run .*make peers prepares it"):
        peers._peer_tracks(people, str(tmp_path / "python"), 25.0)
