"""What a run is asked to do, checked once, never changed afterwards."""

from __future__ import annotations

import dataclasses
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Literal, TypedDict, Unpack, get_args

from edgecap.engines.errors import EdgecapError, UsageError
from edgecap.engines.packs.pack import Pack

StagesChoice = Literal["fast", "full"]
Isolation = Literal["blur", "solid", "ring", "crop"]
"""How an instance is shown: runtime/describe/views.py."""
PositionChoice = Literal["corrected", "legacy"]
DetectorChoice = Literal["pack", "motion", "callable"]
CaptionerChoice = Literal["pack", "none"]
ProviderChoice = Literal["cpu", "cuda", "tensorrt"]
EnginesChoice = Literal["auto", "store", "pack"]
PolicyChoice = Literal["block", "drop-oldest"]
MasksChoice = Literal["boxes", "memory"]
"""What masks come from: boxes in every frame, or boxes now and then and memory (perceive/memory/track_masks.py)."""
MASK_REFRESH = 8
"""Frames: a second at the default sampling rate, so that a mask that went astray lasts no longer. Detect-and-track with
SAM2 is commonly prompted every 20 frames of full-rate video (IDEA-Research/Grounded-SAM-2), which is as long."""


AUTO = "auto"
"""The pack is chosen for each video: runtime/pipeline/auto.py."""
_MOST_SHOWN = 80


@dataclass(frozen=True, slots=True)
class AskOptions:
    """`stages`: "fast" asks each field once, all together; "full" follows the method's turns
    (docs/spec/instancecap.md 3.2: 4 + 4n generations for n instances), the global sentence first, because the actions
    are asked with it. `class_hint`, `camera_hint`: whether a question says what to look at in a class, and what was
    measured of the camera. `visual_prompt`: how an instance is shown. `lexicon`: whether the rules name words to
    prefer and to avoid."""

    stages: StagesChoice = "fast"
    class_hint: bool = True
    camera_hint: bool = True
    visual_prompt: Isolation = "blur"
    lexicon: bool = False


@dataclass(frozen=True, slots=True)
class StageThreads:
    """CPU threads inside each stage (beside the thread that the stage itself runs in when stages overlap).

    `decode`: of the video decoder. `perceive`: of the detector's and the segmenter's sessions. `describe`: of
    the captioner's sessions. One each is the default: with every stage busy, more threads only fight over the
    cores (2 cores: 171 tokens/s at one thread against 76 at two beside another job, docs/spec/measured.md 4).
    """

    decode: int = 1
    perceive: int = 1
    describe: int = 1

    def __post_init__(self) -> None:
        for name in ("decode", "perceive", "describe"):
            _check_whole(f"threads.{name}", getattr(self, name), low=1, high=256)


@dataclass(frozen=True, slots=True)
class PipelineConfig:
    """Everything a `Pipeline` can be asked for.

    `pack`: name of a shipped or pulled pack, a folder that holds a pack.json, or "auto": each video gets nano inside
    its drawn world, else street where it is pulled, else sentences from measurements (auto.py). `detector`: the
    pack's, or "motion" (moving things of any kind, no weights; class "object"), or "callable", a Python function given
    to `edgecap.Captioner`. `captioner`: the pack's, or "none" (sentences
    from measurements only). `provider`: what ONNX Runtime must run on; another one in use is an error.
    `engines`: where its graphs are opened from: the "pack", the "store" of engines that `edgecap build`
    compiled for this device, or "auto", the store where it has a sound engine (a record's `used` says which).
    `sample_fps`: analysed frames per second of video (1-60). `window_seconds`: length of a clip (2-10).
    `max_instances`: described per clip, largest and longest first (1-64). `working_side`: long side in pixels
    that frames are shrunk to (64-1280). `policy`: "block" for files; "drop-oldest" for live sources, which
    drops frames rather than fall behind. `change_gate`: keep the captioner's words about an instance while nothing
    measured of it has changed (change_gate.py), rather than ask about it in every clip.
    `stages`: "fast", each field asked once, or "full", the method's turns. `class_hint`, `camera_hint`,
    `visual_prompt`, `lexicon`: what the paper's ablations vary (see `AskOptions`). `position`: the corrected rule, or
    "legacy", the reference's text with its mistakes, for comparison with its data.
    `masks`: the segmenter gets "boxes" in every frame, or its "memory" carries masks on and boxes come at births and
    every `mask_refresh` analysed frames (2-1000).
    """

    pack: str = AUTO
    detector: DetectorChoice = "pack"
    captioner: CaptionerChoice = "pack"
    provider: ProviderChoice = "cpu"
    engines: EnginesChoice = "auto"
    sample_fps: float = 8.0
    window_seconds: float = 5.0
    max_instances: int = 8
    working_side: int = 640
    threads: StageThreads = field(default_factory=StageThreads)
    policy: PolicyChoice = "block"
    change_gate: bool = False
    stages: StagesChoice = "fast"
    class_hint: bool = True
    camera_hint: bool = True
    visual_prompt: Isolation = "blur"
    lexicon: bool = False
    position: PositionChoice = "corrected"
    masks: MasksChoice = "boxes"
    mask_refresh: int = MASK_REFRESH

    def __post_init__(self) -> None:
        _check_choice("detector", self.detector, get_args(DetectorChoice))
        _check_choice("captioner", self.captioner, get_args(CaptionerChoice))
        _check_choice("provider", self.provider, get_args(ProviderChoice))
        _check_choice("engines", self.engines, get_args(EnginesChoice))
        _check_choice("policy", self.policy, get_args(PolicyChoice))
        _check_choice("stages", self.stages, get_args(StagesChoice))
        _check_choice("visual_prompt", self.visual_prompt, get_args(Isolation))
        _check_choice("position", self.position, get_args(PositionChoice))
        _check_choice("masks", self.masks, get_args(MasksChoice))
        _check_number("sample_fps", self.sample_fps, low=1.0, high=60.0, unit="frames per second")
        _check_number("window_seconds", self.window_seconds, low=2.0, high=10.0, unit="seconds")
        _check_whole("max_instances", self.max_instances, low=1, high=64)
        _check_whole("working_side", self.working_side, low=64, high=1280)
        _check_whole("mask_refresh", self.mask_refresh, low=2, high=1000)
        if not isinstance(self.pack, str) or not self.pack:
            raise UsageError(
                f"pack is the name of a shipped pack or a folder; got {_shown(self.pack)}; try pack='nano'"
            )
        for name in ("change_gate", "class_hint", "camera_hint", "lexicon"):
            if not isinstance(getattr(self, name), bool):
                raise UsageError(f"{name} is True or False; got {_shown(getattr(self, name))}")
        if self.captioner == "none" and self.asks != AskOptions():
            raise UsageError(
                "stages, class_hint, camera_hint, visual_prompt and lexicon say how a captioner is asked; "
                "captioner='none' asks none: leave them out"
            )
        if self.change_gate and self.captioner == "none":
            raise UsageError("change_gate saves questions to a captioner; captioner='none' asks none: leave one out")
        if self.masks == "memory" and self.detector != "pack":
            raise UsageError(
                f"masks='memory' is of a pack's segmenter; detector={self.detector!r} makes its own: leave one out"
            )
        if self.masks == "memory" and self.pack == AUTO:
            raise UsageError(
                "masks='memory' needs a pack whose segmenter has one; 'auto' chooses among others: name it"
            )
        if self.masks == "boxes" and self.mask_refresh != MASK_REFRESH:
            raise UsageError("mask_refresh says how often masks='memory' begins again from boxes; add masks='memory'")
        if not isinstance(self.threads, StageThreads):
            raise UsageError(f"threads is a StageThreads(decode, perceive, describe); got {_shown(self.threads)}")

    @property
    def asks(self) -> AskOptions:
        """How the captioner is asked."""
        return AskOptions(self.stages, self.class_hint, self.camera_hint, self.visual_prompt, self.lexicon)

    @property
    def named_pack(self) -> str:
        """`pack`, or the shipped one where a video has to choose."""
        return "nano" if self.pack == AUTO else self.pack

    @property
    def needs_pack(self) -> bool:
        """Whether any model of the pack is used at all (else no pack is opened and none need exist)."""
        return self.detector == "pack" or self.captioner == "pack"


