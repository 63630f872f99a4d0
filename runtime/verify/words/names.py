"""Other names of the 80 COCO classes, our own list.

Only nouns that can hardly stand for anything else: "glass", "figure", "animal" or "vehicle" contradict no class.
"""

# ruff: noqa: SIM905, RUF005 (a word list reads best as words)

from __future__ import annotations

from edgecap.runtime.verify.words.lexicon import by_word

NAME_SYNONYMS = by_word(
    {
        "person": "man men woman women boy boys girl girls child children pedestrian pedestrians persons lady ladies "
        "gentleman guy guys toddler cyclist skier snowboarder surfer skateboarder human",
        "bicycle": "bike bikes",
        "car": "automobile automobiles sedan sedans taxi taxis hatchback suv minivan",
        "motorcycle": "motorbike motorbikes moped scooter",
        "airplane": "plane planes aeroplane aeroplanes aircraft airliner airliners jet",
        "bus": "coach coaches minibus",
        "train": "locomotive tram",
        "truck": "lorry lorries pickup",
        "boat": "ship ships sailboat sailboats yacht yachts canoe kayak ferry rowboat",
        "bird": "seagull gull pigeon sparrow duck goose parrot eagle owl crow swan",
        "cat": "kitten kittens tabby",
        "dog": "puppy puppies hound terrier retriever poodle",
        "horse": "pony ponies foal stallion mare",
        "sheep": "lamb lambs",
        "cow": "cattle calf bull bulls",
        "umbrella": "parasol parasols",
        "sports ball": "ball balls football footballs basketball soccerball",
        "couch": "sofa sofas",
        "cell phone": "smartphone smartphones",
        "tv": "television televisions",
        "refrigerator": "fridge",
        "potted plant": "houseplant",
        "suitcase": "luggage",
        "donut": "doughnut doughnuts",
    }
)
"""Noun -> COCO label."""

VERB_LIKE = frozenset(
    {"sink", "sinks", "book", "books", "train", "trains", "tie", "ties", "bear", "bears", "bowl", "bowls", "fork"}
    | {"forks", "clock", "clocks", "bench", "remote", "mouse", "bed", "jet", "bull", "coach", "coaches", "duck", "crow"}
    | {"calf", "human", "plane"}
)
"""Names that are also verbs, adjectives or parts: they count as a class only behind a determiner, a number or a
colour ("it sinks" names no sink)."""

SMALL_THINGS = frozenset(
    """backpack handbag tie suitcase frisbee bottle cup fork knife spoon bowl banana apple sandwich orange broccoli
    carrot donut remote book clock vase scissors toothbrush""".split()
    + ["cell phone", "wine glass", "hot dog", "hair drier", "sports ball", "baseball glove", "baseball bat"]
)
"""Classes that an instance may hold, wear or carry without the detector seeing them: in a field about that instance
they are not held against it."""
