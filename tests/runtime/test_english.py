"""Counted class names, and their agreement with the world's sentences."""

from __future__ import annotations

import pytest

from edgecap.bench.world import CLASSES
from edgecap.bench.world.ground_truth.sentences import global_sentence
from edgecap.runtime.english import instances_phrase, plural

LABELS = tuple(c.name for c in CLASSES)


@pytest.mark.parametrize(
    ("names", "phrase"),
    [
        ((), "no objects"),
        (("umbrella",), "an umbrella"),
        (("person", "dog", "dog"), "two dogs and a person"),
        (("bus", "bus", "sports ball", "person", "person"), "two buses, two people and a sports ball"),
        (("kite",) * 12, "12 kites"),
    ],
    ids=["none", "vowel", "count-first", "ties-by-appearance", "beyond-words"],
)
def test_phrase(names: tuple[str, ...], phrase: str) -> None:
    assert instances_phrase(names) == phrase


def test_label_order_breaks_ties() -> None:
    assert instances_phrase(("dog", "car"), label_order=("car", "dog")) == "a car and a dog"


def test_plurals_are_the_worlds() -> None:
    assert {c.name: plural(c.name) for c in CLASSES} == {c.name: c.plural for c in CLASSES}


@pytest.mark.parametrize(
    "names",
    [("dog",), ("dog", "dog", "person"), ("kite", "car", "bus", "bus")],
    ids=["one", "two-groups", "three-groups"],
)
def test_phrase_in_label_order_is_the_subject_of_the_worlds_sentence(names: tuple[str, ...]) -> None:
    phrase = instances_phrase(names, label_order=LABELS)
    assert global_sentence(names, "beach").lower().startswith(phrase + (" is " if len(names) == 1 else " are "))
