"""Colours that are said of single crops, against what a person called them.

In: `bench/results/colour_labels.json`, videos, a pack's segmenter. Out: `JudgedColours` a label, and counts. A label
names every colour that is accepted; what is said is right where something is said and all of it is accepted.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgecap.bench.real.objects import MaskFunction
from edgecap.engines.errors import InputError
from edgecap.runtime.data.evidence import ColourShare
from edgecap.runtime.data.frame import Frame
from edgecap.runtime.describe.said_colours import clothes_colours, said_colours
from edgecap.runtime.english import is_person
from edgecap.runtime.measure.palette import palette
from edgecap.runtime.video.source import open_source


@dataclass(frozen=True, slots=True)
class ColourLabel:
    """One labelled crop."""

    sequence: str
    """FOLDER/NAME.mp4"""
    frame: int
    """0-based, of the source."""
    box_xyxy: NDArray[np.float32]
    """float32 [4], relative to the frame."""
    class_name: str
    """Of a person the clothes are labelled."""
    colours: tuple[str, ...]
    """Every accepted name."""
    part: str
    """development or report; a sequence is wholly in one."""


@dataclass(frozen=True, slots=True)
class JudgedColours:
    """What was said of one label; () nothing."""

    label: ColourLabel
    said: tuple[str, ...]

    @property
    def right(self) -> bool:
        """Something is said, and all of it is accepted."""
        return bool(self.said) and set(self.said) <= set(self.label.colours)


@dataclass(frozen=True, slots=True)
class _Shown:
    class_name: str
    palette: tuple[ColourShare, ...]


def read_colour_labels(path: Path) -> tuple[ColourLabel, ...]:
    """Raises `InputError` where the file is not one of labels."""
    try:
        rows = json.loads(path.read_text(encoding="utf-8"))["labels"]
        return tuple(
            ColourLabel(
                row["sequence"],
                int(row["frame"]),
                np.array(row["box_xyxy"], np.float32).reshape(4),
                row["class_name"],
                tuple(row["colours"]),
                row["part"],
            )
            for row in rows
        )
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(f"{path}: not a file of labelled colours ({type(error).__name__}: {error})") from error


def judge_colours(
    video: Path, known: Iterable[ColourLabel], *, masks_of: MaskFunction, labels: Sequence[str]
) -> list[JudgedColours]:
    """Every label of one video. `labels`: the pack's class names. Raises `InputError` for an unreadable video."""
    by_frame: dict[int, list[ColourLabel]] = {}
    for one in known:
        by_frame.setdefault(one.frame, []).append(one)
    judged = []
    with open_source(video) as source:
        for frame in source:
            judged += [JudgedColours(one, _said(frame, one, masks_of, labels)) for one in by_frame.get(frame.index, ())]
    return judged


def _said(frame: Frame, one: ColourLabel, masks_of: MaskFunction, labels: Sequence[str]) -> tuple[str, ...]:
    class_ids = np.array([labels.index(one.class_name)]) if one.class_name in labels else None
    [mask], _ = masks_of(frame, one.box_xyxy[None], class_ids)
    shown = _Shown(one.class_name, palette([(frame.image_rgb, mask)]))
    chosen = clothes_colours(shown) if is_person(one.class_name) else said_colours(shown)
    return tuple(c.name for c in chosen)


def colour_scores(judged: Sequence[JudgedColours]) -> dict[str, Any]:
    """By part: labels, right ones of things and of clothes, and colour said -> how often, and how often accepted."""
    scores: dict[str, Any] = {}
    for part in sorted({one.label.part for one in judged}):
        rows = [one for one in judged if one.label.part == part]
        clothes = [one for one in rows if is_person(one.label.class_name)]
        things = [one for one in rows if not is_person(one.label.class_name)]
        said = Counter(name for one in rows for name in one.said)
        accepted = Counter(name for one in rows for name in one.said if name in one.label.colours)
        scores[part] = {
            "labels": len(rows),
            "right": sum(one.right for one in rows),
            "things": [sum(one.right for one in things), len(things)],
            "clothes": [sum(one.right for one in clothes), len(clothes)],
            "silent": sum(not one.said for one in rows),
            "said": {name: [accepted[name], count] for name, count in said.most_common()},
        }
    return scores


def colour_lines(scores: dict[str, Any]) -> list[str]:
    """`colour_scores` for a terminal."""
    lines = []
    for part, one in scores.items():
        lines.append(f"{part}: {one['right']} of {one['labels']} right, {one['silent']} silent")
        lines += [f"  {kind} {one[kind][0]} of {one[kind][1]}" for kind in ("things", "clothes")]
        lines += [f"  said {name} {count}, accepted {right}" for name, (right, count) in one["said"].items()]
    return lines
