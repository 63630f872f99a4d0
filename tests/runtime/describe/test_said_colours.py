"""Which measured colours are said of a thing or an animal, on both sides of every share."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from edgecap.runtime.data.evidence import ColourShare
from edgecap.runtime.describe.said_colours import said_colours


def said(class_name: str, **shares: float) -> list[str]:
    palette = tuple(ColourShare(name, share) for name, share in sorted(shares.items(), key=lambda item: -item[1]))
    return [c.name for c in said_colours(SimpleNamespace(class_name=class_name, palette=palette))]


@pytest.mark.parametrize("class_name", ["car", "bus", "truck", "train"])
def test_panes_and_tyres_make_no_car_black(class_name: str) -> None:
    assert said(class_name, black=0.49, gray=0.17) == []
    assert said(class_name, black=0.49, red=0.4) == ["red"]
    assert said(class_name, black=0.5, blue=0.17) == ["black"]


def test_a_motorcycle_has_no_panes() -> None:
    assert said("motorcycle", black=0.45, gray=0.4) == ["black"]
    assert said("motorcycle", red=0.5, black=0.4) == ["red"]


@pytest.mark.parametrize(("share", "names"), [(0.29, ["brown"]), (0.3, ["brown", "black"])])
def test_the_shaded_side_of_brown_fur_is_not_black(share: float, names: list[str]) -> None:
    assert said("dog", brown=0.6, black=share) == names
    assert said("suitcase", brown=0.6, black=share) == ["brown", "black"]
    assert said("dog", white=0.6, black=share) == ["white", "black"]


@pytest.mark.parametrize("colour", ["green", "blue", "purple"])
def test_grass_and_sky_beside_a_coat_are_not_its_colour(colour: str) -> None:
    assert said("sheep", white=0.6, **{colour: 0.29}) == ["white"]
    assert said("sheep", white=0.6, **{colour: 0.3}) == ["white", colour]
    assert said("sheep", red=0.6, **{colour: 0.29}) == ["red", colour]
    assert said("sheep", **{colour: 0.6}, white=0.2) == [colour, "white"]
    assert said("kite", white=0.6, **{colour: 0.29}) == ["white", colour]


def test_gray_is_said_where_nothing_else_is_beside_it() -> None:
    assert said("suitcase", gray=0.7, black=0.2) == ["gray"]
    assert said("cat", gray=0.85) == ["gray"]
    assert said("cat", gray=0.84) == said("cat", gray=0.7, black=0.2) == []
    assert said("elephant", gray=0.7, black=0.2) == ["gray"]
    assert said("cow", gray=0.6, brown=0.18) == ["brown"]
    assert said("car", gray=0.6, brown=0.17) == ["gray"]
    assert said("cow", brown=0.6, gray=0.3) == ["brown"]
    assert said("cow", gray=0.17) == []
