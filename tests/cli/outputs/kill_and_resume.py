"""kill -9 at random moments of a run with every output on, then `--resume`: are the outputs those of an undisturbed
run?

    python -m tests.cli.outputs.kill_and_resume [COUNT] [SEED]

Prints a line for every kill and ends with exit code 1 if one of them left a difference.
"""

from __future__ import annotations

import json
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import av

from tests.cli.command import MOTION, write_disc

FLAGS = (*MOTION, "--annotate", "--srt", "--events", "--instancevid", "--paragraph", "--coco", "--window-seconds", "2")
DERIVED = ("instancevid.jsonl", "instancevid_dense.csv", "paragraphs.jsonl")


@dataclass(frozen=True)
class Kill:
    """One kill. `seconds`: into the run. `kept`: whole rows that were there. `differs`: outputs that are not those of
    the undisturbed run."""

    seconds: float
    kept: int
    differs: tuple[str, ...]


def kills(folder: Path, *, count: int, seed: int) -> Iterator[Kill]:
    """Make two videos in `folder`, caption them once undisturbed, then `count` times with a kill and `--resume`."""
    videos = folder / "videos"
    videos.mkdir()
    for name, seconds in (("a.mp4", 9), ("b.mp4", 5)):
        write_disc(videos / name, seconds=seconds)
    begun = time.monotonic()
    assert _start(videos, folder / "whole").wait(timeout=300) == 0
    length, random_moment = time.monotonic() - begun, random.Random(seed)
    expected = contents(folder / "whole")
    for number in range(count):
        out, moment = folder / f"killed-{number}", random_moment.uniform(0.1, 1.0) * length
        process = _start(videos, out)
        try:
            process.wait(timeout=moment)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        kept = _rows(out / "captions.jsonl")
        broken = [p.name for p in out.glob("*.mp4") if not _plays(p)] if out.exists() else []
        code = _start(videos, out, "--resume").wait(timeout=300)
        got = contents(out)
        differs = [name for name in expected if got.get(name) != expected[name]]
        differs += [f"{name} does not play" for name in broken] + ([f"exit code {code}"] if code else [])
        yield Kill(moment, len(kept), tuple(differs))


def contents(out: Path) -> dict[str, Any]:
    """What must be the same, by file: rows and events without times of this machine, in order of video and time."""
    found: dict[str, Any] = {
        "captions.jsonl": sorted(map(_of_row, _rows(out / "captions.jsonl"))),
        "events.jsonl": sorted(_text(e | {"age_seconds": 0}) for e in _rows(out / "events.jsonl")),
    }
    for path in out.glob("*.srt"):
        found[path.name] = path.read_text(encoding="utf-8")
    for name in DERIVED:
        found[name] = sorted((out / name).read_text(encoding="utf-8").splitlines()) if (out / name).exists() else None
    if (out / "coco.json").exists():
        found["coco.json"] = len(json.loads((out / "coco.json").read_text(encoding="utf-8"))["annotations"])
    found["litter"] = [p.name for p in out.iterdir() if p.name.startswith(".")] if out.exists() else None
    return found


def _start(videos: Path, out: Path, *more: str) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "edgecap.cli", "caption", str(videos), "--out", str(out), *FLAGS, *more]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def _rows(path: Path) -> list[dict[str, Any]]:
    lines = path.read_bytes().split(b"\n")[:-1] if path.exists() else []
    return [json.loads(line) for line in lines]


def _of_row(row: dict[str, Any]) -> str:
    return _text(row | {"meta": row["meta"] | {"age_seconds": 0, "stage_seconds": {}}})


def _text(row: dict[str, Any]) -> str:
    return json.dumps(row, sort_keys=True)


def _plays(path: Path) -> bool:
    """A file that is begun may be empty; one with a picture plays."""
    if path.stat().st_size == 0:
        return True
    try:
        with av.open(str(path)) as container:
            return all(frame.width for frame in container.decode(video=0))
    except av.error.FFmpegError:
        return False


def main() -> None:
    """Print every kill."""
    count, seed = (int(a) for a in (sys.argv[1:] + ["20", "0"][len(sys.argv) - 1 :])[:2])
    bad = 0
    with tempfile.TemporaryDirectory() as folder:
        for number, kill in enumerate(kills(Path(folder), count=count, seed=seed), 1):
            same = "differs: " + ", ".join(kill.differs) if kill.differs else "the same after --resume"
            print(f"{number:3} killed after {kill.seconds:5.2f} s with {kill.kept} rows: {same}", flush=True)
            bad += bool(kill.differs)
    print(f"{count - bad} of {count} runs are the undisturbed one")
    sys.exit(bool(bad))


if __name__ == "__main__":
    main()
