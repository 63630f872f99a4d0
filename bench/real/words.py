"""What the captions of one sequence say, against what a person sees.

In: records, `SeenTruth`. Out: `WordScores`. Colours are read from the appearance of an instance of a right class: right
where at least one is named and every named one is among the true ones. An instance without a right one counts as wrong.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from edgecap.bench.real.sequences import SeenTruth, TrueInstance
from edgecap.runtime.data.caption import InstanceCaption
from edgecap.runtime.data.record import Record

COLOURS = (
    "black", "white", "gray", "red", "orange", "yellow", "green", "blue", "purple", "pink", "brown", "beige", "cream",
    "dark", "light",
)  # fmt: skip
_SHADES = {"dark": {"black"}, "light": {"white", "beige", "cream"}}
"""A shade is right where one of the colours that it may stand for is true."""


@dataclass(frozen=True, slots=True)
class WordScores:
    """Counts over one sequence."""

    expected: int
    """Instances that must be found."""
    found: int
    """Of these, named by a right class (as often as `count_at_least` says, in one clip)."""
    coloured: int
    """Instances of which truth.json knows colours."""
    colours_right: int
    """Of these, those with right colours."""
    strangers: tuple[str, ...]
    """Class names said that are neither expected nor allowed."""
    never: tuple[str, ...]
    """False words that were said."""
    camera_measured: bool
    """Whether the camera was measured in every clip."""
    camera_right: bool | None
    """Whether the labels of the clips together are the true ones; None where truth has none."""
    camera: tuple[str, ...]
    """The labels of all clips."""


def word_scores(truth: SeenTruth, records: Sequence[Record]) -> WordScores:
    """Score all clips of one sequence together."""
    captions = [instance for record in records for instance in record.caption.instances]
    coloured = [one for one in truth.instances if one.colours]
    labels = {label for record in records for label in record.evidence.camera.labels}
    moving = labels - {"static"} if len(labels) > 1 else labels
    known = {name for one in truth.instances for name in one.classes} | set(truth.others)
    named = {instance.class_name.text for instance in captions} - {"unknown"}
    return WordScores(
        expected=len(truth.instances),
        found=sum(_is_found(one, records) for one in truth.instances),
        coloured=len(coloured),
        colours_right=sum(any(_right_colours(one, c) for c in captions) for one in coloured),
        strangers=tuple(sorted(named - known)),
        never=tuple(word for word in truth.never if _is_said(word, records)),
        camera_measured=all(record.evidence.camera.labels for record in records),
        camera_right=None if truth.camera is None else moving == set(truth.camera),
        camera=tuple(sorted(labels)),
    )


def texts_of(record: Record) -> list[str]:
    """Every sentence of one caption."""
    caption = record.caption
    fields = [caption.global_description, caption.background, caption.camera]
    for instance in caption.instances:
        fields += [instance.class_name, instance.appearance, instance.action, instance.position]
    return [field.text for field in fields]


def _is_found(one: TrueInstance, records: Sequence[Record]) -> bool:
    counts = [Counter(i.class_name.text for i in record.caption.instances) for record in records]
    return any(sum(count[name] for name in one.classes) >= one.count_at_least for count in counts)


def _right_colours(one: TrueInstance, instance: InstanceCaption) -> bool:
    named = set(re.findall(rf"\b({'|'.join(COLOURS)})\b", instance.appearance.text.lower()))
    if instance.class_name.text not in one.classes or not named:
        return False
    return all(colour in one.colours or _SHADES.get(colour, set()) & set(one.colours) for colour in named)


def _is_said(word: str, records: Sequence[Record]) -> bool:
    pattern = re.compile(rf"\b{re.escape(word.lower())}\b")
    return any(pattern.search(text.lower()) for record in records for text in texts_of(record))
