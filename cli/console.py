"""Captions on stdout and warnings on stderr during a run; plain text where there is no terminal."""

from __future__ import annotations

import sys
from pathlib import Path, PurePath
from types import TracebackType
from typing import Any, Self

from rich.console import Console
from rich.progress import TaskProgressColumn, TimeElapsedColumn
from rich.text import Text

from edgecap.cli.terminal import Bars, echo_json
from edgecap.runtime.data.caption import FieldText, InstanceCaption
from edgecap.runtime.data.record import FailedVideo, Record
from edgecap.runtime.english import printable
from edgecap.runtime.pipeline.auto import choice_line
from edgecap.runtime.pipeline.summary import RunSummary, SinkFailure


class ConsoleSink:
    """Prints every record as it comes. `quiet`: print warnings only (stdout belongs to `--json`).

    Inside its with block, and where stderr is a terminal, a bar shows how far into the video the captions are.
    """

    def __init__(self, *, quiet: bool = False) -> None:
        self._bars = Bars(TaskProgressColumn(), TimeElapsedColumn())
        self._err = self._bars.console
        # One terminal: lines must go through the console that moves the bar.
        one = self._bars.shown and sys.stdout.isatty()
        self._out = self._err if one else Console(soft_wrap=True, highlight=False, emoji=False)
        self._quiet = quiet
        self._warned: set[tuple[str, str]] = set()
        self._video = ""
        self._choice_said = False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bars.clear()

    def write(self, record: Record) -> None:
        """Print one clip; warn once per video of what is wrong with it, and once of a pack that auto has chosen."""
        if (choice := choice_line(record)) is not None and not self._choice_said:
            self._choice_said = True
            self.warn(f"{printable(PurePath(record.video.path).name)}: {choice}")
        for kind, text in warnings_of(record):
            if (kind, record.video.path) not in self._warned:
                self._warned.add((kind, record.video.path))
                self.warn(text)
        if not self._quiet:
            for line in record_lines(record):
                self._out.print(line)
        self._advance(record)

    def fail(self, failed: FailedVideo) -> None:
        """One line on stderr."""
        kept = f" ({_counted(failed.clips_written, 'clip')} before it kept)" if failed.clips_written else ""
        self._err.print(Text(f"edgecap: {printable(' '.join(failed.message.split()))}{kept}", style="red"))

    def output_failed(self, failure: SinkFailure) -> None:
        """One line on stderr: which output of which video, and why."""
        self._err.print(Text(f"edgecap: {printable(' '.join(failure.message.split()))}", style="red"))

    def warn(self, text: str) -> None:
        """One warning line on stderr."""
        self._err.print(Text(f"edgecap: warning: {printable(text)}", style="yellow"))

    def _advance(self, record: Record) -> None:
        if self._video != record.video.path:
            self._bars.clear()
            self._video = record.video.path
        name = printable(PurePath(record.video.path).name)
        self._bars.update(name, record.window.end_seconds, total=record.video.duration_seconds)

    def summary(self, summary: RunSummary, *, out: str) -> None:
        """The closing line."""
        if not self._quiet:
            self._out.print(Text(summary_line(summary, out=out), style="bold"))


def warnings_of(record: Record) -> list[tuple[str, str]]:
    """(kind, one line) for everything about a record's video that a user should know before trusting its rows."""
    name, found = printable(PurePath(record.video.path).name), []
    if record.domain.status == "outside":
        found.append(("outside", domain_warning(record)))
    if record.domain.status == "unchecked" and record.used.get("captioner", "none") != "none":
        found.append(
            (
                "unchecked",
                f"{name}: not checked whether it looks like what pack {record.used.get('pack', '?')} was trained on; "
                "check what the model wrote, or use --captioner none",
            )
        )
    if "damaged" in (engines := record.used.get("engines", "")):
        advice = "edgecap engines verify shows it, edgecap build builds it again"
        found.append(("engines", f"{name}: not every engine of the store could be used ({engines}); {advice}"))
    found += [(note, f"{name}: {note}") for note in record.video.notes]
    faults = []
    if record.video.skipped_frames:
        faults.append(f"{_counted(record.video.skipped_frames, 'frame')} whose time did not advance left out")
    if record.video.estimated_times:
        faults.append(f"{_counted(record.video.estimated_times, 'frame')} without a time given an estimated one")
    if faults:
        found.append(("times", f"{name}: {', '.join(faults)} (so far); re-encode the file for exact times"))
    return found


