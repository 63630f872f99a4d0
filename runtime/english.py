"""English: class names counted in words, plurals, articles, lists; names that any terminal can print.

In: class names. Out: an English noun phrase.

The training recipe of a pack uses the same phrases, and must agree word for word.
"""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Sequence

_COUNTS = ("no", "a", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")
_IRREGULAR = {
    "person": "people",
    "man": "men",
    "woman": "women",
    "child": "children",
    "mouse": "mice",
    "knife": "knives",
    "sheep": "sheep",
    "skis": "skis",
    "scissors": "scissors",
    "broccoli": "broccoli",
    "goose": "geese",
    "wolf": "wolves",
    "calf": "calves",
    "loaf": "loaves",
    "fish": "fish",
    "goldfish": "goldfish",
    "koi": "koi",
    "deer": "deer",
    "aircraft": "aircraft",
    "spacecraft": "spacecraft",
    "gentleman": "gentlemen",
    "fisherman": "fishermen",
    "businessman": "businessmen",
    "businesswoman": "businesswomen",
    "snowman": "snowmen",
    "ox": "oxen",
}
"""Of the last word of a noun."""
_SURROGATE = re.compile("[\ud800-\udfff]")
_UNSAFE = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")
_UNSAFE_IN_LINES = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")
PERSON_NOUNS = frozenset(
    """person people human humans man men woman women boy boys girl girls child children kid kids baby babies toddler
    toddlers adult adults teenager teenagers lady ladies gentleman gentlemen guy guys male males female females
    pedestrian pedestrians persons passenger passengers driver drivers rider riders cyclist cyclists skier skiers
    snowboarder snowboarders surfer surfers skateboarder skateboarders swimmer swimmers runner runners dancer
    dancers player players athlete athletes worker workers officer officers soldier soldiers policeman policemen
    policewoman firefighter firefighters farmer farmers fisherman fishermen businessman businessmen businesswoman
    businesswomen bride brides groom grooms student students teacher teachers tourist tourists crowd crowds family
    couple""".split()  # noqa: SIM905 a word list reads best as words
)
"""Head nouns of people, singular and plural: what they wear has a colour, they have none."""
_HISSING = ("s", "x", "z", "ch", "sh")


def instances_phrase(class_names: Sequence[str], *, label_order: Sequence[str] = ()) -> str:
    """ "two dogs, a person and a car" for the instances' class names; "no objects" for none.

    Groups are sorted by count, largest first; equal counts by `label_order` (the detector's label list), then by first
    appearance. All groups are named.
    """
    if not class_names:
        return "no objects"
    counts = Counter(class_names)
    rank = {name: i for i, name in enumerate(label_order)}
    names = sorted(counts, key=lambda name: (-counts[name], rank.get(name, len(rank))))  # stable: first appearance last
    return listed([counted(name, counts[name]) for name in names])


def counted(class_name: str, count: int) -> str:
    """ "a dog", "an umbrella", "two dogs", "12 people"; `count` >= 1."""
    if count == 1:
        return f"an {class_name}" if class_name[:1] in "aeiou" else f"a {class_name}"
    return f"{_COUNTS[count] if count < len(_COUNTS) else count} {plural(class_name)}"


def is_person(class_name: str) -> bool:
    """Whether a class name stands for people: "person", "baseball player", "man with hat"."""
    head = re.split(r"\s+(?:with|in|on|of|at|wearing|holding)\s", class_name.lower(), maxsplit=1)[0]
    return head.replace("-", " ").split()[-1:] != [] and head.replace("-", " ").split()[-1] in PERSON_NOUNS


def plural(noun: str) -> str:
    """English plural of a noun whose last word is the head: "people", "buses", "sports balls", "red teddy bears"."""
    *head, last = noun.split(" ")
    if last in _IRREGULAR:
        return " ".join([*head, _IRREGULAR[last]])
    if noun.endswith(_HISSING):
        return noun + "es"
    if noun.endswith("y") and noun[-2:-1] not in tuple("aeiou"):
        return noun[:-1] + "ies"
    return noun + "s"


def listed(words: Sequence[str]) -> str:
    """ "a", "a and b", "a, b and c"; at least one word."""
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"


def article(noun: str) -> str:
    """ "a dog", "an old dog", "a unicycle"."""
    sounds_like_you = noun.lower().startswith(("uni", "use", "eu", "one"))
    return f"{'an' if noun[:1].lower() in 'aeiou' and not sounds_like_you else 'a'} {noun}"


def capital(text: str) -> str:
    """First letter upper case, the rest as it is."""
    return text[:1].upper() + text[1:]


def decodable(text: str | os.PathLike[str]) -> str:
    """`text` with every byte that Python decoded to a lone surrogate (a name like `b"caf\\xe9.mp4"`) replaced by
    U+FFFD."""
    return _SURROGATE.sub("\ufffd", os.fspath(text))


def printable(text: str | os.PathLike[str]) -> str:
    """`text` as any terminal can take it: `decodable`, and every character that a terminal obeys (C0, C1, DEL, line
    separators) or that reverses the direction of text replaced by U+FFFD."""
    return _UNSAFE.sub("\ufffd", decodable(text))


def printable_lines(text: str) -> str:
    """As `printable`, but line breaks and tabs stay."""
    return _UNSAFE_IN_LINES.sub("\ufffd", decodable(text))


def escaped(json_text: str) -> str:
    """JSON text with what `printable` would replace as escapes; line breaks and tabs stay."""
    return _UNSAFE_IN_LINES.sub(lambda found: f"\\u{ord(found.group()):04x}", json_text)
