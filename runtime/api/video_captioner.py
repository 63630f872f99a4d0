"""A captioner opened once: videos, or a program's own frames, in; clips out, each as soon as it is written."""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterable, Iterator
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Literal

from edgecap.engines.errors import UsageError
from edgecap.runtime.api.clip import Clip, clip_of
from edgecap.runtime.config import (
    AUTO,
    MASK_REFRESH,
    MasksChoice,
    PipelineConfig,
    PipelineOptions,
    ProviderChoice,
    StageThreads,
    make_config,
)
from edgecap.runtime.data.record import FailedVideo, Record
from edgecap.runtime.video.frame_stream import FrameStream, RgbFrame

if TYPE_CHECKING:
    from edgecap.runtime.perceive.callable_detector import DetectFunction
    from edgecap.runtime.pipeline.auto import ChoiceLog
    from edgecap.runtime.pipeline.pipeline import Pipeline
    from edgecap.runtime.pipeline.queues import StopSignal
    from edgecap.runtime.pipeline.summary import RunSummary

_CLIPS_WAITING = 2  # a slow reader slows the run instead of filling the memory


class VideoCaptioner:
    """Opens models once and captions any number of sources; a context manager. One source at a time.

    `pack`: a shipped or pulled pack, a folder, or "auto", which chooses for each video (`PipelineConfig`) and logs one
    line on the logger "edgecap" where nano does not know the footage. `detector`: "pack", "motion", or a function
    `fn(rgb uint8 [H, W, 3]) -> (boxes_xyxy [N, 4] in pixels, scores [N], labels list[str])`, which is called on every
    analysed frame (upright, long side at most `working_side`). `captioner`: "pack", or "none" for sentences from
    measurements alone (the default with a detector that is not the pack's). `threads`: CPU threads inside each stage.
    The other options are those of `PipelineConfig`.

    Raises UsageError (an option of another type or range), PackError, EngineError.
    """

    def __init__(
        self,
        *,
        pack: str | Path = AUTO,
        detector: Literal["pack", "motion"] | DetectFunction = "pack",
        captioner: Literal["pack", "none"] | None = None,
        provider: ProviderChoice = "cpu",
        window_seconds: float = 5.0,
        sample_fps: float = 8.0,
        max_instances: int = 8,
        working_side: int = 640,
        threads: int | StageThreads = 1,
        masks: MasksChoice = "boxes",
        mask_refresh: int = MASK_REFRESH,
    ) -> None:
        if not callable(detector) and detector not in ("pack", "motion"):
            raise UsageError(f"detector must be 'pack', 'motion' or a function of one RGB array; got {detector!r}")
        options: PipelineOptions = {
            "pack": str(pack) if isinstance(pack, Path) else pack,
            "detector": "callable" if callable(detector) else detector,
            "provider": provider,
            "window_seconds": window_seconds,
            "sample_fps": sample_fps,
            "max_instances": max_instances,
            "working_side": working_side,
            "threads": threads,
            "masks": masks,
            "mask_refresh": mask_refresh,
        }
        if captioner is not None:
            options["captioner"] = captioner
        self._config = make_config(**options)
        self._pipeline: Pipeline | None = _open(self._config, detector if callable(detector) else None)
        self._choices = _choice_log()
        self._busy = False

    def __enter__(self) -> VideoCaptioner:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Free the models; may be called twice. Afterwards the captioner can't be used."""
        self._pipeline = None

    def caption(self, path: str | Path) -> list[Clip]:
        """All clips of one video, or of every video of a folder, in order.

        Raises the video's own error (see `edgecap.engines.errors`), or SomeClipsFailedError where some of several
        videos failed.
        """
        return list(self.stream(path))

    def stream(self, source: str | Path | Iterable[RgbFrame], *, name: str = "frames") -> Iterator[Clip]:
        """Clips of one source, each as soon as it is written, while the next ones are being analysed.

        `source`: a path (file or folder), or an iterable of (rgb uint8 [H, W, 3], pts_seconds), read in another
        thread; `name` is then the clips' `video`. Clips made before an error are yielded before it is raised. Closing
        the iterator stops the run.
        """
        if self._pipeline is None:
            raise UsageError("this captioner is closed; open another one")
        _check_source(source)
        return self._clips(self._pipeline, source, name)

    def _clips(self, pipeline: Pipeline, source: str | Path | Iterable[RgbFrame], name: str) -> Iterator[Clip]:
        from edgecap.runtime.pipeline.queues import StopSignal

        if self._busy:
            raise UsageError("this captioner is still streaming another source; close that iterator or finish it first")
        self._busy = True
        clips: queue.Queue[Clip | RunSummary | BaseException] = queue.Queue(_CLIPS_WAITING)
        stop = StopSignal()
        side = self._config.working_side
        run = partial(
            _run, pipeline, source, name=name, working_side=side, clips=clips, stop=stop, choices=self._choices
        )
        worker = threading.Thread(target=run, name="edgecap-run", daemon=True)
        worker.start()
        try:
            while isinstance(item := clips.get(), Clip):
                yield item
            if isinstance(item, BaseException):
                raise item
            item.raise_for_failures()
        finally:
            stop.set()
            _drain(clips, worker)
            self._busy = False


