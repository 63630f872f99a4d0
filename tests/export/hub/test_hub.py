"""The model hub, against a server of our own: what is fetched, taken up again, checked, refused, and said."""

from __future__ import annotations

import shutil
from collections import namedtuple
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from edgecap.engines.errors import HubError, OutputError
from edgecap.export.checkpoint.checkpoint import Checkpoint
from edgecap.export.hub import hub as hub_module
from edgecap.export.hub import transfer as hub_transfer
from edgecap.export.hub.hub import HubId, Watch, fetch
from tests.export.fake_recipe import save_fake_checkpoint
from tests.export.hub.fake_hub import COMMIT, FakeHub, serving

ID = HubId("org/fake")


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeHub]:
    save_fake_checkpoint(tmp_path / "hub" / "org" / "fake")
    (tmp_path / "hub" / "org" / "fake" / "pytorch_model.bin").write_bytes(b"p" * 300)
    monkeypatch.setenv("HF_HUB_DISABLE_PROGRESS_BARS", "1")
    with serving(tmp_path / "hub") as server:
        yield server


def test_a_revision_is_fetched_whole_without_pickles(hub: FakeHub, tmp_path: Path) -> None:
    seen = []
    fetched = fetch(
        ID, cache=tmp_path / "cache", endpoint=hub.url, watch=Watch(on_file=lambda *file: seen.append(file))
    )
    assert fetched.commit == COMMIT and fetched.from_cache == ""
    assert sorted(p.name for p in fetched.folder.iterdir()) == ["README.md", "config.json", "model.safetensors"]
    assert [(number, of) for _, number, of, _ in seen] == [(1, 3), (2, 3), (3, 3)]
    opened = Checkpoint.open(fetched.folder)
    assert (opened.source, opened.revision, opened.licence) == ("org/fake", COMMIT, "apache-2.0")


def test_a_second_fetch_downloads_nothing(hub: FakeHub, tmp_path: Path) -> None:
    for _ in range(2):
        fetch(ID, cache=tmp_path / "cache", endpoint=hub.url)
    assert len(hub.downloads("model.safetensors")) == 1


