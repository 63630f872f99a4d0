"""Four-legged sprites: dog, horse, elephant, giraffe. Silhouettes differ in neck, head, tail and bulk."""

from __future__ import annotations

from edgecap.bench.world.render.shapes import Shape, corners, disc, limb, oval, poly, reach, smooth, turn_all, turned
from edgecap.bench.world.sprites.pose import Pose

_DOG_BODY = smooth(corners("-0.95,-1.22 -0.3,-1.30 0.55,-1.36 0.92,-1.18 0.85,-0.72 0.3,-0.60 -0.5,-0.66 -0.95,-0.70"))
_DOG_VEST = smooth(
    [(-0.52, -1.32), (0.44, -1.40), (0.50, -1.0), (0.36, -0.60), (-0.42, -0.62), (-0.50, -1.0)], rounds=1
)
_HORSE_BODY = smooth(corners("-1.15,-1.62 -0.5,-1.70 0.3,-1.62 0.95,-1.72 1.08,-1.25 0.6,-0.98 -0.5,-1.00 -1.15,-1.05"))
_HORSE_NECK = smooth([(0.45, -1.60), (1.02, -2.52), (1.40, -2.40), (1.12, -1.18), (0.70, -1.16)], rounds=1)
_HORSE_BLANKET = smooth([(-0.74, -1.76), (0.40, -1.73), (0.52, -0.92), (-0.80, -0.94)], rounds=1)
_ELEPHANT_BODY = smooth(
    [(-1.45, -1.35), (-1.25, -2.02), (-0.3, -2.25), (0.6, -2.05), (0.95, -1.45), (0.75, -0.72), (-1.2, -0.72)]
)
_ELEPHANT_BLANKET = smooth([(-0.95, -2.16), (0.10, -2.24), (0.20, -1.05), (-1.02, -1.05)], rounds=1)
_ELEPHANT_EAR = smooth([(0.62, -2.10), (0.98, -2.02), (1.02, -1.35), (0.72, -1.12), (0.30, -1.42), (0.30, -1.90)])
_GIRAFFE_BODY = smooth(
    [(-0.90, -1.50), (-0.2, -1.78), (0.52, -1.98), (0.72, -1.50), (0.45, -1.10), (-0.5, -1.10), (-0.92, -1.15)]
)
_GIRAFFE_NECK = smooth([(0.06, -1.75), (0.72, -3.30), (1.06, -3.22), (0.76, -1.35), (0.40, -1.25)], rounds=1)
_SPOT = smooth([(-1.0, -0.6), (0.1, -1.0), (1.0, -0.4), (0.8, 0.7), (-0.3, 1.0), (-1.0, 0.5)], rounds=1)


def dog(pose: Pose) -> list[Shape]:
    """Low body, big round head with a hanging ear, tail up; a vest (secondary) around the trunk."""
    gait = pose.gait()
    paw = 1.35 * pose.lift("paw")
    tail_tip = reach((-0.88, -1.12), 0.72, -2.45 + 0.85 * pose.swing("wag"))
    shapes = [
        limb([(-0.88, -1.10), tail_tip], "primary", 0.21),
        *_leg((-0.62, -0.80), 0.62, -0.7 * gait, 0.24, "primary_dark"),
        *_leg((0.60, -0.80), 0.62, 0.7 * gait, 0.24, "primary_dark"),
        *_leg((-0.76, -0.84), 0.70, 0.7 * gait, 0.28, "primary"),
    ]
    front_leg = _leg((0.72, -0.84), 0.70, -0.7 * gait + paw, 0.28, "primary")
    trunk = [
        poly(_DOG_BODY, "primary"),
        poly(_DOG_VEST, "secondary"),
        limb([(-0.30, -1.26), (0.24, -1.30)], "secondary_light", 0.09, outline=False),
    ]
    # A lifted paw would vanish behind the trunk.
    shapes += [*trunk, *front_leg] if pose.gesture == "paw" else [*front_leg, *trunk]
    shapes += [
        oval((1.36, -1.52), (0.34, 0.20), "primary", turn=0.1),
        disc((1.02, -1.62), 0.42, "primary"),
        disc((1.66, -1.56), 0.09, "eye"),
        disc((1.18, -1.72), 0.06, "eye", outline=False),
        oval((0.76, -1.52), (0.16, 0.36), "primary_dark", turn=0.25),
    ]
    return shapes


def horse(pose: Pose) -> list[Shape]:
    """Long legs, arched neck with a long head and dark mane, hanging tail; a blanket (secondary) on the back."""
    gait = pose.gait()
    swing = 0.75 * pose.swing("tail")
    mid = reach((-1.10, -1.50), 0.50, -0.55 + 0.6 * swing)
    tail = limb([(-1.10, -1.50), mid, reach(mid, 0.62, -0.10 + 1.2 * swing)], "hair", 0.21)
    neck = [
        poly(_HORSE_NECK, "primary"),
        limb([(0.62, -1.72), (0.90, -2.36), (1.10, -2.56)], "hair", 0.20),
        poly(
            smooth([(1.02, -2.62), (1.34, -2.64), (1.92, -2.06), (1.80, -1.84), (1.50, -1.90), (1.12, -2.22)]),
            "primary",
        ),
        poly([(1.08, -2.52), (1.12, -2.86), (1.28, -2.56)], "primary"),
        disc((1.40, -2.40), 0.055, "eye", outline=False),
        disc((1.78, -2.04), 0.04, "eye", outline=False),
    ]
    return [
        tail,
        *_leg((-0.72, -1.15), 1.06, -0.55 * gait, 0.23, "primary_dark", "shoe"),
        *_leg((0.62, -1.15), 1.06, 0.55 * gait, 0.23, "primary_dark", "shoe"),
        *_leg((-0.94, -1.15), 1.10, 0.55 * gait, 0.27, "primary", "shoe"),
        *_leg((0.84, -1.15), 1.10, -0.55 * gait, 0.27, "primary", "shoe"),
        poly(_HORSE_BODY, "primary"),
        poly(_HORSE_BLANKET, "secondary"),
        limb([(-0.62, -1.06), (0.38, -1.04)], "secondary_light", 0.08, outline=False),
        *turn_all(neck, 0.62 * pose.lift("nod"), (0.75, -1.45)),
    ]


