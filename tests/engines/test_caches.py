"""Caches of a user with and without a home, and array loops where nothing can be cached."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numba.core import caching

from edgecap.engines import compiled as compiled_module
from edgecap.engines.caches import NO_HOME, cache_folder, is_writable
from edgecap.engines.compiled import compiled, numba_cache
from edgecap.engines.doctor import doctor


def _no_home() -> Path:
    raise RuntimeError("Could not determine home directory.")


def test_an_absolute_cache_home_is_obeyed_and_a_relative_one_is_not(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache_folder("edgecap") == tmp_path / "edgecap"
    monkeypatch.setenv("XDG_CACHE_HOME", "relative")
    monkeypatch.setenv("HOME", "/home/somebody")
    assert cache_folder("edgecap") == Path("/home/somebody/.cache/edgecap")


def test_without_home_the_cache_is_a_path_that_reads_as_empty(monkeypatch):
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setattr(Path, "home", _no_home)
    assert cache_folder("edgecap") == NO_HOME / "edgecap"
    assert not cache_folder("edgecap").exists()


def test_is_writable_looks_at_the_folder_it_would_be_made_in(tmp_path):
    assert is_writable(tmp_path / "not" / "yet")
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "file").write_text("x")
    assert not is_writable(tmp_path / "file" / "below")
    assert not is_writable(Path("/proc/edgecap"))


def _double(values):
    for i in range(len(values)):
        values[i] *= 2


def test_loops_compile_where_numba_finds_no_cache_folder(monkeypatch):
    monkeypatch.setattr(caching.CacheImpl, "_locator_classes", [])
    values = np.arange(4)
    compiled(_double)(values)
    assert values.tolist() == [0, 2, 4, 6]
    assert numba_cache() is None


def test_without_home_nothing_is_made_in_the_working_folder(monkeypatch, tmp_path):
    """numba takes `~` for a folder's name where there is no home."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("NUMBA_CACHE_DIR", raising=False)
    monkeypatch.setattr(compiled_module, "is_writable", lambda folder: False)
    monkeypatch.setattr("os.path.expanduser", lambda path: path)
    values = np.arange(3)
    compiled(_double)(values)
    assert values.tolist() == [0, 2, 4]
    assert list(tmp_path.iterdir()) == []


def test_another_failure_of_the_compiler_is_not_hidden(monkeypatch):
    def broken(**options):
        raise RuntimeError("something else")

    monkeypatch.setattr(compiled_module, "njit", broken)
    with pytest.raises(RuntimeError, match="something else"):
        compiled(_double)


def test_doctor_names_caches_that_cannot_be_written(monkeypatch):
    monkeypatch.setenv("EDGECAP_ENGINES", "/proc/edgecap/engines")
    rows = {row.name: row for row in doctor.examine()}
    assert rows["cache of engines"].status == "missing"
    assert "/proc/edgecap/engines" in rows["cache of engines"].detail
    assert "EDGECAP_ENGINES" in rows["cache of engines"].fix
    assert not rows["cache of engines"].required
    assert rows["cache of compiled code"].name
