"""From checkpoints to captions, as a user goes: a pack of several makers' models, captioned, built, captioned again.

Random weights in the hub's layout: what is tested is that the parts fit, that records tell the truth of them, and that
nothing of the shipped pack is taken for granted; not what the models say. SAM2 takes a minute to export and has
tests of its own.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from edgecap.bench.world import make_scene
from edgecap.bench.world.render.encode import write_clip
from edgecap.cli.main import main
from edgecap.engines.packs.pack import SHIPPED_FOLDER, Pack
from edgecap.export.specimens.detectors import save_dfine
from edgecap.export.specimens.smolvlm import save_smolvlm
from tests.cli.command import rows_of

pytestmark = pytest.mark.slow

SMALL_VISION = {"hidden_size": 96, "intermediate_size": 128, "num_attention_heads": 3, "image_size": 128}
SMALL_TEXT = {
    "hidden_size": 96, "intermediate_size": 128, "num_attention_heads": 3, "num_key_value_heads": 1, "head_dim": 32,
    "vocab_size": 512,
}  # fmt: skip


def edgecap(*arguments: object) -> int:
    with pytest.raises(SystemExit) as end:
        main([str(a) for a in arguments])
    return int(end.value.code or 0)


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_clip(make_scene(seed=25, tier="moving"), tmp_path_factory.mktemp("clips"))


@pytest.fixture(scope="module")
def checkpoints(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("checkpoints")
    save_smolvlm(folder / "smolvlm", vision=SMALL_VISION, text=SMALL_TEXT, scale_factor=2)
    save_dfine(folder / "dfine", side=128, num_queries=60)
    return folder


@pytest.fixture(scope="module")
def mixed(checkpoints: Path, clip: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """nano's detector and segmenter, and a captioner of another maker."""
    pack = tmp_path_factory.mktemp("packs") / "mixed"
    shutil.copytree(SHIPPED_FOLDER / "nano", pack)
    given = ("--out", pack, "--precision", "fp32", "--calibrate", clip, "--no-twins", "--json")
    assert edgecap("export", "smolvlm", "--checkpoint", checkpoints / "smolvlm", *given) == 0
    return pack


def test_a_mixed_pack_says_whose_each_role_is(mixed: Path) -> None:
    spec = Pack.open(mixed).spec
    assert "segmenter" not in spec.source and "/smolvlm@" in spec.source["captioner"]
    assert {spec.source[f"licence of {role}"].lower() for role in ("detector", "segmenter", "captioner")} == {
        "apache-2.0"
    }
    assert spec.licence.lower() == "apache-2.0" and spec.domain is not None
    assert {place.split(".")[0] for place in spec.twins} == {"detector", "segmenter"}