def elephant(pose: Pose) -> list[Shape]:
    """Bulk on pillars, trunk and large ear; a blanket (secondary) over the back."""
    gait = pose.gait()
    flap = 1.0 - 0.85 * pose.lift("ears")
    ear = (_ELEPHANT_EAR - (0.95, -1.6)) * (flap, 1.0) + (0.95, -1.6)
    raised = pose.lift("trunk")
    root = (1.52, -1.50)
    knee = reach(root, 0.52, 0.25 + 1.1 * raised)
    low = reach(knee, 0.50, 0.0 + 2.2 * raised)
    trunk = [limb([root, knee, low, reach(low, 0.22, 0.7 + 2.2 * raised)], "primary", 0.30)]
    head = [
        oval((1.18, -1.72), (0.52, 0.56), "primary"),
        limb([(1.42, -1.30), (1.72, -1.18)], "ivory", 0.11),
        *trunk,
        disc((1.38, -1.86), 0.06, "eye", outline=False),
        poly(ear, "primary_dark"),
    ]
    legs_behind = [
        *_leg((-0.75, -0.95), 0.74, -0.35 * gait, 0.44, "primary_dark"),
        *_leg((0.40, -0.95), 0.74, 0.35 * gait, 0.44, "primary_dark"),
    ]
    legs = [
        *_leg((-1.10, -0.95), 0.76, 0.35 * gait, 0.46, "primary"),
        *_leg((0.66, -0.95), 0.76, -0.35 * gait, 0.46, "primary"),
    ]
    return [
        limb([(-1.38, -1.55), (-1.62, -1.0)], "primary_dark", 0.11),
        *legs_behind,
        *legs,
        poly(_ELEPHANT_BODY, "primary"),
        poly(_ELEPHANT_BLANKET, "secondary"),
        limb([(-0.86, -1.18), (0.06, -1.18)], "secondary_light", 0.09, outline=False),
        *head,
    ]


def giraffe(pose: Pose) -> list[Shape]:
    """Very long neck and legs; large spots (secondary) on body and neck."""
    gait = pose.gait()
    neck = [
        poly(_GIRAFFE_NECK, "primary"),
        *_spots(((0.40, -1.88, 0.21), (0.53, -2.34, 0.20), (0.69, -2.78, 0.18), (0.84, -3.12, 0.13))),
        limb([(0.86, -3.40), (0.80, -3.68)], "primary", 0.09),
        disc((0.80, -3.68), 0.08, "shoe"),
        poly(
            smooth([(0.66, -3.46), (0.98, -3.52), (1.48, -3.22), (1.46, -3.04), (1.02, -3.06), (0.72, -3.14)]),
            "primary",
        ),
        disc((1.02, -3.34), 0.06, "eye", outline=False),
        oval((0.66, -3.44), (0.16, 0.07), "primary_dark", turn=0.4),
    ]
    body = [
        poly(_GIRAFFE_BODY, "primary"),
        *_spots(
            ((-0.64, -1.32, 0.24), (-0.18, -1.52, 0.25), (0.26, -1.60, 0.24), (-0.14, -1.18, 0.16), (0.34, -1.22, 0.18))
        ),
    ]
    return [
        limb([(-0.86, -1.45), (-1.06, -0.95)], "hair", 0.10),
        *_leg((-0.50, -1.25), 1.16, -0.40 * gait, 0.20, "primary_dark", "shoe"),
        *_leg((0.28, -1.25), 1.16, 0.40 * gait, 0.20, "primary_dark", "shoe"),
        *_leg((-0.72, -1.25), 1.20, 0.40 * gait, 0.26, "primary", "shoe"),
        *_leg((0.48, -1.25), 1.20, -0.40 * gait, 0.26, "primary", "shoe"),
        *body,
        *turn_all(neck, 1.15 * pose.lift("neck"), (0.42, -1.60)),
    ]


def _leg(
    hip: tuple[float, float], length: float, angle: float, width: float, ink: str, foot_ink: str | None = None
) -> list[Shape]:
    """Straight leg; with `foot_ink` its last fifth is a hoof."""
    foot = reach(hip, length, angle)
    leg = [limb([hip, foot], ink, width)]
    if foot_ink is not None:
        ankle = reach(hip, 0.86 * length, angle)
        leg.append(limb([ankle, foot], foot_ink, 0.8 * width, outline=False))
    return leg


def _spots(where: tuple[tuple[float, float, float], ...]) -> list[Shape]:
    """Patches at (x, y, radius), each turned differently."""
    return [poly(turned(_SPOT, 1.3 * i) * r + (x, y), "secondary", outline=False) for i, (x, y, r) in enumerate(where)]