def domain_warning(record: Record) -> str:
    """One line: what is outside of what, and what to do."""
    distance, threshold = record.domain.distance, record.domain.threshold
    how_far = (
        f" (distance {distance:.2f}, limit {threshold:.2f})" if distance is not None and threshold is not None else ""
    )
    window = record.window
    clip = f"clip {window.clip_index} ({window.start_seconds:.1f}-{window.end_seconds:.1f} s)"
    return (
        f"{printable(PurePath(record.video.path).name)}: {clip} is outside the training domain of pack "
        f"{record.used.get('pack', '?')}{how_far}: its instances are not reported, nor "
        "those of later clips like it; use --detector motion for measured captions, or --pack with a pack exported "
        "from a hub checkpoint"
    )


def record_lines(record: Record) -> list[Text]:
    """One clip as lines of text."""
    window, caption = record.window, record.caption
    head = (
        f"{printable(PurePath(record.video.path).name)}  clip {window.clip_index}  "
        f"{window.start_seconds:.1f}-{window.end_seconds:.1f} s  {_counted(len(caption.instances), 'instance')}"
    )
    lines = [Text(head, style="bold cyan"), _line("", caption.global_description)]
    for number, instance in enumerate(caption.instances):
        lines.extend(_instance_lines(number, instance))
    lines += [_line("background: ", caption.background), _line("camera: ", caption.camera)]
    if window.dropped_frames:
        lines.append(Text(f"  {window.dropped_frames} frames dropped to keep up", style="yellow"))
    return lines


def summary_line(summary: RunSummary, *, out: str) -> str:
    """The result of a run, in one line."""
    speed = summary.video_seconds / summary.wall_seconds if summary.wall_seconds else 0.0
    parts = [
        f"{_counted(summary.clips, 'clip')}, {_counted(summary.instances, 'instance')} "
        f"from {_counted(summary.videos, 'video')}",
        f"{summary.video_seconds:.1f} s of video in {summary.wall_seconds:.1f} s ({speed:.1f}x real time)",
    ]
    if summary.verified.rejected:
        verified = summary.verified
        parts.append(
            f"{verified.rejected} of {verified.asked} model fields refused "
            f"({verified.repaired} repaired, {verified.fallen_back} fallen back)"
        )
    if summary.clips_skipped:
        parts.append(f"{_counted(summary.clips_skipped, 'clip')} already there")
    if summary.failures:
        parts.append(f"{len(summary.failures)} failed")
    if summary.sink_failures:
        parts.append(f"{_counted(len(summary.sink_failures), 'output')} not written")
    if summary.interrupted:
        parts.append("interrupted: what is written is complete, --resume continues from there")
    return f"{'; '.join(parts)}; written to {printable(out)}"


def _counted(count: int, noun: str) -> str:
    return f"{count} {noun}{'' if count == 1 else 's'}"


def _instance_lines(number: int, instance: InstanceCaption) -> list[Text]:
    head = Text(f"  No.{number} {printable(instance.class_name.text)}", style="green")
    head.append(f"  (track {instance.track_id})", style="dim")
    return [head, *(_line("  ", field) for field in (instance.appearance, instance.action, instance.position))]


def _line(label: str, field: FieldText) -> Text:
    """A field; what the pack could not know is dimmed."""
    return Text(f"  {label}{printable(field.text)}", style="dim" if field.provenance == "abstained" else "")


class JsonPrinter:
    """A sink that prints rows as JSON Lines."""

    def __init__(self, root: Path | None) -> None:
        self._root = root

    def write(self, record: Record) -> None:
        """One row of a clip."""
        from edgecap.runtime.output.row import record_to_json

        self._print(record_to_json(record, root=self._root))

    def fail(self, failed: FailedVideo) -> None:
        """One row with status "error"."""
        from edgecap.runtime.output.row import failed_to_json

        self._print(failed_to_json(failed, root=self._root))

    def _print(self, row: dict[str, Any]) -> None:
        echo_json(row)
