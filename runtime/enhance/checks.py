"""Is what a language model wrote for an enhanced prompt in the format, and true to the prompt?

In: texts and the prompt's reading. Out: reasons against them, empty where there is none.
"""

from __future__ import annotations

import re
from collections.abc import Collection

from edgecap.runtime.enhance.places import POSITION
from edgecap.runtime.enhance.plan import Mention
from edgecap.runtime.enhance.words.verbs import verb_forms
from edgecap.runtime.verify.words import lexicon

MOST_WORDS = {"appearance": 60, "action": 60, "background": 80, "camera": 40}
_SMALL = frozenset({"a", "an", "the", "and", "in", "with", "of", "wearing", "dressed", "on", "his", "her", "its"})


def check_text(field: str, text: str, *, prompt_words: Collection[str]) -> list[str]:
    """Form: one paragraph of full sentences, no list, no sound or guess that the prompt itself doesn't name."""
    if not text.strip():
        return ["it is empty"]
    reasons = []
    if re.search(r"\n|^\s*(?:[-*•#]|\d+[.)])\s", text):
        reasons.append("it has list markers or line breaks")
    if text.rstrip()[-1] not in ".!":
        reasons.append("it does not end with a full stop")
    if (count := len(text.split())) > MOST_WORDS[field]:
        reasons.append(f"it has {count} words, at most {MOST_WORDS[field]}")
    words = set(re.findall(r"[a-z]+", text.lower())) - set(prompt_words)
    for name, banned in (("a sound", lexicon.SOUND), ("a guess", lexicon.HEDGES)):
        if found := sorted(words & set(banned)):
            reasons.append(f"it names {name}: {', '.join(found)}")
    return reasons


def check_appearance(text: str, mention: Mention | None, *, prompt_words: Collection[str]) -> list[str]:
    """Form, and every word that the prompt gives the thing."""
    reasons = check_text("appearance", text, prompt_words=prompt_words)
    if mention is None:
        return reasons
    wanted = set(re.findall(r"[^\W\d_]+", f"{mention.modifiers} {' '.join(mention.traits)}".lower())) - _SMALL
    missing = sorted(wanted - set(re.findall(r"[^\W\d_]+", text.lower())))
    return [*reasons, *([f"the prompt's own words are missing: {', '.join(missing)}"] if missing else [])]


def check_action(text: str, mention: Mention | None, *, prompt_words: Collection[str]) -> list[str]:
    """Form, and every verb that the prompt gives the thing, in any of its forms."""
    reasons = check_text("action", text, prompt_words=prompt_words)
    words = set(re.findall(r"[^\W\d_]+", text.lower()))
    for clause in () if mention is None else mention.actions:
        verb = verb_forms().get(clause.removeprefix("is ").split()[0])
        if verb is not None and not words & {verb.base, verb.present, verb.gerund, verb.past, verb.participle}:
            reasons.append(f"the prompt says that it {clause}")
    return reasons


def check_position(text: str, class_name: str) -> list[str]:
    """Exactly a form that the captioner writes, about this class."""
    if POSITION.fullmatch(text.strip()) and text.startswith(f"The {class_name} "):
        return []
    return [
        f"write 'The {class_name} stays at ROW-COLUMN.' or 'The {class_name} moves from ROW-COLUMN to ROW-COLUMN.' "
        "with rows top, center, bottom and columns left, middle, right"
    ]
