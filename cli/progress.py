"""What a person sees of work that takes minutes: lines on stderr, and a bar for large files on a terminal."""

from __future__ import annotations

import sys
from collections.abc import Callable
from types import TracebackType
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

    from edgecap.export.hub.hub import Watch


def sayer(as_json: bool) -> Callable[[str], None]:
    """Lines on stderr, so that stdout holds the result alone; silent for `--json` where nobody looks."""
    if as_json and not sys.stderr.isatty():
        return lambda line: None
    return lambda line: click.echo(f"edgecap: {line}", err=True)


class Transfers:
    """Shows a fetch from the hub. A context manager; on a terminal a bar with speed and time left, else lines."""

    def __init__(self, say: Callable[[str], None]) -> None:
        self._say = say
        self._progress: Progress | None = None
        self._tasks: dict[str, TaskID] = {}
        if sys.stderr.isatty():
            from rich import progress
            from rich.console import Console

            self._progress = progress.Progress(
                progress.TextColumn("{task.description}"),
                progress.BarColumn(),
                progress.DownloadColumn(),
                progress.TransferSpeedColumn(),
                progress.TimeRemainingColumn(),
                console=Console(stderr=True),
                transient=True,
            )

    def __enter__(self) -> Watch:
        from edgecap.export.hub.hub import Watch

        return Watch(self._on_file, self._on_bytes)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._progress is not None:
            self._progress.stop()

    def _on_file(self, name: str, number: int, of: int, size: int) -> None:
        self._finish()
        if not size:
            return
        if self._progress is None:
            self._say(f"fetching {name}, {number} of {of}, {size / 1e6:.1f} MB")
            return
        self._progress.start()
        self._tasks[name] = self._progress.add_task(f"{number}/{of} {name}", total=size)

    def _on_bytes(self, name: str, there: int) -> None:
        if self._progress is None or name not in self._tasks:
            return
        self._progress.update(self._tasks[name], completed=there)
        if self._progress.tasks and there == self._progress.tasks[-1].total:
            self._finish()

    def _finish(self) -> None:
        """The bar goes when its file is there: what follows prints lines of its own."""
        if self._progress is not None:
            for task in self._tasks.values():
                self._progress.remove_task(task)
            self._tasks.clear()
            self._progress.stop()
