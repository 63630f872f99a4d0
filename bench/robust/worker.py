"""A process that makes and uses tries one after another, and what it says of each.

It may die: whoever started it sees that, has the stack of its last moment in its log, and starts another.
"""

from __future__ import annotations

import contextlib
import faulthandler
import gc
import io
import os
import resource
import shutil
import signal
import time
import traceback
from multiprocessing.connection import Connection
from pathlib import Path

import edgecap.engines
from edgecap.bench.robust.attempt import Attempt, CommandLine, Outcome, judge, make_and_use
from edgecap.bench.robust.exercise import Models
from edgecap.bench.robust.samples import Samples

READY = "ready"
_ROOT = Path(edgecap.engines.__file__).resolve().parent.parent
_OURS = Path(__file__).resolve().parent
_BACKSTOP_BYTES = 8 << 30


def work(connection: Connection, samples: Samples, command: CommandLine | None, folder: Path) -> None:
    """Answer every `Attempt` on `connection` by its `Outcome`; None ends it. `folder`: this worker's own.

    What the try was made into is in `folder`/try afterwards; `folder`/done has the words for it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    os.chdir(folder)
    os.environ["EDGECAP_ENGINES"] = str(folder / "no-engines")
    log = (folder / "log").open("w", encoding="utf-8")
    faulthandler.enable(log, all_threads=True)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the process that gives the tries
    models = Models()
    _warm(models, samples)
    _limit_memory()
    connection.send(READY)
    while (attempt := connection.recv()) is not None:
        connection.send(run_attempt(attempt, samples, models, command, folder))


def run_attempt(
    attempt: Attempt, samples: Samples, models: Models, command: CommandLine | None, folder: Path
) -> Outcome:
    """One try in this process."""
    place, notes = folder / "try", folder / "done"
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir(parents=True)
    notes.write_text("", encoding="utf-8")
    begun, printed = time.perf_counter(), io.StringIO()

    def say(words: str) -> None:
        notes.write_text(words, encoding="utf-8", errors="replace")

    result, error, message, where = "ok", "", "", ""
    try:
        with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(printed):
            make_and_use(attempt, samples, models, command, place, say)
    except (Exception, SystemExit) as caught:
        result = judge(caught) if isinstance(caught, Exception) else "traceback"
        error, message, where = type(caught).__name__, str(caught), _where(caught)
        if not message or error == "ExitCodeError":
            message = printed.getvalue()[-2000:]
        caught.__traceback__ = None
    if attempt.number % 50 == 0:
        gc.collect()
    return Outcome(
        attempt,
        result,
        error,
        message.encode("utf-8", "replace").decode()[:2000],
        where,
        notes.read_text(encoding="utf-8"),
        round(time.perf_counter() - begun, 3),
    )


def _warm(models: Models, samples: Samples) -> None:
    """Open the models and compile their loops, so that no try pays for it."""
    for pipeline in (models.motion, models.pack):
        pipeline.run(samples.videos[:1], overlap=False).raise_for_failures()


def _limit_memory() -> None:
    """Far beyond any try: the one who watches kills earlier; this is for a single huge allocation."""
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0])
    most = pages * os.sysconf("SC_PAGE_SIZE") + _BACKSTOP_BYTES
    resource.setrlimit(resource.RLIMIT_AS, (most, most))


def _where(error: BaseException) -> str:
    """As "runtime/video/source.py:120 in sampled": the last line of ours outside this folder, else inside it; "" where
    there is none."""
    frames = [(Path(frame.filename).resolve(), frame) for frame in traceback.extract_tb(error.__traceback__)]
    ours = [(path, frame) for path, frame in frames if path.is_relative_to(_ROOT)]
    outside = [(path, frame) for path, frame in ours if not path.is_relative_to(_OURS)] or ours
    if not outside:
        return ""
    path, frame = outside[-1]
    return f"{path.relative_to(_ROOT).as_posix()}:{frame.lineno} in {frame.name}"
