"""A role into a pack: new, added, replaced; what stays, what goes, and that a failing disk or a crash costs nothing."""

from __future__ import annotations

import errno
import json
import multiprocessing
import os
import shutil
import signal
import subprocess
import sys
import textwrap
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from edgecap.engines import files, write_pack
from edgecap.engines.errors import OutputError, PackError, TamperedPackError
from edgecap.engines.graph.spec import GraphSpec, TensorSpec
from edgecap.engines.packs.pack import Pack
from edgecap.engines.packs.prompt_book import read_book
from edgecap.engines.packs.specs import DomainSpec, PackSpec, SegmenterSpec
from edgecap.export.job import RoleExport
from edgecap.export.publish import pack_merge
from edgecap.export.publish.pack_merge import merge_role
from tests.export.fake_recipe import comparison, spec_with
from tests.export.small_nets import detector_spec


def staged(folder: Path, *names: str) -> Path:
    """A staging folder whose files hold their own names."""
    folder.mkdir(parents=True)
    for name in names:
        (folder / name).write_text(name, encoding="utf-8")
    return folder


def detector(file: str = "detector.onnx", **changes: Any) -> RoleExport:
    made = RoleExport("detector", detector_spec(spec_with(file)), "Apache-2.0", "org/det@1", (comparison(1.0),))
    return replace(made, **changes)


def segmenter() -> RoleExport:
    tensor = TensorSpec("x", "float32", (1,))
    parts = [GraphSpec(f"segmenter_{part}.onnx", "fp32", (tensor,), (tensor,)) for part in ("encoder", "decoder")]
    spec = SegmenterSpec(parts[0], parts[1], 64, 32, 114, "image", 0.0, 0.0)
    return RoleExport("segmenter", spec, "AGPL-3.0", "org/seg@2", (comparison(1.0),))


def state(folder: Path) -> dict[str, bytes]:
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def hidden(folder: Path) -> list[str]:
    return [p.name for p in folder.iterdir() if p.name.startswith(".")]


def test_a_new_pack_has_the_role_its_reports_and_its_origin(tmp_path: Path) -> None:
    made = detector(sensitivity=({"layers": ["a"]},), kept_high={"head": "scores"})
    merged = merge_role(tmp_path / "mine", made, staged(tmp_path / "s", "detector.onnx"), drift=())
    pack = Pack.open(tmp_path / "mine")
    assert pack.spec == merged.spec
    assert (pack.spec.name, pack.spec.version, pack.spec.licence) == ("mine", "1", "Apache-2.0")
    assert pack.spec.source["detector"] == "org/det@1" and "drift" not in pack.spec.source
    assert set(pack.spec.files) == {"detector.onnx", "parity.detector.json", "sensitivity.detector.json"}
    assert json.loads((pack.folder / "parity.detector.json").read_text())["kept_high"] == {"head": "scores"}
    assert hidden(tmp_path) == []


def test_a_second_role_leaves_the_first_as_it_is(tmp_path: Path) -> None:
    merge_role(tmp_path / "mine", detector(), staged(tmp_path / "a", "detector.onnx"))
    (tmp_path / "mine" / "README.md").write_text("mine")
    before = state(tmp_path / "mine")
    names = ("segmenter_encoder.onnx", "segmenter_decoder.onnx")
    merge_role(tmp_path / "mine", segmenter(), staged(tmp_path / "b", *names), drift=("cosine is low",))
    after = state(tmp_path / "mine")
    assert {n: v for n, v in after.items() if n in before and n != "pack.json"} == {
        n: v for n, v in before.items() if n != "pack.json"
    }
    spec = Pack.open(tmp_path / "mine").spec
    assert spec.detector is not None and spec.segmenter is not None
    assert spec.licence == "AGPL-3.0 AND Apache-2.0"
    assert spec.source["drift"] == "segmenter: cosine is low"
    assert not json.loads(after["parity.segmenter.json"])["passed"]


