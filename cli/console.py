"""What a person sees while a run goes on: captions on stdout, warnings on stderr; plain text where no
terminal reads it.
"""

from __future__ import annotations

from pathlib import PurePath
from types import TracebackType

from rich.console import Console
from rich.text import Text

from edgecap.runtime.caption import FieldText, InstanceCaption
from edgecap.runtime.record import FailedVideo, Record
from edgecap.runtime.summary import RunSummary


class ConsoleSink:
    """Prints every record as it comes. `quiet`: print warnings only (stdout belongs to `--json`)."""

    def __init__(self, *, quiet: bool = False) -> None:
        self._out = Console(soft_wrap=True, highlight=False)
        self._err = Console(stderr=True, soft_wrap=True, highlight=False)
        self._quiet = quiet
        self._warned: set[str] = set()

    def __enter__(self) -> ConsoleSink:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        return None

    def write(self, record: Record) -> None:
        """Print one clip; the first one of a video outside the pack's domain warns."""
        if record.domain.status == "outside" and record.video.path not in self._warned:
            self._warned.add(record.video.path)
            self.warn(domain_warning(record))
        if not self._quiet:
            for line in record_lines(record):
                self._out.print(line)

    def fail(self, failed: FailedVideo) -> None:
        """One line on stderr."""
        kept = f" ({failed.clips_written} clips before it were kept)" if failed.clips_written else ""
        self._err.print(Text(f"edgecap: {' '.join(failed.message.split())}{kept}", style="red"))

    def warn(self, text: str) -> None:
        """One warning line on stderr."""
        self._err.print(Text(f"edgecap: warning: {text}", style="yellow"))

    def summary(self, summary: RunSummary, *, out: str) -> None:
        """The closing line."""
        if not self._quiet:
            self._out.print(Text(summary_line(summary, out=out), style="bold"))


def domain_warning(record: Record) -> str:
    """One line: what is outside of what, and the ways on."""
    distance, threshold = record.domain.distance, record.domain.threshold
    how_far = (
        f" (distance {distance:.2f}, limit {threshold:.2f})" if distance is not None and threshold is not None else ""
    )
    return (
        f"{PurePath(record.video.path).name} does not look like what pack {record.used.get('pack', '?')} was trained on"
        f"{how_far}: its instances and words are withheld; use --detector motion for plain, true captions, or --pack "
        "with a pack from a model hub"
    )


def record_lines(record: Record) -> list[Text]:
    """One clip as lines of text."""
    window, caption = record.window, record.caption
    head = (
        f"{PurePath(record.video.path).name}  clip {window.clip_index}  "
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
    """What a run came to, in one line."""
    speed = summary.video_seconds / summary.wall_seconds if summary.wall_seconds else 0.0
    parts = [
        f"{_counted(summary.clips, 'clip')}, {_counted(summary.instances, 'instance')} "
        f"from {_counted(summary.videos, 'video')}",
        f"{summary.video_seconds:.1f} s of video in {summary.wall_seconds:.1f} s ({speed:.1f}x real time)",
    ]
    if summary.clips_skipped:
        parts.append(f"{_counted(summary.clips_skipped, 'clip')} already there")
    if summary.failures:
        parts.append(f"{len(summary.failures)} failed")
    if summary.interrupted:
        parts.append("interrupted: what is written is complete, --resume goes on from there")
    return f"{'; '.join(parts)}; written to {out}"


def _counted(count: int, noun: str) -> str:
    return f"{count} {noun}{'' if count == 1 else 's'}"


def _instance_lines(number: int, instance: InstanceCaption) -> list[Text]:
    head = Text(f"  No.{number} {instance.class_name.text}", style="green")
    head.append(f"  (track {instance.track_id})", style="dim")
    return [head, *(_line("  ", field) for field in (instance.appearance, instance.action, instance.position))]


def _line(label: str, field: FieldText) -> Text:
    """A field; what the pack could not know is said dimly."""
    return Text(f"  {label}{field.text}", style="dim" if field.provenance == "abstained" else "")
