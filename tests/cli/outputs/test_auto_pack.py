"""`--pack auto`: a drawn clip gets nano, other footage street or measurements, and one line says so."""

from __future__ import annotations

import json
import logging
import shutil
from pathlib import Path

import pytest

import edgecap
from edgecap.bench.world.render.encode import write_clip
from edgecap.bench.world.scene import make_scene
from tests.cli.command import rows_of, run, write_street

pytestmark = pytest.mark.slow  # whole commands; the choice is tested in tests/runtime/pipeline/test_choice.py

STREET_LINE = "outside nano's training domain; captioned with street"
COMPUTED_LINE = "without street: computed captions only; `edgecap pull street` (149 MB)"


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two seconds of the world."""
    return write_clip(make_scene(seed=25, tier="moving", duration_seconds=2.0), tmp_path_factory.mktemp("drawn"))


@pytest.fixture
def mixed(tmp_path: Path, disc_video: Path, drawn: Path) -> Path:
    """A folder with footage of both kinds."""
    folder = tmp_path / "mixed"
    folder.mkdir()
    shutil.copy(disc_video, folder / "disc.mp4")
    shutil.copy(drawn, folder / "drawn.mp4")
    return folder


@pytest.fixture
def packs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where street is looked for; empty."""
    monkeypatch.setenv("EDGECAP_PACKS", str(tmp_path / "packs"))
    return tmp_path / "packs"


def _used(folder: Path) -> dict[str, set[tuple[str, str]]]:
    """Video -> (pack, detector) of its rows, all of them chosen by auto."""
    found: dict[str, set[tuple[str, str]]] = {}
    for row in rows_of(folder):
        used = row["meta"]["used"]
        assert used["pack_choice"] == row["meta"]["run"]["pack_choice"] == "auto"
        found.setdefault(row["Video"], set()).add((used["pack"].split()[0], used["detector"]))
    return found


def test_each_video_gets_the_pack_that_knows_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], mixed: Path, packs: Path
) -> None:
    code, _, err = run(capsys, "caption", mixed, "--out", tmp_path / "a", "--no-report")
    assert code == 0 and err.count("\n") == 1 and COMPUTED_LINE in err and err.startswith("edgecap: warning: disc.mp4")
    assert _used(tmp_path / "a") == {"disc.mp4": {("none", "motion")}, "drawn.mp4": {("nano", "nano")}}
    assert all(row["Global Description"] != "unknown" for row in rows_of(tmp_path / "a"))
    assert {row["meta"]["domain"]["status"] for row in rows_of(tmp_path / "a")} == {"inside", "unchecked"}
    write_street(packs)
    code, _, err = run(capsys, "caption", mixed, "--out", tmp_path / "b", "--no-report")
    assert code == 0 and err.count("\n") == 1 and STREET_LINE in err
    assert {name: {pack for pack, _ in used} for name, used in _used(tmp_path / "b").items()} == {
        "disc.mp4": {"street"},
        "drawn.mp4": {"nano"},
    }


def test_options_of_the_language_model_do_not_stop_footage_that_gets_none(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], disc_video: Path, packs: Path
) -> None:
    options = ("--stages", "full", "--change-gate", "--no-report", "--out", tmp_path / "o")
    code, _, err = run(capsys, "caption", disc_video, *options)
    assert code == 0 and COMPUTED_LINE in err
    assert rows_of(tmp_path / "o")[0]["meta"]["run"]["stages"] == "fast"


def test_resume_keeps_what_auto_would_do_again_and_redoes_the_rest(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], mixed: Path, packs: Path
) -> None:
    command = ("caption", mixed, "--out", tmp_path / "o", "--no-report", "--resume")
    run(capsys, *command)
    before = (tmp_path / "o" / "captions.jsonl").read_bytes()
    for _ in range(2):
        code, out, err = run(capsys, *command)
        assert (code, err) == (0, "") and "already there" in out
        assert (tmp_path / "o" / "captions.jsonl").read_bytes() == before
    write_street(packs)
    code, out, err = run(capsys, *command)
    assert code == 0 and STREET_LINE in err and "1 clip already there" in out
    assert {name: {pack for pack, _ in used} for name, used in _used(tmp_path / "o").items()} == {
        "disc.mp4": {"street"},
        "drawn.mp4": {"nano"},
    }
    assert len(rows_of(tmp_path / "o")) == len(before.splitlines())
    code, _, err = run(capsys, *command, "--max-instances", "2")
    assert code == 2 and "max_instances 8, this run asks for 2" in err


