"""Our exported graphs against the reference's own modules (facebookresearch/sam2), same weights, same clip.

    python -m edgecap.export.sam2.meta_parity [--python .venv-sam2/bin/python] [--image-side 256] [--json FILE]

Weights are random (specimen.py), layers those of SAM2.1-tiny. Each graph is given what the reference's own parts
before it gave, so that distances don't add up; then the runtime follows the same boxes with our graphs alone, for the
masks after N frames. The reference runs in a process and an environment of its own (`make parity-sam2` sets it up).
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgecap.bench.speed.propagation import write_json
from edgecap.bench.speed.world_clip import world_clip
from edgecap.engines.errors import EdgecapError, ExportError
from edgecap.engines.graph.device import probe_device
from edgecap.engines.graph.letterbox import boxes_to_padded, fit_image, letterbox
from edgecap.engines.graph.session import Session
from edgecap.engines.packs.specs import SegmenterSpec
from edgecap.export.checkpoint.checkpoint import Checkpoint
from edgecap.export.onnx.parity import compare_tensors
from edgecap.export.sam2.check import export_pack, follow, ious
from edgecap.export.sam2.meta_names import meta_weights
from edgecap.export.sam2.reference import ReferenceStep
from edgecap.export.sam2.settings import Sam2Settings, read_settings
from edgecap.export.sam2.specimen import save_specimen
from edgecap.runtime.data.frame import Frame
from edgecap.runtime.perceive.memory.ring import MemoryRing
from edgecap.runtime.perceive.memory.segmenter import MemorySegmenter, MemorySessions

ROOT = Path(__file__).resolve().parents[2]
PYTHON = ROOT / ".venv-sam2" / "bin" / "python"
FRAMES = 20
"""More than the 16 pointers and 7 memories, so that both rings go round."""
OBJECTS = 3
LIMIT = 1e-4
"""Relative L2 of any output of any graph; as for fp32 exports (writer.py): both sides compute in float32."""
IOU_LIMIT = 0.99
"""Mean mask IoU over all frames, each side on its own."""
Found = dict[str, NDArray[Any]]


@dataclass(frozen=True, slots=True)
class GraphRow:
    """One graph on the reference's own inputs. `output`: the one with the largest distance. `relative_l2`: its."""

    graph: str
    calls: int
    output: str
    relative_l2: float


@dataclass(frozen=True, slots=True)
class MetaParity:
    """`rows`: graph by graph. `iou_mean`, `iou_least`: of masks, all frames after the first; `iou_last`: of the last
    frame. `covered`: share of the picture that the reference's masks cover. `versions`: "package number"."""

    rows: tuple[GraphRow, ...]
    iou_mean: float
    iou_least: float
    iou_last: float
    covered: float
    frames: int
    objects: int
    image_side: int
    versions: tuple[str, ...]
    machine: str

    def misses(self) -> list[str]:
        """What is beyond its limit, a line each; empty where all is well."""
        lines = [f"{r.graph}: relative L2 of {r.output} is {r.relative_l2:.1e}, limit {LIMIT:.0e}" for r in self.rows]
        found = [line for line, row in zip(lines, self.rows, strict=True) if not row.relative_l2 <= LIMIT]
        if not self.iou_mean >= IOU_LIMIT:
            found.append(f"masks: mean IoU over {self.frames} frames is {self.iou_mean:.4f}, limit {IOU_LIMIT}")
        return found


def compare_with_meta(python: Path, *, image_side: int, frames: int = FRAMES, objects: int = OBJECTS) -> MetaParity:
    """Make a specimen, export it, run both. Raises `ExportError` where the reference can't be run."""
    if not python.is_file():
        raise ExportError(f"{python}: no such file; set up the reference with make parity-sam2")
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        checkpoint = Checkpoint.open(save_specimen(work / "specimen", size="tiny", image_side=image_side))
        clip, boxes = world_clip(frames, objects)
        reference = run_meta(python, checkpoint, read_settings(checkpoint), clip, boxes, work=work)
        spec, sessions = _files(checkpoint, work / "pack")
        return judge_against(reference, spec, sessions, clip, boxes)


