"""A config in, working stages out: pack -> sessions -> detector, segmenter, domain check, captioner."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path

import cv2

from edgecap.engines.errors import PackError, UsageError
from edgecap.engines.graph.device import probe_device
from edgecap.engines.packs.pack import Pack
from edgecap.engines.packs.specs import SegmenterSpec
from edgecap.engines.store.sessions import EngineSessions
from edgecap.runtime.config import AUTO, PipelineConfig
from edgecap.runtime.data.record import DomainVerdict
from edgecap.runtime.data.window import Window
from edgecap.runtime.decode.language_model import LanguageModel
from edgecap.runtime.describe.captioner import Captioner
from edgecap.runtime.describe.change_gate import ChangeGate
from edgecap.runtime.measure.measure import measure
from edgecap.runtime.perceive.callable_detector import CallableDetector, DetectFunction, LabelBook
from edgecap.runtime.perceive.detector import PackDetector
from edgecap.runtime.perceive.domain import DomainCheck, DomainStats, unchecked
from edgecap.runtime.perceive.memory.segmenter import MemorySegmenter, MemorySessions
from edgecap.runtime.perceive.memory.track_masks import TrackMasks
from edgecap.runtime.perceive.motion.detector import MotionDetector
from edgecap.runtime.perceive.perceiver import Perceiver
from edgecap.runtime.perceive.pose import PoseEstimator
from edgecap.runtime.perceive.segmenter import Segmenter
from edgecap.runtime.perceive.tracker import Tracker
from edgecap.runtime.perceive.tracker_settings import settings_for
from edgecap.runtime.pipeline.stages import OpenVideo, StageSet
from edgecap.runtime.video.source import open_source


def build_stages(config: PipelineConfig, *, detect: DetectFunction | None = None) -> StageSet:
    """Open what `config` asks for and nothing else.

    Raises PackError (no such pack, tampered, or without a role that is asked for), EngineError (a graph that
    does not open, another provider in use than asked) and UsageError (a captioner whose domain can't be
    checked). OpenCV's own threads are set to `threads.perceive` for the whole process: left alone it
    takes every core from the stages.
    """
    cv2.setNumThreads(config.threads.perceive)
    if config.pack == AUTO and config.needs_pack and config.detector == "pack":
        from edgecap.runtime.pipeline.auto import AutoPacks

        return AutoPacks(config, build_stages).stages()
    sessions = EngineSessions(config.engines)
    pack = Pack.open(config.named_pack).using(sessions) if config.needs_pack else None
    new_perceiver, labels = _perception(config, pack, detect)
    asks_unchecked = pack is not None and pack.spec.domain is None
    gate = ChangeGate() if config.change_gate else None
    captioner = Captioner(
        _language_model(config, pack),
        asks_unchecked=asks_unchecked,
        gate=gate,
        options=config.asks,
        position=config.position,
    )
    return StageSet(
        open_video=partial(_open_video, config),
        new_perceiver=new_perceiver,
        labels=labels,
        measure=partial(measure, max_instances=config.max_instances, movers_only=config.detector == "motion"),
        verdict=_verdict(config, pack),
        describe=captioner.describe,
        used=_used(config, pack, sessions),
        begin_video=gate.begin_video if gate else lambda: None,
    )


def _open_video(config: PipelineConfig, path: Path) -> AbstractContextManager[OpenVideo]:
    return open_source(path, working_side=config.working_side, decode_threads=config.threads.decode)


def _perception(
    config: PipelineConfig, pack: Pack | None, detect: DetectFunction | None
) -> tuple[Callable[[], Perceiver], Sequence[str]]:
    """Maker of perceivers, and the detector's labels. Sessions are shared by the perceivers, state is not."""
    if (config.detector == "callable") != (detect is not None):
        raise UsageError(
            "detector='callable' and a function go together: pass edgecap.Captioner(detector=fn); on the command line "
            "use --detector pack or motion"
        )
    if detect is not None:
        book = LabelBook()
        return lambda: Perceiver(CallableDetector(detect, book), None), book
    if config.detector == "motion" or pack is None:
        return lambda: Perceiver(MotionDetector(), None), MotionDetector.labels
    spec, threads = pack.spec, config.threads.perceive
    if spec.detector is None or spec.segmenter is None:
        raise PackError(
            f"pack {spec.name!r} has no {'detector' if spec.detector is None else 'segmenter'}; "
            "use --detector motion, another pack, or add one with edgecap export"
        )
    detector = PackDetector(
        spec.detector, pack.open_session(spec.detector.graph, provider=config.provider, intra_threads=threads)
    )
    new_segmenter, pose = _segmentation(config, pack, spec.segmenter), _pose(config, pack)
    settings = settings_for(spec.detector.scores)
    return lambda: Perceiver(detector, new_segmenter(), tracker=Tracker(settings), pose=pose), spec.detector.labels


