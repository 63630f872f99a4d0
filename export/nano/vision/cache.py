"""The training frames, rendered once: JPEG pictures and instance label maps in numbered shards on disk.

In: seeds. Out: `.npz` shards under the work folder, each a function of its seeds alone, so that a stopped run goes on
where it was and a second machine makes the same files. Command: `python -m ...vision.cache`.
"""

from __future__ import annotations

import argparse
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from edgecap.bench.world import CLASSES, RenderedFrame, Scene, training_frames
from edgecap.bench.world.seeds import TRAIN_SEED_START, VALIDATION_SEED_START, generator
from edgecap.engines.files import replacing

LABELS: tuple[str, ...] = tuple(c.name for c in CLASSES)
"""Class names in the order of `class_ids`."""
FRAMES_PER_SCENE = 4
GAP_SECONDS = 1.3
SCENES_PER_SHARD = 64
FRAMES_PER_SHARD = SCENES_PER_SHARD * FRAMES_PER_SCENE
_CLASS_ID = {name: i for i, name in enumerate(LABELS)}


@dataclass(frozen=True, slots=True)
class CachedFrame:
    """One rendered frame and its truth, compressed."""

    jpeg: bytes
    packed_labels: bytes
    """zlib of uint8 [H, W]: 0 background, i + 1 instance i."""
    size_wh: tuple[int, int]
    class_ids: NDArray[np.int64]
    """[n] index into `LABELS`."""
    boxes_xyxy: NDArray[np.float32]
    """[n, 4] box of the visible pixels, relative to the frame."""
    visible_fractions: NDArray[np.float32]
    """[n] visible share of the whole instance."""
    visible_areas: NDArray[np.int64]
    """[n] visible pixels."""

    def image(self) -> NDArray[np.uint8]:
        """uint8 [H, W, 3] RGB."""
        decoded = cv2.imdecode(np.frombuffer(self.jpeg, np.uint8), cv2.IMREAD_COLOR)
        return np.asarray(decoded, np.uint8)[..., ::-1]

    def labels(self) -> NDArray[np.uint8]:
        """uint8 [H, W]."""
        return np.frombuffer(zlib.decompress(self.packed_labels), np.uint8).reshape(self.size_wh[::-1])


def pack_frame(frame: RenderedFrame, scene: Scene, *, jpeg_quality: int) -> CachedFrame:
    """A rendered frame as the cache keeps it; instances without a visible pixel are left out."""
    names = {actor.id: actor.class_name for actor in scene.actors}
    height, width = frame.image_rgb.shape[:2]
    labels = np.zeros((height, width), np.uint8)
    kept = [k for k, mask in enumerate(frame.visible_masks) if mask.any()]
    for index, k in enumerate(kept):
        labels[frame.visible_masks[k]] = index + 1
    encoded = cv2.imencode(".jpg", frame.image_rgb[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, jpeg_quality])[1]
    return CachedFrame(
        encoded.tobytes(),
        zlib.compress(labels.tobytes(), 1),
        (width, height),
        np.array([_CLASS_ID[names[frame.actor_ids[k]]] for k in kept], np.int64),
        np.array([frame.boxes_xyxy[k] for k in kept], np.float32).reshape(-1, 4),
        np.array([frame.visible_fractions[k] for k in kept], np.float32),
        np.array([np.count_nonzero(frame.visible_masks[k]) for k in kept], np.int64),
    )


def render_shard(first_seed: int) -> list[CachedFrame]:
    """The frames of `SCENES_PER_SHARD` scenes from `first_seed` on; the codec quality varies as bit rates do."""
    frames = []
    for seed in range(first_seed, first_seed + SCENES_PER_SHARD):
        rendered, scene = training_frames(seed, count=FRAMES_PER_SCENE, gap_seconds=GAP_SECONDS)
        quality = int(generator(seed, "vision-cache").integers(65, 98))
        frames += [pack_frame(frame, scene, jpeg_quality=quality) for frame in rendered]
    return frames


def save_shard(path: Path, frames: list[CachedFrame]) -> None:
    """A shard that exists is whole."""
    counts = np.array([len(f.class_ids) for f in frames])
    blobs = [b for f in frames for b in (f.jpeg, f.packed_labels)]
    with replacing(path) as unfinished:
        np.savez(
            unfinished,
            counts=counts,
            sizes=np.array([f.size_wh for f in frames]),
            blob_ends=np.cumsum([len(b) for b in blobs]),
            blobs=np.frombuffer(b"".join(blobs), np.uint8),
            class_ids=np.concatenate([f.class_ids for f in frames]),
            boxes_xyxy=np.concatenate([f.boxes_xyxy for f in frames]),
            visible_fractions=np.concatenate([f.visible_fractions for f in frames]),
            visible_areas=np.concatenate([f.visible_areas for f in frames]),
        )


def load_shard(path: Path) -> list[CachedFrame]:
    """The frames that `save_shard` wrote."""
    with np.load(path) as data:
        held = {name: data[name] for name in data.files}
    starts = np.concatenate([[0], held["blob_ends"]])
    blob = held["blobs"].tobytes()
    rows = np.concatenate([[0], np.cumsum(held["counts"])])
    frames = []
    for i, (width, height) in enumerate(held["sizes"]):
        jpeg, labels = (blob[starts[j] : starts[j + 1]] for j in (2 * i, 2 * i + 1))
        part = slice(rows[i], rows[i + 1])
        frames.append(
            CachedFrame(
                jpeg,
                labels,
                (int(width), int(height)),
                held["class_ids"][part],
                held["boxes_xyxy"][part],
                held["visible_fractions"][part],
                held["visible_areas"][part],
            )
        )
    return frames


def cached_frames(work_dir: Path, *, split: str, shards: int) -> list[CachedFrame]:
    """Frames of a split ("train" or "validation"), rendering the shards that are missing."""
    return [frame for shard in _shards(work_dir, split=split, shards=shards) for frame in shard]


def _shards(work_dir: Path, *, split: str, shards: int) -> Iterator[list[CachedFrame]]:
    start = {"train": TRAIN_SEED_START, "validation": VALIDATION_SEED_START}[split]
    folder = work_dir / "vision_cache" / split
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(shards):
        path = folder / f"shard_{number:04d}.npz"
        if not path.exists():
            save_shard(path, render_shard(start + number * SCENES_PER_SHARD))
        yield load_shard(path)


def main() -> None:
    """Fill the cache of one split ahead of training."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--work-dir", type=Path, default=Path(".nano"))
    parser.add_argument("--split", choices=("train", "validation"), default="train")
    parser.add_argument("--shards", type=int, required=True, help=f"{FRAMES_PER_SHARD} frames each")
    arguments = parser.parse_args()
    cv2.setNumThreads(1)
    for number, frames in enumerate(_shards(arguments.work_dir, split=arguments.split, shards=arguments.shards)):
        print(f"shard {number}: {len(frames)} frames, {sum(len(f.class_ids) for f in frames)} instances", flush=True)


if __name__ == "__main__":
    main()
