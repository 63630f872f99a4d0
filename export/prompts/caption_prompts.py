"""What a general vision-language model is asked for each field of a caption, as pack data.

In: nothing. Out: templates and limits for `CaptionerSpec`. What stands in braces are hints filled in by the runtime
from what it measured, as the method injects its detector's and tracker's findings into the questions (InstanceCap, CVPR
2025, section 3); these are the questions of `--stages fast`, one slot each, the rounds of `--stages full` are in
prompts/edge.json. The rules in the words match what `runtime.checks` refuses: several sentences, more words than the
field allows, things that can't be seen.
"""

from __future__ import annotations

PROMPTS: dict[str, str] = {
    "appearance": (
        "Every picture shows the same {class}. Write one short sentence about how the {class} looks: colours, "
        "clothing or surface, shape. {class_hint} Name only what is visible."
    ),
    "action": (
        "The pictures follow one {class} over time, and it is {motion}. Measured: {measured} {relations} Write one "
        "short sentence about what the {class} does. Name only what is visible."
    ),
    "background": (
        "Write one short sentence about the place: the ground, what stands around, the light. Leave out people, "
        "animals and vehicles. Name only what is visible."
    ),
    "global": (
        "The video shows {instances}. Write one sentence of at most twenty words that sums up the scene. "
        "Name only what is visible."
    ),
    "camera": (
        "{camera_hint} Write one short sentence about the shot: how much of the subject it takes in, and from which "
        "height and angle."
    ),
}
MAX_TOKENS: dict[str, int] = {"appearance": 56, "action": 48, "background": 72, "global": 40, "camera": 48}
"""About 1.4 tokens a word of the longest answer that `runtime.checks` lets pass, and the end token."""
VIEWS = 4
VIEW_GAP_SECONDS = 0.375
VIEW_MARGIN = 1.25
"""Crop side over the box's long side: the surroundings help a general model to tell what a thing is doing."""