def _pose(config: PipelineConfig, pack: Pack) -> PoseEstimator | None:
    spec = pack.spec.pose
    if spec is None:
        return None
    session = pack.open_session(spec.graph, provider=config.provider, intra_threads=config.threads.perceive)
    return PoseEstimator(spec, session)


def _segmentation(config: PipelineConfig, pack: Pack, spec: SegmenterSpec) -> Callable[[], Segmenter | TrackMasks]:
    """Maker of what masks the tracks of one video."""
    threads = config.threads.perceive
    if config.masks == "memory":
        opened = MemorySessions.open(pack, provider=config.provider, intra_threads=threads)
        return lambda: TrackMasks(MemorySegmenter(spec, opened), refresh=config.mask_refresh)
    segmenter = Segmenter(
        spec,
        pack.open_session(spec.encoder, provider=config.provider, intra_threads=threads),
        pack.open_session(spec.decoder, provider=config.provider, intra_threads=threads),
    )
    return lambda: segmenter


def _language_model(config: PipelineConfig, pack: Pack | None) -> LanguageModel | None:
    if config.captioner == "none" or pack is None:
        return None
    if config.detector != "pack" and pack.spec.domain is not None:
        raise UsageError(
            f"the captioner of pack {pack.spec.name!r} knows one domain only, and detector "
            f"{config.detector!r} can't tell whether a video is inside it; use --captioner none"
        )
    return LanguageModel.open(pack, provider=config.provider, intra_threads=config.threads.describe)


def _verdict(config: PipelineConfig, pack: Pack | None) -> Callable[[Window], DomainVerdict]:
    if config.detector != "pack" or pack is None or pack.spec.domain is None:
        return lambda window: unchecked()
    return DomainCheck(pack.spec.domain, DomainStats.load(pack.path(pack.spec.domain.file))).verdict


def _used(config: PipelineConfig, pack: Pack | None, sessions: EngineSessions) -> dict[str, str]:
    """Names of what is open now (a session that opened runs on the provider asked for, or it would have
    raised).
    """
    machine = {"provider": config.provider if pack else "none", "device": probe_device().machine_line()}
    sees = config.detector == "pack"
    drawn = {"segmenter": "ellipse inside the box"} if config.detector == "callable" else {}
    if pack is None:
        return {"pack": "none", "detector": config.detector, **drawn, "captioner": "none"} | machine
    models = {
        "detector": _model(pack, "detector") if sees else config.detector,
        **({"segmenter": _model(pack, "segmenter")} | _masks(config) if sees else drawn),
        **({"pose": _model(pack, "pose")} if sees and pack.spec.pose else {}),
        "captioner": "none" if config.captioner == "none" else _model(pack, "captioner"),
    }
    named = {"pack": f"{pack.spec.name} {pack.spec.version}", "pack_sha256": pack.digest}
    return named | models | machine | {"precision": _precision(sessions), "engines": sessions.used}


def _masks(config: PipelineConfig) -> dict[str, str]:
    return (
        {"masks": "memory", "mask_refresh": str(config.mask_refresh)}
        if config.masks == "memory"
        else {"masks": "boxes"}
    )


def _model(pack: Pack, role: str) -> str:
    """What a role was made from, "org/model@revision": roles of one pack may come from several makers. The pack's name
    where it was made as a whole."""
    return pack.spec.source.get(role, pack.spec.name).partition(", licence ")[0]


def _precision(sessions: EngineSessions) -> str:
    """Of the graphs that are open: a stored engine's may differ from that of the pack's own graph."""
    named = {
        "detector": "detector.graph",
        "segmenter": "segmenter.encoder",
        "pose": "pose.graph",
        "vision": "captioner.vision",
        "decoder": "captioner.decoder",
    }
    found = {name: sessions.precision(place) for name, place in named.items()}
    return ", ".join(f"{name} {precision}" for name, precision in found.items() if precision)