class _ClipSink:
    """Hands clips to the reader; waits while the reader is behind, unless the run is stopping."""

    def __init__(
        self, clips: queue.Queue[Clip | RunSummary | BaseException], stop: StopSignal, choices: ChoiceLog
    ) -> None:
        self._clips, self._stop, self._choices = clips, stop, choices

    def write(self, record: Record) -> None:
        self._choices.see(record)
        _put(self._clips, clip_of(record), self._stop)

    def fail(self, failed: FailedVideo) -> None:
        """The failure is raised when the run is over."""


def _check_source(source: object) -> None:
    if isinstance(source, bytes) or not isinstance(source, str | Path | Iterable):
        raise UsageError(f"source must be a path or an iterable of (rgb, pts_seconds); got {type(source).__name__}")
    if isinstance(source, str) and "://" in source:
        raise UsageError(f"addresses are not read yet, got {source!r}; pass a file, a folder or an iterator of frames")


def _choice_log() -> ChoiceLog:
    from edgecap.runtime.pipeline.auto import ChoiceLog

    return ChoiceLog()


def _open(config: PipelineConfig, detect: DetectFunction | None) -> Pipeline:
    from edgecap.runtime.pipeline.open import build_stages
    from edgecap.runtime.pipeline.pipeline import Pipeline

    return Pipeline(config, stages=build_stages(config, detect=detect))


def _run(
    pipeline: Pipeline,
    source: str | Path | Iterable[RgbFrame],
    *,
    name: str,
    working_side: int,
    clips: queue.Queue[Clip | RunSummary | BaseException],
    stop: StopSignal,
    choices: ChoiceLog,
) -> None:
    sink = _ClipSink(clips, stop, choices)
    last: RunSummary | BaseException
    try:
        if isinstance(source, str | Path):
            last = pipeline.run([source], [sink], stop=stop)
        else:
            frames = partial(FrameStream, source, name=name, working_side=working_side)
            last = pipeline.run_opened(name, frames, [sink], stop=stop)
    except BaseException as error:  # every error belongs to the reader's thread
        last = error
    _put(clips, last, stop)


def _put(
    clips: queue.Queue[Clip | RunSummary | BaseException], item: Clip | RunSummary | BaseException, stop: StopSignal
) -> None:
    while not stop.is_set():
        try:
            clips.put(item, timeout=0.1)
            return
        except queue.Full:
            continue


def _drain(clips: queue.Queue[Clip | RunSummary | BaseException], worker: threading.Thread) -> None:
    while worker.is_alive():
        try:
            clips.get(timeout=0.05)
        except queue.Empty:
            continue
