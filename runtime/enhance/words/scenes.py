"""Places, light, weather, camera words, numbers and small words of prompts, and details a scene may be given.

Our own lists.
"""

from __future__ import annotations

import re
from functools import cache

from edgecap.runtime.data.evidence import CameraLabel

NUMBERS = {
    "a": 1, "an": 1, "one": 1, "another": 1, "single": 1, "lone": 1, "two": 2, "both": 2, "three": 3, "four": 4,
    "five": 5, "six": 6, "seven": 7, "eight": 8, "nine": 9, "ten": 10, "eleven": 11, "twelve": 12, "twenty": 20,
    "a couple of": 2, "a pair of": 2, "pair of": 2, "couple of": 2, "a trio of": 3, "a dozen": 12, "dozen": 12,
}  # fmt: skip
VAGUE_NUMBERS = {
    "several": 3, "some": 3, "a few": 3, "few": 3, "many": 5, "a group of": 4, "group of": 4, "a herd of": 5,
    "herd of": 5, "a flock of": 5, "flock of": 5, "a crowd of": 6, "crowd of": 6, "a pack of": 4, "pack of": 4,
    "a family of": 4, "a school of": 6, "dozens of": 12, "a team of": 5, "lots of": 5, "a lot of": 5, "hundreds of": 12,
}  # fmt: skip
"""More than one, and no number: the number here is ours and is marked invented."""
DETERMINERS = frozenset({"the", "his", "her", "its", "their", "my", "your", "our", "this", "that", "these", "those"})
NEGATIONS = ("without any", "without a", "without an", "without", "with no", "not a", "no")
PREPOSITIONS = frozenset(
    {"in", "on", "at", "with", "under", "over", "near", "by", "beside", "behind", "before", "through", "along",
     "across",
     "past", "into", "onto", "from", "to", "towards", "toward", "around", "between", "among", "above", "below", "after",
     "against", "down", "up", "off", "of", "inside", "outside", "for", "beneath", "next", "front", "during", "about",
     "amid", "alongside", "upon", "within", "via", "like", "beyond", "out", "away", "underneath"}
)  # fmt: skip
SMALL_WORDS = frozenset(
    {"then", "there", "very", "slowly", "quickly", "fast", "together", "happily", "quietly", "gently", "while", "as",
     "when",
     "who", "which", "where", "each", "other", "still", "just", "being", "side", "left", "right", "center", "centre",
     "middle", "foreground", "background", "distance", "frame", "screen", "camera", "video", "clip", "shot", "scene",
     "view", "footage", "film", "movie", "cinematic", "photo", "picture", "realistic", "beautiful", "it", "he", "she",
     "they", "him", "them", "nobody", "not", "nothing", "all", "top", "bottom", "high", "low", "forward", "backward",
     "forth", "back", "itself", "himself", "herself", "one"}
)  # fmt: skip
"""Words that name nothing and need no reading: never reported as not understood."""

