"""What a person sees besides the result: lines, counters and bars on stderr, and a table's width on stdout.

stdout holds the result alone. Bars and counters are shown where stderr is a terminal and nowhere else.
"""

from __future__ import annotations

import errno
import io
import json
import os
import re
import select
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, TextIO

import click
from rich import progress
from rich.console import Console

from edgecap.runtime.english import escaped, printable_lines

if TYPE_CHECKING:
    from edgecap.export.hub.hub import Watch

_PIPE_WIDTH = 220
"""Characters: a file or a pipe gets one row of a table a line."""
_CONTROL_SEQUENCE = re.compile(r"(\x1b\[[0-9;?]*[A-Za-z])")
_READER_GONE = {errno.EPIPE, errno.EIO, errno.ESHUTDOWN, errno.ECONNRESET}
"""`head` has read enough; the terminal was closed."""


def say(text: str) -> None:
    """One line on stderr."""
    echo(f"edgecap: {text}", err=True)


def echo(text: str, *, err: bool = False) -> None:
    """Lines on stdout or stderr; what a terminal would obey in them is replaced."""
    click.echo(printable_lines(text), err=err)


def echo_json(value: object) -> None:
    """One line of JSON on stdout, at once. Where stdout can't show every character, all but ASCII is escaped."""
    shows_all = "".join((sys.stdout.encoding or "").lower().split("-")) in ("utf8", "utf8sig", "utf16", "utf32")
    click.echo(escaped(json.dumps(value, ensure_ascii=not shows_all, allow_nan=False)))
    sys.stdout.flush()


@dataclass(slots=True)
class Streams:
    """`stdout_error`: why something printed on stdout is lost; None where nothing is, or its reader has gone."""

    stdout_error: OSError | None = None


@contextmanager
def lasting_streams() -> Iterator[Streams]:
    """Inside the with block, stdout and stderr take everything: what their encoding lacks becomes "?", what a terminal
    would obey (but colours and cursor movements of ours) becomes U+FFFD, and what can't be written (closed, no reader,
    disk full) is dropped. So no command stops halfway because of what it prints.

    File descriptors 0 to 2 that are closed are opened on the null device: else a file of ours would get such a number,
    and the messages of libraries in it. Streams that are not files (of a test) stay as they are.
    """
    _fill_standard_descriptors()
    state, before = Streams(), (sys.stdout, sys.stderr)

    def lost(error: OSError) -> None:
        if error.errno not in _READER_GONE and state.stdout_error is None:
            state.stdout_error = error

    sys.stdout = _lasting(sys.stdout, 1, lost)
    sys.stderr = _lasting(sys.stderr, 2, lambda error: None)
    try:
        yield state
    finally:
        for stream in (sys.stdout, sys.stderr):
            with suppress(OSError, ValueError):
                stream.flush()
        sys.stdout, sys.stderr = before


def _fill_standard_descriptors() -> None:
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest free number


def _lasting(stream: TextIO | None, number: int, lost: Callable[[OSError], None]) -> TextIO:
    encoding = "utf-8"
    if stream is not None:
        try:
            number, encoding = stream.fileno(), stream.encoding
            stream.flush()
        except (OSError, ValueError, AttributeError):
            return stream
    elif number > 2:
        return io.StringIO()
    if os.name == "nt" and os.isatty(number):  # Python's own console stream knows how to write there
        return stream or io.StringIO()
    return _SafeText(io.BufferedWriter(_LastingFile(number, lost)), encoding=encoding, errors="replace")


class _LastingFile(io.FileIO):
    """A descriptor, left open in the end, that never refuses: what it can't write is lost."""

    def __init__(self, number: int, lost: Callable[[OSError], None]) -> None:
        super().__init__(number, "wb", closefd=False)
        self._lost = lost

    def write(self, data: Any) -> int:
        """Write all of it, waiting where the other end is slow (a pipe that does not block)."""
        view = memoryview(data).cast("B")
        at = 0
        while at < len(view):
            try:
                at += super().write(view[at:]) or 0
            except OSError as error:
                self._lost(error)
                break
            if at < len(view):
                select.select([], [self.fileno()], [], 1.0)
        return len(view)


