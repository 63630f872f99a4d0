"""The person: shirt (primary) and trousers (secondary); skin, hair and shoes are neutral."""

from __future__ import annotations

from edgecap.bench.world.render.shapes import Shape, box_points, disc, limb, oval, poly, reach, smooth, turn_all
from edgecap.bench.world.sprites.pose import Pose

_TORSO = smooth([(-0.44, -1.68), (0.44, -1.68), (0.54, -1.30), (0.48, -0.76), (-0.48, -0.76), (-0.54, -1.30)], rounds=2)
_HAIR = smooth(
    [(-0.34, -1.94), (-0.30, -2.34), (0.04, -2.44), (0.34, -2.26), (0.34, -2.08), (0.02, -2.14), (-0.16, -1.86)]
)


def person(pose: Pose) -> list[Shape]:
    """Three-quarter figure, about 0.45 as wide as tall."""
    gait = pose.gait()
    hips = [(-0.18, -0.86), (0.18, -0.86)]
    legs: list[Shape] = []
    for hip, angle in zip(hips, (-0.5 * gait, 0.5 * gait), strict=True):
        foot = reach(hip, 0.74, angle)
        legs += [oval((foot[0] + 0.09, foot[1] + 0.05), (0.20, 0.10), "shoe"), limb([hip, foot], "secondary", 0.34)]
    pelvis = poly(box_points(-0.36, -1.0, 0.36, -0.74, radius=0.1), "secondary")
    bow = 1.0 * pose.lift("bow")
    back, front = _arm_angles(pose, gait)
    upper = [
        _sleeve((-0.42, -1.46), back),
        _hand((-0.42, -1.46), back),
        poly(_TORSO, "primary"),
        limb([(-0.28, -1.22), (-0.25, -0.95)], "primary_dark", 0.07, outline=False),
        limb([(0.22, -1.50), (0.27, -1.22)], "primary_light", 0.09, outline=False),
        *_head(),
        _sleeve((0.42, -1.46), front),
        _hand((0.42, -1.46), front),
    ]
    return [*legs, pelvis, *turn_all(upper, bow, (0.0, -0.88))]


def _arm_angles(pose: Pose, gait: float) -> tuple[float, float]:
    """(back, front) arm angles; 0 hangs down, positive forward, pi points up."""
    back, front = -0.22 + 0.45 * gait, 0.22 - 0.45 * gait
    if pose.gesture == "wave":
        front = 2.55 + 0.55 * pose.swing("wave")
    if pose.gesture == "lift":
        raised = 2.5 * pose.lift("lift")
        back, front = -0.25 - raised, 0.25 + raised
    if pose.gesture == "bow":
        back, front = -0.15, 0.15
    return back, front


def _sleeve(shoulder: tuple[float, float], angle: float) -> Shape:
    return limb([shoulder, reach(shoulder, 0.52, angle)], "primary", 0.28)


def _hand(shoulder: tuple[float, float], angle: float) -> Shape:
    return disc(reach(shoulder, 0.72, angle), 0.115, "skin")


def _head() -> list[Shape]:
    return [
        limb([(0.02, -1.72), (0.03, -1.62)], "skin", 0.17, outline=False),
        disc((0.04, -2.00), 0.29, "skin"),
        poly(_HAIR, "hair"),
        disc((0.17, -2.02), 0.035, "eye", outline=False),
        disc((0.29, -2.01), 0.03, "eye", outline=False),
        limb([(0.14, -1.86), (0.25, -1.87)], "hair", 0.03, outline=False),
    ]
