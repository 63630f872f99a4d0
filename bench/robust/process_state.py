"""What a process holds at a moment: memory, threads, open handles, and how many of our objects are alive."""

from __future__ import annotations

import gc
import os
from dataclasses import dataclass
from pathlib import Path

from edgecap.engines.errors import UsageError
from edgecap.runtime.data.frame import Frame
from edgecap.runtime.perceive.track import Track


@dataclass(frozen=True, slots=True)
class ProcessState:
    """Of this process, all threads together."""

    rss_mb: float
    """Resident memory in MiB."""
    threads: int
    """Threads of the kernel: those of libraries too."""
    handles: int
    """Open files, sockets and pipes."""
    tracks_alive: int
    """`Track` objects that anything still refers to: of the tracker in use and of any that was let go."""
    frames_alive: int
    """Likewise `Frame`s, with their pictures."""


def check_process_files() -> None:
    """Raise UsageError where the system gives no /proc (Linux does)."""
    if not Path("/proc/self/statm").exists():
        raise UsageError("memory, threads and handles are read from /proc, which this system lacks; run it on Linux")


def rss_mb(pid: int | str = "self") -> float:
    """Resident memory of a process in MiB; 0.0 for one that has ended."""
    try:
        pages = int(Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[1])
    except (OSError, IndexError):
        return 0.0
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def cpu_seconds(pid: int) -> float:
    """CPU time of a process so far, its threads together; 0.0 for one that has ended."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def read_process_state() -> ProcessState:
    """The state now. Takes some 30 ms: it goes over all objects."""
    return ProcessState(
        rss_mb=rss_mb(),
        threads=len(os.listdir("/proc/self/task")),
        handles=len(os.listdir("/proc/self/fd")) - 1,  # the listing holds one itself
        tracks_alive=_alive(Track),
        frames_alive=_alive(Frame),
    )


def _alive(kind: type) -> int:
    """Objects of a class. Every one refers to its class. Not by `gc.get_objects`: that holds the tuples that other
    threads are just making, whose making then fails (SystemError, seen after 30 minutes of video)."""
    return sum(type(thing) is kind for thing in gc.get_referrers(kind))
