"""Recipe sam2: the exported graphs, run by the runtime, follow objects as transformers' own Sam2VideoModel does.

One random-weight checkpoint (specimen.py says how it is made lively) and one export serve all tests of this file.
"""

from __future__ import annotations

import copy
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from edgecap.bench.world import make_scene, write_clip
from edgecap.cli.main import main
from edgecap.engines.packs.pack import SHIPPED_FOLDER, Pack
from edgecap.engines.packs.specs import SegmenterSpec
from edgecap.engines.packs.writer import write_pack
from edgecap.export.checkpoint.checkpoint import Checkpoint
from edgecap.export.publish.gate import judge
from edgecap.export.sam2.check import _PromptOnly, _Swapped, export_pack, follow, ious, logit_distance
from edgecap.export.sam2.contracts import GRAPHS, segmenter_spec
from edgecap.export.sam2.settings import Sam2Settings, read_settings, sized_config
from edgecap.runtime.data.frame import Frame
from edgecap.runtime.output.schema import schema_errors
from edgecap.runtime.perceive.memory.ring import MemoryRing
from edgecap.runtime.perceive.memory.segmenter import MemorySegmenter, MemorySessions
from edgecap.runtime.perceive.segmenter import Segmenter
from tests.cli.command import rows_of

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")

from edgecap.export.sam2.reference import ReferenceStep, propagate_reference  # noqa: E402
from edgecap.export.sam2.specimen import PRESENCE, save_specimen  # noqa: E402
from edgecap.export.sam2.torch_sessions import modules_of, sessions, torch_sessions  # noqa: E402
from edgecap.export.sam2.writer import LIMITS, judge_file  # noqa: E402

pytestmark = pytest.mark.slow

FRAMES = 12
"""More than the 7 slots, so that the ring goes round."""


@dataclass(frozen=True)
class Specimen:
    """`modules`: sessions over the torch modules, fp32. `spec`: as if all five graphs were fp32."""

    checkpoint: Checkpoint
    settings: Sam2Settings
    model: Any
    modules: dict[str, Any]
    spec: SegmenterSpec
    clip: list[Frame]
    boxes: NDArray[np.float32]
    reference: list[ReferenceStep]


@pytest.fixture(scope="module", autouse=True)
def _one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    transformers.utils.logging.disable_progress_bar()
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def specimen(tmp_path_factory: pytest.TempPathFactory) -> Specimen:
    checkpoint = Checkpoint.open(save_specimen(tmp_path_factory.mktemp("sam2") / "checkpoint"))
    settings = read_settings(checkpoint)
    model = checkpoint.load(transformers.Sam2VideoModel, config=sized_config(checkpoint, settings.image_side))
    rng = np.random.default_rng(5)
    background = rng.integers(0, 255, (24, 32, 3), np.uint8).repeat(8, 0).repeat(8, 1)
    clip = []
    for index in range(FRAMES):  # two squares that move over a coloured floor
        image = np.roll(background, index, axis=1)
        image[40:100, 20 + 6 * index : 70 + 6 * index] = (230, 60, 30)
        image[110:160, 180 - 5 * index : 230 - 5 * index] = (20, 90, 200)
        clip.append(Frame(index, index / 10, image))
    boxes = np.array([[20, 40, 70, 100], [180, 110, 230, 160], [90, 20, 140, 180]], np.float32)
    boxes /= np.array([256, 192, 256, 192], np.float32)
    spec = segmenter_spec(settings, dict.fromkeys(GRAPHS, "fp32"))
    modules = torch_sessions(modules_of(model, settings, query_chunk=24), settings)
    reference = propagate_reference(model, settings, [frame.image_rgb for frame in clip], {0: boxes})
    return Specimen(checkpoint, settings, model, modules, spec, clip, boxes, reference)


@pytest.fixture(scope="module")
def pack(specimen: Specimen, tmp_path_factory: pytest.TempPathFactory) -> Pack:
    """The whole recipe, fp32; passes its own gate."""
    return export_pack(specimen.checkpoint, tmp_path_factory.mktemp("pack"), say=lambda line: None)


def exported(pack: Pack) -> tuple[SegmenterSpec, MemorySessions]:
    assert pack.spec.segmenter is not None
    return pack.spec.segmenter, MemorySessions.open(pack)


@pytest.mark.parametrize("objects", [1, 3])
def test_onnx_follows_as_transformers_does(specimen: Specimen, pack: Pack, objects: int) -> None:
    spec, opened = exported(pack)
    got = follow(MemorySegmenter(spec, opened), specimen.clip, specimen.boxes[:objects])
    wanted = [ReferenceStep(step.mask_logits[:objects], step.presence[:objects]) for step in specimen.reference]
    assert ious(wanted, got).mean() >= 0.99
    assert logit_distance(wanted, got) < 1e-3  # transformers keeps memories in bfloat16, ours are float32
    covered = np.mean([step.mask_logits > 0 for step in wanted])
    assert 0.1 < covered < 0.9


