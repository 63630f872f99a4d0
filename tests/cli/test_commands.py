"""The command line as a user meets it: files where they are promised, and every input accounted for."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

import av
import click
import pytest

from edgecap import __version__
from edgecap.cli.main import cli
from edgecap.engines.errors import UsageError
from edgecap.runtime.config import PipelineConfig
from edgecap.runtime.output.schema import schema_errors
from tests.cli.command import MOTION, FinishedRun, rows_of, run

pytestmark = pytest.mark.slow  # whole commands; what they are made of is tested below, quickly


def test_version_and_help(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(capsys, "--version") == (0, f"edgecap {__version__}\n", "")
    code, out, _ = run(capsys, "caption", "--help")
    assert code == 0
    assert all(option in out for option in ("--pack", "--detector", "--resume", "--serial", "--json", "--srt"))


def options_of(command: click.Command, name: str) -> Iterator[tuple[str, click.Option]]:
    """(command and option, option) of a command and those below it."""
    for parameter in command.params:
        if isinstance(parameter, click.Option):
            yield f"{name} {parameter.opts[0]}", parameter
    for below, inner in command.commands.items() if isinstance(command, click.Group) else ():
        yield from options_of(inner, f"{name} {below}")


def test_every_option_has_a_help_text() -> None:
    found = dict(options_of(cli, "edgecap"))
    assert len(found) > 80
    assert [name for name, option in found.items() if not option.help] == []


def test_caption_writes_what_it_promises(finished_run: FinishedRun) -> None:
    out, text = finished_run.folder, finished_run.out
    assert (finished_run.code, finished_run.err) == (0, "")
    assert {p.name for p in out.iterdir()} == {"captions.jsonl", "report.html", "disc.srt", "disc.annotated.mp4"}
    rows = rows_of(out)
    assert len(rows) == 2
    for row in rows:
        assert schema_errors(row) == []
        instances = row["Structural Description"]["Main Instance"]
        assert instances["No.0"]["Class"] == "object"
        for sentence in instances["No.0"].values():
            assert sentence in text, "what is written is also shown"
    assert "2 clips, " in text and str(out) in text


def test_json_prints_rows_and_nothing_else(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], disc_video: Path
) -> None:
    code, text, _ = run(capsys, "caption", disc_video, *MOTION, "--out", tmp_path, "--no-report", "--json", "--serial")
    assert code == 0
    assert [json.loads(line) for line in text.splitlines()] == rows_of(tmp_path)
    assert not (tmp_path / "report.html").exists()


def test_bad_inputs_among_good_ones(tmp_path: Path, capsys: pytest.CaptureFixture[str], disc_video: Path) -> None:
    text_file, empty_folder = tmp_path / "notes.mp4", tmp_path / "empty"
    text_file.write_text("this is no video")
    empty_folder.mkdir()
    out = tmp_path / "out"
    code, text, err = run(
        capsys,
        "caption",
        text_file,
        disc_video,
        tmp_path / "none.mp4",
        empty_folder,
        *MOTION,
        "--out",
        out,
        "--no-report",
    )
    assert code == 8
    lines = err.splitlines()
    assert len(lines) == 3 and all(line.startswith("edgecap: ") for line in lines)
    assert "notes.mp4" in lines[0] and "no such file" in lines[1] and "contains no video" in lines[2]
    states = [row["meta"]["status"] for row in rows_of(out)]
    assert states == ["error", "ok", "error", "error"]
    assert "3 failed" in text


def test_a_mistyped_input_leaves_the_earlier_run_alone(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], earlier: Path
) -> None:
    before = {p.name: p.read_bytes() for p in earlier.iterdir()}
    code, _, err = run(capsys, "caption", tmp_path / "dsic.mp4", *MOTION, "--out", earlier)
    assert code == 3 and "no such file" in err
    assert {p.name: p.read_bytes() for p in earlier.iterdir()} == before


def test_one_input_in_two_spellings_is_captioned_once(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], disc_video: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(disc_video.parent)
    code, text, _ = run(capsys, "caption", "disc.mp4", disc_video, ".", *MOTION, "--out", tmp_path, "--no-report")
    assert code == 0 and "from 1 video;" in text
    assert len(rows_of(tmp_path)) == 1


def test_odd_names_are_printed_and_written(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], disc_video: Path
) -> None:
    odd = Path(os.fsdecode(os.fsencode(tmp_path) + b"/caf\xff.mp4"))
    odd.write_bytes(disc_video.read_bytes())
    out = tmp_path / "out"
    arguments = ("caption", odd, tmp_path / ("x" * 300), *MOTION, "--out", out, "--srt", "--annotate")
    code, text, err = run(capsys, *arguments)
    assert code == 8 and err.count("\n") == 1 and "name too long" in err and "internal error" not in err
    (text + err).encode("utf-8")
    assert rows_of(out)[0]["Video"] == "caf\ufffd.mp4"
    assert {"caf\ufffd.srt", "caf\ufffd.annotated.mp4"} <= {p.name for p in out.iterdir()}
    code, text, _ = run(capsys, *arguments, "--resume")
    assert "1 clip already there" in text and len(rows_of(out)) == 2


def test_bench_quality_proves_its_output_first_and_writes_after_every_tier(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The measuring itself is faked: what is tested is when the file is touched."""
    (tmp_path / "file").write_text("in the way")
    tiers: list[str] = []

    def run_tier(pipeline: object, tier: str, **rest: object) -> str:
        if tier == "moving":
            raise UsageError("the second tier cannot be run")
        tiers.append(tier)
        return tier

    monkeypatch.setattr("edgecap.bench.quality.run.run_tier", run_tier)
    monkeypatch.setattr("edgecap.cli.bench.text.quality_json", lambda quality: {"of": quality})
    monkeypatch.setattr("edgecap.bench.quality.compare.quality_config", lambda *args, **rest: PipelineConfig())
    monkeypatch.setattr("edgecap.runtime.pipeline.pipeline.Pipeline.__init__", lambda self, config: None)
    code, _, err = run(capsys, "bench", "quality", "--json", "--out", tmp_path / "file" / "q.json")
    assert code == 4 and "file" in err and tiers == []
    code, _, err = run(capsys, "bench", "quality", "--json", "--out", tmp_path / "q.json")
    assert code == 2 and "second tier" in err
    assert json.loads((tmp_path / "q.json").read_text())["tiers"] == {"clean": {"of": "clean"}}


def test_doctor_json(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(capsys, "doctor", "--json")
    checks = {check["name"]: check for check in json.loads(out)}
    assert checks["edgecap"]["detail"] == __version__
    assert code == (0 if all(c["status"] == "ok" for c in checks.values() if c["required"]) else 6)


def test_world_renders_a_clip_with_its_truth(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(
        capsys, "world", "--tier", "clean", "--seed", "5", "--seconds", "0.5", "--out", tmp_path, "--json"
    )
    assert code == 0
    [clip] = json.loads(out)
    assert json.loads(Path(clip["truth"]).read_text())["num_frames"] == 12
    with av.open(clip["video"]) as container:
        assert sum(1 for _ in container.decode(video=0)) == 12
