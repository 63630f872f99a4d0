"""Which clips stay: rules over the facts of a whole set. Pure: the same facts and rules give the same choices."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from edgecap.bench.dataset.clip_facts import ClipFacts
from edgecap.bench.dataset.clip_hash import HashIndex
from edgecap.bench.dataset.scenes import UNKNOWN
from edgecap.engines.errors import UsageError


@dataclass(frozen=True, slots=True)
class CurationRules:
    """Thresholds. The paper names the rules and gives no figures but the 2-10 s (docs/spec/instancecap.md 5); ours:

    `min_seconds`, `max_seconds`: the paper's. `min_side`: least short side in pixels; 256 is the least that open
    text-to-video models train at. `min_motion`: short sides per second of the liveliest instance (seen
    half a second at least), `motion_of`. Measured on 24 moving clips of the synthetic world: what stands has at most
    0.007, what gestures on the spot 0.012 to 0.057, what travels 0.075 to 0.45: 0.06 asks for travel or very lively
    gestures. `max_cuts`: hard cuts. `duplicate_bits`: mean bits of 64 below which a clip is a copy of an
    earlier one. Measured on 60 world clips: different clips 17.8 at least (median 24.9); JPEG quality 25 up to 2.0,
    half size 0.9, brightness +25 % 9.2, mirrored 0.0, trimmed 0.0, cropped by 5 % 9.1, by 10 % 15.2: 12 catches all of
    these but about half of the 10 % crops. `max_scene_share`: largest share of the kept clips of known scene that one
    scene class may have; 1 switches it off.
    """

    min_seconds: float = 2.0
    max_seconds: float = 10.0
    min_side: int = 256
    min_motion: float = 0.06
    max_cuts: int = 0
    duplicate_bits: float = 12.0
    max_scene_share: float = 0.4

    def __post_init__(self) -> None:
        if not 0 <= self.min_seconds < self.max_seconds:
            raise UsageError(
                f"--min-seconds must be at least 0 and below --max-seconds; got {self.min_seconds:g} and "
                f"{self.max_seconds:g}"
            )
        checks = (
            ("--min-side", self.min_side, 0, 100_000),
            ("--min-motion", self.min_motion, 0.0, 10.0),
            ("--max-cuts", self.max_cuts, 0, 1_000_000),
            ("--duplicate-bits", self.duplicate_bits, 0.0, 64.0),
            ("--max-scene-share", self.max_scene_share, 0.01, 1.0),
        )
        for name, value, low, high in checks:
            if not low <= value <= high:
                raise UsageError(f"{name} must be {low:g} to {high:g}; got {value:g}")


@dataclass(frozen=True, slots=True)
class Choice:
    """One clip's row: kept or not, every rule it broke ("code: what was found"), and the values behind them."""

    facts: ClipFacts
    keep: bool
    reasons: tuple[str, ...]
    values: Mapping[str, Any] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """The row of curation.jsonl."""
        f = self.facts
        return {
            "Video": f.name,
            "keep": self.keep,
            "reasons": list(self.reasons),
            "duration_seconds": f.duration_seconds,
            "size_wh": list(f.size_wh),
            "cut_seconds": list(f.cut_seconds),
            **self.values,
            "pack": f.pack,
            "scene": f.scene,
            "instances": [
                {"class": i.class_name}
                | {name: getattr(i, name) for name in ("track_id", "seconds", "flow_speed", "path_speed")}
                for i in f.instances
            ],
        }


def choose(clips: Sequence[ClipFacts], rules: CurationRules) -> list[Choice]:
    """Choices in the order of `clips`. Of copies the first one that passes all other rules stays."""
    index, choices = HashIndex(), []
    for facts in clips:
        reasons = _reasons(facts, rules)
        nearest = index.nearest(facts.hashes, facts.mirror_hashes)
        values: dict[str, Any] = {"motion": motion_of(facts), "nearest": None}
        if nearest is not None:
            name, bits, mirrored = nearest
            values["nearest"] = {"Video": name, "bits": round(bits, 2), "mirrored": mirrored}
            if bits < rules.duplicate_bits:
                reasons.append(f"duplicate: {bits:.1f} of 64 bits from {'the mirror of ' * mirrored}{name}")
        if not reasons:
            index.add(facts.name, facts.hashes)
        choices.append(Choice(facts, not reasons, tuple(reasons), values))
    return _balanced(choices, rules.max_scene_share)


def motion_of(facts: ClipFacts) -> float | None:
    """Speed of the liveliest instance, short sides per second; None where none was measured.

    The larger of the flow inside its mask and of its path, both with the camera's motion taken out: flow sees gestures
    on the spot, but leaks away on bodies of one colour (a plain disc at 0.53 measures 0.26).
    """
    moving = [i for i in facts.instances if i.flow_speed is not None and i.seconds >= 0.5]
    return max((max(i.flow_speed or 0.0, i.path_speed) for i in moving), default=None)


def _reasons(facts: ClipFacts, rules: CurationRules) -> list[str]:
    reasons = [f"unreadable: {facts.error}"] if facts.error else []
    reasons += [f"caption: {fault}" for fault in facts.caption_faults]
    if not facts.size_wh[0]:
        return reasons or ["unreadable: it has no frames"]
    seconds, side, motion = facts.duration_seconds, min(facts.size_wh), motion_of(facts)
    # A third of a frame of slack: 10 s at 23.976 fps are 9.99 or 10.03 s.
    if not rules.min_seconds - 0.02 <= seconds <= rules.max_seconds + 0.05:
        reasons.append(f"duration: {seconds:.2f} s, expected {rules.min_seconds:g} to {rules.max_seconds:g}")
    if side < rules.min_side:
        reasons.append(f"resolution: short side {side}, at least {rules.min_side} needed")
    if len(facts.cut_seconds) > rules.max_cuts:
        reasons.append(f"cuts: {len(facts.cut_seconds)} at {', '.join(f'{s:g}' for s in facts.cut_seconds[:5])} s")
    if facts.outside:  # what the pack's detector found there is not known to be anything
        return [*reasons, f"domain: outside the training domain of pack {facts.pack}"]
    if motion is None:
        reasons.append("motion: no instance whose motion could be measured")
    elif motion < rules.min_motion:
        reasons.append(f"motion: {motion:.3f} short sides per second, at least {rules.min_motion:g} needed")
    return reasons


def _balanced(choices: list[Choice], max_share: float) -> list[Choice]:
    """Drop the least lively clips of scene classes that hold more than their share.

    The cap is the largest number per class that keeps every class within its share; with fewer classes than 1 / share
    it can't be kept, and the cap is that of equal shares.
    """
    counts = Counter(v.facts.scene for v in choices if v.keep and v.facts.scene != UNKNOWN)
    if len(counts) < 2 or max_share >= 1:
        return choices
    share = max(max_share, 1 / len(counts))
    cap = max(counts.values())
    while cap > 1 and cap > share * sum(min(n, cap) for n in counts.values()) + 1e-9:
        cap -= 1
    lively = sorted(range(len(choices)), key=lambda i: (-(motion_of(choices[i].facts) or 0.0), i))
    taken: Counter[str] = Counter()
    out = list(choices)
    for i in lively:
        choice, scene = choices[i], choices[i].facts.scene
        if not choice.keep or scene == UNKNOWN:
            continue
        taken[scene] += 1
        if taken[scene] > cap:
            reason = f"balance: {counts[scene]} clips of scene {scene!r}, the {cap} liveliest stay"
            out[i] = Choice(choice.facts, False, (reason,), choice.values)
    return out
