"""Verbs of prompts: their forms, whether they change a thing's place, and what the thing acted upon does.

In: one word. Out: `Verb`, or its present form. Our own list.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Literal

Sense = Literal["travel", "rest", "act"]


@dataclass(frozen=True, slots=True)
class Verb:
    """`base`: "run"; `present`: "runs"; `gerund`: "running"; `past`: "ran"; `participle`: "run"."""

    base: str
    present: str
    gerund: str
    past: str
    participle: str
    sense: Sense


_VERBS: dict[Sense, str] = {
    "travel": "walk run:ran:run jog trot gallop stroll march wander move roll drive:drove:driven ride:rode:ridden "
    "sail fly:flew:flown soar glide drift swim:swam:swum race cross climb chase follow pass crawl hop skip skate "
    "surf ski:skied:skied cycle pedal row paddle travel cruise speed:sped:sped approach leave:left:left enter "
    "descend ascend float hike sprint dash slide:slid:slid carry pull push tow fall:fell:fallen rise:rose:risen "
    "flee:fled:fled sneak creep:crept:crept snowboard skateboard orbit leap bounce",
    "rest": "sit:sat:sat stand:stood:stood lie:lay:lain sleep:slept:slept rest wait perch nap doze kneel:knelt:knelt "
    "hover lean park relax sunbathe meditate nestle graze crouch stay stop",
    "act": "eat:ate:eaten drink:drank:drunk play jump dance wave look watch read:read:read write:wrote:written talk "
    "smile laugh cook paint draw:drew:drawn sing:sang:sung throw:threw:thrown catch:caught:caught kick hit:hit:hit "
    "hold:held:held open close cut:cut:cut chop stir pour wash clean feed:fed:fed pet hug kiss shake:shook:shaken "
    "bark sniff lick scratch bite:bit:bitten chew stretch yawn peck flap spin:spun:spun turn nod point clap type "
    "use repair fix build:built:built dig:dug:dug plant pick sweep:swept:swept swing:swung:swung stack juggle "
    "practice practise perform work study fish hunt wag shine:shone:shone steam glow burn blow:blew:blown splash "
    "bloom melt fight:fought:fought box train exercise celebrate explore examine inspect gather wear:wore:worn "
    "bring:brought:brought take:took:taken put:put:put make:made:made bake serve slice taste sip toss lift greet "
    "groom brush knit sew:sewed:sewn carve knead balance blink stare gaze howl roar growl purr meow graze nuzzle "
    "wrestle teach:taught:taught help visit film photograph observe guard load unload decorate wrap light:lit:lit",
}
"""sense -> "base" (regular) or "base:past:participle"."""
_DOUBLES = frozenset(
    {"run", "jog", "trot", "swim", "hop", "skip", "sit", "nap", "hit", "cut", "chop", "stir", "pet", "hug", "spin",
     "clap",
     "dig", "wag", "flap", "put", "sip", "knit", "nod", "stop", "wrap"}
)  # fmt: skip
"""One-syllable verbs that double their last letter: running, sitting, stirred."""
_EXTRA_FORMS = {"lying": "lie", "skiing": "ski"}


@cache
def verb_forms() -> dict[str, Verb]:
    """Every form, lower case -> `Verb`."""
    forms: dict[str, Verb] = {}
    for sense, listed in _VERBS.items():
        for entry in listed.split():
            base, past, participle = (*entry.split(":"), "", "")[:3]
            verb = Verb(base, present(base), gerund(base), past or _regular(base), participle or _regular(base), sense)
            for form in (verb.base, verb.present, verb.gerund, verb.past, verb.participle):
                forms.setdefault(form, verb)
    return forms


def present(base: str) -> str:
    """Third person singular: "runs", "watches", "flies"."""
    if base.endswith(("s", "x", "z", "ch", "sh", "o")):
        return f"{base}es"
    return f"{base[:-1]}ies" if base.endswith("y") and base[-2] not in "aeiou" else f"{base}s"


def gerund(base: str) -> str:
    """ "running", "riding", "lying"."""
    special = next((form for form, of in _EXTRA_FORMS.items() if of == base), None)
    if special:
        return special
    if base in _DOUBLES:
        return f"{base}{base[-1]}ing"
    return f"{base[:-1]}ing" if base.endswith("e") and not base.endswith("ee") else f"{base}ing"


def _regular(base: str) -> str:
    if base in _DOUBLES:
        return f"{base}{base[-1]}ed"
    if base.endswith("e"):
        return f"{base}d"
    return f"{base[:-1]}ied" if base.endswith("y") and base[-2] not in "aeiou" else f"{base}ed"
