"""Open the models once; print every clip as soon as it is written: `python examples/stream.py [VIDEO ...]`."""

import sys
from pathlib import Path

import edgecap
from edgecap.bench.world import make_scene, write_clip

videos = sys.argv[1:] or [write_clip(make_scene(seed=seed, tier="moving"), Path("clips")) for seed in (25, 26)]
with edgecap.Captioner() as captioner:
    for video in videos:
        for clip in captioner.stream(video):
            print(f"{clip.video} {clip.start_seconds:.1f}-{clip.end_seconds:.1f} s: {clip.text}")
