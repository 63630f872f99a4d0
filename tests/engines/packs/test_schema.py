"""pack.json is read strictly: every departure is an error that names the JSON path."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from edgecap.engines import CaptionerSpec, GraphSpec, PackSchemaError, PackSpec, SegmenterSpec, TensorSpec
from edgecap.engines.packs.schema import SCHEMA_VERSION, decode_pack, encode_pack
from edgecap.engines.packs.specs import FileEntry, PoseSpec

Change = Callable[[dict[str, Any]], object]


@pytest.fixture
def document(make_pack: Callable[[], Path]) -> dict[str, Any]:
    """A correct pack.json, as data to damage."""
    document = json.loads((make_pack() / "pack.json").read_text())
    assert isinstance(document, dict)
    return document


def full_spec() -> PackSpec:
    """Every role present, every kind of field used."""
    graph = GraphSpec(
        "g.onnx", "int8-static", (TensorSpec("x", "uint8", (1, 3, "H", "W")),), (TensorSpec("y", "bool", ()),)
    )
    files = {name: FileEntry("ab" * 32, 7) for name in ("g.onnx", "embed.npy", "tokenizer.json")}
    segmenter = SegmenterSpec(
        graph,
        graph,
        image_side=256,
        stride=16,
        pad_value=0,
        mask_frame="box",
        box_margin=0.1,
        mask_threshold=0.0,
    )
    captioner = CaptionerSpec(
        graph,
        graph,
        "embed.npy",
        "tokenizer.json",
        view_side=96,
        views=4,
        tokens_per_view=16,
        view_gap_seconds=0.375,
        view_margin=1.2,
        mean=(0.5, 0.5, 0.5),
        std=(0.25, 0.25, 0.25),
        hidden_size=192,
        layers=4,
        kv_heads=2,
        head_dim=32,
        vocab_size=300,
        bos_id=1,
        eos_id=2,
        prompts={
            "global": "There are {instances}.",
            "background": "Where?",
            "appearance": "Describe the {class}.",
            "action": "The {class} is {motion}. What does it do? é",
        },
        max_tokens={"global": 20, "background": 9, "appearance": 20, "action": 24},
    )
    return PackSpec("full", "1", "Apache-2.0", {}, files, None, segmenter, captioner, None)


def test_encode_then_decode_is_the_same_spec():
    spec = full_spec()
    text = encode_pack(spec)
    assert decode_pack(text, source="pack.json") == spec
    assert json.loads(text)["schema_version"] == SCHEMA_VERSION == 1
    assert "é" in text and text.endswith("}\n")


def test_a_pose_role_is_optional_and_read_back() -> None:
    """A pack without it is written, and has the digest, as before there was one."""
    spec = full_spec()
    assert "pose" not in json.loads(encode_pack(spec))
    assert spec.segmenter is not None
    pose = PoseSpec(spec.segmenter.encoder, 960, 32, 114, ("nose", "left eye"), "person", 0.3)
    with_pose = replace(spec, pose=pose)
    text = encode_pack(with_pose)
    assert decode_pack(text, source="p") == with_pose
    for change, words in (
        (setter("pose", "graph", "file", to="gone.onnx"), r"\$\.pose\.graph\.file: expected one of the names"),
        (setter("pose", "stride", to=0), r"\$\.pose\.image_side: expected at least one stride"),
        (setter("pose", "keypoints", to=[1]), r"\$\.pose\.keypoints\[0\]: expected a string"),
    ):
        document = json.loads(text)
        change(document)
        with pytest.raises(PackSchemaError, match=words):
            decode_pack(json.dumps(document), source="p")


def test_whole_numbers_serve_as_floats(document: dict[str, Any]):
    document["detector"]["score_threshold"] = 1
    spec = decode_pack(json.dumps(document), source="p")
    assert spec.detector is not None and spec.detector.score_threshold == 1.0
    assert isinstance(spec.detector.score_threshold, float)


def setter(*keys: Any, to: Any) -> Change:
    def change(document: dict[str, Any]) -> None:
        for key in keys[:-1]:
            document = document[key]
        document[keys[-1]] = to

    return change


@pytest.mark.parametrize(
    ("change", "words"),
    [
        pytest.param(
            setter("colour", to=1), "$.colour: unknown key; PackSpec has name, version", id="unknown key, top"
        ),
        pytest.param(
            setter("detector", "graph", "provider", to="cuda"),
            "$.detector.graph.provider: unknown key",
            id="unknown key, deep",
        ),
        pytest.param(lambda d: d.pop("licence"), "$.licence: missing", id="missing key"),
        pytest.param(lambda d: d.pop("captioner"), "$.captioner: missing", id="a role must be said to be null"),
        pytest.param(
            lambda d: d["detector"]["graph"]["inputs"][0].pop("axes"),
            "$.detector.graph.inputs[0].axes: missing",
            id="missing key, deep",
        ),
        pytest.param(setter("name", to=3), "$.name: expected a string, got 3", id="number for string"),
        pytest.param(
            setter("detector", "stride", to="32"),
            '$.detector.stride: expected a whole number, got "32"',
            id="string for number",
        ),
        pytest.param(
            setter("detector", "stride", to=32.0),
            "$.detector.stride: expected a whole number, got 32.0",
            id="float for int",
        ),
        pytest.param(
            setter("detector", "stride", to=True),
            "$.detector.stride: expected a whole number, got true",
            id="bool for int",
        ),
        pytest.param(
            setter("detector", "nms_iou", to=False),
            "$.detector.nms_iou: expected a number, got false",
            id="bool for float",
        ),
        pytest.param(
            setter("detector", "labels", to="person"),
            '$.detector.labels: expected a list, got "person"',
            id="string for list",
        ),
        pytest.param(
            setter("detector", "labels", 1, to=None),
            "$.detector.labels[1]: expected a string, got null",
            id="item of a list",
        ),
        pytest.param(
            setter("detector", to=[]),
            "$.detector: expected an object (DetectorSpec), got []",
            id="list for object",
        ),
        pytest.param(setter("source", to=[]), "$.source: expected an object, got []", id="list for map"),
        pytest.param(
            setter("detector", "graph", "inputs", 0, "dtype", to="float64"),
            "$.detector.graph.inputs[0].dtype: expected one of uint8",
            id="dtype",
        ),
        pytest.param(
            setter("detector", "graph", "inputs", 0, "axes", 0, to=1.5),
            "$.detector.graph.inputs[0].axes[0]: expected a whole number or a string, got 1.5",
            id="axis",
        ),
        pytest.param(setter("schema_version", to=2), "$.schema_version: expected 1", id="newer schema"),
        pytest.param(
            setter("schema_version", to=True),
            "$.schema_version: expected 1",
            id="schema version of another type",
        ),
        pytest.param(lambda d: d.pop("schema_version"), "$.schema_version: expected 1", id="no schema version"),
        pytest.param(
            setter("files", "scale.onnx", "sha256", to="AB" * 32),
            "64 lower-case hex digits",
            id="hash spelling",
        ),
        pytest.param(setter("files", "scale.onnx", "bytes", to=-1), "a size >= 0", id="negative size"),
        pytest.param(
            setter("detector", "graph", "file", to="other.onnx"),
            "$.detector.graph.file: expected one of the names under $.files",
            id="graph that is not listed",
        ),
        pytest.param(
            lambda d: d["detector"]["graph"]["inputs"].append(d["detector"]["graph"]["inputs"][0]),
            "$.detector.graph.inputs: expected each tensor name once",
            id="tensor twice",
        ),
        pytest.param(
            setter("detector", "image_side", to=0),
            "$.detector.image_side: expected at least one stride",
            id="side 0",
        ),
        pytest.param(
            setter("detector", "pad_value", to=300), "$.detector.pad_value: expected 0 to 255", id="pad value"
        ),
    ],
)
def test_departures_name_their_place(document: dict[str, Any], change: Change, words: str):
    change(document)
    with pytest.raises(PackSchemaError) as caught:
        decode_pack(json.dumps(document), source="some/pack.json")
    assert words in str(caught.value) and str(caught.value).startswith("some/pack.json: ")


@pytest.mark.parametrize(
    "name", ["../secret", "/etc/passwd", "a/../../b", "a\\b", "", ".", "./scale.onnx", "a//b", "a\0b"]
)
def test_paths_that_escape_or_have_two_spellings_are_refused(document: dict[str, Any], name: str):
    document["files"][name] = document["files"]["scale.onnx"]
    with pytest.raises(PackSchemaError, match="a relative path inside the pack"):
        decode_pack(json.dumps(document), source="p")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        pytest.param("", "not JSON (line 1, column 1", id="empty"),
        pytest.param('{"schema_version": 1,', "not JSON (line 1", id="cut short"),
        pytest.param("[]", "$: expected an object, got []", id="a list"),
        pytest.param('{"name": "a", "name": "b"}', "key 'name' occurs twice", id="a key twice"),
        pytest.param('{"schema_version": NaN}', "NaN is no JSON number", id="NaN"),
    ],
)
def test_text_that_is_no_pack(text: str, words: str):
    with pytest.raises(PackSchemaError) as caught:
        decode_pack(text, source="p")
    assert words in str(caught.value)


def captioner_setter(*keys: str, to: Any) -> Change:
    return setter("captioner", *keys, to=to)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda d: d["captioner"]["prompts"].pop("global"), "$.captioner.prompts: expected exactly the fields global"),
        (captioner_setter("prompts", "sound", to="What is heard?"), "$.captioner.prompts: expected exactly"),
        (captioner_setter("max_tokens", "sound", to=3), "$.captioner.max_tokens: expected exactly"),
        (captioner_setter("prompts", "action", to="The {colour} one?"), "$.captioner.prompts['action']: expected no"),
        (captioner_setter("prompts", "action", to="The {class.x} one?"), "expected no placeholder but {class}"),
        (captioner_setter("prompts", "action", to="The {} one?"), "expected no placeholder"),
        (captioner_setter("prompts", "action", to="The {class one?"), "['action']: expected a template"),
    ],
)
def test_prompts_ask_for_the_four_fields_with_known_placeholders(change: Change, words: str):
    document = json.loads(encode_pack(full_spec()))
    change(document)
    with pytest.raises(PackSchemaError) as caught:
        decode_pack(json.dumps(document), source="p")
    assert words in str(caught.value)


def test_a_domain_check_needs_an_embedding(document: dict[str, Any]):
    document["domain"] = {"file": "stats/domain.npz", "threshold": 1.0}
    outputs = document["detector"]["graph"]["outputs"]
    with pytest.raises(PackSchemaError, match=r"\$\.domain: expected null where no detector .* got \[\"y\"\]"):
        decode_pack(json.dumps(document), source="p")
    outputs.append({"name": "embedding", "dtype": "float32", "axes": ["B", 8]})
    assert decode_pack(json.dumps(document), source="p").domain is not None
    document["detector"] = None
    with pytest.raises(PackSchemaError, match=r"\$\.domain"):
        decode_pack(json.dumps(document), source="p")