def test_two_exports_into_one_pack_at_once_keep_both_roles(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def slow(*given: Any) -> Any:
        time.sleep(0.5)  # the old pack has been read, the new one is not there yet
        return write_pack(*given)

    monkeypatch.setattr(pack_merge, "write_pack", slow)
    names = ("segmenter_encoder.onnx", "segmenter_decoder.onnx")
    jobs = [
        (tmp_path / "mine", detector(), staged(tmp_path / "a", "detector.onnx")),
        (tmp_path / "mine", segmenter(), staged(tmp_path / "b", *names)),
    ]
    fork = multiprocessing.get_context("fork")
    processes = [fork.Process(target=merge_role, args=job) for job in jobs]
    for process in processes:
        process.start()
    for process in processes:
        process.join(20)
    assert [process.exitcode for process in processes] == [0, 0]
    spec = Pack.open(tmp_path / "mine").spec
    assert spec.detector is not None and spec.segmenter is not None and spec.version == "2"
    assert hidden(tmp_path) == []


def test_licences_that_differ_in_case_alone_are_one(tmp_path: Path) -> None:
    merge_role(tmp_path / "mine", detector(), staged(tmp_path / "a", "detector.onnx"))
    made = replace(segmenter(), licence="apache-2.0")
    names = ("segmenter_encoder.onnx", "segmenter_decoder.onnx")
    assert merge_role(tmp_path / "mine", made, staged(tmp_path / "b", *names)).spec.licence.lower() == "apache-2.0"


def test_replacing_a_role_removes_its_files_external_data_and_twins(tmp_path: Path) -> None:
    first = detector("old.onnx", twins={"detector.graph": spec_with("twin.onnx")})
    folder = staged(tmp_path / "a", "old.onnx", "old.onnx.data", "twin.onnx", "detector.extra.json")
    merge_role(tmp_path / "mine", first, folder, drift=("bad",))
    merge_role(
        tmp_path / "mine", segmenter(), staged(tmp_path / "b", "segmenter_encoder.onnx", "segmenter_decoder.onnx")
    )
    merge_role(tmp_path / "mine", detector("new.onnx"), staged(tmp_path / "c", "new.onnx"))
    spec = Pack.open(tmp_path / "mine").spec
    assert set(spec.files) == {
        "new.onnx",
        "parity.detector.json",
        "segmenter_encoder.onnx",
        "segmenter_decoder.onnx",
        "parity.segmenter.json",
    }
    assert spec.twins == {} and "drift" not in spec.source and spec.version == "3"


def test_a_new_detector_takes_the_old_ones_domain_check_with_it_and_says_so(tmp_path: Path) -> None:
    folder = staged(tmp_path / "mine", "detector.onnx", "domain.npz")
    embedded = replace(spec_with("detector.onnx"), outputs=(TensorSpec("embedding", "float32", ("batch", 8)),))
    write_pack(
        folder,
        PackSpec(
            "mine", "7", "MIT", {}, {}, detector_spec(embedded), None, None, DomainSpec("domain.npz", 1.0)
        ),
    )  # fmt: skip
    merged = merge_role(folder, detector("detector.new.onnx"), staged(tmp_path / "s", "detector.new.onnx"))
    assert merged.spec.domain is None and "domain.npz" not in merged.spec.files
    assert "domain check" in merged.notes[0]
    assert merged.spec.licence == "Apache-2.0", "the role that had the old licence is gone"


def test_a_folder_that_is_no_pack_is_never_touched(tmp_path: Path) -> None:
    mine = staged(tmp_path / "holiday", "photo.jpg")
    with pytest.raises(OutputError, match="is not a pack"):
        merge_role(mine, detector(), staged(tmp_path / "s", "detector.onnx"))
    assert state(mine) == {"photo.jpg": b"photo.jpg"}


def test_a_tampered_pack_is_not_built_upon(tmp_path: Path) -> None:
    merge_role(tmp_path / "mine", detector(), staged(tmp_path / "a", "detector.onnx"))
    (tmp_path / "mine" / "detector.onnx").write_text("detector.onn?")
    with pytest.raises(TamperedPackError):
        merge_role(tmp_path / "mine", segmenter(), staged(tmp_path / "b", "segmenter_encoder.onnx"))


def test_a_file_named_like_another_roles_is_refused(tmp_path: Path) -> None:
    merge_role(tmp_path / "mine", detector("shared.onnx"), staged(tmp_path / "a", "shared.onnx"))
    before = state(tmp_path / "mine")
    folder = staged(tmp_path / "b", "segmenter_encoder.onnx", "segmenter_decoder.onnx", "shared.onnx")
    with pytest.raises(PackError, match=r"shared\.onnx"):
        merge_role(tmp_path / "mine", segmenter(), folder)
    assert state(tmp_path / "mine") == before


@pytest.mark.parametrize("place", ["write_pack", "replace_folder"])
def test_a_full_disk_leaves_the_old_pack(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str) -> None:
    merge_role(tmp_path / "mine", detector(), staged(tmp_path / "a", "detector.onnx"))
    before = state(tmp_path / "mine")

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(pack_merge, place, full)
    with pytest.raises(OutputError, match=r"No space left.*unchanged"):
        merge_role(tmp_path / "mine", detector("detector.new.onnx"), staged(tmp_path / "b", "detector.new.onnx"))
    assert state(tmp_path / "mine") == before and hidden(tmp_path) == []
    Pack.open(tmp_path / "mine")


def test_without_exchange_a_crash_between_the_two_renames_is_mended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the file system can't exchange names; a power cut is an exception that nothing catches."""
    merge_role(tmp_path / "mine", detector(), staged(tmp_path / "a", "detector.onnx"))
    before = state(tmp_path / "mine")
    monkeypatch.setattr(files, "exchange", lambda *_: False)
    (tmp_path / "mine").rename(tmp_path / ".mine.set-aside")  # what the first of the two steps leaves
    assert files.recover_folder(tmp_path / "mine")
    assert state(tmp_path / "mine") == before
    merge_role(tmp_path / "mine", detector("new.onnx"), staged(tmp_path / "b", "new.onnx"))
    assert "new.onnx" in Pack.open(tmp_path / "mine").spec.files and hidden(tmp_path) == []


def test_killed_while_publishing_the_pack_is_the_old_or_the_new_one(tmp_path: Path) -> None:
    """A process that swaps a pack for a newer one over and over is killed in the middle; 12 times."""
    script = textwrap.dedent("""
        import shutil, sys
        from pathlib import Path
        from edgecap.engines.files import replace_folder
        base, mine = Path(sys.argv[1]), Path(sys.argv[1]) / "mine"
        print("ready", flush=True)
        while True:
            for version in ("one", "two"):
                fresh = base / ".fresh"
                shutil.rmtree(fresh, ignore_errors=True)
                shutil.copytree(base / version, fresh)
                replace_folder(fresh, mine)
    """)
    for version, file in (("one", "one.onnx"), ("two", "two.onnx")):
        merge_role(tmp_path / version, detector(file), staged(tmp_path / f"s-{version}", file))
    shutil.copytree(tmp_path / "one", tmp_path / "mine")
    seen = set()
    for number in range(12):
        with subprocess.Popen([sys.executable, "-c", script, str(tmp_path)], stdout=subprocess.PIPE) as process:
            assert process.stdout is not None and process.stdout.readline() == b"ready\n"
            try:
                process.wait(timeout=0.005 + 0.003 * number)
            except subprocess.TimeoutExpired:
                process.send_signal(signal.SIGKILL)
        seen.add(Pack.open(tmp_path / "mine").spec.name)  # whole, with every checksum
    assert seen <= {"one", "two"} and seen


def test_a_prompt_book_stays_with_its_captioner_and_goes_with_it(tmp_path: Path) -> None:
    nano = Pack.open("nano")
    shutil.copytree(nano.folder, tmp_path / "mine")
    merge_role(tmp_path / "mine", detector("detector.new.onnx"), staged(tmp_path / "a", "detector.new.onnx"))
    assert read_book(Pack.open(tmp_path / "mine")) == read_book(nano) is not None
    spec = nano.spec.captioner
    assert spec is not None and spec.prompt_file is not None
    folder = staged(tmp_path / "b")
    for name in (spec.vision.file, spec.decoder.file, spec.embedding_file, spec.tokenizer_file):
        shutil.copyfile(nano.folder / name, folder / name)
    bare = RoleExport("captioner", replace(spec, prompt_file=None), "MIT", "org/cap@1", (comparison(1.0),))
    merge_role(tmp_path / "mine", bare, folder)
    pack = Pack.open(tmp_path / "mine")
    assert read_book(pack) is None and not (pack.folder / spec.prompt_file).exists()