class CommonOptions(TypedDict, total=False):
    """The fields of `PipelineConfig` but the detector, as keywords of the Python front door."""

    pack: str
    captioner: CaptionerChoice
    provider: ProviderChoice
    engines: EnginesChoice
    sample_fps: float
    window_seconds: float
    max_instances: int
    working_side: int
    threads: int | StageThreads
    policy: PolicyChoice
    change_gate: bool
    stages: StagesChoice
    class_hint: bool
    camera_hint: bool
    visual_prompt: Isolation
    lexicon: bool
    position: PositionChoice
    masks: MasksChoice
    mask_refresh: int


class PipelineOptions(CommonOptions, total=False):
    """The fields of `PipelineConfig` as keywords; `threads` may be one whole number for all stages."""

    detector: DetectorChoice


def make_config(**options: Unpack[PipelineOptions]) -> PipelineConfig:
    """`PipelineConfig(**options)`, with one clear `UsageError` for an unknown option.

    `threads` may be one whole number for all stages. Unless named, the captioner is "none" with a detector that is not
    the pack's (a pack's captioner knows the things its own detector finds) and with a pack that has none.
    """
    known = [f.name for f in dataclasses.fields(PipelineConfig)]
    for name in options:
        if name not in known:
            raise UsageError(f"unknown option {name!r}; known options: {', '.join(known)}")
    threads = options.get("threads")
    if isinstance(threads, int) and not isinstance(threads, bool):
        options["threads"] = StageThreads(decode=threads, perceive=threads, describe=threads)
    if options.get("detector") in ("motion", "callable") or _has_no_captioner(options.get("pack", AUTO)):
        options.setdefault("captioner", "none")
    return PipelineConfig(**options)  # type: ignore[arg-type]  # threads is no longer a number


def _has_no_captioner(pack: object) -> bool:
    """Of a named pack that can be read; one that can't is reported where it is opened."""
    if not isinstance(pack, str) or pack in ("", AUTO):
        return False
    with suppress(EdgecapError):
        return Pack.open(pack, verify=False).spec.captioner is None
    return False


def _check_choice(name: str, got: object, choices: tuple[str, ...]) -> None:
    if got not in choices:
        raise UsageError(f"{name} must be one of {', '.join(choices)}; got {_shown(got)}")


def _check_number(name: str, got: object, *, low: float, high: float, unit: str) -> None:
    if isinstance(got, bool) or not isinstance(got, int | float) or not low <= got <= high:
        raise UsageError(f"{name} must be {low:g} to {high:g} {unit}; got {_shown(got)}")


def _check_whole(name: str, got: object, *, low: int, high: int) -> None:
    if isinstance(got, bool) or not isinstance(got, int) or not low <= got <= high:
        raise UsageError(f"{name} must be a whole number from {low} to {high}; got {_shown(got)}")


def _shown(got: object) -> str:
    """The value as Python writes it, cut where it is long."""
    text = repr(got)
    return text if len(text) <= _MOST_SHOWN else f"{text[:_MOST_SHOWN]}..."
