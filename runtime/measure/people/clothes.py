"""What a person wears on each part of the body, by its colours.

In: `Looks`, tracklet, window. Out: `PartColours`. The pixels of a part are those of the mask inside a polygon between
keypoints, kept away from the body's outline and from skin.
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from edgecap.runtime.data.evidence import ColourShare
from edgecap.runtime.data.mask import Mask
from edgecap.runtime.data.person import PartColours
from edgecap.runtime.data.window import Window
from edgecap.runtime.measure.palette import palette
from edgecap.runtime.measure.people.looks import ANKLES, EARS, HIPS, KNEES, LEAST_SCORE, NOSE, SHOULDERS, Looks
from edgecap.runtime.measure.tracklet import Tracklet

MOST_LOOKS = 6
"""The best of as many equal stretches of the time, so that a track that changes persons shows."""
LEAST_LOOKS = 2
"""That show a part alike, where there are so many."""
AGREEING_SHARE = 0.65
"""Of the looks: where fewer have the colour that all together have, a neighbour is in some, or the light changes."""
LEAST_PIXELS = 60
"""Of a part, all looks together: fewer are rim and noise."""
LEAST_BREADTH_PIXELS = 6
"""Of a limb's or a trunk's polygon."""
LEAST_LIMB = 0.4
"""Torsos, of a thigh or shank (.85) in the picture: shorter it points at the camera (within 28 degrees) or is
a mistake."""
LIMB_BREADTH = 0.2
"""Torsos, of the strip along a thigh or a shank that is looked at; a thigh is .3 broad, trousers more."""
LEAST_SHOE_HEIGHT_PIXELS = 160
"""Of the person: below it a shoe, .15 by .06 of the height, has too few pixels that are neither rim nor ground."""
SHANK_SHARE = 0.35
"""Of the shanks' pixels: bare ones have next to none of a colour that is not skin's, trousers fade to the hem."""
SKIN = frozenset({"brown", "orange", "pink"})
"""Terms that skin takes: of a leg or an arm they say clothes only where they are not the face's own."""
HAIRLESS = frozenset({"red", "green", "blue", "purple", "pink"})
"""Terms that hair does not take unless it is dyed."""
_HEADWEAR_SHARE = 0.6
_SECOND_SHARE, _SECOND_OF_FIRST = 0.3, 0.6
LIGHT, DARK = 0.5, 0.2
"""Of the picture's brightest level: gray that is lighter may be white in the shade, and black that is lighter may be
navy, brown or green (black cloth reflects under 4 %, level 0.2 in sRGB); neither is named."""


def clothes(looks: Looks, tracklet: Tracklet, window: Window) -> tuple[PartColours, ...]:
    """The parts whose colours are seen, from the head down; empty shares and skin are left out."""
    worth = _worth(looks, tracklet)
    stretches = np.array_split(np.arange(len(looks)), min(MOST_LOOKS, len(looks)))
    views = [_View(looks, int(one[np.argmax(worth[one])]), tracklet, window) for one in stretches]
    face = _colours([view.face() for view in views], views)
    found: list[PartColours] = []
    for part, shapes in (
        ("headwear", [view.crown() for view in views]),
        ("upper", [view.trunk() for view in views]),
        ("lower", [view.strips(HIPS, KNEES, 0.25) for view in views]),
        ("shoes", [view.feet() for view in views]),
    ):
        colours = _colours(shapes, views)
        if not colours or _is_body(part, colours, face) or _is_unsure(part, colours, shapes, views):
            continue
        above = next((one.colours[0].name for one in found if one.part == "lower"), colours[0].name)
        if part == "shoes" and above == colours[0].name:
            continue  # it may be the trousers' hem
        long = part == "lower" and _reaches_ankles(colours[0].name, views)
        found.append(PartColours(part, _named(colours), to_ankles=long))  # type: ignore[arg-type]
    return tuple(found)


