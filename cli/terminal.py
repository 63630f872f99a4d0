"""What a person sees besides the result: lines, counters and bars on stderr, and a table's width on stdout.

stdout holds the result alone. Bars and counters are shown where stderr is a terminal and nowhere else.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import TYPE_CHECKING, Self, TextIO

import click
from rich import progress
from rich.console import Console

if TYPE_CHECKING:
    from edgecap.export.hub.hub import Watch

_PIPE_WIDTH = 220
"""Characters: a file or a pipe gets one row of a table a line."""


def say(text: str) -> None:
    """One line on stderr."""
    click.echo(f"edgecap: {text}", err=True)


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
