"""Our propagation against transformers' own Sam2VideoModel, same weights, same boxes, on a clip of the world.

    python -m edgecap.export.sam2.check [--checkpoint DIR] [--pack PACK] [--frames 60] [--objects 1,4,8] [--json FILE]

Without --checkpoint a specimen with random weights is made; without --pack the checkpoint is exported (fp32) first. Two
controls run beside: the same graphs with only the prompted frame remembered, and with the objects' memories swapped. A
comparison that they pass too says nothing about memory.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgecap.bench.speed.propagation import write_json
from edgecap.bench.speed.world_clip import CLIP_FRAMES, world_clip
from edgecap.engines.errors import EdgecapError, UsageError
from edgecap.engines.packs.pack import Pack
from edgecap.engines.packs.specs import PackSpec
from edgecap.engines.packs.writer import write_pack
from edgecap.export.checkpoint.checkpoint import Checkpoint
from edgecap.export.job import ExportJob, Precision
from edgecap.export.onnx.parity import mask_iou
from edgecap.export.sam2.recipe import SAM2
from edgecap.export.sam2.reference import ReferenceStep, propagate_reference
from edgecap.export.sam2.settings import read_settings, sized_config
from edgecap.export.sam2.specimen import save_specimen
from edgecap.runtime.data.frame import Frame
from edgecap.runtime.perceive.memory.ring import MemoryRing
from edgecap.runtime.perceive.memory.segmenter import MemorySegmenter, MemorySessions

LIMIT = 0.99


@dataclass(frozen=True, slots=True)
class IouRow:
    """Mask IoU over all propagated frames (the prompted one left out) of `objects`: mean, least, and of the controls.

    `on`: share of the padded picture that the reference's masks cover. `logits`: relative L2 of mask logits.
    `between_objects`: mean IoU of the reference's first two objects' masks (1: nothing tells them apart).
    """

    objects: int
    mean: float
    least: float
    logits: float
    on: float
    between_objects: float | None
    prompt_only: float
    swapped: float | None


class _PromptOnly(MemoryRing):
    def write(self, memory: NDArray[np.float32], pointer: NDArray[np.float32], *, frame: int) -> None:
        """Forget it."""


class _Swapped(MemoryRing):
    def write(self, memory: NDArray[np.float32], pointer: NDArray[np.float32], *, frame: int) -> None:
        """Give each object what another left."""
        super().write(np.roll(memory, 1, 0), np.roll(pointer, 1, 0), frame=frame)


def compare_propagation(checkpoint: Checkpoint, pack: Pack, *, frames: int, objects: int) -> IouRow:
    """Raises `PackError` where the pack's segmenter has no memory."""
    from transformers import Sam2VideoModel

    sessions, spec = MemorySessions.open(pack), pack.spec.segmenter
    assert spec is not None
    settings = read_settings(checkpoint, image_side=spec.image_side)
    model = checkpoint.load(Sam2VideoModel, config=sized_config(checkpoint, settings.image_side))
    clip, boxes = world_clip(frames, objects)
    expected = propagate_reference(model, settings, [frame.image_rgb for frame in clip], {0: boxes})[1:]

    def ours(ring: type[MemoryRing]) -> list[ReferenceStep]:
        return follow(MemorySegmenter(spec, sessions, ring=ring), clip, boxes)[1:]

    got = ours(MemoryRing)
    values = ious(expected, got)
    on = [step.mask_logits > 0 for step in expected]
    alone = objects == 1
    return IouRow(
        objects=objects,
        mean=float(values.mean()),
        least=float(values.min()),
        logits=logit_distance(expected, got),
        on=float(np.mean(on)),
        between_objects=None if alone else float(np.mean([mask_iou(masks[:1], masks[1:2]) for masks in on])),
        prompt_only=float(ious(expected, ours(_PromptOnly)).mean()),
        swapped=None if alone else float(ious(expected, ours(_Swapped)).mean()),
    )


def follow(segmenter: MemorySegmenter, clip: Sequence[Frame], boxes: NDArray[np.float32]) -> list[ReferenceStep]:
    """The objects in `boxes` [K, 4] of the first frame through the clip, in the form of the reference."""
    found = (segmenter.start(frame, boxes) if n == 0 else segmenter.step(frame) for n, frame in enumerate(clip))
    return [ReferenceStep(step.mask_logits, step.presence) for step in found]


