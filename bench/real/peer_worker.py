"""Runs the trackers of PyPI `trackers` over detections, in an environment that has it; nothing of edgecap is imported.

In: FILE.npy of rows frame, x1, y1, x2, y2, score; the last frame; frames per second. Out, on stdout: JSON with the
version and, by tracker, rows frame, identity, x1, y1, x2, y2. Settings are the library's own.
"""

from __future__ import annotations

import json
import sys
from importlib import import_module
from importlib.metadata import version
from typing import Any

import numpy as np

NAMES = ("SORTTracker", "ByteTrackTracker", "OCSORTTracker", "CBIoUTracker")


def main(file: str, last_frame: int, fps: float) -> dict[str, Any]:
    """What is printed."""
    supervision, trackers = import_module("supervision"), import_module("trackers")
    rows = np.load(file)
    tracks: dict[str, list[list[float]]] = {}
    for name in NAMES:
        tracker, found = getattr(trackers, name)(frame_rate=fps), tracks.setdefault(name, [])
        for index in range(last_frame + 1):
            here = rows[rows[:, 0] == index]
            given = tracker.update(
                supervision.Detections(
                    xyxy=here[:, 1:5].astype(np.float32),
                    confidence=here[:, 5].astype(np.float32),
                    class_id=np.zeros(len(here), int),
                )
            )
            for box, identity in zip(
                given.xyxy, given.tracker_id if given.tracker_id is not None else (), strict=False
            ):
                if identity >= 0:
                    found.append([index, int(identity), *(float(v) for v in box)])
    return {"version": f"trackers {version('trackers')}", "tracks": tracks}


if __name__ == "__main__":
    print(json.dumps(main(sys.argv[1], int(sys.argv[2]), float(sys.argv[3]))))
