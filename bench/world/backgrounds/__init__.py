"""The eight backgrounds: their names, where actors may stand, which props stand in them, and who paints them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from edgecap.bench.world.backgrounds import country, shore, town
from edgecap.bench.world.backgrounds.brush import Brush
from edgecap.bench.world.colours import RGB
from edgecap.bench.world.ground_truth import sentences


@dataclass(frozen=True, slots=True)
class Background:
    """One kind of place; the layout varies with the scene's seed."""

    name: str
    water_depth: float
    """World units of water below the horizon; 0 where there is none. The ground begins below it."""
    clashes: tuple[str, ...]
    """Colours that no actor has as its primary colour here."""
    narrow_prop: str
    wide_prop: str
    prop_inks: tuple[RGB, RGB, RGB]
    """Colours of the narrow prop, the wide prop, and the stems of both."""
    paint: Callable[[Brush], None]

    @property
    def sentence(self) -> str:
        """One plain sentence that describes it."""
        return sentences.background(self.name)


_LEAF, _BARK, _STONE = (142, 170, 118), (142, 118, 98), (190, 188, 182)

BACKGROUNDS: tuple[Background, ...] = (
    Background("meadow", 0.0, ("green",), "tree", "hedge", (_LEAF, (150, 178, 122), _BARK), country.meadow),
    Background(
        "beach",
        shore.WATER_DEPTH["beach"],
        ("white",),
        "palm",
        "rock",
        ((148, 178, 130), (200, 188, 168), (170, 146, 118)),
        shore.beach,
    ),
    Background(
        "street", 0.0, ("gray",), "post", "kiosk", ((214, 210, 190), (206, 196, 180), (132, 136, 144)), town.street
    ),
    Background(
        "desert", 0.0, ("orange", "yellow"), "cactus", "rock", ((152, 170, 128), (204, 172, 144), _BARK), country.desert
    ),
    Background(
        "snow field", 0.0, ("white",), "pine", "rock", ((146, 166, 158), (202, 208, 216), _BARK), country.snow_field
    ),
    Background(
        "lake", shore.WATER_DEPTH["lake"], ("green",), "tree", "hedge", (_LEAF, (148, 174, 122), _BARK), shore.lake
    ),
    Background(
        "forest", 0.0, ("green", "brown"), "trunk", "hedge", (_LEAF, (142, 166, 114), (150, 128, 108)), country.forest
    ),
    Background(
        "night harbor",
        shore.WATER_DEPTH["night harbor"],
        ("black", "gray"),
        "post",
        "kiosk",
        ((236, 220, 164), (146, 140, 146), (112, 116, 130)),
        shore.night_harbor,
    ),
)