def _reaches_ankles(colour: str, views: Sequence[_View]) -> bool:
    """Whether the shanks carry the thighs' colour too."""
    cut = [(view.image_rgb, view.cut(strips)) for view in views if (strips := view.strips(KNEES, ANKLES, 0.15))]
    return any(c.name == colour and c.share >= SHANK_SHARE for c in palette(cut))


def _named(colours: Sequence[ColourShare]) -> tuple[ColourShare, ...]:
    """The first colour, and a second one that fills nearly as much; black and gray beside it are folds, shade."""
    first, *more = colours
    least = max(_SECOND_SHARE, _SECOND_OF_FIRST * first.share)
    return (first, *[c for c in more if c.share >= least and c.name not in ("black", "gray")][:1])


def _is_unsure(
    part: str,
    colours: Sequence[ColourShare],
    polygons: Sequence[Sequence[NDArray[np.float64]]],
    views: Sequence[_View],
) -> bool:
    """Gray that is as light as white in the shade, and black as light as dark blue or brown; of shoes any gray,
    which may be the ground."""
    most = {"gray": 0.0 if part == "shoes" else LIGHT, "black": DARK}.get(colours[0].name, 1.0)
    levels = [view.lightness(shape) for shape, view in zip(polygons, views, strict=True) if shape]
    return float(np.median(levels)) > most


def _worth(looks: Looks, tracklet: Tracklet) -> NDArray[np.float64]:
    """Tall, whole and surely seen looks first."""
    sure = looks.scores[:, [*SHOULDERS, *HIPS, *KNEES, *ANKLES]].mean(1)
    worth: NDArray[np.float64] = looks.torsos * sure * np.where(looks.clean, 1.0, 0.5)
    return worth * (tracklet.areas[looks.rows] > 0)


def _is_body(part: str, colours: Sequence[ColourShare], face: Sequence[ColourShare]) -> bool:
    """Whether what was found may be hair or skin rather than clothes."""
    top = colours[0].name
    if part == "headwear":
        return top not in HAIRLESS or colours[0].share < _HEADWEAR_SHARE
    return top in SKIN and (part != "upper" or top in {c.name for c in face})


def _colours(polygons: Sequence[Sequence[NDArray[np.float64]]], views: Sequence[_View]) -> tuple[ColourShare, ...]:
    """Of all looks together; () where too few pixels are seen, or the looks show different things."""
    cut = [(view.image_rgb, view.cut(shape)) for shape, view in zip(polygons, views, strict=True) if shape]
    if sum(mask.area_pixels for _, mask in cut) < LEAST_PIXELS:
        return ()
    together = palette(cut)
    tops = [one[0].name for one in (palette([view]) for view in cut) if one]
    agree = tops.count(together[0].name) if together else 0
    return together if agree >= AGREEING_SHARE * len(tops) and agree >= min(LEAST_LOOKS, len(views)) else ()


