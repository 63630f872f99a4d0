"""Result of a run: counts, times and failures, and the exit code that follows from them."""

from __future__ import annotations

from dataclasses import dataclass, field

from edgecap.engines.errors import EdgecapError, SomeClipsFailedError
from edgecap.runtime.data.record import FailedVideo
from edgecap.runtime.english import printable
from edgecap.runtime.pipeline.stage_clock import StageTimes
from edgecap.runtime.verify.reasons import VerifierCounts

INTERRUPTED_EXIT_CODE = 130


@dataclass(frozen=True, slots=True)
class Failure:
    """One video that failed, and the exception behind it (for `--debug`)."""

    failed: FailedVideo
    cause: Exception


@dataclass(frozen=True, slots=True)
class RunSummary:
    """Totals of one `Pipeline.run`.

    `videos`: inputs met, `videos_done` came to their end, the rest is in `failures` (or was cut off by an
    interrupt). `clips`: records written, `clips_skipped` were there from an earlier run. `video_seconds`:
    length of the windows written. `frames_analysed` over written windows, `frames_dropped` by back-pressure.
    `ages_seconds`: age of caption of every record. `stages`: busy and wait times. `verified`: what became of the fields
    that the captioner was asked for.
    """

    videos: int
    videos_done: int
    clips: int
    clips_skipped: int
    instances: int
    video_seconds: float
    wall_seconds: float
    frames_analysed: int
    frames_dropped: int
    model_calls: int
    prefill_tokens: int
    decode_tokens: int
    ages_seconds: tuple[float, ...]
    stages: tuple[StageTimes, ...]
    failures: tuple[Failure, ...]
    interrupted: bool
    verified: VerifierCounts = field(default_factory=VerifierCounts)
    generations: int = 0

    @property
    def exit_code(self) -> int:
        """0; 130 after an interrupt; the failure's own code when the only input failed; 8 when some of
        several failed.
        """
        if self.interrupted:
            return INTERRUPTED_EXIT_CODE
        if not self.failures:
            return 0
        if self.videos == 1:
            return self.failures[0].failed.exit_code
        return SomeClipsFailedError.exit_code

    def raise_for_failures(self) -> None:
        """Raise what `exit_code` stands for: the only input's own error, `SomeClipsFailedError`, or
        KeyboardInterrupt.
        """
        if self.interrupted:
            raise KeyboardInterrupt
        if not self.failures:
            return
        first = self.failures[0]
        if self.videos == 1:
            raise first.cause
        raise SomeClipsFailedError(
            f"{len(self.failures)} of {self.videos} videos failed, the first with: {first.failed.message}"
        ) from first.cause


def failed_video(path: str, error: Exception) -> FailedVideo:
    """The row for a video that `error` ended; an exception outside the error tree is reported as a bug of edgecap."""
    if isinstance(error, EdgecapError):
        return FailedVideo(path, type(error).__name__, printable(str(error)), error.exit_code, clips_written=0)
    message = printable(f"internal error: {type(error).__name__}: {error}").splitlines()[0]
    return FailedVideo(
        path,
        type(error).__name__,
        f"{message} (please report it; --debug shows where)",
        EdgecapError.exit_code,
        clips_written=0,
    )