@pytest.mark.parametrize("ring", [_PromptOnly, _Swapped], ids=["prompt-only", "swapped"])
def test_comparison_notices_a_wrong_memory(specimen: Specimen, ring: type[MemoryRing]) -> None:
    segmenter = MemorySegmenter(specimen.spec, sessions(specimen.modules), ring=ring)
    got = follow(segmenter, specimen.clip, specimen.boxes)
    assert logit_distance(specimen.reference, got) > 0.02
    assert ious(specimen.reference, got).mean() < 0.99


def test_wrong_ages_are_noticed(specimen: Specimen) -> None:
    class Reversed(MemoryRing):
        def memory_ages(self, frame: int) -> NDArray[np.int32]:
            ages = super().memory_ages(frame)
            return np.where(ages > 0, specimen.settings.memory_frames - ages, ages).astype(np.int32)

    segmenter = MemorySegmenter(specimen.spec, sessions(specimen.modules), ring=Reversed)
    assert logit_distance(specimen.reference, follow(segmenter, specimen.clip, specimen.boxes)) > 1e-3


def test_pieces_of_queries_change_nothing(specimen: Specimen) -> None:
    whole = torch_sessions(modules_of(specimen.model, specimen.settings, query_chunk=10_000), specimen.settings)
    follow(MemorySegmenter(specimen.spec, sessions(whole)), specimen.clip[:3], specimen.boxes)
    feeds, outputs = whole["memory_attention"].calls[-1]
    pieces = specimen.modules["memory_attention"].run(feeds)["conditioned"]
    np.testing.assert_allclose(pieces, outputs["conditioned"], atol=1e-5)


def test_object_added_later(specimen: Specimen) -> None:
    late = propagate_reference(
        specimen.model,
        specimen.settings,
        [frame.image_rgb for frame in specimen.clip],
        {0: specimen.boxes[:1], 3: specimen.boxes[1:2]},
    )
    segmenter = MemorySegmenter(specimen.spec, sessions(specimen.modules))
    alone = follow(MemorySegmenter(specimen.spec, sessions(specimen.modules)), specimen.clip, specimen.boxes[:1])
    for index, frame in enumerate(specimen.clip):
        found = segmenter.start(frame, specimen.boxes[:1]) if index == 0 else segmenter.step(frame)
        if index == 3:
            found = segmenter.add(frame, specimen.boxes[1:2])
            np.testing.assert_allclose(found.mask_logits[0], late[3].mask_logits[1], atol=1e-4)
        if index > 3:
            scale = np.abs(late[index].mask_logits[1]).max()
            np.testing.assert_allclose(found.mask_logits[1], late[index].mask_logits[1], atol=5e-3 * scale)
            np.testing.assert_allclose(found.mask_logits[0], alone[index].mask_logits[0], atol=1e-3)  # untouched


def test_absent_objects_are_remembered_as_transformers_does(specimen: Specimen) -> None:
    model = copy.deepcopy(specimen.model)
    with torch.no_grad():
        model.mask_decoder.pred_obj_score_head.proj_out.bias -= 2 * PRESENCE
    images = [frame.image_rgb for frame in specimen.clip[:6]]
    wanted = propagate_reference(model, specimen.settings, images, {0: specimen.boxes})
    modules = torch_sessions(modules_of(model, specimen.settings, query_chunk=512), specimen.settings)
    segmenter = MemorySegmenter(specimen.spec, sessions(modules))
    for index, frame in enumerate(specimen.clip[:6]):
        found = segmenter.start(frame, specimen.boxes) if index == 0 else segmenter.step(frame)
        assert (found.presence < 0).all() and not any(mask.area_pixels for mask in segmenter.masks(found))
        np.testing.assert_allclose(found.presence, wanted[index].presence, atol=2e-3)
    seen = {float(p) for step in wanted for p in step.presence.round(3)}
    assert len(seen) > 3  # the logit does depend on what is remembered


def test_other_input_size(specimen: Specimen) -> None:
    settings = read_settings(specimen.checkpoint, image_side=192)
    model = specimen.checkpoint.load(transformers.Sam2VideoModel, config=sized_config(specimen.checkpoint, 192))
    spec = segmenter_spec(settings, dict.fromkeys(GRAPHS, "fp32"))
    modules = torch_sessions(modules_of(model, settings, query_chunk=512), settings)
    got = follow(MemorySegmenter(spec, sessions(modules)), specimen.clip[:4], specimen.boxes)
    images = [frame.image_rgb for frame in specimen.clip[:4]]
    assert logit_distance(propagate_reference(model, settings, images, {0: specimen.boxes}), got) < 1e-3


