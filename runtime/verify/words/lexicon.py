"""Word lists of the checks on form and colour: short, our own, English.

Phrases are matched whole and in any case; a list holds what cannot be innocent in a caption, and a word with an
innocent use too ("appears at the gate") is a pattern that says which use is meant. Names of classes are in
names.py, words of motion and place in motion.py.
"""

# ruff: noqa: SIM905, RUF005 (a word list reads best as words)

from __future__ import annotations


def phrases(text: str) -> tuple[str, ...]:
    """Phrases with commas between them, on any number of lines."""
    return tuple(" ".join(phrase.split()) for phrase in text.split(","))


def by_word(words_of: dict[str, str]) -> dict[str, str]:
    """Each word of "b c" in {a: "b c"} -> its key."""
    return {word: key for key, words in words_of.items() for word in words.split()}


SOUND = tuple(
    """sound sounds sounding noise noises noisy loud loudly quietly audible audibly inaudible audio music musical
    melody melodies song songs tune tunes voice voices heard hear hears hearing listen listens listening silence
    silent silently soundless bark barks barking honk honks honking meow meows meowing chirp chirps chirping chirrup
    growl growls growling howl howls howling neigh neighs neighing whinny whinnies whinnying moo moos mooing shout
    shouts shouting yell yells yelling scream screams screaming sing sings singing whistle whistles whistling roar
    roars roaring echo echoes echoing hum hums humming buzz buzzes buzzing beep beeps beeping ringing rumble rumbles
    rumbling rustle rustles rustling crackle crackles crackling clatter clatters clattering squeak squeaks squeaking
    squeal squeals creak creaks creaking thud thuds clang clangs jingle jingles murmur murmurs murmuring whisper
    whispers whispering laughter applause chatter chattering drumbeat siren sirens""".split()
) + ("bell rings", "bells ring", "phone rings", "lets out a cry", "cries out", "calls out")
"""There is no audio track in what the model sees."""

HEDGES = tuple(
    """apparently seems seem seeming seemingly possibly possible probably probable perhaps maybe might presumably
    supposedly likely unlikely arguably suggests suggest suggesting implies implying indicates indicating unclear
    unsure uncertain could evidently resembles resembling reminiscent guess assume assuming imagine""".split()
)
"""Words of a guess. A caption states what is seen or says nothing; the prompts forbid comparison for the same
reason (docs/spec/instancecap.md 3.1)."""

HEDGE_PHRASES = phrases(
    """looks like, look like, looking like, looks to be, looks as, as if, as though, i think, i believe, hard to tell,
    hard to say, must be, must have, some kind of, some sort of, kind of like, or something, hints at, hinting at,
    either"""
)

HEDGE_PATTERNS = (
    r"\bappear(?:s|ed|ing)?\b(?! (?:at|from|in|on|behind|beside|between|near|again|and|then|out|above|below|under|over|"
    r"through|with|for|late|first|last|next|suddenly|briefly|once|twice)\b|[.,;!]|$)",
    r"\bmay(?: not)? [a-z]+",
    r"\bwould (?:be|have|seem)\b",
)
""" "appears to walk", not "appears at the gate"."""

ABSENT_PHRASES = phrases(
    """not visible, there isn't, there aren't, is not wearing, isn't wearing, does not wear, does not have, doesn't
    have, has none, cannot be seen, can't be seen, not be seen, not present, not shown, is absent, are absent,
    absence of, is missing, none of, lacks, lacking, devoid of, free of any, nobody, no one, nothing else"""
)
"""A caption lists what is there; a list of what is missing never ends."""

ABSENT_PATTERNS = (
    r"\bno (?!longer\b|sooner\b|more than\b|less than\b|wider\b)[a-z-]+",
    r"\bwithout (?:any|a|an) (?!end\b|pause\b|break\b|stop\b|rest\b)[a-z-]+",
)
""" "no people", not "no longer"."""

