"""Scenery in front of actors: narrow props (posts, trunks) cross them, wide ones hide them. They are no actors."""

from __future__ import annotations

from collections.abc import Callable

from edgecap.bench.world.render.shapes import Shape, box, corners, disc, limb, oval, poly, smooth
from edgecap.bench.world.sprites.pose import Pose

# Props name the inks of an actor: "primary" is the leaf, stone or wall, "secondary" the stem or trim.


def post(pose: Pose) -> list[Shape]:
    """Street lamp."""
    return [
        limb([(0, 0), (0, -3.0), (0.32, -3.25)], "secondary", 0.16),
        box(-0.22, -0.24, 0.22, 0.02, "secondary", radius=0.05),
        box(0.18, -3.34, 0.74, -3.12, "primary", radius=0.08),
    ]


def tree(pose: Pose) -> list[Shape]:
    """Turn tree on a trunk."""
    return [
        limb([(0, 0), (0, -1.7)], "secondary", 0.30),
        oval((0, -2.3), (0.92, 0.86), "primary"),
        disc((-0.45, -2.0), 0.42, "primary_dark", outline=False),
        disc((0.30, -2.62), 0.36, "primary_light", outline=False),
    ]


def pine(pose: Pose) -> list[Shape]:
    """Fir of three tiers."""
    tiers = [
        poly([(0, y - 1.15), (w, y), (-w, y)], "primary") for y, w in ((-0.45, 0.95), (-1.15, 0.76), (-1.85, 0.56))
    ]
    glints = [
        limb([(-w, y - 0.1), (-0.1, y - 0.9)], "primary_light", 0.09, outline=False)
        for y, w in ((-0.45, 0.62), (-1.15, 0.48), (-1.85, 0.34))
    ]
    return [limb([(0, 0), (0, -0.6)], "secondary", 0.26), *tiers, *glints]


def cactus(pose: Pose) -> list[Shape]:
    """Two-armed cactus."""
    return [
        limb([(0, 0), (0, -2.6)], "primary", 0.44),
        limb([(0.1, -0.9), (0.66, -1.05), (0.66, -1.8)], "primary", 0.30),
        limb([(-0.1, -1.3), (-0.62, -1.4), (-0.62, -2.1)], "primary", 0.30),
        limb([(-0.08, -0.3), (-0.08, -2.4)], "primary_light", 0.07, outline=False),
    ]


def trunk(pose: Pose) -> list[Shape]:
    """Tall bare trunk that leaves the top of the frame."""
    return [
        poly(
            smooth([(-0.34, 0), (-0.2, -0.5), (-0.16, -4.0), (0.16, -4.0), (0.2, -0.5), (0.36, 0)], rounds=1),
            "secondary",
        ),
        limb([(-0.05, -0.7), (-0.04, -1.9)], "secondary_dark", 0.06, outline=False),
        limb([(0.06, -2.2), (0.05, -3.3)], "secondary_dark", 0.06, outline=False),
    ]


def palm(pose: Pose) -> list[Shape]:
    """Leaning palm."""
    fronds = [
        limb([(0.35, -2.6), (0.35 + dx * 0.6, -2.6 + dy - 0.16), (0.35 + dx, -2.6 + dy + 0.22)], "primary", 0.2)
        for dx, dy in ((-0.9, 0.1), (-0.6, -0.42), (0.1, -0.6), (0.75, -0.36), (0.95, 0.12))
    ]
    return [limb([(0, 0), (0.1, -1.2), (0.35, -2.6)], "secondary", 0.24), *fronds]


def rock(pose: Pose) -> list[Shape]:
    """Wide boulder."""
    return [
        poly(
            smooth([(-1.5, 0.05), (-1.42, -0.8), (-0.8, -1.35), (0.2, -1.42), (1.1, -1.05), (1.5, 0.05)], rounds=1),
            "primary",
        ),
        poly([(-1.1, -0.8), (-0.7, -1.2), (-0.1, -1.25), (-0.5, -0.95)], "primary_light", outline=False),
        limb([(0.3, -0.4), (0.7, -0.75), (1.0, -0.6)], "primary_dark", 0.07, outline=False),
    ]


def hedge(pose: Pose) -> list[Shape]:
    """Wide hedge."""
    outline = smooth(
        corners("-1.5,0.05 -1.55,-0.8 -1.1,-1.32 -0.5,-1.12 0.0,-1.42 0.55,-1.15 1.1,-1.34 1.55,-0.8 1.5,0.05")
    )
    leaves = [
        oval((x, y), (0.17, 0.1), "primary_light", turn=0.4 * i, outline=False)
        for i, (x, y) in enumerate(((-1.0, -0.9), (-0.3, -0.75), (0.5, -0.95), (1.1, -0.7), (0.1, -0.4), (-0.8, -0.35)))
    ]
    return [poly(outline, "primary"), *leaves]


def kiosk(pose: Pose) -> list[Shape]:
    """Wide closed market stall."""
    awning = [
        poly(
            [(x, -1.42), (x + 0.5, -1.42), (x + 0.56, -1.05), (x - 0.06, -1.05)],
            "secondary" if i % 2 else "secondary_light",
        )
        for i, x in enumerate((-1.5, -1.0, -0.5, 0.0, 0.5, 1.0))
    ]
    return [
        box(-1.45, -1.3, 1.45, 0.05, "primary"),
        box(-1.1, -0.9, -0.1, -0.35, "primary_dark"),
        box(0.1, -0.9, 1.1, -0.35, "primary_dark"),
        *awning,
    ]


PROPS: dict[str, Callable[[Pose], list[Shape]]] = {
    "post": post,
    "tree": tree,
    "pine": pine,
    "cactus": cactus,
    "trunk": trunk,
    "palm": palm,
    "rock": rock,
    "hedge": hedge,
    "kiosk": kiosk,
}