def ious(expected: Sequence[ReferenceStep], got: Sequence[ReferenceStep]) -> NDArray[np.float64]:
    """Mask IoU [frames, K] over the padded picture; an object that both call absent counts as 1."""
    pairs = zip(expected, got, strict=True)
    return np.stack([mask_iou(_masks(a), _masks(b)) for a, b in pairs])


def logit_distance(expected: Sequence[ReferenceStep], got: Sequence[ReferenceStep]) -> float:
    """Relative L2 of mask logits where the reference sees the object. Raises ValueError where it never does."""
    seen = [(a.mask_logits[a.presence > 0], b.mask_logits[a.presence > 0]) for a, b in zip(expected, got, strict=True)]
    size = sum(float((a.astype(np.float64) ** 2).sum()) for a, _ in seen)
    if size == 0:
        raise ValueError("the reference sees no object in any frame")
    return float(np.sqrt(sum(float(((a.astype(np.float64) - b) ** 2).sum()) for a, b in seen) / size))


def _masks(step: ReferenceStep) -> NDArray[np.bool_]:
    return (step.mask_logits > 0) & (step.presence > 0)[:, None, None]


def export_pack(
    checkpoint: Checkpoint, folder: Path, *, precision: Precision = "fp32", with_twins: bool = False, say: Any = print
) -> Pack:
    """A pack of nothing but this segmenter, in an empty folder; pictures are those of the world."""
    clip, _ = world_clip(24, 4)
    folder.mkdir(parents=True, exist_ok=True)
    job = ExportJob(
        checkpoint=checkpoint,
        folder=folder,
        precision=precision,
        pictures=lambda: (frame.image_rgb for frame in clip[::6]),
        with_twins=with_twins,
        say=say,
    )
    made = SAM2(job)
    source = {"segmenter": made.source}
    assert made.spec is not None
    write_pack(folder, PackSpec("sam2", "0", made.licence, source, {}, None, made.spec, None, None, made.twins))  # type: ignore[arg-type]
    return Pack.open(folder)


def main(arguments: Sequence[str] | None = None) -> int:
    """The command; 1 where a mean is below `LIMIT`."""
    parser = argparse.ArgumentParser(prog="python -m edgecap.export.sam2.check", description=__doc__.splitlines()[0])
    parser.add_argument("--checkpoint", type=Path, default=None)
    parser.add_argument("--pack", type=Path, default=None)
    parser.add_argument("--frames", type=int, default=CLIP_FRAMES)
    parser.add_argument("--objects", default="1,4,8", help="counts, separated by commas")
    parser.add_argument("--json", type=Path, default=None)
    given = parser.parse_args(arguments)
    try:
        if given.pack is not None and given.checkpoint is None:
            raise UsageError("--pack needs --checkpoint: the weights that the pack was made from")
        with tempfile.TemporaryDirectory() as folder:
            checkpoint = Checkpoint.open(given.checkpoint or save_specimen(Path(folder) / "specimen"))
            pack = Pack.open(given.pack) if given.pack else export_pack(checkpoint, Path(folder) / "pack")
            counts = [int(text) for text in given.objects.split(",")]
            rows = [compare_propagation(checkpoint, pack, frames=given.frames, objects=n) for n in counts]
        print(table(rows, frames=given.frames))
        if given.json is not None:
            write_json(given.json, [asdict(row) for row in rows])
    except EdgecapError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code
    return int(any(row.mean < LIMIT for row in rows))


def table(rows: Sequence[IouRow], *, frames: int) -> str:
    """Markdown."""

    def said(value: float | None) -> str:
        return "-" if value is None else f"{value:.4f}"

    head = f"{frames} frames, mask IoU against transformers' Sam2VideoModel\n\n"
    head += "| objects | mean | least | logits rel. L2 | picture covered | between objects | prompt only | swapped |\n"
    head += "|---" * 8 + "|\n"
    return head + "\n".join(
        f"| {r.objects} | {r.mean:.4f} | {r.least:.4f} | {r.logits:.1e} | {r.on:.2f} | {said(r.between_objects)} "
        f"| {r.prompt_only:.4f} | {said(r.swapped)} |"
        for r in rows
    )


if __name__ == "__main__":
    raise SystemExit(main())
