"""Count what is inside a zone, frame by frame, with supervision: `pip install supervision`, then
`python examples/supervision_zones.py [VIDEO]`.
"""

import sys
from pathlib import Path

import numpy as np
import supervision as sv

import edgecap
from edgecap.bench.world import make_scene, write_clip

video = sys.argv[1] if len(sys.argv) > 1 else write_clip(make_scene(seed=25, tier="moving"), Path("clips"))
left_half = sv.PolygonZone(polygon=np.array([[0, 0], [320, 0], [320, 640], [0, 640]]))
with edgecap.Captioner() as captioner:
    for clip in captioner.stream(video):
        print(clip.global_description)
        for seconds, detections in zip(clip.frame_seconds, clip.detections, strict=True):
            inside = detections[left_half.trigger(detections)]
            print(f"{seconds:6.2f} s: {len(inside)} of {len(detections)} in the left half")