class _SafeText(io.TextIOWrapper):
    """A text stream that shows no character which a terminal obeys, except colours and cursor movements on a
    terminal."""

    def __init__(self, buffer: io.BufferedWriter, *, encoding: str, errors: str) -> None:
        super().__init__(buffer, encoding=encoding, errors=errors, line_buffering=buffer.isatty())
        self._parts = _CONTROL_SEQUENCE if buffer.isatty() else None

    def write(self, text: str) -> int:
        """The text with what is not safe replaced; \\r stays."""
        pieces = self._parts.split(text) if self._parts else [text]
        safe = [piece if k % 2 else _safe(piece) for k, piece in enumerate(pieces)]
        super().write("".join(safe))
        return len(text)


def _safe(text: str) -> str:
    return "\r".join(map(printable_lines, text.split("\r")))


def sayer(*, as_json: bool) -> Callable[[str], None]:
    """`say`, or nothing with `--json` where stderr is not a terminal."""
    return (lambda text: None) if as_json and not sys.stderr.isatty() else say


def counter(*, as_json: bool) -> Callable[[str], None]:
    """A line of progress that replaces itself; silent with `--json` and where stderr is not a terminal."""
    if as_json or not sys.stderr.isatty():
        return lambda text: None
    return lambda text: click.echo(f"\r\x1b[K{text}", nl=False, err=True)


def table_console() -> Console:
    """stdout for a table: as wide as the terminal, or wide enough not to fold rows."""
    console = Console(highlight=False)
    return console if console.is_terminal else Console(highlight=False, width=_PIPE_WIDTH)


class Bars:
    """Named progress bars on a terminal; updating them does nothing elsewhere.

    `columns`: rich's columns after name and bar. `note` of `update` is shown by `NOTE`. Bars are on the
    screen while there is one, so that lines can be printed in between; inside a bar's life, lines must be printed
    through `console`. A context manager, which takes all bars away.
    """

    NOTE = progress.TextColumn("{task.fields[note]}")

    def __init__(self, *columns: progress.ProgressColumn, stream: TextIO | None = None) -> None:
        stream = stream or sys.stderr
        self.shown = stream.isatty()
        self.console = Console(file=stream, soft_wrap=True, highlight=False)
        self._progress = progress.Progress(
            progress.TextColumn("{task.description}", markup=False),
            progress.BarColumn(),
            *columns,
            console=self.console,
            transient=True,
            redirect_stdout=False,
            redirect_stderr=False,
        )
        self._tasks: dict[str, progress.TaskID] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.clear()

    def update(self, name: str, done: float, *, total: float | None, note: str = "") -> None:
        """Set the bar `name` to `done` of `total` (None: length unknown); the first time it appears."""
        if not self.shown:
            return
        if name not in self._tasks:
            self._progress.start()
            self._tasks[name] = self._progress.add_task(name, total=total, note=note)
        self._progress.update(self._tasks[name], completed=done, note=note)

    def clear(self) -> None:
        """Take all bars off the screen."""
        if self._tasks:
            self._progress.stop()  # draws their last state
        for task in self._tasks.values():
            self._progress.remove_task(task)
        self._tasks.clear()


@contextmanager
def watched_fetch(say: Callable[[str], None]) -> Iterator[Watch]:
    """Callbacks that show a fetch from the hub: a bar with speed and time left on a terminal, else a line a file."""
    from edgecap.export.hub.hub import Watch

    columns = (progress.DownloadColumn(), progress.TransferSpeedColumn(), progress.TimeRemainingColumn())
    with Bars(*columns) as bars:
        labels: dict[str, tuple[str, int]] = {}

        def on_file(name: str, number: int, of: int, size: int) -> None:
            bars.clear()
            if not size:
                return
            labels[name] = (f"{number}/{of} {name}", size)
            if bars.shown:
                bars.update(labels[name][0], 0, total=size)
            else:
                say(f"fetching {name}, {number} of {of}, {size / 1e6:.1f} MB")

        def on_bytes(name: str, arrived: int) -> None:
            if name not in labels:
                return
            label, size = labels[name]
            bars.update(label, arrived, total=size)
            if arrived == size:  # the bar goes when its file is there: what follows prints lines of its own
                del labels[name]
                bars.clear()

        yield Watch(on_file, on_bytes)
