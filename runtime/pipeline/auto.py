"""`pack="auto"`: every video is captioned by the pack that knows its world.

In: some frames of a video's first clip. Out: the stages that caption it. Nano where its domain check says inside; else
pack street, if it has been pulled; else moving things and sentences from measurements. Stages are opened when a video
first needs them, once.
"""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from edgecap.engines.errors import EdgecapError, PackError
from edgecap.engines.packs.pack import Pack
from edgecap.engines.packs.pulled import STREET, STREET_MEGABYTES, pulled_pack
from edgecap.engines.store.sessions import EngineSessions
from edgecap.runtime.config import AUTO, AskOptions, PipelineConfig
from edgecap.runtime.data.frame import Frame
from edgecap.runtime.data.record import Record
from edgecap.runtime.perceive.detector import PackDetector
from edgecap.runtime.perceive.domain import DomainCheck, DomainStats
from edgecap.runtime.pipeline.pipeline import clip_options
from edgecap.runtime.pipeline.stages import StageSet

CHOICE_KEY = "pack_choice"
"""In a record's `used` and `run`: "auto"; absent where the pack was named."""
_SHIPPED = "nano"
_FRAMES_ASKED = 8
"""Spread over the first clip; the check takes their median. 8 runs of nano's detector: 0.17 s on one busy core."""
Run = dict[str, str | int | float]


class AutoPacks:
    """The choice for one run. `build`: a config -> its stages. Raises PackError where nano can't be opened."""

    def __init__(self, config: PipelineConfig, build: Callable[[PipelineConfig], StageSet]) -> None:
        self._config, self._build = config, build
        self._built: dict[bool, StageSet] = {}
        pack = Pack.open(_SHIPPED).using(EngineSessions(config.engines))
        detector, domain = pack.spec.detector, pack.spec.domain
        if detector is None or domain is None:
            raise PackError(f"pack {_SHIPPED!r} has no domain check to choose by; reinstall edgecap, or name a --pack")
        session = pack.open_session(detector.graph, provider=config.provider, intra_threads=config.threads.perceive)
        self._detector = PackDetector(detector, session)
        self._check = DomainCheck(domain, DomainStats.load(pack.path(domain.file)))

    def stages(self) -> StageSet:
        """The stages of the run: measurements alone, and the choice of others for each video. Raises `UsageError` for a
        way of asking that nano's language model can't follow."""
        if self._config.asks != AskOptions():
            self._built[True] = self._open(inside=True)
        return replace(self._build(_measured_only(self._config)), choose=self.choose)

    def choose(self, frames: Sequence[Frame]) -> StageSet:
        """Stages for a video, by frames of its first clip. Raises what opening a pack raises."""
        count = min(_FRAMES_ASKED, len(frames))
        asked = [frames[(2 * k + 1) * len(frames) // (2 * count)] for k in range(count)]
        embeddings = [e for frame in asked if (e := self._detector.detect(frame).embedding) is not None]
        inside = self._check.verdict_of(embeddings).status == "inside"
        if inside not in self._built:
            self._built[inside] = self._open(inside=inside)
        return self._built[inside]

    def _open(self, *, inside: bool) -> StageSet:
        try:
            config = config_for(self._config, inside=inside)
            stages = self._build(config)
        except EdgecapError as error:
            if inside:
                raise
            raise type(error)(f"pack {STREET}, chosen by --pack auto, can't be used: {error}") from error
        chosen = {CHOICE_KEY: AUTO}
        return replace(stages, used=stages.used | chosen, run=clip_options(config, stages.used) | chosen)


def config_for(config: PipelineConfig, *, inside: bool) -> PipelineConfig:
    """The config, its pack named, for a video inside or outside nano's world as things are on the disk now. Street has
    no language model, so the options of how one is asked are left out."""
    if inside:
        return replace(config, pack=_SHIPPED)
    street = pulled_pack(STREET)
    if street is None:
        return _measured_only(config)
    if config.captioner == "pack" and Pack.open(street).spec.captioner is not None:
        return replace(config, pack=str(street))
    return _without_captioner(replace(config, pack=str(street)))


def _measured_only(config: PipelineConfig) -> PipelineConfig:
    return _without_captioner(replace(config, pack=_SHIPPED), detector="motion")


def _without_captioner(config: PipelineConfig, **changed: Any) -> PipelineConfig:
    asks = {field.name: getattr(AskOptions(), field.name) for field in dataclasses.fields(AskOptions)}
    return replace(config, captioner="none", change_gate=False, **asks, **changed)


class AutoRuns:
    """What a row of `--resume` is compared with where each video has chosen: the options of what auto would choose
    now."""

    def __init__(self, config: PipelineConfig) -> None:
        self._runs = [_run_of(config_for(config, inside=inside)) for inside in (True, False)]

    def is_stale(self, run: Mapping[str, Any]) -> bool:
        """Whether auto made a row with a pack that it would not use now: its video is captioned again."""
        return run.get(CHOICE_KEY) == AUTO and self._made_as(run) is None

    def run_for(self, run: Mapping[str, Any]) -> Mapping[str, str | int | float]:
        """What `run` must be for its row to stay. Of a stale row: the options that no choice changes."""
        made_as = self._made_as(run)
        if made_as is not None:
            return made_as
        first, second = self._runs
        return {name: value for name, value in first.items() if second[name] == value}

    def _made_as(self, run: Mapping[str, Any]) -> Run | None:
        return next((r for r in self._runs if r["pack_sha256"] == run.get("pack_sha256")), None)


def _run_of(config: PipelineConfig) -> Run:
    used: dict[str, str] = {}
    if config.needs_pack:
        pack = Pack.open(config.pack, verify=False)
        used = {"pack": f"{pack.spec.name} {pack.spec.version}", "pack_sha256": pack.digest}
    return clip_options(config, used) | {CHOICE_KEY: AUTO}


def packs_of(config: PipelineConfig, stages: StageSet) -> dict[str, str]:
    """Detector and pack of `stages`, to compare two runs; of a choice, the packs that it may fall on."""
    if stages.choose is None:
        return {"detector": stages.used["detector"], "pack": stages.used["pack"]}
    runs = [_run_of(config_for(config, inside=inside)) for inside in (True, False)]
    return {"detector": AUTO, "pack": " or ".join(f"{run['pack']} ({run['pack_sha256']})" for run in runs)}


def choice_line(record: Record) -> str | None:
    """One line where auto did not use nano: what was used, and what would be better."""
    if record.used.get(CHOICE_KEY) != AUTO or record.domain.status != "unchecked":
        return None
    if record.used["detector"] != "motion":
        return f"outside {_SHIPPED}'s training domain; captioned with {STREET}"
    return (
        f"outside {_SHIPPED}'s training domain; without {STREET}: computed captions only; `edgecap pull {STREET}` "
        f"({STREET_MEGABYTES} MB) gives people, vehicles and animals by name"
    )


class ChoiceLog:
    """Logs `choice_line` of the first record that has one, for programs: a warning of the logger "edgecap"."""

    def __init__(self) -> None:
        self._said = False

    def see(self, record: Record) -> None:
        """One record."""
        if not self._said and (line := choice_line(record)) is not None:
            self._said = True
            logging.getLogger("edgecap").warning("%s: %s", record.video.path, line)
