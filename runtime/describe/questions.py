"""What a language model is asked, in which order and in which words: the passes of the method over one pack's prompts.

In: a pack's prompts (`CaptionerSpec.prompts`, `PromptBook`) and a run's `AskOptions`. Out: `Question`s with their hints
filled in. All words of the questions are data of the pack.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import chain

from edgecap.engines.errors import UsageError
from edgecap.engines.packs.prompt_book import PromptBook, PromptTurn, placeholders
from edgecap.engines.packs.specs import CaptionerSpec
from edgecap.runtime.config import AskOptions
from edgecap.runtime.data.evidence import CameraEvidence, Evidence, TrackEvidence
from edgecap.runtime.data.question import FieldName, Question, Turn
from edgecap.runtime.describe.camera_sentences import camera_sentence
from edgecap.runtime.describe.sentences import motion_sentence
from edgecap.runtime.english import instances_phrase

INSTANCE_FIELDS: tuple[FieldName, ...] = ("appearance", "action")
SCENE_FIELDS: tuple[FieldName, ...] = ("background", "global", "camera")
_TOGETHER = ((*INSTANCE_FIELDS, *SCENE_FIELDS),)
_IN_TWO_PASSES: tuple[tuple[FieldName, ...], ...] = (("global",), (*INSTANCE_FIELDS, "background", "camera"))


class Questions:
    """The questions of one run. `spec`: as in the pack; `passes`: the fields that are asked together, in order.
    `system`: rules for every prompt. `lexicon`: the word lists where they are in the prompt.

    Raises `UsageError` where `options` ask for what the pack's prompts don't have, or leave out what isn't in them.
    """

    def __init__(self, spec: CaptionerSpec, book: PromptBook | None, options: AskOptions) -> None:
        self.spec, self.options, self._book = spec, options, book
        self.passes = _IN_TWO_PASSES if options.stages == "full" else _TOGETHER
        if options.stages == "full":
            if book is None or not book.full:
                raise UsageError(
                    "--stages full: the pack has no rounds, only single questions; ask for fast, or export it again"
                )
            self._turns: Mapping[str, tuple[PromptTurn, ...]] = book.full
        else:
            self._turns = {name: (PromptTurn(text, spec.max_tokens[name]),) for name, text in spec.prompts.items()}
        self._history = book is None or book.history
        self.system = book.system if book else ""
        self._check_ablations()
        self.lexicon = book.lexicon if book and options.lexicon else None
        if self.lexicon is not None:
            self.system = f"{self.system} {self.lexicon.sentence()}".strip()

    def instance_questions(
        self, track: TrackEvidence, fields: tuple[FieldName, ...], *, relations: str = "", said: str = ""
    ) -> tuple[Question, ...]:
        """Those of `fields` that are about one instance. `relations`: what it does to others, as a sentence or "";
        `said`: the accepted global sentence, "" where it has not been asked yet."""
        hints = self._book.class_hints if self._book and self.options.class_hint else None
        values = {
            "class": track.class_name,
            "motion": "moving" if track.motion_world.moving else "still",
            "measured": motion_sentence(track),
            "class_hint": hints.sentence_for(track.class_name) if hints else "",
            "relations": relations,
            "global": said,
            "instances": counted_class(track),
            "camera_hint": "",
        }
        return self._questions(tuple(f for f in INSTANCE_FIELDS if f in fields), values)

    def scene_questions(
        self, evidence: Evidence, labels: tuple[str, ...], fields: tuple[FieldName, ...], *, said: str = ""
    ) -> tuple[Question, ...]:
        """Those of `fields` that are about the whole picture. `labels`: the detector's list, in whose order classes
        are named."""
        values = {
            "instances": instances_phrase([t.class_name for t in evidence.tracks], label_order=labels),
            "camera_hint": self.camera_hint(evidence.camera),
            "global": said,
            **dict.fromkeys(("class", "motion", "measured", "class_hint", "relations"), ""),
        }
        return self._questions(tuple(f for f in SCENE_FIELDS if f in fields), values)

    def camera_hint(self, camera: CameraEvidence) -> str:
        """What a question says of the measured movement (docs/spec/instancecap.md 2.6), "" where it is left out."""
        hints = self._book.camera_hints if self._book and self.options.camera_hint else None
        if hints is None:
            return ""
        if not camera.labels:
            return hints.unknown
        if camera.labels == ("static",):
            return hints.static
        return hints.moving.replace("{camera}", camera_sentence(camera))

    def _questions(self, fields: tuple[FieldName, ...], values: Mapping[str, str]) -> tuple[Question, ...]:
        asked = []
        for name in fields:
            if name not in self._turns:
                continue
            *earlier, last = [
                Turn(" ".join(one.text.format(**values).split()), one.max_tokens) for one in self._turns[name]
            ]
            asked.append(Question(name, last.text, last.max_tokens, earlier=tuple(earlier), history=self._history))
        return tuple(asked)

    def _check_ablations(self) -> None:
        texts = [one.text for one in chain.from_iterable(self._turns.values())]
        used = set[str]().union(*(placeholders(text, at="prompt") for text in texts))
        for option, place in (("class_hint", "class_hint"), ("camera_hint", "camera_hint")):
            if not getattr(self.options, option) and place not in used:
                what = option.replace("_", " ")
                raise UsageError(
                    f"--no-{what.replace(' ', '-')}: the pack's questions have no {what}, so there is nothing to leave "
                    "out; use another pack"
                )
        if self.options.lexicon and (self._book is None or self._book.lexicon is None):
            raise UsageError("--lexicon: the pack has no word lists; leave it out, or use another pack")


def counted_class(track: TrackEvidence) -> str:
    """ "a dog", "an umbrella": one instance as the phrase for what is there."""
    return instances_phrase([track.class_name])
