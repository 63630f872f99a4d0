"""What leaves describe: the words, each with where it came from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Provenance = Literal["computed", "pose", "detector", "model", "fallback", "abstained"]


@dataclass(frozen=True, slots=True)
class FieldText:
    """One caption field.

    `provenance`: computed = Evidence in words; pose = Evidence in words, from the pose model's keypoints; detector =
    the detector's vote; model = the captioner's words, checks passed; fallback = the captioner's words failed the
    checks twice (or were not asked) and Evidence spoke;
    abstained = the pack cannot know it (text is then "unknown").
    A field made of model words and a computed sentence (behind an action, before the camera's shot) is "model" with
    `computed_part` set.
    `rejections`: the reasons earlier answers were refused, oldest first. `kept_from_clip`: the model said it of this
    earlier clip and nothing has changed since (change_gate.py); None where it was said of this clip.
    """

    text: str
    provenance: Provenance
    computed_part: str = ""
    confidence: float | None = None
    rejections: tuple[str, ...] = ()
    kept_from_clip: int | None = None


@dataclass(frozen=True, slots=True)
class InstanceCaption:
    """The four fields of one instance (InstanceCap schema, docs/spec/instancecap.md 4.1)."""

    track_id: int
    class_name: FieldText
    appearance: FieldText
    action: FieldText
    position: FieldText


@dataclass(frozen=True, slots=True)
class Caption:
    """The words of one window. `model_calls` (graph runs), `prefill_tokens`, `decode_tokens` and `generations` (answers
    written, earlier turns and retries included) count what the captioner did. `lexicon_used`: words of the pack's lists
    to prefer and to avoid that the model said; None where they were not part of its prompt."""

    global_description: FieldText
    instances: tuple[InstanceCaption, ...]
    background: FieldText
    camera: FieldText
    model_calls: int = 0
    prefill_tokens: int = 0
    decode_tokens: int = 0
    generations: int = 0
    lexicon_used: tuple[tuple[str, ...], tuple[str, ...]] | None = None
