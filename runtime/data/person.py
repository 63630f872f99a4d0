"""What is measured of a person beyond an instance's measurements: acts, facing, clothes by body part."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, get_args

if TYPE_CHECKING:
    from edgecap.runtime.data.evidence import ColourShare  # which imports this

ActName = Literal[
    "standing", "walking", "running", "sitting", "crouching", "riding", "jumping", "arm_raised", "waving", "turning"
]
Facing = Literal["left", "right", "camera", "away"]
Part = Literal["upper", "lower", "shoes", "headwear"]
Side = Literal["", "left", "right", "both"]
ACT_NAMES: tuple[ActName, ...] = get_args(ActName)
FACINGS: tuple[Facing, ...] = get_args(Facing)
PARTS: tuple[Part, ...] = get_args(Part)


@dataclass(frozen=True, slots=True)
class Act:
    """One thing that a person does over a time."""

    name: ActName
    start_seconds: float
    """Source clock, first look in which it holds."""
    end_seconds: float
    """Last look in which it holds, included."""
    side: Side = ""
    """Of "arm_raised" and "waving": the person's own arm."""
    on_track_id: int | None = None
    """Of "riding": what is ridden."""
    on_class: str = ""
    """Its class name."""


@dataclass(frozen=True, slots=True)
class FacingSpan:
    """Where a person faces over a time."""

    facing: Facing
    """In the picture: to its left, its right, the camera, or away from it."""
    start_seconds: float
    """Source clock, first look in which it holds."""
    end_seconds: float
    """Last look, included."""


@dataclass(frozen=True, slots=True)
class PartColours:
    """Colours of what is worn on one part of the body."""

    part: Part
    colours: tuple[ColourShare, ...]
    """At most two that may be named, largest first; shares (0-1) of the part's pixels."""
    to_ankles: bool = False
    """Of "lower": the shanks carry the thighs' first colour, so that these are trousers and no skirt or shorts."""


@dataclass(frozen=True, slots=True)
class PersonEvidence:
    """What poses of one person in one window show; what they don't show clearly is left out."""

    looks: int
    """Poses that show a torso; 0 where poses were taken and none does."""
    start_seconds: float
    """Source clock, the first of them; of no looks the track's first observation."""
    end_seconds: float
    """The last of them, or the track's last observation."""
    acts: tuple[Act, ...] = ()
    """In order of time; postures and ways of going don't overlap, arms and turns may accompany them."""
    facings: tuple[FacingSpan, ...] = ()
    """In order of time, neighbours distinct."""
    clothes: tuple[PartColours, ...] = ()
    """Of the parts that are seen, from the head down."""

    def act_at(self, seconds: float, *, within_seconds: float = 0.3) -> tuple[Act, ...]:
        """The acts that hold at a time, or as near to it as `within_seconds`."""
        return tuple(
            act
            for act in self.acts
            if act.start_seconds - within_seconds <= seconds <= act.end_seconds + within_seconds
        )

    def facing_at(self, seconds: float, *, within_seconds: float = 0.3) -> Facing | None:
        """Where the person faces at a time, from the nearest span as near to it as `within_seconds`; None: unknown."""
        away = [(max(s.start_seconds - seconds, seconds - s.end_seconds, 0.0), s.facing) for s in self.facings]
        nearest = min(away, default=None, key=lambda pair: pair[0])
        return nearest[1] if nearest is not None and nearest[0] <= within_seconds else None

    def colours_of(self, part: Part) -> tuple[ColourShare, ...]:
        """Colours of a part, () where it is not seen."""
        return next((one.colours for one in self.clothes if one.part == part), ())
