"""Files and folders are replaced whole or not at all."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from edgecap.engines import files
from edgecap.engines.errors import OutputError
from edgecap.engines.files import exchange, recover_folder, replace_folder, replacing, write_whole


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize(
    ("data", "content"),
    [
        (b"\x00\xff", b"\x00\xff"),
        (memoryview(b"engine"), b"engine"),
        ("é\r\n", b"\xc3\xa9\r\n"),
        (iter(["a\n", "b\n"]), b"a\nb\n"),
        ([], b""),
    ],
    ids=["bytes", "view", "text", "pieces", "nothing"],
)
def test_every_kind_of_content(tmp_path: Path, data: bytes | str, content: bytes) -> None:
    path = tmp_path / "new" / "file.json"
    write_whole(path, data)
    assert path.read_bytes() == content and names(path.parent) == ["file.json"]
    assert path.stat().st_mode & 0o777 == 0o666 & ~umask(), "as any new file, not for the owner alone"


def umask() -> int:
    os.umask(mask := os.umask(0))
    return mask


def test_the_old_file_is_there_until_the_new_one_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "clip.mp4"
    path.write_bytes(b"old")
    with replacing(path) as temporary:
        temporary.write_bytes(b"new")
        assert path.read_bytes() == b"old"
        assert temporary.suffix == ".mp4" and temporary.name.startswith("."), "a writer chooses its format by the name"
    assert path.read_bytes() == b"new" and names(tmp_path) == ["clip.mp4"]


@pytest.mark.parametrize("kind", [ValueError, KeyboardInterrupt], ids=lambda kind: kind.__name__)
def test_a_write_that_ends_badly_changes_nothing(tmp_path: Path, kind: type[BaseException]) -> None:
    def pieces() -> Iterator[str]:
        yield "half"
        raise kind

    path = tmp_path / "rows.json"
    path.write_bytes(b"old")
    with pytest.raises(kind):
        write_whole(path, pieces())
    assert path.read_bytes() == b"old" and names(tmp_path) == ["rows.json"]


def test_a_full_disk_is_one_error_with_the_advice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "pack.json"
    path.write_bytes(b"old")
    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OutputError) as caught:
        write_whole(path, b"new", advice="use another disk")
    assert str(caught.value) == f"{path}: can't be written (No space left on device); use another disk"
    assert path.read_bytes() == b"old" and names(tmp_path) == ["pack.json"]


def full(descriptor: int) -> None:
    raise OSError(errno.ENOSPC, "No space left on device")


def test_a_folder_in_the_way(tmp_path: Path) -> None:
    (tmp_path / "taken").mkdir()
    with pytest.raises(OutputError, match="taken: can't be written"):
        write_whole(tmp_path / "taken", b"x")
    assert names(tmp_path) == ["taken"]


@pytest.fixture(params=["exchange", "two renames"])
def swap(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both ways to swap; the file system of the tests can exchange names."""
    if request.param == "two renames":
        monkeypatch.setattr(files, "exchange", lambda *_: False)


def folder(path: Path, content: str) -> Path:
    (path / "deep").mkdir(parents=True)
    (path / "deep" / "file").write_text(content)
    return path


@pytest.mark.usefixtures("swap")
def test_a_folder_takes_the_place_of_another(tmp_path: Path) -> None:
    target = tmp_path / "pack"
    for content in ("first", "second"):
        replace_folder(folder(tmp_path / "fresh", content), target)
        assert (target / "deep" / "file").read_text() == content and names(tmp_path) == ["pack"]
    assert not recover_folder(target)


@pytest.mark.usefixtures("swap")
def test_a_failed_swap_leaves_the_old_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target, fresh = folder(tmp_path / "pack", "old"), folder(tmp_path / "fresh", "new")
    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        replace_folder(fresh, target)
    assert (target / "deep" / "file").read_text() == "old" and names(tmp_path) == ["fresh", "pack"]


def test_a_crash_between_two_renames_is_repaired(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A power cut is an exception that nothing catches."""
    target, fresh = folder(tmp_path / "pack", "old"), folder(tmp_path / "fresh", "new")
    monkeypatch.setattr(files, "exchange", lambda *_: False)
    rename = Path.rename

    def cut(self: Path, to: Path) -> Path:
        if self == fresh:
            raise KeyboardInterrupt
        return rename(self, to)

    monkeypatch.setattr(Path, "rename", cut)
    with pytest.raises(KeyboardInterrupt):
        replace_folder(fresh, target)
    assert not target.exists()
    monkeypatch.undo()
    assert recover_folder(target) and (target / "deep" / "file").read_text() == "old"
    replace_folder(fresh, target)
    folder(tmp_path / ".pack.set-aside", "litter of a crash after the second rename")
    assert not recover_folder(target) and names(tmp_path) == ["pack"]
    assert (target / "deep" / "file").read_text() == "new"


def test_exchange_reports_what_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        exchange(folder(tmp_path / "one", "x"), tmp_path / "two")
