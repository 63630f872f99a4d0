"""View sets on disk: written once by a worker process, read by training and evaluation as memory maps.

In: seeds. Out: shards `<split>_<index>.npy` (uint8 [N, F, S, S, 3]) + `.json` (labels) under one folder. The label file
is written last, so its presence says that a shard is complete; a training run may start while the worker still adds
shards. Command: `python -m edgecap.export.nano.caption.dataset --views DIR`.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any, Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from edgecap.bench.world.seeds import TRAIN_SEED_START, VALIDATION_SEED_START
from edgecap.engines.files import write_whole
from edgecap.export.nano.caption.view_sets import view_sets

Split = Literal["train", "validation"]
SEED_START: dict[Split, int] = {"train": TRAIN_SEED_START, "validation": VALIDATION_SEED_START}
SCENES_PER_SHARD = 200
TRAIN_SHARDS, VALIDATION_SHARDS = 45, 2
SIDE = 96


def write_shards(
    views_dir: Path,
    *,
    train_shards: int = TRAIN_SHARDS,
    validation_shards: int = VALIDATION_SHARDS,
    scenes_per_shard: int = SCENES_PER_SHARD,
    side: int = SIDE,
) -> None:
    """Render what is missing; complete shards are kept, so the call resumes and is free the second time."""
    cv2.setNumThreads(1)
    views_dir.mkdir(parents=True, exist_ok=True)
    plan: list[tuple[Split, int]] = [("train", i) for i in range(train_shards)]
    plan[1:1] = [("validation", i) for i in range(validation_shards)]
    for split, index in plan:
        if not _label_file(views_dir, split, index).exists():
            _write_shard(views_dir, split, index, scenes=scenes_per_shard, side=side)


def _write_shard(views_dir: Path, split: Split, index: int, *, scenes: int, side: int) -> None:
    first = SEED_START[split] + index * scenes
    sets = [s for seed in range(first, first + scenes) for s in view_sets(seed, side=side)]
    np.save(_view_file(views_dir, split, index), np.stack([s.frames_rgb for s in sets]))
    write_whole(_label_file(views_dir, split, index), json.dumps([s.label for s in sets]))


def _view_file(views_dir: Path, split: Split, index: int) -> Path:
    return views_dir / f"{split}_{index:04d}.npy"


def _label_file(views_dir: Path, split: Split, index: int) -> Path:
    return views_dir / f"{split}_{index:04d}.json"


class ViewStore:
    """The complete shards of one split; rows are addressed by (kind, number)."""

    def __init__(self, views_dir: Path, split: Split) -> None:
        self._dir, self._split = views_dir, split
        self._shards: dict[str, NDArray[np.uint8]] = {}
        self._rows: dict[str, list[tuple[str, int]]] = {"instance": [], "picture": []}
        self._labels: dict[tuple[str, int], dict[str, Any]] = {}
        self.refresh()

    def refresh(self) -> None:
        """Take in shards that were completed since the last call."""
        for path in sorted(self._dir.glob(f"{self._split}_*.json")):
            if path.stem in self._shards:
                continue
            self._shards[path.stem] = np.load(path.with_suffix(".npy"), mmap_mode="r")
            for row, label in enumerate(json.loads(path.read_text())):
                self._labels[path.stem, row] = label
                self._rows[label["kind"]].append((path.stem, row))

    def count(self, kind: str) -> int:
        """Number of view sets of "instance" or "picture"."""
        return len(self._rows[kind])

    def label(self, kind: str, number: int) -> dict[str, Any]:
        """Truth of one set, see `view_sets.ViewSet`."""
        return self._labels[self._rows[kind][number]]

    def frames(self, kind: str, numbers: NDArray[np.int64]) -> NDArray[np.uint8]:
        """uint8 [n, F, S, S, 3]."""
        return np.stack([self._shards[shard][row] for shard, row in (self._rows[kind][i] for i in numbers)])


def main() -> None:
    """Command line of the worker."""
    parser = argparse.ArgumentParser(description="Render the captioner's view sets (resumable).")
    parser.add_argument("--views", type=Path, required=True, help="folder of the shards")
    parser.add_argument("--shards", type=int, default=TRAIN_SHARDS)
    arguments = parser.parse_args()
    write_shards(arguments.views, train_shards=arguments.shards)


if __name__ == "__main__":
    main()