class _View:
    """One look with its picture and mask; polygons are in pixels."""

    def __init__(self, looks: Looks, index: int, tracklet: Tracklet, window: Window) -> None:
        row = int(looks.rows[index])
        self.image_rgb = window.observations[tracklet.steps[row]].frame.image_rgb
        self._mask = tracklet.masks[row]
        width = self.image_rgb.shape[1]
        self._points, self._scores = looks.points[index] * width, looks.scores[index]
        self._torso, self._height = float(looks.torsos[index]) * width, float(looks.heights[index]) * width

    def cut(self, polygons: Sequence[NDArray[np.float64]]) -> Mask:
        """The mask's pixels inside any of the polygons."""
        left, top = self._mask.origin_xy
        drawn = np.zeros(self._mask.bits.shape, np.uint8)
        for polygon in polygons:
            cv2.fillPoly(drawn, [np.round(polygon - [left, top]).astype(np.int32)], 1)
        return Mask.from_part(self._mask.bits & drawn.astype(bool), origin_xy=(left, top), size_wh=self._mask.size_wh)

    def lightness(self, polygons: Sequence[NDArray[np.float64]]) -> float:
        """Median level inside the polygons, as a share of the level that 98 % of the picture stay under; 0 for none."""
        mask = self.cut(polygons)
        if not mask.area_pixels:
            return 0.0
        (left, top), (height, width) = mask.origin_xy, mask.bits.shape
        inside = self.image_rgb[top : top + height, left : left + width][mask.bits].max(1)
        sample = self.image_rgb[::8, ::8].reshape(-1, 3).max(1)
        return float(np.median(inside)) / max(float(np.percentile(sample, 98)), 1.0)

    def trunk(self) -> list[NDArray[np.float64]]:
        """Between shoulders and hips, a fifth of the length away from neck and belt, half of the breadth in profile."""
        if not (self._seen(*SHOULDERS[:1]) or self._seen(*SHOULDERS[1:])):
            return []
        shoulders, hips = self._middle(SHOULDERS), self._middle(HIPS)
        breadth = float(
            np.clip(abs(np.diff(self._points[list(SHOULDERS), 0])[0]), 0.3 * self._torso, 0.8 * self._torso)
        )
        return self._strip(shoulders + 0.2 * (hips - shoulders), hips - 0.15 * (hips - shoulders), 0.7 * breadth)

    def strips(self, tops: tuple[int, int], ends: tuple[int, int], away: float) -> list[NDArray[np.float64]]:
        """Along both thighs or both shanks, from the share `away` of the length to .9 of it; none that points at the
        camera: of a lap seen from in front hands and bags have the colours."""
        found = []
        for top, end in zip(tops, ends, strict=True):
            a, b = self._points[top], self._points[end]
            if self._seen(top, end) and float(np.hypot(*(b - a))) >= LEAST_LIMB * self._torso:
                found += self._strip(a + away * (b - a), b - 0.1 * (b - a), LIMB_BREADTH * self._torso)
        return found

    def feet(self) -> list[NDArray[np.float64]]:
        """Below each ankle, which is .04 of the height above the sole and in the trousers' hem."""
        if self._height < LEAST_SHOE_HEIGHT_PIXELS:
            return []
        side = 0.05 * self._height
        down = np.array([0.0, side])
        return [
            strip
            for ankle in ANKLES
            if self._seen(ankle)
            for strip in self._strip(self._points[ankle] + 0.6 * down, self._points[ankle] + 1.4 * down, 1.2 * side)
        ]

    def face(self) -> list[NDArray[np.float64]]:
        """About the nose."""
        if not self._seen(NOSE):
            return []
        half = np.array([0.0, 0.08 * self._torso])
        return self._strip(self._points[NOSE] - half, self._points[NOSE] + half, 0.16 * self._torso)

    def crown(self) -> list[NDArray[np.float64]]:
        """Above the eyes to the top of the head."""
        if not (self._seen(NOSE) and (self._seen(EARS[0]) or self._seen(EARS[1]))):
            return []
        up = np.array([0.0, -0.1 * self._torso])
        middle = (self._points[NOSE] + self._middle(EARS)) / 2
        return self._strip(middle + 2.0 * up, middle + 3.4 * up, 0.25 * self._torso)

    def _strip(self, a: NDArray[np.float64], b: NDArray[np.float64], breadth: float) -> list[NDArray[np.float64]]:
        """A rectangle about the line from a to b; none where it has too few pixels."""
        length = float(np.hypot(*(b - a)))
        if length < 2 or breadth < LEAST_BREADTH_PIXELS / 2:
            return []
        across = np.array([-(b - a)[1], (b - a)[0]]) / length * breadth / 2
        return [np.stack([a - across, a + across, b + across, b - across])]

    def _middle(self, pair: tuple[int, int]) -> NDArray[np.float64]:
        both: NDArray[np.float64] = self._points[list(pair)].mean(0)
        return both

    def _seen(self, *keypoints: int) -> bool:
        return bool((self._scores[list(keypoints)] >= LEAST_SCORE).all())
