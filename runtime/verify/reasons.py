"""What the checks say of an answer, and what a run's answers came to.

In: nothing but words. Out: `Reason` (why one answer is refused; its code is one of `REASONS`, a closed list) and
`VerifierCounts` (how many fields were asked, refused, repaired, fallen back).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal, get_args

from edgecap.runtime.data.caption import Caption, FieldText

ReasonCode = Literal[
    "empty",
    "unfinished",
    "long",
    "list",
    "markup",
    "script",
    "repeated",
    "grammar",
    "sound",
    "hedge",
    "absent",
    "picture",
    "class",
    "colour",
    "count",
    "motion",
    "direction",
    "depth",
    "act",
    "position",
    "camera",
]

REASONS: Mapping[ReasonCode, str] = {
    "empty": "no words",
    "unfinished": "cut off by the token limit, or no full stop at its end",
    "long": "more words than its field may have (`form.MOST_WORDS`)",
    "list": "list markers or line breaks",
    "markup": "markdown, tags, braces, chat roles, or a label before a colon",
    "script": "letters of another script: the checks read English only",
    "repeated": "a sentence twice, a phrase of eight words twice or of five three times, a word three times running",
    "grammar": "not a sentence of the closed corpus that the pack's language model was trained on",
    "sound": "speaks of what is heard; there is no audio in what the model sees",
    "hedge": "a guess, an alternative or a comparison instead of what is seen",
    "absent": "lists what is not there",
    "picture": "speaks of frames, times, masks or blur instead of what they show",
    "class": "its subject is not what the detector voted for, or it names a class that was not seen",
    "colour": "names a colour that the pixels do not have, leaves out the one that fills them, or gives a person one",
    "count": "names more of a class than were tracked",
    "motion": "says that it moves and it rests, or that it rests and it moves",
    "direction": "says left, right, up or down, and neither its path in the picture nor in the world goes there",
    "depth": "says that it comes closer or goes farther, and its size does not",
    "act": "says that a person does or faces what the poses contradict",
    "position": "places it in a part of the frame where it never is",
    "camera": "gives the camera a motion that was not measured, or denies one that was",
}
"""Every code and its meaning. The list is closed: `Reason` takes no other."""


@dataclass(frozen=True, slots=True)
class Reason:
    """Why an answer is refused. `banned_words`: words and phrases, as they are in the text, that a second try
    must not say; empty where a ban cannot help."""

    code: ReasonCode
    detail: str
    banned_words: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        assert self.code in REASONS, f"{self.code!r} is not one of {', '.join(get_args(ReasonCode))}"

    def __str__(self) -> str:
        return f"{self.code}: {self.detail}"


def code_of(rejection: str) -> str:
    """The code at the head of a rejection as records hold it: "colour: yellow is 0%..." -> "colour"."""
    return rejection.partition(":")[0]


@dataclass(frozen=True, slots=True)
class VerifierCounts:
    """Fields that a captioner was asked for, and what became of them.

    `asked` = `passed` (first answer accepted) + `repaired` (second answer accepted) + `fallen_back` (refused to the
    end: Evidence spoke, or the field stayed unknown). `refusals`: reason code -> number of fields refused for it at
    least once. Fields that were never asked (computed, outside the domain, kept from an earlier clip) are not counted.
    """

    passed: int = 0
    repaired: int = 0
    fallen_back: int = 0
    refusals: Mapping[str, int] = field(default_factory=dict)

    @property
    def asked(self) -> int:
        """Fields asked of a captioner."""
        return self.passed + self.repaired + self.fallen_back

    @property
    def rejected(self) -> int:
        """Fields whose first answer was refused."""
        return self.repaired + self.fallen_back

    def share(self, count: int) -> float:
        """`count` of the fields asked, 0-1; 0 where none was asked."""
        return count / self.asked if self.asked else 0.0

    def __add__(self, other: VerifierCounts) -> VerifierCounts:
        return VerifierCounts(
            self.passed + other.passed,
            self.repaired + other.repaired,
            self.fallen_back + other.fallen_back,
            dict(Counter(self.refusals) + Counter(other.refusals)),
        )

    def line(self) -> str:
        """ "40 fields asked: 5.0% rejected (2.5% repaired, 2.5% fallen back); colour 1, unfinished 1"."""
        text = (
            f"{self.asked} fields asked: {self.share(self.rejected):.1%} rejected "
            f"({self.share(self.repaired):.1%} repaired, {self.share(self.fallen_back):.1%} fallen back)"
        )
        ranked = sorted(self.refusals.items(), key=lambda item: (-item[1], item[0]))
        return f"{text}; {', '.join(f'{code} {n}' for code, n in ranked)}" if ranked else text


def verifier_counts(captions: Iterable[Caption]) -> VerifierCounts:
    """Counts over the model fields of captions."""
    passed = repaired = fallen_back = 0
    refusals: Counter[str] = Counter()
    for text in (f for caption in captions for f in _fields(caption) if f.kept_from_clip is None):
        if not text.rejections:
            passed += text.provenance == "model"
            continue
        repaired += text.provenance == "model"
        fallen_back += text.provenance != "model"
        refusals.update({code_of(rejection) for rejection in text.rejections})
    return VerifierCounts(passed, repaired, fallen_back, dict(refusals))


def _fields(caption: Caption) -> Iterable[FieldText]:
    yield from (caption.global_description, caption.background, caption.camera)
    for instance in caption.instances:
        yield from (instance.appearance, instance.action, instance.position)
