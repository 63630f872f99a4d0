"""The enhancer with a language model: steps A, B(I), B(II) of docs/spec/instancecap.md 6, every answer checked.

In: a prompt and a `ChatModel`. Out: `Enhanced`. Calls: 3 + n for n instances
(the reference: 4 + 3n), and one more per step whose answer is refused. Where the second answer is refused too, the
field is the rules', with that provenance. The prompts are our own.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from edgecap.engines.errors import EndpointError, EngineError
from edgecap.runtime.decode.chat import ChatModel, Message
from edgecap.runtime.enhance.checks import check_action, check_appearance, check_position, check_text
from edgecap.runtime.enhance.parse import read
from edgecap.runtime.enhance.plan import Enhanced, EnhancedField, EnhancedInstance, Reading
from edgecap.runtime.enhance.rules import MOST_INSTANCES, check_limit, enhance_reading

_SYSTEM = (
    "You turn a short idea for a video into a precise description of what is seen. Keep everything the idea "
    "says, word for word where you can; add plausible visible detail where it is silent; contradict nothing. "
    "Present tense, plain words, no sound, no guesses, no metaphors. Answer in exactly the form asked for and "
    "with nothing else."
)
_STORY = (
    "The idea: {prompt}\nWrite one paragraph of 120 to 180 words that describes the video as it is seen, without "
    "any sound."
)
_SUBJECTS = (
    "List the main things of the video as a JSON array of objects with the keys class and name. Only things one "
    "could touch, no scenery; every thing of the idea must be there: {wanted}. Several of a kind are separate "
    "entries with different names, such as 'the first dog'. At most {limit} entries."
)
_INSTANCE = (
    "Now only {name} (class {class_name}){others}. Answer with a JSON object with the keys appearance (one "
    "sentence), action (one or two sentences) and position. The position is 'The {class_name} stays at "
    "ROW-COLUMN.' or 'The {class_name} moves from ROW-COLUMN to ROW-COLUMN.', a move may end with ' and out of "
    "frame in the end'; rows are top, center, bottom, columns left, middle, right."
)
_SCENE = (
    "Answer with a JSON object with the keys background (one or two sentences on the place alone, none of the "
    "things listed) and camera (one sentence that begins with 'The camera')."
)
_AGAIN = "That can't be used: {reasons}. Answer again in the form asked for."


@dataclass(slots=True)
class _Talk:
    """One conversation; the story stays in it, so that every step agrees with it."""

    model: ChatModel
    messages: list[Message]
    calls: int = 0
    failures: list[str] = field(default_factory=list)

    def ask(self, text: str) -> str:
        self.messages.append({"role": "user", "content": text})
        self.calls += 1
        try:
            answer = self.model.ask(self.messages)
        except EndpointError:
            raise
        except EngineError as error:  # a decoder without room: what is written so far stays, the rest is the rules'
            self.failures.append(f"the model could not answer: {error}")
            answer = ""
        self.messages.append({"role": "assistant", "content": answer})
        return answer


@dataclass(frozen=True, slots=True)
class _Subject:
    name: str
    class_name: str
    ruled: EnhancedInstance | None
    """The rules' instance of the same thing; None for one that the model added to the prompt's."""


def enhance_with(model: ChatModel, prompt: str, *, seed: int = 0, max_instances: int = MOST_INSTANCES) -> Enhanced:
    """Raises `InputError` and `UsageError` as `enhance` does, `EndpointError` where the server can't be
    reached. What a pack's decoder has no room for is the rules', with a note."""
    check_limit(max_instances)
    reading = read(prompt)
    ruled = enhance_reading(reading, seed=seed, max_instances=max_instances)
    talk, notes = _Talk(model, [{"role": "system", "content": _SYSTEM}]), list[str]()
    story = " ".join(talk.ask(_STORY.format(prompt=reading.text)).split())
    subjects = _subjects(talk, ruled, notes)
    written: list[EnhancedInstance] = []
    for subject in subjects:
        instance = _instance(talk, subject, written, reading)
        if instance is None:
            notes.append(f"{subject.name} is left out: the model added it and could not describe it in the format")
        else:
            written.append(instance)
    background, camera = _scene(talk, ruled)
    return replace(
        ruled,
        instances=tuple(written),
        background=background,
        camera=camera,
        story=story,
        used={"mode": model.mode, "model": model.name},
        model_calls=talk.calls,
        notes=(*ruled.notes, *notes, *dict.fromkeys(talk.failures)),
    )


def _subjects(talk: _Talk, ruled: Enhanced, notes: list[str]) -> list[_Subject]:
    """The model's list where it has every thing of the prompt within the cap, else the prompt's own."""
    own = [_Subject(i.name, i.class_name, i) for i in ruled.instances]
    wanted = ", ".join(s.name for s in own) or "those you find in it"
    question = _SUBJECTS.format(wanted=wanted, limit=ruled.max_instances)
    reasons: list[str] = []
    for _ in range(2):
        data = _json(talk.ask(question))
        extra, reasons = _extra_subjects(data, own, ruled.max_instances)
        if not reasons:
            return [*own, *extra]
        question = _AGAIN.format(reasons="; ".join(reasons))
    notes.append(f"the model's list of instances was refused ({'; '.join(reasons)}); the prompt's own things are used")
    return own


def _extra_subjects(data: Any, own: list[_Subject], limit: int) -> tuple[list[_Subject], list[str]]:
    if not isinstance(data, list) or not all(isinstance(d, dict) for d in data):
        return [], ["it is no JSON array of objects"]
    pairs = [(str(d.get("class", "")).strip().lower(), str(d.get("name", "")).strip()) for d in data]
    if not all(re.fullmatch(r"[^\W\d_][\w' -]{0,39}", text) for pair in pairs for text in pair):
        return [], ["every entry needs a short class and a short name"]
    reasons = []
    if len(pairs) > limit:
        reasons.append(f"{len(pairs)} entries, at most {limit}")
    if len({name.lower() for _, name in pairs}) < len(pairs):
        reasons.append("two entries have one name")
    left = [s for s in own]
    extra = []
    for class_name, name in pairs:
        match = next((s for s in left if _same(s, class_name, name)), None)
        if match is not None:
            left.remove(match)
        else:
            extra.append(_Subject(name.lower(), class_name, None))
    if left:
        reasons.append(f"missing: {', '.join(s.name for s in left)}")
    return extra, reasons


def _same(subject: _Subject, class_name: str, name: str) -> bool:
    return class_name == subject.class_name or class_name == subject.name.split()[-1] or name.lower() == subject.name


def _instance(
    talk: _Talk, subject: _Subject, written: list[EnhancedInstance], reading: Reading
) -> EnhancedInstance | None:
    others = f"; already described: {'; '.join(f'{w.name}: {w.appearance.text}' for w in written)}" if written else ""
    question = _INSTANCE.format(name=subject.name, class_name=subject.class_name, others=others)
    taken = {w.appearance.text for w in written}
    mention = None if subject.ruled is None else reading.mentions[subject.ruled.mention]

    def check(texts: Mapping[str, str]) -> dict[str, list[str]]:
        same = ["it is the same as another's; tell them apart"] if texts["appearance"] in taken else []
        return {
            "appearance": check_appearance(texts["appearance"], mention, prompt_words=reading.words) + same,
            "action": check_action(texts["action"], mention, prompt_words=reading.words),
            "position": check_position(texts["position"], subject.class_name),
        }

    good, refused = _ask_fields(talk, question, ("appearance", "action", "position"), check)
    if subject.ruled is None and len(good) < len(refused):
        return None
    base = subject.ruled
    fields = {key: _field(good.get(key), getattr(base, key, None), refused[key]) for key in refused}
    return EnhancedInstance(
        name=subject.name,
        class_name=subject.class_name,
        mention=-1 if base is None else base.mention,
        appearance=fields["appearance"],
        action=fields["action"],
        position=fields["position"],
    )


def _scene(talk: _Talk, ruled: Enhanced) -> tuple[EnhancedField, EnhancedField]:
    def check(texts: Mapping[str, str]) -> dict[str, list[str]]:
        reasons = {key: check_text(key, text, prompt_words=ruled.reading.words) for key, text in texts.items()}
        if not texts["camera"].startswith("The camera"):
            reasons["camera"].append("it must begin with 'The camera'")
        return reasons

    good, refused = _ask_fields(talk, _SCENE, ("background", "camera"), check)
    return (
        _field(good.get("background"), ruled.background, refused["background"]),
        _field(good.get("camera"), ruled.camera, refused["camera"]),
    )


def _ask_fields(
    talk: _Talk, question: str, keys: tuple[str, ...], check: Callable[[Mapping[str, str]], dict[str, list[str]]]
) -> tuple[dict[str, str], dict[str, list[str]]]:
    """(accepted texts, reasons against refused ones) by key; what is refused is asked for once more."""
    good: dict[str, str] = {}
    refused: dict[str, list[str]] = {key: [] for key in keys}
    for _ in range(2):
        texts = _texts(talk.ask(question), keys)
        reasons = {key: found for key, found in check(texts).items() if key not in good}
        good |= {key: texts[key] for key, found in reasons.items() if not found}
        for key, found in reasons.items():
            refused[key] += found
        if len(good) == len(keys):
            break
        question = _AGAIN.format(reasons="; ".join(f"{key}: {r}" for key, found in reasons.items() for r in found))
    return good, refused


def _field(text: str | None, ruled: EnhancedField | None, refused: list[str]) -> EnhancedField:
    """The model's words, or the rules' as the fallback; "unknown" stays an abstention."""
    reasons = tuple(dict.fromkeys(refused))
    if text is not None:
        return EnhancedField(text, "model", rejections=reasons)
    assert ruled is not None  # an added instance with a refused field was dropped before
    return replace(ruled, provenance="abstained" if ruled.provenance == "abstained" else "fallback", rejections=reasons)


def _texts(answer: str, keys: tuple[str, ...]) -> dict[str, str]:
    """The answer's fields; "" for one that is missing or not text."""
    data = _json(answer)
    found = data if isinstance(data, dict) else {}
    return {key: found[key].strip() if isinstance(found.get(key), str) else "" for key in keys}


def _json(answer: str) -> Any:
    """The JSON value in an answer, with or without a fence or words around it; None where there is none."""
    starts = [answer.find(c) for c in "[{" if c in answer]
    if not starts:
        return None
    try:
        return json.JSONDecoder().raw_decode(answer, min(starts))[0]
    except (ValueError, RecursionError):
        return None
