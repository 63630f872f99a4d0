"""Words of motion and place, our own."""

# ruff: noqa: SIM905 (a word list reads best as words)

from __future__ import annotations

from edgecap.runtime.verify.words.lexicon import phrases

_TRAVEL_STEMS = """walk run move roll drive sail fly drift trot ride travel stroll gallop swim glide jog march crawl
    cross pass advance proceed slide dash race rush speed cruise wander sprint cycle pedal stride skate""".split()


def _third_person(stem: str) -> str:
    if stem == "fly":
        return "flies"
    return stem + "es" if stem.endswith(("s", "sh", "ch")) else stem + "s"


def _participle(stem: str) -> str:
    if stem in ("run", "swim", "jog", "trot"):
        return f"{stem}{stem[-1]}ing"
    return f"{stem[:-1]}ing" if stem.endswith("e") else f"{stem}ing"


TRAVEL_VERBS = tuple(form for stem in _TRAVEL_STEMS for form in (_third_person(stem), _participle(stem)))
"""Verbs that change a thing's place: "walks", "walking"."""

COMING_VERBS = tuple("enters entering leaves leaving exits exiting comes coming goes going heads heading".split())
"""Verbs that take a direction, but say of no thing that it travels all the time."""

REST_PHRASES = phrases(
    """stands still, standing still, is parked, parked, lies still, lying still, floats in place, floating in place,
    hovers, stays still, staying still, sits still, sitting still, is still, remains still, keeps still, holds
    still, stays in place, remains in place, stays put, does not move, is not moving, without moving, motionless,
    stationary, immobile, unmoving, at rest, at a standstill"""
)
"""Phrases that deny it."""

GESTURE_VERBS = tuple(
    """lifts waves turns looks faces leans points swings tilts bends raises nods holds stretches lowers wags flaps
    flashes opens rocks bows shakes spins rotates twists reaches throws kicks lifting waving turning looking facing
    leaning pointing swinging tilting bending raising nodding holding stretching lowering wagging flapping flashing
    opening rocking bowing shaking spinning rotating twisting reaching throwing kicking glances glancing pans panning
    zooms zooming lies sits stands is are""".split()
)
"""Verbs after which "to the left" is not where the whole goes."""

CAMERA_NOUNS = ("camera", "shot", "view", "viewpoint", "lens", "footage", "cameraman")
