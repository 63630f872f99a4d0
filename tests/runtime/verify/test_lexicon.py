"""The word lists are well formed: no doubles, lower case, every pattern compiles and meets its own example."""

from __future__ import annotations

import re

import pytest

from edgecap.runtime.measure.palette import TERMS
from edgecap.runtime.verify.words import lexicon
from edgecap.runtime.verify.words import motion as lexicon_motion
from edgecap.runtime.verify.words import names as lexicon_names

LISTS = {
    "sound": lexicon.SOUND,
    "hedges": lexicon.HEDGES,
    "hedge phrases": lexicon.HEDGE_PHRASES,
    "absent": lexicon.ABSENT_PHRASES,
    "picture": lexicon.PICTURE_WORDS,
    "travel": lexicon_motion.TRAVEL_VERBS,
    "rest": lexicon_motion.REST_PHRASES,
    "gestures": lexicon_motion.GESTURE_VERBS,
}


@pytest.mark.parametrize("name", LISTS)
def test_lists_have_no_doubles_and_are_lower_case(name: str) -> None:
    words = LISTS[name]
    assert sorted(set(words)) == sorted(words)
    assert all(word == word.lower().strip() and word for word in words)


def test_a_verb_is_of_one_kind() -> None:
    travel, gestures = set(lexicon_motion.TRAVEL_VERBS), set(lexicon_motion.GESTURE_VERBS)
    assert not travel & gestures and not set(lexicon_motion.COMING_VERBS) & (travel | gestures)
    assert {"walks", "walking", "flies", "flying", "running", "drives", "driving", "crosses"} <= travel


def test_colours_are_the_palette_s_and_neighbours_know_each_other_or_not_at_all() -> None:
    assert lexicon.COLOURS == TERMS
    assert set(lexicon.COLOUR_NEIGHBOURS) == set(TERMS) >= set().union(*lexicon.COLOUR_NEIGHBOURS.values())
    assert set(lexicon.COLOUR_SYNONYMS.values()) == set(TERMS) >= set(lexicon.COLOURED_THINGS.values())
    assert not set(lexicon.COLOURED_THINGS) & {*lexicon.COLOUR_SYNONYMS, *TERMS}
    assert not set(lexicon.COLOUR_SYNONYMS) & set(TERMS)
    assert all(colour not in near for colour, near in lexicon.COLOUR_NEIGHBOURS.items())


def test_no_name_is_a_colour_or_stands_for_two_classes() -> None:
    assert not set(lexicon_names.NAME_SYNONYMS) & {*lexicon.COLOURS, *lexicon.COLOUR_SYNONYMS}
    assert not set(lexicon_names.NAME_SYNONYMS) & set(lexicon_names.NAME_SYNONYMS.values())


@pytest.mark.parametrize(
    ("patterns", "said", "unsaid"),
    [
        (lexicon.HEDGE_PATTERNS, "it appears to rest", "it appears at the gate"),
        (lexicon.HEDGE_PATTERNS, "it may rest", "built in 1990"),
        (lexicon.ABSENT_PATTERNS, "no people are there", "it no longer moves"),
        (lexicon.ABSENT_PATTERNS, "a man without a hat", "it turns without a pause"),
        (lexicon.PICTURE_PATTERNS, "in the last frame", "the frame of a bicycle is red"),
        (lexicon.PICTURE_PATTERNS, "it turns at 2.5 s", "it has 2 stripes"),
    ],
)
def test_patterns_tell_two_uses_apart(patterns: tuple[str, ...], said: str, unsaid: str) -> None:
    assert any(re.search(p, said) for p in patterns)
    assert not any(re.search(p, unsaid) for p in patterns)