def judge_against(
    reference: Found, spec: SegmenterSpec, sessions: MemorySessions, clip: Sequence[Frame], boxes: NDArray[np.float32]
) -> MetaParity:
    """Graph by graph, then the masks of the whole chain. `reference`: of `run_meta` on the same clip and boxes."""
    got = follow(MemorySegmenter(spec, sessions), clip, boxes)[1:]
    later = range(1, len(clip))
    expected = [ReferenceStep(reference[f"mask_logits.{n}"], reference[f"presence.{n}"]) for n in later]
    values = ious(expected, got)
    return MetaParity(
        rows=compare_graphs(spec, sessions, reference, clip, boxes),
        iou_mean=float(values.mean()),
        iou_least=float(values.min()),
        iou_last=float(values[-1].mean()),
        covered=float(np.mean([step.mask_logits > 0 for step in expected])),
        frames=len(clip),
        objects=len(boxes),
        image_side=spec.image_side,
        versions=(*map(str, reference["versions"]), *(f"{n} {version(n)}" for n in ("transformers", "onnxruntime"))),
        machine=probe_device().machine_line(),
    )


def _files(checkpoint: Checkpoint, folder: Path) -> tuple[SegmenterSpec, MemorySessions]:
    pack = export_pack(checkpoint, folder, say=lambda line: None)
    assert pack.spec.segmenter is not None
    return pack.spec.segmenter, MemorySessions.open(pack)


def run_meta(
    python: Path,
    checkpoint: Checkpoint,
    settings: Sam2Settings,
    clip: Sequence[Frame],
    boxes: NDArray[np.float32],
    *,
    work: Path,
) -> Found:
    """What the reference gives (meta_worker.py). Raises `ExportError` where it fails."""
    from safetensors.numpy import load_file

    np.savez(work / "weights.npz", **meta_weights(load_file(checkpoint.folder / "model.safetensors")))  # type: ignore[arg-type]
    mean, std = (np.array(v, np.float32)[:, None, None] for v in (settings.mean, settings.std))
    side = settings.image_side
    placement = letterbox(clip[0].image_rgb.shape[1::-1], image_side=side, stride=side)
    padded = (fit_image(frame.image_rgb, placement, pad_value=settings.pad_value) for frame in clip)
    pictures = np.stack([(picture / np.float32(255) - mean) / std for picture in padded])
    np.savez(work / "clip.npz", pictures=pictures, boxes=boxes_to_padded(boxes, placement) * side)
    worker = Path(__file__).with_name("meta_worker.py")
    command = [python, worker, work / "weights.npz", work / "clip.npz", work / "found.npz"]
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, check=False, cwd=work)
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["no message"])[-1]
        raise ExportError(f"the reference failed: {last}; remove {python.parents[1]} and run make parity-sam2 again")
    with np.load(work / "found.npz") as file:
        return {name: file[name] for name in file.files}


def compare_graphs(
    spec: SegmenterSpec, opened: MemorySessions, reference: Found, clip: Sequence[Frame], boxes: NDArray[np.float32]
) -> tuple[GraphRow, ...]:
    """Each of the five graphs on what the reference's parts before it gave, in every frame."""
    feeds = _feeds(spec, reference, clip, boxes)
    sessions: dict[str, Session] = {
        "image encoder": opened.encoder,
        "box decoder": opened.decoder,
        "memory attention": opened.attention,
        "memory decoder": opened.memory_decoder,
        "memory encoder": opened.memory_encoder,
    }
    return tuple(_row(name, session, feeds[name], reference) for name, session in sessions.items())


