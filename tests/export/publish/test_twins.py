"""TensorRT twins: close to their originals, placed in the pack, gated, small; and TensorRT-RTX compiles them."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from edgecap.engines import write_pack
from edgecap.engines.errors import OutputError, ParityError
from edgecap.engines.packs.pack import Pack
from edgecap.engines.packs.specs import PackSpec
from edgecap.export.publish import twins as twins_module
from edgecap.export.publish.twins import PARITY_FILE, Form, TwinSource, add_twins, make_twin
from tests.export.small_nets import DETECTOR_GRAPH, conv_net, detector_spec, pictures, save

FEEDS = pictures(6)


@pytest.fixture
def pack(tmp_path: Path) -> Path:
    folder = tmp_path / "pack"
    folder.mkdir()
    save(conv_net(), folder / "detector.onnx")
    write_pack(folder, PackSpec("p", "1", "MIT", {}, {}, detector_spec(), None, None, None))
    return folder


@pytest.fixture
def original(tmp_path: Path) -> Path:
    return save(conv_net(), tmp_path / "original.onnx")


@pytest.mark.parametrize(("form", "precision"), [("fp16", "fp16"), ("int8", "int8-static")])
def test_a_twin_is_added_with_its_parity_and_the_ranges(pack: Path, original: Path, form: Form, precision: str) -> None:
    spec = add_twins(pack, {"detector.graph": TwinSource(original, form, feeds=FEEDS)})
    twin = spec.twins["detector.graph"]
    assert (twin.file, twin.precision) == (f"detector.trt-{form}.onnx", precision)
    assert (twin.inputs, twin.outputs) == (DETECTOR_GRAPH.inputs, DETECTOR_GRAPH.outputs)
    assert twin.ranges == DETECTOR_GRAPH.ranges, "those of the graph it stands in for"
    assert Pack.open(pack).spec == spec
    written = json.loads((pack / PARITY_FILE).read_text())
    assert written["passed"] and written["comparisons"][0]["inputs"] == len(FEEDS)
    assert 0.9 <= written["comparisons"][0]["figures"]["boxes_matched_share"] <= 1.0
    assert spec.detector == detector_spec(), "the CPU graph is as it was"


def test_a_twin_made_anew_replaces_the_old_file(pack: Path, original: Path) -> None:
    add_twins(pack, {"detector.graph": TwinSource(original, "int8", feeds=FEEDS)})
    spec = add_twins(pack, {"detector.graph": TwinSource(original, "fp16", feeds=FEEDS)})
    assert [n for n in spec.files if "trt" in n] == ["detector.trt-fp16.onnx"]


def test_a_ready_twin_is_copied_as_it_stands(pack: Path, original: Path) -> None:
    ready = replace(DETECTOR_GRAPH, file="detector.ready.onnx", precision="int8-weights")
    spec = add_twins(pack, {"detector.graph": TwinSource(original, ready=ready)})
    assert spec.twins == {"detector.graph": ready}
    assert (pack / "detector.ready.onnx").read_bytes() == original.read_bytes()


@pytest.mark.parametrize(
    ("change", "error", "words"),
    [
        pytest.param({"most_bytes": 1000}, OutputError, r"0\.00 MB are allowed", id="too-large"),
        pytest.param({"limit": 1.1}, ParityError, "not published", id="drift"),
    ],
)
def test_a_pack_that_would_be_too_large_or_off_stays_as_it_was(
    pack: Path, original: Path, monkeypatch: pytest.MonkeyPatch, change: dict[str, float], error: type, words: str
) -> None:
    before = {p.name: p.read_bytes() for p in pack.iterdir()}
    if "limit" in change:
        monkeypatch.setitem(twins_module.LIMITS, "fp16", {"cosine": ("min", change["limit"])})
    with pytest.raises(error, match=words):
        add_twins(pack, {"detector.graph": TwinSource(original, feeds=FEEDS)}, most_bytes=change.get("most_bytes"))
    assert {p.name: p.read_bytes() for p in pack.iterdir()} == before
    assert [p.name for p in pack.parent.iterdir() if p.name.startswith(".")] == []


def test_a_place_the_pack_lacks_and_a_source_without_feeds_are_refused(pack: Path, original: Path) -> None:
    with pytest.raises(ValueError, match=r"no graph at segmenter\.encoder; it has detector\.graph"):
        add_twins(pack, {"segmenter.encoder": TwinSource(original, feeds=FEEDS)})
    with pytest.raises(ValueError, match="feeds"):
        make_twin(TwinSource(original), DETECTOR_GRAPH, pack.parent / "t.onnx")


@pytest.mark.parametrize("form", ["fp16", "int8"])
def test_tensorrt_rtx_compiles_a_twin(original: Path, tmp_path: Path, form: Form) -> None:
    """The CPU's own INT8 would be refused: int32 biases, zero points other than 0 (docs/spec/measured.md E)."""
    pytest.importorskip("tensorrt_rtx", reason="the wheel tensorrt-rtx-cu13 is not installed")
    from edgecap.engines.compile.target import choose_target
    from edgecap.engines.compile.tensorrt import build_trt
    from edgecap.engines.graph.device import probe_device
    from edgecap.engines.tensorrt.api import find_trt

    twin = make_twin(TwinSource(original, form, feeds=FEEDS), DETECTOR_GRAPH, tmp_path / "twin.onnx")
    api = find_trt("tensorrt-rtx")
    target = choose_target("sm_89", api, probe_device())
    built = build_trt(tmp_path / "twin.onnx", twin.graph, tmp_path / "twin.engine", api=api, target=target)
    assert built.bytes > 1000


def test_nano_sources_fit_the_shipped_pack(tmp_path: Path) -> None:
    """The real fp32 graphs, where this machine has trained them."""
    from edgecap.export.nano.twin_sources import nano_twin_sources

    work = Path(__file__).resolve().parents[3] / ".nano"
    if not (work / "detector.fp32.onnx").is_file():
        pytest.skip(f"{work}: no fp32 graphs; python -m edgecap.export.nano makes them")
    folder = tmp_path / "nano"
    shutil.copytree(Path(twins_module.__file__).resolve().parents[2] / "engines" / "packs" / "nano", folder)
    spec = add_twins(folder, nano_twin_sources(folder, work), most_bytes=15_000_000)
    assert {"detector.graph", "segmenter.encoder", "segmenter.decoder", "captioner.vision"} <= set(spec.twins)
    assert sum(entry.bytes for entry in spec.files.values()) < 15_000_000
    for graph in spec.twins.values():
        free = {axis for tensor in graph.inputs for axis in tensor.axes if isinstance(axis, str)}
        assert free <= set(graph.ranges), f"{graph.file}: TensorRT needs a range for every free axis"
