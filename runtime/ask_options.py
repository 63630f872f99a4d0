"""How a run asks its captioner: the paper's rounds or one question a field, and what its ablations leave out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

StagesChoice = Literal["fast", "full"]
Isolation = Literal["blur", "solid", "ring", "crop"]
"""See isolation.py."""
PositionChoice = Literal["corrected", "legacy"]


@dataclass(frozen=True, slots=True)
class AskOptions:
    """`stages`: "fast" asks each field once, all together; "full" follows the method's rounds (spec/instancecap.md 3.2:
    4 + 4n generations for n instances), the global sentence first, because the actions are asked with it. `class_hint`,
    `camera_hint`: whether a question says what to look at in a class, and what was measured of the camera.
    `visual_prompt`: how an instance is shown. `lexicon`: whether the rules name words to prefer and to avoid.
    """

    stages: StagesChoice = "fast"
    class_hint: bool = True
    camera_hint: bool = True
    visual_prompt: Isolation = "blur"
    lexicon: bool = False