def test_captions_are_the_same_from_the_pack_and_from_the_store(
    mixed: Path, clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("EDGECAP_ENGINES", str(tmp_path / "store"))
    assert edgecap("caption", clip, "--pack", mixed, "--out", tmp_path / "a", "--annotate", "--srt") == 0
    (row,) = rows_of(tmp_path / "a")
    instances, meta = row["meta"]["instances"], row["meta"]
    classes = [i["Class"] for i in row["Structural Description"]["Main Instance"].values()]
    assert sorted(classes) == ["bicycle", "boat", "car", "person"]  # nano's detector still sees
    assert all(any(point["area"] > 0 for point in i["path"]) for i in instances)
    assert meta["domain"]["status"] == "inside" and meta["counts"]["model_calls"] > 0
    used = meta["used"]
    assert (used["detector"], used["engines"], used["pack_sha256"]) == ("nano", "pack", Pack.open(mixed).digest)
    assert used["segmenter"] == "nano" and used["captioner"].endswith("/smolvlm@unknown revision")
    assert used["precision"] == "detector int8-static, segmenter int8-static, vision fp32, decoder fp32"
    assert "smolvlm@" in (tmp_path / "a" / "report.html").read_text()
    capsys.readouterr()

    assert edgecap("caption", clip, "--pack", mixed, "--out", tmp_path / "b", "--engines", "store") == 6
    assert "edgecap build" in capsys.readouterr().err
    assert edgecap("build", mixed) == 0 and edgecap("engines", "verify") == 0
    assert edgecap("caption", clip, "--pack", mixed, "--out", tmp_path / "b", "--engines", "store") == 0
    (again,) = rows_of(tmp_path / "b")
    assert again["meta"]["used"] == {**used, "engines": "store"}
    assert again["Structural Description"] == row["Structural Description"]
    assert [i["path"] for i in again["meta"]["instances"]] == [i["path"] for i in instances]

    other = tmp_path / "mixed"  # same name and version, one sentence of a prompt changed
    shutil.copytree(mixed, other)
    text = (other / "pack.json").read_text()
    (other / "pack.json").write_text(text.replace("Name only what is visible.", "Name what is visible.", 1))
    capsys.readouterr()
    assert edgecap("caption", clip, "--pack", other, "--out", tmp_path / "a", "--resume") == 2
    assert "pack_sha256" in capsys.readouterr().err


def test_a_new_detector_has_no_domain_check_and_the_record_says_so(
    mixed: Path, checkpoints: Path, clip: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pack = tmp_path / "edge"
    shutil.copytree(mixed, pack)
    given = ("--precision", "fp32", "--option", "image_side=128", "--calibrate", clip, "--no-twins")
    assert edgecap("export", "dfine", "--checkpoint", checkpoints / "dfine", "--out", pack, *given) == 0
    assert "domain check was calibrated on the old detector and is gone" in capsys.readouterr().out
    options = ("--pack", pack, "--out", tmp_path / "out", "--max-instances", 3, "--engines", "pack", "--sample-fps", 4)
    assert edgecap("caption", clip, *options) == 0
    assert "not checked whether it looks like" in capsys.readouterr().err
    (row,) = rows_of(tmp_path / "out")
    assert row["meta"]["domain"] == {"status": "unchecked", "distance": None, "threshold": None}
    assert row["meta"]["used"]["detector"].endswith("/dfine@unknown revision")
    assert len(row["meta"]["instances"]) == 3 and row["meta"]["counts"]["decode_tokens"] > 0  # the captioner was asked
    labels = Pack.open(pack).spec.detector
    assert labels is not None and len(labels.labels) == 80
    for instance in row["Structural Description"]["Main Instance"].values():
        assert instance["Class"] in labels.labels and instance["Class"] in instance["Position"]


def test_the_paper_s_rounds_run_with_an_exported_model(mixed: Path, clip: Path, tmp_path: Path) -> None:
    """4 + 4n answers and what was asked again; the word lists are told, and nobody's field is lost."""
    options = ("--pack", mixed, "--engines", "pack", "--max-instances", 2, "--lexicon")
    assert edgecap("caption", clip, *options, "--out", tmp_path / "full", "--stages", "full") == 0
    assert edgecap("caption", clip, *options, "--out", tmp_path / "fast") == 0
    (full,), (fast,) = rows_of(tmp_path / "full"), rows_of(tmp_path / "fast")
    assert full["meta"]["run"]["stages"] == "full" and fast["meta"]["run"]["stages"] == "fast"
    assert full["meta"]["counts"]["generations"] >= 4 + 4 * 2
    assert 3 + 2 * 2 <= fast["meta"]["counts"]["generations"] < full["meta"]["counts"]["generations"]
    for name in ("prefill_tokens", "decode_tokens", "model_calls"):
        assert fast["meta"]["counts"][name] < full["meta"]["counts"][name]
    for row in (full, fast):
        assert row["meta"]["lexicon"] == {"prefer": [], "avoid": []} or row["meta"]["lexicon"]["prefer"]
        assert row["Structural Description"]["Camera Movement"].startswith("The camera pans right")
        assert all(all(texts.values()) for texts in row["Structural Description"]["Main Instance"].values())


@pytest.mark.parametrize(
    "ablation", [("--no-class-hint",), ("--no-camera-hint",), ("--visual-prompt", "solid"), ("--position", "legacy")]
)
def test_each_ablation_of_the_paper_is_an_option_and_stands_in_the_row(
    mixed: Path, clip: Path, tmp_path: Path, ablation: tuple[str, ...]
) -> None:
    out = tmp_path / "out"
    given = ("--pack", mixed, "--engines", "pack", "--out", out, "--max-instances", 1, "--sample-fps", 4)
    assert edgecap("caption", clip, *given, *ablation) == 0
    run = rows_of(out)[0]["meta"]["run"]
    name = ablation[0].removeprefix("--no-").removeprefix("--").replace("-", "_")
    assert run[name] == (ablation[1] if len(ablation) > 1 else "off")


def test_paragraphs_and_prompts_by_the_pack_s_own_decoder(
    mixed: Path, clip: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Random weights write nonsense: it has to be refused by name, and the rules' text has to be there instead."""
    out = tmp_path / "out"
    given = ("--pack", mixed, "--engines", "pack", "--out", out, "--max-instances", 1, "--sample-fps", 4)
    assert edgecap("caption", clip, *given, "--paragraph", "--instancevid", "--paragraph-by", "pack") == 0
    (row,) = [json.loads(line) for line in (out / "paragraphs.jsonl").read_text().splitlines()]
    (dense,) = [json.loads(line) for line in (out / "instancevid_dense.jsonl").read_text().splitlines()]
    assert row["provenance"] == "fallback" and row["rejections"] and row["Paragraph"] == dense["text"]
    assert "The camera pans right" in row["Paragraph"]
    capsys.readouterr()
    assert edgecap("enhance", "a brown dog runs on a beach", "--pack", mixed, "--json") == 0
    enhanced = json.loads(capsys.readouterr().out)
    assert enhanced["meta"]["used"]["mode"] == "pack" and enhanced["meta"]["model_calls"] >= 4
    fields = enhanced["meta"]["instances"][0]
    assert fields["appearance"]["provenance"] == "fallback" and fields["appearance"]["rejections"]
    assert "brown dog" in enhanced["Structural Description"]["Main Instance"]["No.0"]["Appearance"]
