"""Caption one video: `python examples/caption_one.py [VIDEO]` (a clip of the drawn world where none is named)."""

import sys
from pathlib import Path

import edgecap
from edgecap.bench.world import make_scene, write_clip

video = sys.argv[1] if len(sys.argv) > 1 else write_clip(make_scene(seed=25, tier="moving"), Path("clips"))
for row in edgecap.caption_video(video):
    print(row["Global Description"])
    for instance in row["Structural Description"]["Main Instance"].values():
        print(" -", instance["Appearance"], instance["Actions and Motion"], instance["Position"])
    print(" ", row["Structural Description"]["Camera Movement"])
