"""Which things of a prompt become instances, a name for each that no other has, and how each looks: the prompt's words
and drawn attributes for what it leaves open.

In: `Reading`. Out: `Chosen`, `EnhancedField`. The cap is enforced and two of a kind are distinguished here (both are
defects of the reference, docs/spec/instancecap.md 6).
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from random import Random

from edgecap.runtime.english import article, capital
from edgecap.runtime.enhance.plan import EnhancedField, Mention, Reading, field_of
from edgecap.runtime.enhance.slots import Slot, slots_of

_ORDINALS = ("first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth", "tenth")
_YOUNG_OR_BARE = frozenset({"baby", "knight", "astronaut", "robot", "bride", "groom", "firefighter", "monk", "soldier",
                            "swimmer", "surfer", "police officer"})  # fmt: skip
"""People whose word says what they wear, or that no drawn coat and trousers would fit."""


@dataclass(frozen=True, slots=True)
class Chosen:
    """One instance to be. `mention`: its index; `member`: which of the mention's things, from 0. `name`: "the first
    dog". `twins`: how many things of the prompt share its noun."""

    mention: int
    member: int
    name: str
    twins: int


def choose(reading: Reading, *, max_instances: int) -> tuple[tuple[Chosen, ...], dict[str, int]]:
    """(instances in the prompt's order, class -> how many are left out). Every kind comes before any second one."""
    mentions = reading.mentions
    members = range(min(max((m.count for m in mentions), default=0), max_instances))
    picked = [(i, n) for n in members for i, m in enumerate(mentions) if n < m.count][:max_instances]
    names = _names(mentions)
    totals = Counter[str]()
    for mention in mentions:
        totals[mention.noun.singular] += mention.count
    left = Counter[str]()
    for i, mention in enumerate(mentions):
        left[mention.noun.class_name] += mention.count - sum(1 for j, _ in picked if j == i)
    chosen = tuple(Chosen(i, n, names[i](n), totals[mentions[i].noun.singular]) for i, n in sorted(picked))
    return chosen, {name: n for name, n in left.items() if n}


@dataclass(frozen=True, slots=True)
class _Namer:
    noun: str
    modifiers: str
    offset: int | None

    def __call__(self, member: int) -> str:
        if self.offset is None:
            return f"the {self.modifiers} {self.noun}" if self.modifiers else f"the {self.noun}"
        at = self.offset + member
        return f"the {_ORDINALS[at]} {self.noun}" if at < len(_ORDINALS) else f"{self.noun} number {at + 1}"


def _names(mentions: tuple[Mention, ...]) -> list[_Namer]:
    """One namer per mention: by its own words where they are unique ("the black dog"), else by order."""
    namers = []
    next_of: Counter[str] = Counter()
    for i, mention in enumerate(mentions):
        noun, words = mention.noun.singular, mention.modifiers
        others = [m for j, m in enumerate(mentions) if j != i and m.noun.singular == noun]
        alone = mention.count == 1 and not others
        unique = mention.count == 1 and bool(words) and all(m.modifiers.lower() != words.lower() for m in others)
        if alone or unique:
            namers.append(_Namer(noun, "" if alone else words, None))
        else:
            namers.append(_Namer(noun, words, next_of[noun]))
            next_of[noun] += mention.count
    return namers


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
