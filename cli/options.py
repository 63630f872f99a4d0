"""Options that several commands share, each with one spelling, one default and one help text."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypedDict, TypeVar, Unpack, cast

import click

from edgecap.engines.errors import UsageError
from edgecap.runtime.config import (
    CaptionerChoice,
    DetectorChoice,
    EnginesChoice,
    Isolation,
    MasksChoice,
    PipelineConfig,
    PipelineOptions,
    PositionChoice,
    ProviderChoice,
    StagesChoice,
    StageThreads,
    make_config,
)

if TYPE_CHECKING:
    from edgecap.engines.store.key import Backend

_Command = TypeVar("_Command", bound=Callable[..., Any])

BACKENDS: dict[str, Backend] = {
    "onnxruntime": "onnxruntime-cpu",
    "tensorrt": "tensorrt",
    "tensorrt-rtx": "tensorrt-rtx",
}
"""--backend as it is typed -> as the store calls it."""

PACK = click.option(
    "--pack", default="nano", show_default=True, metavar="NAME|DIR", help="Model pack: one that ships, or a folder."
)
AUTO_PACK = click.option(
    "--pack",
    default="auto",
    show_default=True,
    metavar="NAME|DIR",
    help="Model pack: one that ships or was pulled, or a folder. auto, for each video: nano inside its drawn world, "
    "else street if pulled, else measurements only.",
)
LABELS = click.option(
    "--labels",
    type=click.Path(path_type=Path, dir_okay=False),
    default=None,
    metavar="FILE",
    help="Labelled crops; by default those of the repository.",
)
ALSO = click.option(
    "--also",
    type=click.Path(path_type=Path, file_okay=False),
    multiple=True,
    metavar="DIR",
    help="Where videos that DIR does not have are looked for, by file name; may be repeated.",
)
DETECTOR = click.option(
    "--detector",
    type=click.Choice(["pack", "motion"]),
    default="pack",
    show_default=True,
    help="The pack's detector, or moving things of any kind (needs no weights).",
)
CAPTIONER = click.option(
    "--captioner",
    type=click.Choice(["pack", "none"]),
    default=None,
    help="The pack's language model, or sentences from measurements only. [default: pack; none with motion, and with a "
    "pack that has none]",
)
PROVIDER = click.option(
    "--provider",
    type=click.Choice(["cpu", "cuda", "tensorrt"]),
    default="cpu",
    show_default=True,
    help="What ONNX Runtime must run on; never falls back.",
)
THREADS = click.option(
    "--threads",
    default=None,
    metavar="N|STAGE=N,...",
    help="CPU threads inside each stage: one number, or decode=1,perceive=1,describe=2. [default: 1]",
)
MASKS = click.option(
    "--masks",
    type=click.Choice(["boxes", "memory"]),
    default="boxes",
    show_default=True,
    help="Masks from the detector's boxes in every frame, or carried on by the segmenter's memory (packs made with "
    "edgecap export sam2).",
)
MASK_REFRESH = click.option(
    "--mask-refresh",
    type=int,
    default=None,
    metavar="K",
    help="With --masks memory: begin again from the boxes every K analysed frames. [default: 8]",
)
CALIBRATE = click.option(
    "--calibrate",
    multiple=True,
    type=click.Path(path_type=Path),
    metavar="VIDEO|DIR",
    help="Your own videos to calibrate and compare on; may be repeated. [default: the synthetic world]",
)
ALLOW_DRIFT = click.option(
    "--allow-drift", is_flag=True, help="Publish even if an export misses its parity limits; the pack records it."
)
NO_TWINS = click.option("--no-twins", is_flag=True, help="Leave out the graphs that only TensorRT can use.")


def json_option(help_text: str) -> Callable[[_Command], _Command]:
    """`--json`, given to the command as `as_json`."""
    return click.option("--json", "as_json", is_flag=True, help=help_text)


def backend_option(help_text: str) -> Callable[[_Command], _Command]:
    """`--backend`, a key of `BACKENDS`."""
    return click.option(
        "--backend", type=click.Choice(list(BACKENDS)), default="onnxruntime", show_default=True, help=help_text
    )


@dataclass(frozen=True, slots=True)
class Globals:
    """Options that may be anywhere on the command line; the object of click's root context."""

    debug: bool = False
    """Show tracebacks and what compilers print."""


def debugging() -> bool:
    """Whether --debug was given to the command that is running."""
    context = click.get_current_context(silent=True)
    found = context.find_object(Globals) if context else None
    return found is not None and found.debug


class ConfigOptions(TypedDict, total=False):
    """Options that become a `PipelineConfig`, as click passes them: None for the config's default."""

    pack: str
    detector: DetectorChoice
    captioner: CaptionerChoice | None
    provider: ProviderChoice
    engines: EnginesChoice
    threads: str | None
    max_instances: int | None
    window_seconds: float | None
    sample_fps: float | None
    change_gate: bool
    stages: StagesChoice
    class_hint: bool
    camera_hint: bool
    visual_prompt: Isolation
    lexicon: bool
    position: PositionChoice
    masks: MasksChoice
    mask_refresh: int | None


def config_from(**options: Unpack[ConfigOptions]) -> PipelineConfig:
    """The config of a run. Raises `UsageError` for a value out of its range."""
    threads = options.pop("threads", None)
    given = cast(PipelineOptions, {name: value for name, value in options.items() if value is not None})
    if threads is not None:
        given["threads"] = stage_threads(threads)
    return make_config(**given)


def stage_threads(text: str) -> StageThreads:
    """ "2" (every stage) or "decode=1,describe=2" (1 for a stage that is not named). Raises `UsageError`."""
    stages = ("decode", "perceive", "describe")
    pairs = [part.partition("=") for part in text.split(",")]
    if len(pairs) == 1 and not pairs[0][1]:
        pairs = [(stage, "=", text) for stage in stages]
    counts: dict[str, int] = {}
    for stage, _, number in pairs:
        if stage.strip() not in stages or stage.strip() in counts or not number.strip().isdecimal():
            raise UsageError(
                f"--threads expects a whole number, or some of {', '.join(f'{s}=N' for s in stages)}; got {text!r}"
            )
        counts[stage.strip()] = int(number)
    return StageThreads(**counts)