def test_rows_of_a_named_pack_are_not_continued_by_auto(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], drawn: Path, packs: Path
) -> None:
    run(capsys, "caption", drawn, "--pack", "nano", "--out", tmp_path / "o", "--no-report")
    assert "pack_choice" not in rows_of(tmp_path / "o")[0]["meta"]["used"]
    code, _, err = run(capsys, "caption", drawn, "--out", tmp_path / "o", "--no-report", "--resume")
    assert code == 2 and err.count("\n") == 1 and "pack_choice an unknown value, this run asks for auto" in err


def test_a_broken_street_is_an_error_of_the_video_that_needs_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], mixed: Path, packs: Path
) -> None:
    next(write_street(packs).glob("detector.int8*")).write_bytes(b"cut")
    code, _, err = run(capsys, "caption", mixed, "--out", tmp_path / "o", "--no-report")
    assert code == 8 and err.count("\n") == 1
    assert "pack street, chosen by --pack auto, can't be used: " in err and "detector.int8.onnx" in err
    rows = {row["Video"]: row["meta"] for row in rows_of(tmp_path / "o")}
    assert rows["disc.mp4"]["error"] == "TamperedPackError" and rows["drawn.mp4"]["status"] == "ok"
    code, out, _ = run(capsys, "doctor", "--json")
    row = next(check for check in json.loads(out) if check["name"] == "pack street")
    assert row["status"] == "broken" and "edgecap pull street" in row["fix"] and not row["required"]


def test_street_is_found_by_its_name_and_doctor_says_where(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, disc_video: Path, packs: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    command = ("caption", disc_video, "--pack", "street", "--captioner", "none", "--no-report", "--out", tmp_path / "o")
    code, _, err = run(capsys, *command)
    assert code != 0 and "edgecap pull street makes it" in err
    code, out, _ = run(capsys, "doctor", "--json")
    row = next(check for check in json.loads(out) if check["name"] == "pack street")
    assert row["status"] == "missing" and str(packs / "street") in row["detail"] and "149 MB" in row["fix"]
    write_street(packs)
    assert run(capsys, *command)[0] == 0 and rows_of(tmp_path / "o")[0]["meta"]["used"]["pack"] == "street 1"
    code, out, _ = run(capsys, "doctor", "--json")
    row = next(check for check in json.loads(out) if check["name"] == "pack street")
    assert row["status"] == "ok" and str(packs / "street") in row["detail"]


def test_the_front_door_chooses_and_logs_once(
    caplog: pytest.LogCaptureFixture, disc_video: Path, drawn: Path, packs: Path
) -> None:
    with caplog.at_level(logging.WARNING, logger="edgecap"), edgecap.Captioner(window_seconds=2.0) as captioner:
        assert captioner.caption(drawn)[0].to_dict()["meta"]["used"]["pack"] == "nano 1"
        assert not caplog.messages
        assert [c.to_dict()["meta"]["used"]["detector"] for c in captioner.caption(disc_video)] == ["motion"] * 2
    assert len(caplog.messages) == 1 and COMPUTED_LINE in caplog.messages[0]
    caplog.clear()
    assert edgecap.caption_video(disc_video)[0]["meta"]["used"]["pack_choice"] == "auto"
    assert len(caplog.messages) == 1


def test_dataset_filter_measures_each_clip_with_its_pack_or_drops_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], mixed: Path, packs: Path
) -> None:
    command = ("dataset", "filter", mixed, "--min-seconds", "1", "--min-side", "100", "--json")
    code, out, _ = run(capsys, *command, "--out", tmp_path / "a")
    rows = {row["Video"]: row for row in map(json.loads, out.splitlines())}
    assert code == 0 and rows["disc.mp4"]["pack"] == "none" and rows["drawn.mp4"]["pack"] == "nano 1"
    assert {i["class"] for i in rows["disc.mp4"]["instances"]} == {"object"} and rows["disc.mp4"]["keep"]
    code, out, _ = run(capsys, *command, "--out", tmp_path / "b", "--pack", "nano")
    rows = {row["Video"]: row for row in map(json.loads, out.splitlines())}
    assert rows["disc.mp4"]["reasons"] == ["domain: outside the training domain of pack nano 1"]
    assert not rows["disc.mp4"]["keep"] and not rows["disc.mp4"]["instances"]
    write_street(packs)
    code, _, err = run(capsys, *command, "--out", tmp_path / "a", "--resume")
    assert code == 2 and "this run asks for nano 1" in err