PICTURE_WORDS = tuple(
    """mosaic mosaics mosaicked blurred blurry blur blurs blurring pixelated pixelation pixellated masked cropped
    screenshot timestamp timestamps collage thumbnail watermark letterboxed""".split()
) + ("bounding box", "bounding boxes", "segmentation mask", "out of focus", "video clip", "low resolution")
"""Remarks about the visual prompt rather than about what it shows."""

PICTURE_PATTERNS = (
    r"\bframes? (?:number |no\.? ?|#)?\d+",
    r"\b(?:first|last|next|second|third|fourth|final|previous|same|each|every|all|these|several|subsequent) frames?\b"
    r"(?! of (?:a|the) (?:bicycle|bike))",
    r"\b(?:across|throughout|between|over) (?:the )?frames\b",
    r"\b\d+(?:\.\d+)? ?s\b",
    r"\b\d+(?:\.\d+)?[ -]?(?:seconds?|secs?|ms|milliseconds?)\b",
    r"\b(?:after|at|for|within|in) (?:about )?(?:one|two|three|four|five|six|seven|eight|nine|ten) seconds?\b",
    r"\b\d{1,2}:\d{2}(?::\d{2})?\b",
    r"\b\d+(?:st|nd|rd|th) frame\b",
)
"""Frame numbers and times: the prompts give them as help and forbid saying them (docs/spec/instancecap.md 3.1)."""

COLOURS = ("black", "white", "gray", "red", "orange", "yellow", "green", "blue", "purple", "pink", "brown")
"""The 11 basic colour terms of the palette."""

COLOUR_SYNONYMS = by_word(
    {
        "gray": "grey silver silvery charcoal ashen",
        "purple": "violet lilac lavender mauve amethyst",
        "brown": "beige tan chocolate chestnut khaki sienna umber mahogany",
        "yellow": "golden gold lemon mustard",
        "red": "crimson scarlet maroon burgundy ruby vermilion",
        "blue": "navy azure turquoise cyan cobalt sapphire cerulean ultramarine",
        "green": "teal olive emerald lime",
        "pink": "magenta fuchsia salmon",
        "white": "cream ivory alabaster",
        "orange": "amber tangerine",
        "black": "ebony onyx",
    }
)
"""Shade -> basic term."""

COLOURED_THINGS = by_word(
    {
        "pink": "rose",
        "orange": "peach rust",
        "red": "cherry wine brick blood",
        "yellow": "straw honey",
        "green": "mint grass",
        "blue": "sky",
        "purple": "plum",
        "brown": "coffee sand wood",
        "gray": "ash slate",
        "white": "pearl snow",
        "black": "coal",
    }
)
"""Things that name a colour before "-colored" only: a rose is no colour, and neither is what rose."""

COLOUR_NEIGHBOURS: dict[str, frozenset[str]] = {
    "black": frozenset({"gray", "blue", "brown"}),
    "white": frozenset({"gray", "pink", "yellow"}),
    "gray": frozenset({"white", "black", "blue", "brown", "green"}),
    "red": frozenset({"orange", "pink", "brown", "purple"}),
    "orange": frozenset({"red", "yellow", "brown"}),
    "yellow": frozenset({"orange", "white", "green"}),
    "green": frozenset({"yellow", "gray", "blue"}),
    "blue": frozenset({"purple", "gray", "black"}),
    "purple": frozenset({"blue", "pink", "red"}),
    "pink": frozenset({"red", "purple", "white", "orange"}),
    "brown": frozenset({"orange", "red", "black", "gray"}),
}
"""Terms that one and the same surface may get in other light: near each other, so that a trace of the one said is
enough where the other fills the pixels."""

SCENERY = frozenset(
    """sky skies meadow grass sea water lake sand beach ground street road wall walls field snow background backdrop
    light lights tree trees forest mountain mountains hill hills dune dunes desert cloud clouds sunset sunlight glow
    harbor floor pavement lawn house houses building buildings surroundings scene shore clearing leaves""".split()
)
"""Nouns whose colour is not the instance's."""

NUMBER_WORDS = {"a": 1, "an": 1, "both": 2} | {
    word: count for count, word in enumerate("one two three four five six seven eight nine ten".split(), start=1)
}
