"""Who holds a lock, who waits, and that it dies with its process."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from edgecap.engines.errors import OutputError, StoreBusyError
from edgecap.engines.store.file_lock import holder_of, locked

_HOLDER = """
import sys, time
from pathlib import Path
from edgecap.engines.store.file_lock import locked
with locked(Path(sys.argv[1]), label="child", wait_seconds=0):
    print("held", flush=True)
    time.sleep(60)
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "one.lock"


def test_a_held_lock_is_refused_and_says_who_has_it(path: Path) -> None:
    with (
        locked(path, label="one", wait_seconds=0),
        pytest.raises(StoreBusyError, match=rf"^one: being built by pid {os.getpid()} on \S+ since 20\d\d-.*Z; wait"),
        locked(path, label="one", wait_seconds=0),
    ):
        pytest.fail("two holders")
    with locked(path, label="one", wait_seconds=0):
        assert f"pid {os.getpid()}" in holder_of(path)
    assert holder_of(path) == "an unknown process"


def test_waiting_ends_when_the_holder_does_and_is_announced_once(path: Path) -> None:
    held, said = threading.Event(), []

    def hold() -> None:
        with locked(path, label="first", wait_seconds=0):
            held.set()
            time.sleep(0.4)

    thread = threading.Thread(target=hold)
    thread.start()
    held.wait(5)
    begun = time.monotonic()
    with locked(path, label="second", wait_seconds=10, say=said.append):
        assert 0.2 < time.monotonic() - begun < 5
    thread.join()
    assert len(said) == 1 and said[0].startswith(f"second: waiting for pid {os.getpid()}")


def test_waiting_has_an_end(path: Path) -> None:
    with (
        locked(path, label="one", wait_seconds=0),
        pytest.raises(StoreBusyError, match=r"waited 0\.3 s"),
        locked(path, label="one", wait_seconds=0.3),
    ):
        pytest.fail("two holders")


def test_the_lock_of_a_killed_process_is_free(path: Path) -> None:
    child = subprocess.Popen([sys.executable, "-c", _HOLDER, str(path)], stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None
    with child.stdout:
        assert child.stdout.readline() == "held\n"
        with (
            pytest.raises(StoreBusyError, match=f"pid {child.pid} "),
            locked(path, label="one", wait_seconds=0),
        ):
            pytest.fail("two holders")
        child.send_signal(signal.SIGKILL)
        child.wait(10)
    assert f"pid {child.pid} " in holder_of(path), "a killed holder can't wipe its name"
    with locked(path, label="one", wait_seconds=0):
        assert f"pid {os.getpid()} " in holder_of(path)


def test_a_lock_that_can_not_be_opened(tmp_path: Path) -> None:
    with (
        pytest.raises(OutputError, match="the lock can't be opened"),
        locked(tmp_path / "no folder" / "one.lock", label="one", wait_seconds=0),
    ):
        pytest.fail("no file, no lock")
