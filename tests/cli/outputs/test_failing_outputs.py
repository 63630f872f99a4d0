"""An output that fails is its own line and code; the captions, the other outputs and the other videos go on."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import av
import numpy as np
import pytest

from edgecap.engines.errors import OutputError
from edgecap.engines.store.file_lock import alone
from edgecap.runtime.output.folder.lock import LOCK_FILE, used_alone
from tests.cli.command import MOTION, rows_of, run, write_disc
from tests.cli.outputs.cases import CASES, needs_cases

pytestmark = pytest.mark.slow  # whole commands; what they are made of is tested below, quickly


@pytest.fixture(scope="module")
def disc(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("videos") / "disc.mp4"
    write_disc(path, seconds=2)
    return path


def write_plain(path: Path, *, size_wh: tuple[int, int]) -> None:
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=8)
        stream.width, stream.height, stream.pix_fmt = *size_wh, "yuv420p"
        for shade in range(12):
            image = np.full((size_wh[1], size_wh[0], 3), 20 * shade, np.uint8)
            for packet in stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")):
                container.mux(packet)
        for packet in stream.encode():
            container.mux(packet)


def frames_of(path: Path) -> int:
    with av.open(f"file:{path}") as container:
        return len(list(container.decode(video=0)))


@pytest.mark.parametrize("size_wh", [(16, 2000), (2000, 16)])
def test_a_picture_of_any_shape_is_drawn(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], size_wh: tuple[int, int]
) -> None:
    write_plain(tmp_path / "odd.mp4", size_wh=size_wh)
    out = tmp_path / "a:b"
    code, _, error = run(capsys, "caption", tmp_path / "odd.mp4", "--out", out, "--captioner", "none", "--annotate")
    assert code == 0 and "training domain" in error and error.count("\n") == 1
    assert frames_of(out / "odd.annotated.mp4") >= 10 and (out / "report.html").exists()


def test_one_video_that_can_not_be_drawn(tmp_path: Path, capsys: pytest.CaptureFixture[str], disc: Path) -> None:
    for name in ("a.mp4", "b.mp4"):
        (tmp_path / name).write_bytes(disc.read_bytes())
    out = tmp_path / "o"
    (out / "a.annotated.mp4").mkdir(parents=True)
    (out / "a.srt").mkdir()
    (out / "paragraphs.jsonl").mkdir()
    flags = (*MOTION, "--no-report", "--annotate", "--srt", "--paragraph", "--instancevid")
    code, text, error = run(capsys, "caption", tmp_path / "a.mp4", tmp_path / "b.mp4", "--out", out, *flags)
    assert code == 4 and "3 outputs not written" in text
    lines = error.splitlines()
    assert [line.split(":")[1] for line in lines] == [" annotated video of a.mp4", " subtitles of a.mp4", " paragraphs"]
    assert all("can't be written" in line and "internal error" not in line for line in lines)
    assert [row["Video"] for row in rows_of(out)] == ["a.mp4", "b.mp4"]
    assert frames_of(out / "b.annotated.mp4") > 10 and "-->" in (out / "b.srt").read_text()
    assert len(rows_of(out, "instancevid.jsonl")) == 2


@pytest.mark.parametrize(("name", "code"), [("captions.jsonl", 4), ("events.jsonl", 4), ("v.annotated.mp4", 4)])
def test_a_full_disk(tmp_path: Path, capsys: pytest.CaptureFixture[str], disc: Path, name: str, code: int) -> None:
    (tmp_path / "v.mp4").write_bytes(disc.read_bytes())
    out = tmp_path / "o"
    out.mkdir()
    (out / name).symlink_to("/dev/full")
    flags = (*MOTION, "--no-report", "--annotate", "--events")
    got, _, error = run(capsys, "caption", tmp_path / "v.mp4", "--out", out, *flags)
    assert got == code and error.count("\n") == 1 and name in error and "internal error" not in error
    if name != "captions.jsonl":
        assert len(rows_of(out)) == 1


def test_an_annotated_video_plays_while_it_is_written(tmp_path: Path) -> None:
    from edgecap.runtime.output.pictures.annotated_video import AnnotatedVideoSink
    from tests.runtime.fake_records import make_record

    with AnnotatedVideoSink(tmp_path) as sink:
        for clip in range(12):
            sink.write(make_record(clip_index=clip))
        assert frames_of(tmp_path / "a.annotated.mp4") >= 16
    assert frames_of(tmp_path / "a.annotated.mp4") == 96
    data = (tmp_path / "a.annotated.mp4").read_bytes()
    assert data.count(b"moof") == 0 or data.rfind(b"moov") > data.rfind(b"moof"), "an ordinary mp4 in the end"


def test_own_videos_are_no_inputs_of_a_folder_but_namesakes_are(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], disc: Path
) -> None:
    (tmp_path / "v.mp4").write_bytes(disc.read_bytes())
    (tmp_path / "mine.annotated.mp4").write_bytes(disc.read_bytes())  # a name proves nothing
    flags = (*MOTION, "--no-report", "--annotate")
    for _ in range(2):
        assert run(capsys, "caption", tmp_path, "--out", tmp_path, *flags)[0] == 0
        assert sorted(str(row["Video"]) for row in rows_of(tmp_path)) == ["mine.annotated.mp4", "v.mp4"]
    drawn = tmp_path / "v.annotated.mp4"
    drawn.rename(tmp_path / "holiday.mov")  # nor does another one hide it
    assert run(capsys, "caption", tmp_path, "--out", tmp_path, *flags)[0] == 0
    assert sorted(str(row["Video"]) for row in rows_of(tmp_path)) == ["mine.annotated.mp4", "v.mp4"]


def test_a_second_run_is_refused_and_a_dead_one_is_no_obstacle(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], disc: Path
) -> None:
    holder = subprocess.Popen(
        [
            sys.executable,
            "-c",
            "import sys, time\nfrom pathlib import Path\nfrom edgecap.engines.store.file_lock import alone\n"
            "with alone(Path(sys.argv[1]), label='x', advice='y'):\n print('held', flush=True)\n time.sleep(60)",
            str(tmp_path / LOCK_FILE),
        ],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert holder.stdout is not None
    try:
        assert holder.stdout.readline() == "held\n"
        code, _, error = run(capsys, "caption", disc, "--out", tmp_path, *MOTION)
        assert code == 4 and error.count("\n") == 1 and f"is in use by pid {holder.pid} on " in error
        assert [p.name for p in tmp_path.iterdir()] == [LOCK_FILE]
    finally:
        holder.kill()
        holder.wait()
        holder.stdout.close()
    assert (tmp_path / LOCK_FILE).exists()
    assert run(capsys, "caption", disc, "--out", tmp_path, *MOTION, "--no-report")[0] == 0
    assert [p.name for p in tmp_path.iterdir()] == ["captions.jsonl"]


def test_locks_of_files_and_what_a_killed_run_left(tmp_path: Path) -> None:
    rows = tmp_path / "rows.jsonl"
    rows.touch()
    (tmp_path / ".report.html.123.tmp").touch()
    (tmp_path / ".mine.tmp").touch()
    with used_alone(rows, warn=pytest.fail), pytest.raises(OutputError, match=r"rows\.jsonl is in use by pid \d+ on"):
        used_alone(rows, warn=pytest.fail).__enter__()
    with used_alone(tmp_path, warn=pytest.fail):
        pass
    assert sorted(p.name for p in tmp_path.iterdir()) == [".mine.tmp", "rows.jsonl"]


def test_a_file_system_without_locks_is_one_warning(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import fcntl

    def refuse(*arguments: object) -> None:
        raise OSError(95, "Operation not supported")

    monkeypatch.setattr(fcntl, "flock", refuse)
    lines: list[str] = []
    with used_alone(tmp_path, warn=lines.append):
        time.sleep(0)
    assert len(lines) == 1 and "does not support locks" in lines[0]
    with alone(tmp_path / "l", label="x", advice="y") as held:
        assert held is False


@needs_cases
def test_the_case_as_it_was_met(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = CASES / "14-annotate-fails"
    out = tmp_path / "a:b"
    flags = ("--captioner", "none", "--annotate")
    assert run(capsys, "caption", folder / "tall.mp4", folder / "fine.mp4", "--out", out, *flags)[0] == 0
    assert frames_of(out / "tall.annotated.mp4") > 0 and frames_of(out / "fine.annotated.mp4") > 0
