"""The order of things: decode -> perceive -> describe -> write, over any number of videos. No maths, no
threads.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path

from edgecap.runtime.config import PipelineConfig
from edgecap.runtime.data.record import ClipKey, Interval
from edgecap.runtime.pipeline.interrupt import stop_on_interrupt
from edgecap.runtime.pipeline.messages import Described, Dropped, Message, Sampled, Windowed
from edgecap.runtime.pipeline.optional_sink import OptionalSink
from edgecap.runtime.pipeline.queues import SourceStage, Stage, StopSignal, run_stages
from edgecap.runtime.pipeline.stage_clock import StageClock
from edgecap.runtime.pipeline.stages import DescribeStep, Guard, OpenVideo, PerceiveStep, StageSet, decode
from edgecap.runtime.pipeline.summary import Failure, RunSummary, SinkFailure, failed_video
from edgecap.runtime.pipeline.write import Sink, WriteStep
from edgecap.runtime.video.inputs import find_each

# Frames are small and arrive evenly; a window has seconds of them (27 MB at 640x360 and 5 s), so one waits,
# not more.
_FRAMES_WAITING = 8
_WINDOWS_WAITING = 1
_RECORDS_WAITING = 1


class Pipeline:
    """Captions videos; models are opened once, here, and serve every run. One run at a time.

    `stages`: a ready `StageSet` (tests, embedding in another program); None builds what `config` asks for,
    which raises PackError and EngineError. Nothing of a run is kept: `run` may be called again.
    """

    def __init__(self, config: PipelineConfig | None = None, *, stages: StageSet | None = None) -> None:
        self.config = config if config is not None else PipelineConfig()
        if stages is None:
            from edgecap.runtime.pipeline.open import build_stages  # the one place that opens engines

            stages = build_stages(self.config)
        self.stages = stages

    def run(
        self,
        paths: Iterable[str | Path],
        sinks: Sequence[Sink] = (),
        *,
        overlap: bool = True,
        skip: Mapping[ClipKey, Interval] | None = None,
        stop: StopSignal | None = None,
    ) -> RunSummary:
        """Caption every video of `paths` (files and folders, in order, each once) into `sinks`.

        A bad input becomes a `FailedVideo` for the sinks and the run continues; an error of a sink (OutputError)
        ends it, unless it is an `OptionalSink`. `overlap=False` runs the same stages in this thread, one item at a
        time. `skip`: windows that need not be described again, with the seconds at which they begin and end. The first
        Ctrl-C or SIGTERM ends the run after what is complete (`interrupted` in the summary), the second immediately.
        Sinks are opened and closed by the caller. `stop`: set from outside, it ends the run as Ctrl-C does.
        """
        return self._run(_expand(paths), self.stages, sinks, overlap=overlap, skip=skip or {}, stop=stop)

    def run_opened(
        self,
        name: str,
        open_video: Callable[[], AbstractContextManager[OpenVideo]],
        sinks: Sequence[Sink],
        *,
        stop: StopSignal | None = None,
    ) -> RunSummary:
        """Caption one source that is not a file, under a name; otherwise as `run`."""
        stages = replace(self.stages, open_video=lambda path: open_video(), identify=lambda path: None)
        return self._run([Path(name)], stages, sinks, overlap=True, skip={}, stop=stop)

    def _run(
        self,
        inputs: list[Path | Failure],
        stages: StageSet,
        sinks: Sequence[Sink],
        *,
        overlap: bool,
        skip: Mapping[ClipKey, Interval],
        stop: StopSignal | None,
    ) -> RunSummary:
        begun = time.perf_counter()
        stop, clock, writer = stop or StopSignal(), StageClock(), WriteStep(sinks)
        perceive = PerceiveStep(stages, self.config)
        describe = DescribeStep(stages, skip, run=clip_options(self.config, stages.used))
        chain = (
            Stage(
                "perceive",
                Guard(perceive.feed).feed,
                _FRAMES_WAITING,
                self.config.policy,
                remains=_remains,
                counts=_is(Sampled),
            ),
            Stage("describe", Guard(describe.feed).feed, _WINDOWS_WAITING, counts=_is(Windowed)),
            Stage("write", writer.feed, _RECORDS_WAITING, counts=_is(Described)),
        )
        source = SourceStage("decode", decode(inputs, stages, self.config), counts=_is(Sampled))
        with stop_on_interrupt(stop):
            run_stages(source, chain, clock=clock, stop=stop, overlap=overlap)
        summary = _summarise(
            writer, clock, videos=len(inputs), wall_seconds=time.perf_counter() - begun, interrupted=stop.is_set()
        )
        return replace(summary, sink_failures=sink_failures_of(sinks))


def sink_failures_of(sinks: Iterable[Sink]) -> tuple[SinkFailure, ...]:
    """What failed of the optional ones; closing them may add to it."""
    return tuple(failure for sink in sinks if isinstance(sink, OptionalSink) for failure in sink.sink_failures)


def clip_options(config: PipelineConfig, used: Mapping[str, str]) -> dict[str, str | int | float]:
    """The options that shape clips and words, for `Record.run`. `used`: of the stages, for the pack: by its digest too,
    as two packs that were exported under one name may count the same version."""
    return {
        "pack": used.get("pack", "none"),
        "pack_sha256": used.get("pack_sha256", "none"),
        "detector": config.detector,
        "captioner": config.captioner,
        "window_seconds": float(config.window_seconds),
        "sample_fps": float(config.sample_fps),
        "working_side": config.working_side,
        "max_instances": config.max_instances,
        "change_gate": _on(config.change_gate),
        "stages": config.stages,
        "class_hint": _on(config.class_hint),
        "camera_hint": _on(config.camera_hint),
        "visual_prompt": config.visual_prompt,
        "lexicon": _on(config.lexicon),
        "position": config.position,
        "masks": config.masks if config.detector == "pack" else "none",
        "mask_refresh": config.mask_refresh if config.masks == "memory" else "none",
    }


def _on(chosen: bool) -> str:
    return "on" if chosen else "off"


def _is(kind: type[Message]) -> Callable[[Message], bool]:
    return lambda message: isinstance(message, kind)


def _remains(message: Message) -> Dropped | None:
    """Frames only may be dropped, and never the one that marks a cut."""
    return Dropped(message.video_number) if isinstance(message, Sampled) and not message.is_cut else None


def _expand(paths: Iterable[str | Path]) -> list[Path | Failure]:
    """Files in order; a path that cannot be used becomes its failure in its place."""
    return [
        path if error is None else Failure(failed_video(str(path), error), error) for path, error in find_each(paths)
    ]


def _summarise(
    writer: WriteStep, clock: StageClock, *, videos: int, wall_seconds: float, interrupted: bool
) -> RunSummary:
    return RunSummary(
        videos=videos,
        videos_done=writer.done,
        clips=writer.records,
        clips_skipped=writer.skipped,
        instances=writer.instances,
        video_seconds=writer.video_seconds,
        wall_seconds=wall_seconds,
        frames_analysed=writer.frames_analysed,
        frames_dropped=writer.frames_dropped,
        model_calls=writer.model_calls,
        prefill_tokens=writer.prefill_tokens,
        decode_tokens=writer.decode_tokens,
        generations=writer.generations,
        ages_seconds=tuple(writer.ages_seconds),
        stages=clock.times(),
        failures=tuple(writer.failures),
        interrupted=interrupted,
        verified=writer.verified,
    )
