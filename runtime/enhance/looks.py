"""The appearance sentence of one instance: the prompt's words, and drawn attributes for what it leaves open.

In: `Reading`, `Chosen`. Out: `EnhancedField`.
"""

from __future__ import annotations

import re
from random import Random

from edgecap.runtime.enhance.naming import Chosen
from edgecap.runtime.enhance.plan import EnhancedField, Mention, Reading
from edgecap.runtime.enhance.slots import Slot, slots_of
from edgecap.runtime.enhance.text import article, capital, field_of

_YOUNG_OR_BARE = frozenset({"baby", "knight", "astronaut", "robot", "bride", "groom", "firefighter", "monk", "soldier",
                            "swimmer", "surfer", "police officer"})  # fmt: skip
"""People whose word says what they wear, or that no drawn coat and trousers would fit."""


def appearance(reading: Reading, one: Chosen, seed: int) -> EnhancedField:
    """ "A small brown dog with floppy ears." or, of several, "The first dog is a brown dog with floppy ears."."""
    mention = reading.mentions[one.mention]
    # Twins draw from one shuffle, each its own place in it, so that no two get the same attributes.
    shared = Random(f"{seed}:{reading.text}:{mention.noun.singular}")
    slots = _open_slots(mention, reading)
    # A later slot moves on one more each time the first has gone round: pairs repeat later than options do.
    turns = [one.member // len(slots[0].options) if i else 0 for i in range(len(slots))]
    picks = [(s.form, _option(s, one.member + turn, shared, reading)) for s, turn in zip(slots, turns, strict=True)]
    adjective = next((text for form, text in picks if form == "adjective" and text), "")
    with_part = next((text for form, text in picks if form == "with" and text), "")
    in_part = next((text for form, text in picks if form == "in" and text), "")
    noun = mention.noun.singular
    words = " ".join(filter(None, (mention.modifiers, adjective, noun)))
    phrase = f"a pair of {words}" if noun in ("skis", "scissors") else article(words)
    phrase = " ".join([phrase, *mention.traits])
    if with_part:
        phrase += f" and {with_part}" if _ends_with_with(mention.traits) else f" with {with_part}"
    if in_part:
        phrase += f", {in_part}"
    by_order = one.twins > 1 and (not mention.modifiers or mention.count > 1 or mention.modifiers not in one.name)
    text = f"{capital(one.name)} is {phrase}." if by_order else f"{capital(phrase)}."
    said = (*filter(None, (mention.modifiers,)), noun, *mention.traits)
    return field_of(text, said, tuple(filter(None, (adjective, with_part, in_part))))


def _open_slots(mention: Mention, reading: Reading) -> list[Slot]:
    own = set(re.findall(r"[^\W\d_]+", f"{mention.modifiers} {' '.join(mention.traits)}".lower()))
    own |= {word for clause in mention.actions for word in _worn(clause)}
    slots = [s for s in slots_of(mention.noun.class_name, mention.noun.kind) if not s.blocked_by & own]
    if mention.noun.singular in _YOUNG_OR_BARE:
        slots = [
            s for s in slots if s.form != "in" and (mention.noun.singular == "robot" or mention.noun.kind != "person")
        ]
    return slots


def _worn(clause: str) -> list[str]:
    """A clause such as "wears a red coat" fills the slot of clothes."""
    return ["wearing"] if clause.startswith("wears ") else []


def _option(slot: Slot, member: int, shared: Random, reading: Reading) -> str:
    """The member's option of a shuffled list without what the prompt denies; "" where none is left."""
    denied = set(reading.excluded)
    options = [o for o in slot.options if not denied & set(re.findall(r"[a-z]+", o))]
    shared.shuffle(options)
    return options[member % len(options)] if options else ""


def _ends_with_with(traits: tuple[str, ...]) -> bool:
    return bool(traits) and bool(re.search(r"\bwith\b", traits[-1], re.IGNORECASE))
