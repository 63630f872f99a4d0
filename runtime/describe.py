"""The words of one window: the captioner's where they pass the checks, the Evidence's everywhere else.

In: `Window`, `Evidence`, `DomainVerdict`. Out: `Caption`, each field with its provenance. Called by
`pipeline`.

Every question of a window goes to the captioner in one round; those whose answer is refused go once more,
all together, with the offending words forbidden; what is refused again is said from the Evidence (of the
background there is none, so it stays unknown). Position and camera are never asked. With a `ChangeGate` an instance is
asked only for what may have changed since the captioner last spoke of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from edgecap.engines.specs import CaptionerSpec
from edgecap.runtime import words
from edgecap.runtime.caption import Caption, FieldText, InstanceCaption
from edgecap.runtime.captioner import Answers
from edgecap.runtime.change_gate import ChangeGate
from edgecap.runtime.checks import Reason, check_instance, check_scene, seen_classes
from edgecap.runtime.evidence import Evidence, TrackEvidence
from edgecap.runtime.observation import Window
from edgecap.runtime.prompt import Answer, FieldName, VisualPrompt
from edgecap.runtime.record import DomainVerdict
from edgecap.runtime.visual_prompts import build_prompts

UNKNOWN = "unknown"
_Slot = tuple[int | None, FieldName]
_INSTANCE_FIELDS: tuple[FieldName, ...] = ("appearance", "action")


class Answerer(Protocol):
    """What describe needs of a captioner (`captioner.Captioner` is one)."""

    @property
    def spec(self) -> CaptionerSpec:
        """Prompts, limits and view sizes."""
        ...

    def answer(self, prompts: Sequence[VisualPrompt]) -> Answers:
        """See `Captioner.answer`."""
        ...


@dataclass(frozen=True, slots=True)
class _Reply:
    """What came of one question: the accepted words or None, and why earlier ones were refused."""

    text: str | None = None
    confidence: float | None = None
    rejections: tuple[str, ...] = ()
    kept_from_clip: int | None = None


@dataclass(frozen=True, slots=True)
class _Replies:
    """Replies by (track id or None, field), and what they cost."""

    by_slot: dict[_Slot, _Reply]
    model_calls: int = 0
    prefill_tokens: int = 0
    decode_tokens: int = 0


class Describer:
    """Writes captions.

    `captioner` None: every field comes from the Evidence (`--captioner none`). `asks_unchecked`: ask it
    about windows whose domain could not be checked too; False for a pack that has a domain check (its
    captioner knows that domain only, and a detector of another kind leaves the check without its
    measurements). `gate`: see `ChangeGate`; None asks about every instance of every window.
    """

    def __init__(
        self, captioner: Answerer | None, *, asks_unchecked: bool = False, gate: ChangeGate | None = None
    ) -> None:
        self._captioner = captioner
        self._asks_unchecked = asks_unchecked
        self._gate = gate

    def describe(self, window: Window, evidence: Evidence, verdict: DomainVerdict) -> Caption:
        """The caption of one window. Raises `EngineError` when the captioner's engine fails.

        Outside the pack's domain no instance is reported (a box from a detector outside its world is not
        known to be one) and everything seen is "unknown"; the camera is still computed.
        """
        camera = FieldText(words.camera_sentence(evidence.camera), "computed")
        if verdict.status == "outside":
            unknown = FieldText(UNKNOWN, "abstained")
            return Caption(unknown, (), unknown, camera)
        replies = self._ask(window, evidence, verdict)
        by_slot = replies.by_slot
        self._remember(window, evidence, by_slot)
        return Caption(
            global_description=self._field(by_slot.get((None, "global")), words.global_sentence(evidence)),
            instances=tuple(self._instance(track, window, by_slot) for track in evidence.tracks),
            background=_background(by_slot.get((None, "background"))),
            camera=camera,
            model_calls=replies.model_calls,
            prefill_tokens=replies.prefill_tokens,
            decode_tokens=replies.decode_tokens,
        )

    def _ask(self, window: Window, evidence: Evidence, verdict: DomainVerdict) -> _Replies:
        known = verdict.status == "inside" or self._asks_unchecked
        if self._captioner is None or not known:
            return _Replies({})
        kept = self._kept(window, evidence)
        prompts = _unanswered(build_prompts(window, evidence, self._captioner.spec), kept)
        if not prompts:
            return _Replies(kept)
        first = self._captioner.answer(prompts)
        reasons = {_slot(a): _reasons(a, evidence, window) for a in first.answers}
        replies = kept | {_slot(a): _reply(a, reasons[_slot(a)]) for a in first.answers}
        again = _retries(prompts, reasons)
        if not again:
            return _Replies(replies, first.model_calls, first.prefill_tokens, first.decode_tokens)
        second = self._captioner.answer(again)
        for answer in second.answers:
            slot = _slot(answer)
            replies[slot] = _reply(answer, _reasons(answer, evidence, window), replies[slot].rejections)
        return _Replies(
            replies,
            first.model_calls + second.model_calls,
            first.prefill_tokens + second.prefill_tokens,
            first.decode_tokens + second.decode_tokens,
        )

    def _kept(self, window: Window, evidence: Evidence) -> dict[_Slot, _Reply]:
        """What the captioner said earlier and may be said again; it must pass the checks as a new answer must."""
        kept: dict[_Slot, _Reply] = {}
        for track in evidence.tracks if self._gate else ():
            for field in _INSTANCE_FIELDS:
                known = self._gate.kept(track, field, clip_index=window.clip_index) if self._gate else None
                if known is None:
                    continue
                answer = Answer(track.track_id, field, known.text, 0, known.confidence or 0.0, truncated=False)
                if not _reasons(answer, evidence, window):
                    kept[_slot(answer)] = _Reply(known.text, known.confidence, kept_from_clip=known.clip_index)
        return kept

    def _remember(self, window: Window, evidence: Evidence, by_slot: dict[_Slot, _Reply]) -> None:
        for track in evidence.tracks if self._gate else ():
            for field in _INSTANCE_FIELDS:
                reply = by_slot.get((track.track_id, field))
                if self._gate and reply and reply.text is not None and reply.kept_from_clip is None:
                    self._gate.remember(
                        track, field, reply.text, confidence=reply.confidence, clip_index=window.clip_index
                    )

    def _instance(self, track: TrackEvidence, window: Window, by_slot: dict[_Slot, _Reply]) -> InstanceCaption:
        action = self._field(by_slot.get((track.track_id, "action")), words.action_sentence(track))
        if action.provenance == "model" and _travels(track):
            motion = words.motion_sentence(track)
            action = replace(action, text=f"{action.text} {motion}", computed_part=motion)
        # A detector without classes names nothing: "object" is what the code calls it, not what a model saw.
        named = window.labels != ("object",)
        return InstanceCaption(
            track_id=track.track_id,
            class_name=FieldText(
                track.class_name,
                "detector" if named else "computed",
                confidence=track.class_confidence if named else None,
            ),
            appearance=self._field(by_slot.get((track.track_id, "appearance")), words.appearance_sentence(track)),
            action=action,
            position=FieldText(words.position_sentence(track), "computed"),
        )

    def _field(self, reply: _Reply | None, computed: str) -> FieldText:
        """The captioner's words where there are any that passed, else the computed sentence."""
        if reply is not None and reply.text is not None:
            return FieldText(
                reply.text,
                "model",
                confidence=reply.confidence,
                rejections=reply.rejections,
                kept_from_clip=reply.kept_from_clip,
            )
        if self._captioner is None:
            return FieldText(computed, "computed")
        return FieldText(computed, "fallback", rejections=() if reply is None else reply.rejections)