@pytest.fixture
def big(tmp_path: Path, hub: FakeHub, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file of 3 MiB that counts as large."""
    monkeypatch.setattr(hub_module, "LARGE_BYTES", 1024**2)
    monkeypatch.setattr(hub_transfer.time, "sleep", lambda _: None)
    weights = tmp_path / "hub" / "org" / "fake" / "big.safetensors"
    weights.write_bytes(np.random.default_rng(0).bytes(3 * 1024**2))
    return weights


def test_a_transfer_that_breaks_goes_on_where_it_stopped(hub: FakeHub, big: Path, tmp_path: Path) -> None:
    hub.breaks[big.name] = 2
    seen = []
    fetched = fetch(
        ID,
        cache=tmp_path / "cache",
        endpoint=hub.url,
        watch=Watch(on_bytes=lambda name, there: seen.append((name, there))),
    )
    assert (fetched.folder / big.name).read_bytes() == big.read_bytes()
    assert hub.downloads(big.name) == ["", f"bytes={1024**2}-", f"bytes={2 * 1024**2}-"]
    assert seen[-1] == (big.name, 3 * 1024**2) and seen == sorted(seen)


def test_the_next_run_goes_on_where_a_broken_one_stopped(hub: FakeHub, big: Path, tmp_path: Path) -> None:
    hub.breaks[big.name] = 10**6
    monkey = pytest.MonkeyPatch()
    with monkey.context() as once:
        once.setattr(hub_transfer, "_TRIES", 1)
        with pytest.raises(HubError, match=r"big\.safetensors broke off .* run it again: it goes on where it stopped"):
            fetch(ID, cache=tmp_path / "cache", endpoint=hub.url)
    hub.breaks.clear()
    hub.asked.clear()
    fetched = fetch(ID, cache=tmp_path / "cache", endpoint=hub.url)
    assert (fetched.folder / big.name).read_bytes() == big.read_bytes()
    assert hub.downloads(big.name)[0].startswith("bytes=")
    assert not list((tmp_path / "cache").rglob("*.edgecap-part"))


def test_a_large_file_with_wrong_content_leaves_no_part_to_build_upon(hub: FakeHub, big: Path, tmp_path: Path) -> None:
    hub.lies.add(big.name)
    with pytest.raises(HubError, match=r"big\.safetensors has checksum"):
        fetch(ID, cache=tmp_path / "cache", endpoint=hub.url)
    hub.lies.clear()
    assert (fetch(ID, cache=tmp_path / "cache", endpoint=hub.url).folder / big.name).read_bytes() == big.read_bytes()


def test_a_server_without_ranges_sends_everything_again(hub: FakeHub, big: Path, tmp_path: Path) -> None:
    hub.breaks[big.name], hub.ranges = 1, False
    fetched = fetch(ID, cache=tmp_path / "cache", endpoint=hub.url)
    assert (fetched.folder / big.name).read_bytes() == big.read_bytes()


def test_a_wrong_checksum_is_refused_removed_and_mended_by_the_next_run(hub: FakeHub, tmp_path: Path) -> None:
    hub.lies.add("model.safetensors")
    with pytest.raises(HubError, match=r"model\.safetensors has checksum .*run it again"):
        fetch(ID, cache=tmp_path / "cache", endpoint=hub.url)
    hub.lies.clear()
    fetched = fetch(ID, cache=tmp_path / "cache", endpoint=hub.url)
    Checkpoint.open(fetched.folder)


def test_a_wrong_small_file_is_noticed_by_gits_checksum(hub: FakeHub, tmp_path: Path) -> None:
    (tmp_path / "hub" / "org" / "fake" / "vocab.txt").write_text("abc")
    hub.lies.add("vocab.txt")
    with pytest.raises(HubError, match=r"vocab\.txt has checksum"):
        fetch(ID, cache=tmp_path / "cache", endpoint=hub.url)


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        pytest.param(HubId("org/none"), "no such model, or it is private", id="no-model"),
        pytest.param(HubId("org/fake", "v9"), "no revision 'v9'", id="no-revision"),
    ],
)
def test_what_the_hub_does_not_have(hub: FakeHub, tmp_path: Path, asked: HubId, words: str) -> None:
    with pytest.raises(HubError, match=words):
        fetch(asked, cache=tmp_path / "cache", endpoint=hub.url)


def test_a_repository_without_such_files_says_so(hub: FakeHub, tmp_path: Path) -> None:
    with pytest.raises(HubError, match=r"contains none of \*\.onnx"):
        fetch(ID, files=("*.onnx",), cache=tmp_path / "cache", endpoint=hub.url)


def test_out_of_reach_names_what_still_works(tmp_path: Path) -> None:
    with pytest.raises(HubError, match=r"can't be reached .*pack nano.*--from DIR"):
        fetch(ID, cache=tmp_path / "cache", endpoint="http://127.0.0.1:9")


@pytest.mark.parametrize("trouble", ["gone", "error"])
def test_out_of_reach_the_cache_serves_and_says_why(hub: FakeHub, tmp_path: Path, trouble: str) -> None:
    first = fetch(ID, cache=tmp_path / "cache", endpoint=hub.url)
    hub.status = 418 if trouble == "error" else 0
    endpoint = hub.url if trouble == "error" else "http://127.0.0.1:9"
    again = fetch(HubId("org/fake", COMMIT), cache=tmp_path / "cache", endpoint=endpoint)
    assert again.folder == first.folder and again.commit == COMMIT
    assert "the hub" in again.from_cache


def test_offline_mode_never_asks(hub: FakeHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fetched = fetch(ID, cache=tmp_path / "cache", endpoint=hub.url)
    hub.asked.clear()
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    pinned = HubId("org/fake", COMMIT)
    assert fetch(pinned, cache=tmp_path / "cache", endpoint=hub.url).folder == fetched.folder
    with pytest.raises(HubError, match="HF_HUB_OFFLINE is set, and the cache doesn't hold it"):
        fetch(HubId("org/other"), cache=tmp_path / "cache", endpoint=hub.url)
    assert hub.asked == []


def test_no_room_is_told_before_the_first_byte(hub: FakeHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(hub_module.shutil, "disk_usage", lambda _: usage(10, 10, 1000))
    with pytest.raises(OutputError, match="GB are free"):
        fetch(ID, cache=tmp_path / "cache", endpoint=hub.url)
    assert hub.downloads("model.safetensors") == []
    monkeypatch.undo()
    assert shutil.disk_usage(tmp_path).free > 0


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("org/name", HubId("org/name", "main")),
        ("org/na.me-1@v2", HubId("org/na.me-1", "v2")),
        (f"org/name@{COMMIT}", HubId("org/name", COMMIT)),
        ("name", None),
        ("org/name@", None),
        ("./org/name", None),
        ("/org/name", None),
        ("org/name/file", None),
    ],
)
def test_hub_ids(text: str, expected: HubId | None) -> None:
    assert HubId.parse(text) == expected


def test_only_a_whole_commit_is_pinned() -> None:
    assert HubId("a/b", COMMIT).pinned
    assert not HubId("a/b", COMMIT[:7]).pinned and not HubId("a/b").pinned