_PLACES: dict[str, str] = {
    "outdoor": "beach=sandy beach,shore,seashore,coast;park=city park,playground,dog park;street=road,avenue,alley,"
    "sidewalk,crosswalk,city street,lane,highway,path,trail,bridge;city=town,downtown,skyline,village,square,plaza,"
    "market;forest=woods,jungle,rainforest,woodland;field=meadow,grassland,farm,pasture,prairie,savanna,savannah,"
    "wheat field,orchard,vineyard;mountain=mountains,hill,hills,cliff,valley,canyon,slope,mountain road;"
    "garden=backyard,yard,lawn,courtyard,terrace,patio,balcony,rooftop,grass;lake=river,pond,stream,waterfall,"
    "harbor,harbour,marina,pier,dock;sea=ocean,waves,water,bay;desert=dunes,sand;snow=ice,glacier,snowfield;"
    "sky=clouds;station=train station,bus stop,bus station,airport,runway,parking lot,car park,gas station;"
    "stadium=tennis court,court,soccer field,football field,race track,track,skate park,ski slope;zoo=barn,stable;"
    "space=moon,mars",
    "indoor": "kitchen;living room=room,lounge,hall,hallway,corridor,house,home,apartment;bedroom;bathroom;"
    "office=classroom,library,studio,workshop,garage,laboratory,lab,factory,museum,hospital;restaurant=cafe,café,bar,"
    "coffee shop,diner,bakery;shop=store,supermarket,mall;gym=theater,theatre,stage,swimming pool,pool;"
    "window=windowsill,fireplace,floor,carpet,rug,shelf,counter;aquarium=underwater,sea floor",
}
LIGHT = (
    "at sunset", "at sunrise", "at dusk", "at dawn", "at night", "at noon", "at midday", "by candlelight",
    "in the morning",
    "in the evening", "in the afternoon", "in the rain", "in heavy rain", "in the snow", "in the fog", "in the dark",
    "in the sun", "in the sunshine", "in the wind", "in winter", "in summer", "in spring", "in autumn", "in the fall",
    "under the stars", "under a full moon", "under the moonlight", "during sunset", "during a storm", "on a sunny day",
    "on a rainy day", "on a snowy day", "on a cloudy day", "on a foggy morning", "on a rainy night", "on a winter day",
    "sunset", "sunrise", "sunny", "rainy", "snowy", "foggy", "cloudy", "stormy", "moonlit", "neon-lit", "neon", "misty",
    "golden hour", "night", "dusk", "dawn", "rain", "snowing", "raining", "storm", "fog", "daylight", "sunlit", "dark",
    "sunlight", "moonlight", "evening", "morning", "afternoon", "midnight", "winter", "summer", "autumn", "spring",
)  # fmt: skip
OUTDOOR_LIGHT = ("in soft daylight", "under a clear sky", "in low evening light", "under a pale overcast sky")
DETAILS = {
    "beach": ("footprints in the wet sand and low surf behind", "a line of dry seaweed and calm water beyond"),
    "park": ("trimmed grass and a row of maples", "a gravel path between flower beds"),
    "street": ("brick house fronts along both sides", "painted kerbs and a few plane trees"),
    "city": ("stone facades and shop awnings", "tall buildings with rows of windows"),
    "forest": ("mossy trunks and ferns on the ground", "tall pines and a carpet of needles"),
    "field": ("knee-high grass and a wooden fence", "a hedge along the far edge"),
    "mountain": ("bare rock and patches of grass", "ridges one behind the other"),
    "garden": ("clipped hedges and clay pots", "a low wall with climbing ivy"),
    "lake": ("reeds along the bank", "smooth stones at the edge of the water"),
    "sea": ("small crests on the water and an even horizon", "a band of lighter water far out"),
    "desert": ("ripples in the sand and a low ridge", "scattered stones on pale ground"),
    "snow": ("a smooth white surface with a few tracks", "soft drifts and distant firs"),
    "sky": ("thin streaks of cloud", "a wide and even expanse"),
    "station": ("painted lines on the ground", "steel posts and a long roof"),
    "stadium": ("marked lines and rows of seats", "a fence around the field"),
    "zoo": ("straw on the ground and wooden beams", "timber rails around the enclosure"),
    "space": ("a dark expanse with points of light", "grey dust and small craters"),
    "kitchen": ("tiled walls and wooden cupboards", "a pale worktop and hanging pans"),
    "living room": ("a woven carpet and plain walls", "linen curtains and a wooden floor"),
    "bedroom": ("folded blankets and a papered wall", "a bedside shelf and plain curtains"),
    "bathroom": ("white tiles and a framed mirror", "a towel rail on a pale wall"),
    "office": ("shelves along the wall", "a wide window and plain walls"),
    "restaurant": ("wooden panels and hanging lamps", "a tiled counter and framed prints"),
    "shop": ("shelves filled to the ceiling", "a polished floor between the aisles"),
    "gym": ("a smooth floor and high walls", "rows of lamps under the ceiling"),
    "window": ("a plain wall and a strip of floorboards", "painted wood and a pale wall"),
    "aquarium": ("pale sand and waving weeds", "rocks with patches of algae"),
}
"""Group of places -> details that no class of a detector is named in: a background lists no instances."""

CAMERA_MOVES: tuple[tuple[str, CameraLabel], ...] = (
    (r"pan\w*(?: \w+ly)?(?: to)?(?: the)? left", "pan_left"),
    (r"pan\w*(?: \w+ly)?(?: to)?(?: the)? right", "pan_right"),
    (r"tilt\w*(?: \w+ly)? up\w*", "tilt_up"),
    (r"tilt\w*(?: \w+ly)? down\w*", "tilt_down"),
    (r"zoom\w*(?: \w+ly)? out", "zoom_out"),
    (r"zoom\w*(?: \w+ly)? in", "zoom_in"),
    (r"(?:push|dolly|dollie)\w*(?: \w+ly)? in|dolly shot", "zoom_in"),
    (r"(?:static|still|fixed|stationary|locked-off) (?:camera|shot|view)|camera (?:is|stays) (?:static|still|fixed)",
     "static"),
    (r"(?:shaky|handheld|hand-held)(?: camera| shot| footage)?|camera shakes", "shake"),
)  # fmt: skip
SHOTS = re.compile(
    r"\b(?:(?:extreme )?close[- ]?ups?(?: shot| view)?|slow[- ]motion|time[- ]?lapse(?: video| shot)?"
    r"|(?:aerial|bird's[- ]eye|overhead|top[- ]down|low[- ]angle|high[- ]angle|drone|wide|wide[- "
    r"]angle|long|medium|macro"
    r"|tracking|pov|first[- ]person|side|eye[- ]level|from a low|from a high) (?:camera |angle )?"
    r"(?:shot|view|footage|angle))\b",
    re.IGNORECASE,
)
ADVERBS = re.compile(r"\b(slowly|quickly|rapidly|steadily|gently|gradually|sharply|fast)\b", re.IGNORECASE)


@cache
def place_forms() -> dict[str, tuple[str, str]]:
    """Every spelling of a place -> (its group, outdoor or indoor)."""
    forms: dict[str, tuple[str, str]] = {}
    for where, listed in _PLACES.items():
        for entry in listed.split(";"):
            group, _, others = entry.partition("=")
            for word in (group, *filter(None, others.split(","))):
                forms.setdefault(word, (group, where))
                forms.setdefault(f"{word}es" if word.endswith(("ch", "sh", "s")) else f"{word}s", (group, where))
    return forms
