"""What passes through the enhancer: the prompt as read, and the caption made of it.

`Reading` leaves parse.py; rules.py and dialogue.py turn it into `Enhanced`; row.py writes that as a row.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from edgecap.runtime.data.caption import Provenance
from edgecap.runtime.data.evidence import CameraLabel
from edgecap.runtime.enhance.words.nouns import Noun

EnhancedProvenance = Literal["prompt", "invented", "mixed"] | Provenance


@dataclass(slots=True)
class Mention:
    """One noun phrase of the prompt; parse.py fills it while it reads; it does not change later.

    `modifiers`: the words before the noun, verbatim ("small brown"); `traits`: what follows it ("in a red
    dress"). `count_stated`: False where the prompt says "several dogs" and the number is ours. `actions`: present-tense
    clauses ("runs along the beach"), the prompt's own words. `acted`: (participle, index of the actor's mention) of a
    thing something is done to. `travels`: True, False, or None where no verb tells. `where`: the prompt's words of
    position or direction after it. `linked`: index of the mention it is with, on or beside. `guessed`: an unknown noun
    taken for a thing.
    """

    noun: Noun
    modifiers: str = ""
    traits: tuple[str, ...] = ()
    count: int = 1
    count_stated: bool = True
    actions: tuple[str, ...] = ()
    acted: tuple[str, int] | None = None
    travels: bool | None = None
    where: str = ""
    linked: int | None = None
    guessed: bool = False


@dataclass(frozen=True, slots=True)
class Reading:
    """What a prompt says (step A of the spec: objects and counts), and what of it could not be read.

    `text`: the prompt with control characters and surplus space removed. `places`: (phrase, group, outdoor or indoor).
    `light`: phrases of light, weather and time. `camera`: moves; `shots`: kinds of shot; `adverb`: of the camera.
    `excluded`: nouns the prompt denies ("without a collar"). `words`: all its words, lower case.
    `notes`: one line each for the user.
    """

    text: str
    mentions: tuple[Mention, ...] = ()
    places: tuple[tuple[str, str, str], ...] = ()
    light: tuple[str, ...] = ()
    camera: tuple[CameraLabel, ...] = ()
    shots: tuple[str, ...] = ()
    adverb: str = ""
    excluded: tuple[str, ...] = ()
    words: frozenset[str] = frozenset()
    not_understood: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def understood(self) -> bool:
        """Whether anything of it could be read; where nothing could, nothing may be added to it either."""
        return bool(self.mentions or self.places or self.light or self.camera or self.shots)


@dataclass(frozen=True, slots=True)
class EnhancedField:
    """One field of the caption, and which of its words the prompt said and which were made up.

    `provenance`: prompt, invented or mixed by the rules; model = the language model's words, checks passed; fallback =
    they failed the checks and the rules spoke; abstained = nothing can be said. `rejections`: refused answers' reasons.
    """

    text: str
    provenance: EnhancedProvenance
    prompt_parts: tuple[str, ...] = ()
    invented_parts: tuple[str, ...] = ()
    rejections: tuple[str, ...] = ()


def field_of(text: str, said: tuple[str, ...], invented: tuple[str, ...]) -> EnhancedField:
    """`said`: the prompt's words in it; `invented`: ours."""
    provenance: EnhancedProvenance = "mixed" if said and invented else "prompt" if said else "invented"
    return EnhancedField(text, provenance, tuple(p for p in said if p), tuple(p for p in invented if p))


@dataclass(frozen=True, slots=True)
class EnhancedInstance:
    """`name`: how the texts call it, one name per instance ("the first dog"). `class_name`: what a detector would say.

    `mention`: index into the reading's mentions.
    """

    name: str
    class_name: str
    mention: int
    appearance: EnhancedField
    action: EnhancedField
    position: EnhancedField


@dataclass(frozen=True, slots=True)
class Enhanced:
    """The caption of a prompt. `omitted`: class -> how many the prompt names beyond `max_instances`.

    `story`: the long form (step A of a model; "" by rules). `used`: mode, and model where one spoke.
    """

    reading: Reading
    instances: tuple[EnhancedInstance, ...]
    background: EnhancedField
    camera: EnhancedField
    seed: int
    max_instances: int
    omitted: dict[str, int] = field(default_factory=dict)
    story: str = ""
    used: dict[str, str] = field(default_factory=dict)
    model_calls: int = 0
    notes: tuple[str, ...] = ()