def _feeds(
    spec: SegmenterSpec, reference: Found, clip: Sequence[Frame], boxes: NDArray[np.float32]
) -> dict[str, dict[int, Found]]:
    """Graph -> frame -> inputs."""

    def of(n: int, *names: str) -> Found:
        return {name: reference[f"{name}.{n}"] for name in names}

    frames = range(len(clip))
    placement = letterbox(clip[0].image_rgb.shape[1::-1], image_side=spec.image_side, stride=spec.stride)
    images = (fit_image(frame.image_rgb, placement, pad_value=spec.pad_value)[None] for frame in clip)
    prompted = {"boxes_xyxy": boxes_to_padded(boxes, placement)}
    masks = {
        n: of(n, "features", "mask_logits", "presence") | {"prompted": np.full(len(boxes), n == 0)} for n in frames
    }
    return {
        "image encoder": {n: {"images": image} for n, image in enumerate(images)},
        "box decoder": {0: of(0, "features", "middle", "fine") | prompted},
        "memory attention": _remembered(spec, reference, len(clip)),
        "memory decoder": {n: of(n, "conditioned", "middle", "fine") for n in frames[1:]},
        "memory encoder": masks,
    }


def _remembered(spec: SegmenterSpec, reference: Found, frames: int) -> dict[int, Found]:
    """What memory attention gets in each frame but the first, through the runtime's own ring."""
    assert spec.memory is not None
    _, tokens, channels = reference["memory.0"].shape
    ring = MemoryRing(
        slots=spec.memory.memory_frames,
        tokens=tokens,
        channels=channels,
        pointer_slots=spec.memory.pointers,
        pointer_channels=reference["pointer.0"].shape[1],
    )
    ring.append(reference["memory.0"], reference["pointer.0"], frame=0)
    found = {}
    for n in range(1, frames):
        found[n] = {
            "features": reference[f"features.{n}"],
            "memories": ring.memories.copy(),
            "memory_ages": ring.memory_ages(n),
            "pointers": ring.pointers.copy(),
            "pointer_ages": ring.pointer_ages(n),
        }
        ring.write(reference[f"memory.{n}"], reference[f"pointer.{n}"], frame=n)
    return found


def _row(name: str, session: Session, feeds: dict[int, Found], reference: Found) -> GraphRow:
    """Outputs over all calls; mask logits where the reference sees the object (elsewhere it writes a constant)."""
    expected: dict[str, list[NDArray[Any]]] = {}
    got: dict[str, list[NDArray[Any]]] = {}
    for n, given in feeds.items():
        for output, value in session.run(given).items():
            seen = reference[f"presence.{n}"] > 0 if output == "mask_logits" else slice(None)
            expected.setdefault(output, []).append(reference[f"{output}.{n}"][seen])
            got.setdefault(output, []).append(value[seen])
    tensors = [compare_tensors(output, expected[output], got[output]) for output in expected]
    worst = max(tensors, key=lambda tensor: tensor.relative_l2)
    return GraphRow(name, len(feeds), worst.name, worst.relative_l2)


def table(parity: MetaParity) -> str:
    """For a terminal."""
    rows = [f"{r.graph:17} {r.calls:3} calls   {r.relative_l2:.1e} ({r.output})" for r in parity.rows]
    return "\n".join(
        [
            f"against {parity.versions[0]}, {parity.image_side} px, {parity.frames} frames, {parity.objects} objects: "
            "worst relative L2",
            *rows,
            f"mask IoU mean {parity.iou_mean:.4f}, least {parity.iou_least:.4f}, last frame {parity.iou_last:.4f}",
        ]
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """The command; 1 where something is beyond its limit."""
    parser = argparse.ArgumentParser(
        prog="python -m edgecap.export.sam2.meta_parity", description=__doc__.splitlines()[0]
    )
    parser.add_argument("--python", type=Path, default=PYTHON, help="of the environment with the reference")
    parser.add_argument("--image-side", type=int, default=256)
    parser.add_argument("--frames", type=int, default=FRAMES)
    parser.add_argument("--json", type=Path, default=None)
    given = parser.parse_args(arguments)
    try:
        parity = compare_with_meta(given.python, image_side=given.image_side, frames=given.frames)
        print(table(parity))
        if given.json is not None:
            write_json(given.json, json.loads(json.dumps(asdict(parity))))
    except EdgecapError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code
    for line in parity.misses():
        print(f"beyond its limit: {line}", file=sys.stderr)
    return int(bool(parity.misses()))


if __name__ == "__main__":
    raise SystemExit(main())
