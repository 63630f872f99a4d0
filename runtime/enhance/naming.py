"""Which things of a prompt become instances, and a name for each that no other has.

In: `Reading`. Out: `Chosen`. The cap is enforced here; two of a kind are distinguished
here (both are defects of the reference, docs/spec/instancecap.md 6).
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from edgecap.runtime.enhance.plan import Mention, Reading

_ORDINALS = ("first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth", "tenth")


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