def test_pack_is_also_a_plain_segmenter(specimen: Specimen, pack: Pack) -> None:
    spec, opened = exported(pack)
    masks, quality = Segmenter(spec, opened.encoder, opened.decoder).masks(specimen.clip[0], specimen.boxes)
    assert len(masks) == 3 and quality.shape == (3,) and any(mask.area_pixels for mask in masks)


def test_captions_with_masks_from_memory(pack: Pack, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """nano's detector, this segmenter: what its graphs say is chance, that they are asked and named is not."""
    mixed, clip = tmp_path / "mixed", write_clip(make_scene(seed=25, tier="moving", duration_seconds=3.0), tmp_path)
    shutil.copytree(SHIPPED_FOLDER / "nano", mixed)
    shutil.copytree(pack.folder, mixed, dirs_exist_ok=True, ignore=shutil.ignore_patterns("pack.json"))
    nano = Pack.open("nano").spec
    twins = {path: graph for path, graph in nano.twins.items() if not path.startswith("segmenter")}
    write_pack(mixed, replace(nano, segmenter=pack.spec.segmenter, files={}, twins=twins))
    memory = ("--masks", "memory", "--mask-refresh", "4")
    rows = {}
    for name, masks in (("boxes", ()), ("memory", memory)):
        out = tmp_path / name
        given = ("caption", str(clip), "--pack", str(mixed), "--captioner", "none", "--out", str(out), *masks)
        assert run(*given) == 0
        (rows[name],) = rows_of(out)
    used = {name: row["meta"]["used"] for name, row in rows.items()}
    assert used["boxes"]["masks"] == "boxes" and "mask_refresh" not in used["boxes"]
    assert (used["memory"]["masks"], used["memory"]["mask_refresh"]) == ("memory", "4")
    assert not schema_errors(rows["memory"]) and rows["memory"]["meta"]["instances"]
    capsys.readouterr()
    assert run(*given[:-4], "--resume") == 2  # the rows of one file have masks of one kind
    assert "was written with masks memory, this run asks for boxes" in capsys.readouterr().err


def run(*arguments: str) -> int:
    with pytest.raises(SystemExit) as end:
        main(list(arguments))
    return int(end.value.code or 0)


@pytest.mark.parametrize("part", ["encoder", "memory_attention", "memory_encoder"])
def test_half_precision_stays_within_its_limits(specimen: Specimen, pack: Pack, part: str, tmp_path: Path) -> None:
    onnx = pytest.importorskip("onnx")
    from edgecap.export.onnx.precision import to_fp16

    exact, half = GRAPHS[part](specimen.settings, "fp32"), GRAPHS[part](specimen.settings, "fp16")
    noted = torch_sessions({part: specimen.modules[part].module for part in GRAPHS}, specimen.settings)
    follow(MemorySegmenter(specimen.spec, sessions(noted)), specimen.clip[:3], specimen.boxes)
    to_fp16(onnx.load(str(pack.path(exact.file)))).save(tmp_path / half.file, half)
    row = judge_file(tmp_path / half.file, half, noted[part], "PyTorch")
    assert row.limits == LIMITS["fp16"] and judge([row], allow_drift=False) == ()
    assert max(tensor.relative_l2 for tensor in row.parity.tensors) > 1e-6  # it is another precision


def test_dynamic_int8_encoder(specimen: Specimen, pack: Pack, tmp_path: Path) -> None:
    onnx = pytest.importorskip("onnx")
    from edgecap.export.onnx.precision import dynamic_int8

    exact = GRAPHS["encoder"](specimen.settings, "fp32")
    small = GRAPHS["encoder"](specimen.settings, "int8-dynamic")
    noted = torch_sessions({part: specimen.modules[part].module for part in GRAPHS}, specimen.settings)
    follow(MemorySegmenter(specimen.spec, sessions(noted)), specimen.clip[:2], specimen.boxes)
    converted = dynamic_int8(onnx.load(str(pack.path(exact.file))))
    assert converted.lowered > 10
    converted.save(tmp_path / small.file, small)
    assert judge([judge_file(tmp_path / small.file, small, noted["encoder"], "PyTorch")], allow_drift=False) == ()


def test_listing_recipes_needs_no_torch() -> None:
    code = "import sys, edgecap.export.sam2; sys.exit('torch' in sys.modules or 'onnx' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