def _background(reply: _Reply | None) -> FieldText:
    """The captioner's words or "unknown": nothing is measured of the background that could speak for it."""
    if reply is not None and reply.text is not None:
        return FieldText(reply.text, "model", confidence=reply.confidence, rejections=reply.rejections)
    return FieldText(UNKNOWN, "abstained", rejections=() if reply is None else reply.rejections)


def _travels(track: TrackEvidence) -> bool:
    """Whether there is a motion to add: after "It stands still." (checked), "It stays in place." says
    nothing."""
    return track.motion_world.moving or track.depth != "constant"


def _slot(answer: Answer) -> _Slot:
    return answer.track_id, answer.field


def _reasons(answer: Answer, evidence: Evidence, window: Window) -> tuple[Reason, ...]:
    track = next((t for t in evidence.tracks if t.track_id == answer.track_id), None)
    seen = seen_classes(window, evidence)
    if track is None:
        return check_scene(answer, evidence, window.labels, seen=seen)
    return check_instance(answer, track, window.labels, camera=evidence.camera, seen=seen)


def _reply(answer: Answer, reasons: tuple[Reason, ...], earlier: tuple[str, ...] = ()) -> _Reply:
    if reasons:
        return _Reply(rejections=(*earlier, *map(str, reasons)))
    return _Reply(answer.text, answer.confidence, earlier)


def _unanswered(prompts: Sequence[VisualPrompt], kept: dict[_Slot, _Reply]) -> list[VisualPrompt]:
    """The prompts with the questions that still need an answer; without those that have none left."""
    left = []
    for prompt in prompts:
        questions = tuple(q for q in prompt.questions if (prompt.track_id, q.field) not in kept)
        if questions:
            left.append(replace(prompt, questions=questions))
    return left


def _retries(prompts: Sequence[VisualPrompt], reasons: dict[_Slot, tuple[Reason, ...]]) -> list[VisualPrompt]:
    """The prompts again, with only the questions whose refusal a ban on words can cure.

    Decoding is greedy: asked again without a new ban, the model would say the same again.
    """
    again = []
    for prompt in prompts:
        bans = {
            q.field: tuple(dict.fromkeys(w for r in reasons[(prompt.track_id, q.field)] for w in r.banned_words))
            for q in prompt.questions
        }
        questions = tuple(replace(q, banned_words=bans[q.field]) for q in prompt.questions if bans[q.field])
        if questions:
            again.append(replace(prompt, questions=questions))
    return again
