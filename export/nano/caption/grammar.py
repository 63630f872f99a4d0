"""The closed corpus of the nano captioner as a grammar: every sentence that `sentences` may write, and no other.

In: the world's classes, colours and reference sentences. Out: `AnswerGrammar`, kept in export/prompts/nano.json.
"""

from __future__ import annotations

from itertools import product

from edgecap.bench.world.classes import CLASSES
from edgecap.bench.world.colours import COLOURS
from edgecap.bench.world.ground_truth import sentences
from edgecap.engines.packs.grammar import AnswerGrammar, SlotWords
from edgecap.export.nano.caption.prompts import BACKGROUNDS

_NUMBERS = ("two", "three", "four", "five", "six", "seven", "eight", "nine", *map(str, range(10, 21)))


def nano_grammar() -> AnswerGrammar:
    """The grammar of all four fields."""
    with_article = tuple(sentences.with_articles(f"a {colour}") for colour in COLOURS)
    slots = (
        SlotWords("colour", tuple(COLOURS)),
        SlotWords("a_colour", with_article),
        SlotWords("one", tuple(sentences.with_articles(f"a {c.name}") for c in CLASSES)),
        SlotWords("number", _NUMBERS),
        SlotWords("plural", tuple(c.plural for c in CLASSES)),
        SlotWords("any", ("{one}", "{number} {plural}")),
        SlotWords("place", tuple(sentences._PLACES[name][0] for name in BACKGROUNDS)),
    )
    looks = [look for c in CLASSES for look in (c.look, c.plain_look)]
    actions = [
        sentences.action(c.name, moving, gesture)
        for c in CLASSES
        for moving, gesture in product((True, False), (None, *(g.name for g in c.gestures)))
    ]
    return AnswerGrammar(
        slots,
        {
            "appearance": tuple(dict.fromkeys(f"{_with_slots(look)}." for look in looks)),
            "action": tuple(dict.fromkeys(actions)),
            "background": tuple(sentences.background(name) for name in BACKGROUNDS),
            "global": (
                "nothing is {place}.",
                "{one} is {place}.",
                "{number} {plural} are {place}.",
                "{any} and {any} are {place}.",
                "{any}, {any} and {any} are {place}.",
                "{any}, {any}, {any} and {any} are {place}.",
                "{any}, {any}, {any} and others are {place}.",
            ),
        },
    )


def _with_slots(look: str) -> str:
    """ "a {p} car with a {s} door" -> "{a_colour} car with {a_colour} door"."""
    for slot in ("{p}", "{s}"):
        look = look.replace(f"a {slot}", "{a_colour}").replace(slot, "{colour}")
    return look
