"""Freed memory goes back to the system, and its absence is no error."""

from __future__ import annotations

import ctypes
import platform
from pathlib import Path

import numpy as np
import pytest

from edgecap.runtime.pipeline import memory
from edgecap.runtime.pipeline.memory import give_back_free_memory


def _resident_mib() -> float:
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096 / 2**20


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc can be asked to give memory back")
def test_holes_in_the_heap_are_given_back() -> None:
    held = [np.ones(12_000, np.uint8) for _ in range(6_000)]  # below the size that is mapped on its own
    before = _resident_mib()
    held = held[::50]  # one in fifty keeps the heap's end where it is
    give_back_free_memory()
    assert len(held) == 120 and _resident_mib() < before - 40


def test_a_c_library_without_it_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    memory._trim.cache_clear()
    monkeypatch.setattr(ctypes, "CDLL", lambda name: object())
    give_back_free_memory()
    assert memory._trim() is None
    memory._trim.cache_clear()
