"""Background and camera of an enhanced prompt.

In: `Reading`. Out: `EnhancedField`s. The camera's sentence is worded by camera_sentences.camera_sentence, the
captioner's own.
"""

from __future__ import annotations

from random import Random

from edgecap.runtime.data.evidence import CameraEvidence, CameraLabel
from edgecap.runtime.describe.camera_sentences import camera_sentence
from edgecap.runtime.english import article, capital, listed
from edgecap.runtime.enhance.plan import EnhancedField, Reading, field_of
from edgecap.runtime.enhance.words import scenes

UNKNOWN = "unknown"
_AT = frozenset({"sunset", "sunrise", "night", "dusk", "dawn", "midnight", "golden hour"})
_WEATHER = frozenset({"sunny", "rainy", "snowy", "foggy", "cloudy", "stormy", "misty"})
_PLAIN = frozenset({"sky", "space", "aquarium", "sea"})
"""Groups that an added light would not suit."""
_BY_WORD: tuple[tuple[frozenset[str], str, str], ...] = (
    (frozenset({"ski", "skis", "skiing", "skier", "snowboard", "snowboarding", "snowboarder", "snowman", "penguin",
                "penguins", "sled"}), "a snowy slope", "snow"),
    (frozenset({"surf", "surfs", "surfing", "surfer", "surfers", "sail", "sails", "sailing", "boat", "ship", "sailboat",
                "yacht", "whale", "dolphin", "dolphins", "rows", "rowing", "kayak", "ferry"}), "open water", "sea"),
    (frozenset({"shark", "fish", "octopus", "jellyfish"}), "an underwater scene", "aquarium"),
    (frozenset({"swim", "swims", "swimming", "swimmer"}), "calm water", "lake"),
    (frozenset({"cook", "cooks", "cooking", "chef", "bakes", "baking", "stirs", "stirring", "chops", "chopping", "oven",
                "refrigerator", "toaster", "microwave"}), "a kitchen", "kitchen"),
    (frozenset({"airplane", "plane", "jet", "helicopter", "kite", "balloon", "flying", "flies", "soars", "soaring"}),
     "an open sky", "sky"),
)  # fmt: skip
_BY_KIND = {
    "person": (("a paved square", "city"), ("a quiet street", "street"), ("a green park", "park")),
    "animal": (("a grassy field", "field"), ("a green park", "park")),
    "bird": (("a green park", "park"), ("a wide field", "field")),
    "vehicle": (("a quiet street", "street"), ("a country road", "street")),
    "aircraft": (("an open sky", "sky"),),
    "watercraft": (("open water", "sea"),),
    "street": (("a quiet street", "street"),),
}
_INDOOR_KINDS = frozenset({"furniture", "electronics", "tableware", "food"})
_INDOORS = (("a plain room", "living room"), ("a room with pale walls", "living room"))


def background(reading: Reading, random: Random) -> EnhancedField:
    """The prompt's places and light, with one drawn detail; "unknown" where nothing of the prompt was understood."""
    if not reading.understood:
        return EnhancedField(UNKNOWN, "abstained")
    said = [words for words, _, _ in reading.places]
    invented: list[str] = []
    if said:
        base, group, where = listed(said), reading.places[0][1], reading.places[0][2]
    else:
        base, group = _invented_place(reading, random)
        where = "indoor" if group in ("kitchen", "living room") else "outdoor"
        invented.append(base)
    light = [_light(words) for words in reading.light if all(words not in place for place in said)]
    if not reading.light and where == "outdoor" and group not in _PLAIN:
        light.append(random.choice(scenes.OUTDOOR_LIGHT))
        invented.append(light[-1])
    text = " ".join([base, *light])
    denied = set(reading.excluded)
    if options := [d for d in scenes.DETAILS[group] if not denied & set(d.replace(",", "").split())]:
        detail = random.choice(options)
        text, invented = f"{text}, with {detail}", [*invented, detail]
    return field_of(f"{capital(text)}.", (*said, *reading.light), tuple(invented))


def camera(reading: Reading, directions: set[str], random: Random) -> EnhancedField:
    """The prompt's camera words in the captioner's wording; else a drawn, simple move that suits `directions` (the
    sides instances move to)."""
    if not reading.understood:
        return EnhancedField(UNKNOWN, "abstained")
    labels, adverb = reading.camera, reading.adverb
    drawn = not labels
    if drawn:
        labels = (_drawn_move(reading, directions, random),)
        adverb = random.choice(("slowly", "")) if labels != ("static",) else ""
    sentence = camera_sentence(_evidence(labels, adverb))
    text = " ".join([sentence, *map(_shot, reading.shots)])
    said = (*(() if drawn else (sentence.rstrip("."),)), *reading.shots)
    return field_of(text, said, (sentence,) if drawn else ())


def _invented_place(reading: Reading, random: Random) -> tuple[str, str]:
    for words, place, group in _BY_WORD:
        if words & reading.words:
            return place, group
    kinds = [m.noun.kind for m in reading.mentions if m.noun.class_name != "bench"]
    kind = next(
        (k for k in kinds if k in _INDOOR_KINDS), reading.mentions[0].noun.kind if reading.mentions else "object"
    )
    return random.choice(_BY_KIND.get(kind, _INDOORS))


def _light(words: str) -> str:
    """A phrase of light as it follows a place: "at sunset", "in the rain", "in foggy weather"."""
    key = words.lower()
    if " " in key and key != "golden hour":
        return words
    if key in _AT:
        return f"at {words}"
    if key in ("evening", "morning", "afternoon"):
        return f"in the {words}"
    if key in ("raining", "snowing"):
        return f"while it is {words}"
    if key in _WEATHER:
        return f"in {words} weather"
    if key in ("storm",):
        return f"in {article(words)}"
    return f"in {words} light" if key in ("neon", "neon-lit", "moonlit", "sunlit", "dark") else f"in {words}"


def _drawn_move(reading: Reading, directions: set[str], random: Random) -> CameraLabel:
    tracks = any("tracking" in shot.lower() for shot in reading.shots)
    if len(directions) == 1:
        pan: CameraLabel = "pan_left" if directions == {"left"} else "pan_right"
        return pan if tracks else random.choice((pan, "static"))
    moves: tuple[CameraLabel, ...] = ("zoom_in",) if tracks else ("static", "static", "zoom_in", "zoom_out")
    return random.choice(moves)


def _shot(words: str) -> str:
    key = words.lower()
    if key.startswith(("slow", "time")):
        return f"The footage is {'in ' if key.startswith('slow') and 'shot' not in key else 'a '}{words}."
    if key.startswith("from"):
        return f"It is seen {words}."
    return f"It is {article(words)}."


def _evidence(labels: tuple[CameraLabel, ...], adverb: str) -> CameraEvidence:
    """Labels dressed as a measurement, for the captioner's wording; no number of it is ever shown."""
    moves = tuple(label for label in labels if label not in ("static", "shake"))
    return CameraEvidence(
        labels=labels,
        phases=(moves,) if moves else (),
        pan_total=0.0,
        tilt_total=0.0,
        zoom_total=0.0,
        roll_total_degrees=0.0,
        shake_amplitude=0.0,
        speed_adverb=adverb,
        confidence=1.0,
    )
