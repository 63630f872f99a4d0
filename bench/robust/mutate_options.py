"""Random command lines from the shapes of a command's options, and random keywords for `make_config`."""

from __future__ import annotations

import dataclasses
import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgecap.bench.robust.mutate_json import ODD_VALUES
from edgecap.runtime.config import PipelineConfig, StageThreads


@dataclass(frozen=True, slots=True)
class OptionShape:
    """`flags`: spellings, as "--report". `choices`: what it takes; () where anything. `is_flag`: takes nothing."""

    flags: tuple[str, ...]
    choices: tuple[str, ...] = ()
    is_flag: bool = False


@dataclass(frozen=True, slots=True)
class CommandShape:
    """`words`: how the command is called. It takes files, or a text."""

    words: tuple[str, ...]
    options: tuple[OptionShape, ...]


_ODD_TEXTS = (
    *("", " ", "-", "--", "0", "1", "-1", "2", "2.5", "5", "8", "60", "64", "1e9", "nan", "inf", "-inf", "1e400"),
    *(
        "99999999999999999999",
        "0x10",
        "١",
        "none",
        "auto",
        "None",
        "true",
        "a b",
        "é",
        "\udcff",
        "a" * 300,
        "../x",
        ".",
    ),
    *("/nope/x", "/proc/x", "/dev/null", "decode=1", "decode=1,perceive=0", "decode=2,describe=9999", "=,=", "x.png"),
)


def mutate_command(
    shapes: Sequence[CommandShape], files: Sequence[Path], folder: Path, rng: random.Random
) -> tuple[list[str], str]:
    """Arguments of one command, its outputs inside `folder`, and the same as words."""
    shape = rng.choice(shapes)
    arguments = list(shape.words)
    for _ in range(rng.choice((0, 1, 1, 1, 2))):
        arguments.append(str(rng.choice(files)) if rng.random() < 0.85 else rng.choice(_ODD_TEXTS))
    for option in rng.sample(shape.options, min(len(shape.options), rng.choice((0, 1, 2, 3, 5)))):
        if "--out" in option.flags:
            continue
        arguments.append(rng.choice(option.flags))
        if not option.is_flag:
            likely = option.choices and rng.random() < 0.8
            arguments.append(rng.choice(option.choices) if likely else rng.choice(_ODD_TEXTS))
    if any("--out" in option.flags for option in shape.options):
        out = folder / rng.choice(("out", "out", "out", "out.png", "rows.jsonl", "é \n", "a" * 300, "file/in/the/way"))
        (folder / "file").touch()
        arguments += ["--out", str(out)]
    return arguments, " ".join(arguments)


def mutate_config(rng: random.Random) -> tuple[dict[str, Any], str]:
    """Keywords of `make_config`: some sound, some of another type or value, now and then an unknown name."""
    names = [field.name for field in dataclasses.fields(PipelineConfig)] + ["unknown"]
    options: dict[str, Any] = {"detector": "motion", "captioner": "none"}
    for name in rng.sample(names, rng.choice((1, 1, 2, 4))):
        options[name] = rng.choice((*ODD_VALUES, "pack", "motion", "callable", 2.0, 5, 8, 64, 640, StageThreads()))
    return options, ", ".join(f"{name}={str(value)[:40]!r}" for name, value in options.items())
