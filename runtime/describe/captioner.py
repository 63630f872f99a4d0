"""The words of one window: the language model's where they pass the checks, the Evidence's everywhere else.

In: `Window`, `Evidence`, `DomainVerdict`. Out: `Caption`, each field with its provenance.

The questions of a pass (`Questions.passes`) go to the model together; those whose answer is refused go once more
(`ask`), and what is refused again is worded from the Evidence (there is none of the background, so it stays unknown).
Positions are never asked; of the camera the measured sentence comes first. With a `ChangeGate` an instance is asked
only for what may have changed since the model last described it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from edgecap.runtime.config import AskOptions, PositionChoice
from edgecap.runtime.data.caption import Caption, FieldText, InstanceCaption, Provenance
from edgecap.runtime.data.evidence import Evidence, TrackEvidence
from edgecap.runtime.data.question import Answer
from edgecap.runtime.data.record import DomainVerdict
from edgecap.runtime.data.window import Window
from edgecap.runtime.describe import sentences as words
from edgecap.runtime.describe.ask import Answerer, Replies, Reply, Slot, ask, reasons_against, slot_of, unanswered
from edgecap.runtime.describe.camera_sentences import camera_sentence, followed
from edgecap.runtime.describe.change_gate import ChangeGate
from edgecap.runtime.describe.legacy_position import legacy_position_sentence
from edgecap.runtime.describe.person_sentences import only_sits, person_action_sentence, worn_sentence
from edgecap.runtime.describe.prompts import build_prompts
from edgecap.runtime.describe.questions import INSTANCE_FIELDS, Questions
from edgecap.runtime.describe.relation_sentences import act_sentences, instance_names

UNKNOWN = "unknown"


class Captioner:
    """Writes captions.

    `model` None: every field comes from the Evidence (`--captioner none`). `asks_unchecked`: ask it
    about windows whose domain could not be checked too; False for a pack that has a domain check (its
    model knows that domain only, and a detector of another kind leaves the check without its
    measurements). `gate`: see `ChangeGate`; None asks about every instance of every window. `options`: see
    `AskOptions`; `Questions` raises `UsageError` for those that the pack's prompts can't follow. `position`: the
    rule of the position sentence.
    """

    def __init__(
        self,
        model: Answerer | None,
        *,
        asks_unchecked: bool = False,
        gate: ChangeGate | None = None,
        options: AskOptions | None = None,
        position: PositionChoice = "corrected",
    ) -> None:
        self._model, self._options = model, options or AskOptions()
        self._questions = Questions(model.spec, model.book, self._options) if model else None
        self._asks_unchecked = asks_unchecked
        self._gate, self._position = gate, position

    def describe(self, window: Window, evidence: Evidence, verdict: DomainVerdict) -> Caption:
        """The caption of one window. Raises `EngineError` when the model's engine fails.

        Outside the pack's domain no instance is reported (a box from a detector outside its world is not
        known to be one) and everything seen is "unknown"; the camera is still computed.
        """
        if verdict.status == "outside":
            unknown = FieldText(UNKNOWN, "abstained")
            return Caption(unknown, (), unknown, FieldText(camera_sentence(evidence.camera), "computed"))
        acts = act_sentences(evidence.relations, evidence.tracks)
        replies = self._ask(window, evidence, verdict, acts)
        by_slot = replies.by_slot
        self._remember(window, evidence, by_slot)
        main = followed(evidence)
        name = "" if main is None else instance_names(evidence.tracks)[main.track_id]
        caption = Caption(
            global_description=self._field(by_slot.get((None, "global")), words.global_sentence(evidence)),
            instances=tuple(
                self._instance(t, window, evidence, by_slot, acts.get(t.track_id, "")) for t in evidence.tracks
            ),
            background=_background(by_slot.get((None, "background"))),
            camera=self._camera(by_slot.get((None, "camera")), camera_sentence(evidence.camera, follows=name)),
            model_calls=replies.model_calls,
            prefill_tokens=replies.prefill_tokens,
            decode_tokens=replies.decode_tokens,
            generations=replies.generations,
        )
        lexicon = self._questions.lexicon if self._questions else None
        return caption if lexicon is None else replace(caption, lexicon_used=lexicon.used(_said(replies)))

    def _ask(self, window: Window, evidence: Evidence, verdict: DomainVerdict, acts: Mapping[int, str]) -> Replies:
        known = verdict.status == "inside" or self._asks_unchecked
        if self._model is None or self._questions is None or not known:
            return Replies({})
        kept = self._kept(window, evidence)
        replies, said = Replies(kept), ""
        for fields in self._questions.passes:
            prompts = build_prompts(window, evidence, self._questions, fields=fields, relations=acts, said=said)
            replies = ask(self._model, unanswered(prompts, kept), window, evidence, replies)
            said = self._field(replies.by_slot.get((None, "global")), words.global_sentence(evidence)).text
        return replies

    def _kept(self, window: Window, evidence: Evidence) -> dict[Slot, Reply]:
        """What the model said earlier and may be said again; it must pass the checks as a new answer must."""
        kept: dict[Slot, Reply] = {}
        for track in evidence.tracks if self._gate else ():
            for field in INSTANCE_FIELDS:
                known = self._gate.kept(track, field, clip_index=window.clip_index) if self._gate else None
                if known is None:
                    continue
                answer = Answer(track.track_id, field, known.text, 0, known.confidence or 0.0, truncated=False)
                if not reasons_against(answer, evidence, window):
                    kept[slot_of(answer)] = Reply(known.text, known.confidence, kept_from_clip=known.clip_index)
        return kept

    def _remember(self, window: Window, evidence: Evidence, by_slot: dict[Slot, Reply]) -> None:
        for track in evidence.tracks if self._gate else ():
            for field in INSTANCE_FIELDS:
                reply = by_slot.get((track.track_id, field))
                if self._gate and reply and reply.text is not None and reply.kept_from_clip is None:
                    self._gate.remember(
                        track, field, reply.text, confidence=reply.confidence, clip_index=window.clip_index
                    )

    def _instance(
        self, track: TrackEvidence, window: Window, evidence: Evidence, by_slot: dict[Slot, Reply], acts: str
    ) -> InstanceCaption:
        """`acts`: what it does to others, as a sentence or ""."""
        main = followed(evidence)
        follows = main is not None and main.track_id == track.track_id
        act = person_action_sentence(track, camera=evidence.camera, camera_follows=follows)
        worn, acts = worn_sentence(track), "" if only_sits(track) else acts
        computed = act or words.action_sentence(track, camera=evidence.camera, camera_follows=follows)
        computed = _joined(computed, acts)
        action = self._field(by_slot.get((track.track_id, "action")), computed, by="pose" if act else "computed")
        if action.provenance == "model":
            motion = words.motion_sentence(track, camera=evidence.camera, camera_follows=follows)
            motion = _joined(motion if _travels(track) else "", acts)
            action = replace(action, text=_joined(action.text, motion), computed_part=motion)
        # A detector without classes names nothing: "object" is what the code calls it, not what a model saw.
        named = window.labels != ("object",)
        return InstanceCaption(
            track_id=track.track_id,
            class_name=FieldText(
                track.class_name,
                "detector" if named else "computed",
                confidence=track.class_confidence if named else None,
            ),
            appearance=self._field(
                by_slot.get((track.track_id, "appearance")),
                worn or words.appearance_sentence(track),
                by="pose" if worn else "computed",
            ),
            action=action,
            position=FieldText(self._place(track, window, evidence), "computed"),
        )

    def _place(self, track: TrackEvidence, window: Window, evidence: Evidence) -> str:
        if self._position == "corrected":
            return words.position_sentence(track, evidence.camera)
        times = np.array([o.frame.pts_seconds for o in window.observations], np.float64)
        return legacy_position_sentence(track, times)

    def _field(self, reply: Reply | None, computed: str, *, by: Provenance = "computed") -> FieldText:
        """The model's words where any passed the checks, else the computed sentence and what it is computed `by`."""
        if reply is not None and reply.text is not None:
            return FieldText(
                reply.text,
                "model",
                confidence=reply.confidence,
                rejections=reply.rejections,
                kept_from_clip=reply.kept_from_clip,
            )
        if self._model is None:
            return FieldText(computed, by)
        return FieldText(computed, "fallback", rejections=() if reply is None else reply.rejections)

    def _camera(self, reply: Reply | None, computed: str) -> FieldText:
        """The measured sentence, and behind it what the model adds of shot and angle; its words alone where the
        hint is left out, as they are under test then."""
        if reply is None:
            return FieldText(computed, "computed")
        if reply.text is None:
            return FieldText(computed, "fallback", rejections=reply.rejections)
        if not self._options.camera_hint:
            return FieldText(reply.text, "model", confidence=reply.confidence, rejections=reply.rejections)
        text = f"{computed} {reply.text}"
        return FieldText(
            text, "model", computed_part=computed, confidence=reply.confidence, rejections=reply.rejections
        )


def _joined(*sentences: str) -> str:
    return " ".join(sentence for sentence in sentences if sentence)


def _said(replies: Replies) -> str:
    """Everything the model said of this window that was accepted."""
    return " ".join(r.text for r in replies.by_slot.values() if r.text is not None)


def _background(reply: Reply | None) -> FieldText:
    """The model's words or "unknown": nothing measured describes the background."""
    if reply is not None and reply.text is not None:
        return FieldText(reply.text, "model", confidence=reply.confidence, rejections=reply.rejections)
    return FieldText(UNKNOWN, "abstained", rejections=() if reply is None else reply.rejections)


def _travels(track: TrackEvidence) -> bool:
    """Whether there is a motion to add: after "It stands still." (checked), "It stays in place." adds
    nothing."""
    return track.motion_world.moving or track.depth != "constant"
