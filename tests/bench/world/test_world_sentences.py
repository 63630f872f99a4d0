"""Reference sentences: the grammar that the captioner is trained to write."""

from __future__ import annotations

import itertools

import pytest

from edgecap.bench.world import BACKGROUNDS, CLASSES, COLOURS
from edgecap.bench.world.ground_truth import sentences as say


@pytest.mark.parametrize(
    ("args", "expected"),
    [
        pytest.param(("person", "red", "blue"), "A person in a red shirt and blue trousers.", id="two parts"),
        pytest.param(("car", "orange", None), "An orange car.", id="an before a vowel"),
        pytest.param(("umbrella", "black", "orange"), "A black umbrella with orange stripes.", id="plural part"),
        pytest.param(
            ("bicycle", "blue", "orange"), "A bicycle with blue wheels and an orange frame.", id="second article"
        ),
    ],
)
def test_appearance(args: tuple[str, str, str | None], expected: str) -> None:
    assert say.appearance(*args) == expected


@pytest.mark.parametrize(
    ("args", "expected"),
    [
        pytest.param(("person", True, "wave"), "It walks and waves an arm.", id="moving with gesture"),
        pytest.param(("person", False, None), "It stands still.", id="still"),
        pytest.param(("car", False, "hood"), "It is parked and lifts its hood.", id="parked"),
    ],
)
def test_action(args: tuple[str, bool, str | None], expected: str) -> None:
    assert say.action(*args) == expected


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        pytest.param([], "Nothing is on a beach.", id="nobody"),
        pytest.param(["elephant"], "An elephant is on a beach.", id="one"),
        pytest.param(["person", "dog", "dog"], "Two dogs and a person are on a beach.", id="larger group first"),
        pytest.param(["bus", "person", "person"], "Two people and a bus are on a beach.", id="irregular plural"),
        pytest.param(
            ["dog", "car", "bus", "person", "kite"],
            "A person, a car, a bus and others are on a beach.",
            id="many groups",
        ),
    ],
)
def test_global_sentence(names: list[str], expected: str) -> None:
    assert say.global_sentence(names, "beach") == expected


def test_global_sentence_is_short_and_independent_of_order() -> None:
    names = [c.name for c in CLASSES]
    for group in itertools.combinations(names, 4):
        for background in BACKGROUNDS:
            text = say.global_sentence(group, background.name)
            assert len(text.split()) <= 20, text
            assert text == say.global_sentence(group[::-1], background.name)


def test_every_sentence_is_well_formed() -> None:
    texts = [b.sentence for b in BACKGROUNDS]
    for spec in CLASSES:
        for primary, secondary in itertools.product(COLOURS, [*COLOURS, None]):
            texts.append(say.appearance(spec.name, primary, secondary))
        for moving, gesture in itertools.product((True, False), [None, *(g.name for g in spec.gestures)]):
            texts.append(say.action(spec.name, moving, gesture))
    for text in texts:
        assert text[0].isupper() and text.endswith(".") and "  " not in text and "{" not in text
        words = text.lower().rstrip(".").split()
        for article, word in itertools.pairwise(words):
            assert not (article == "a" and word[0] in "aeiou"), text
            assert not (article == "an" and word[0] not in "aeiou"), text
