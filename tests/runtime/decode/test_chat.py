"""A pack's decoder on text alone: what it reads, what is dropped for room, and which packs refuse."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from edgecap.engines.errors import EngineError, UsageError
from edgecap.engines.packs.pack import Pack
from edgecap.engines.packs.specs import PromptLayout
from edgecap.runtime.decode.chat import PackChat, check_instructable
from edgecap.runtime.decode.language_model import LanguageModel
from tests.runtime.decode.letters_model import (
    BOS,
    CHAT_LAYOUT,
    DECODER,
    EMBEDDING,
    SPEC,
    answer_again,
    ids_of,
    open_model,
    text_of,
)


def _model(most: int | None = None) -> LanguageModel:
    decoder = replace(DECODER, ranges={"M": (1, 64, most)} if most else {})
    return open_model(replace(SPEC, layout=CHAT_LAYOUT), decoder=decoder)[0]


def _said(text: str, most: int) -> str:
    """The answer to a text, read again for every token."""
    return text_of(answer_again(EMBEDDING[[BOS, *ids_of(text)]], most)[0])


def _talk(*turns: str, system: str = "be true") -> list[dict[str, str]]:
    roles = ["user", "assistant"] * len(turns)
    return [{"role": "system", "content": system}, *({"role": r, "content": t} for r, t in zip(roles, turns))]  # noqa: B905


def test_a_conversation_is_read_as_the_template_writes_it() -> None:
    chat = PackChat(_model(), name="x", max_tokens=9)
    assert chat.ask(_talk("who")) == _said("rule be true. h q who?", 9)
    assert chat.ask(_talk("who", "me", "where")) == _said("rule be true. h q who?me. and where?", 9)
    assert chat.dropped_turns == 0


def test_old_exchanges_make_room_and_the_first_one_stays() -> None:
    talk = _talk("who", "me", "a long middle question", "an equally long answer", "why")
    whole = "rule be true. h q who?me. and a long middle question?an equally long answer. and why?"
    short = "rule be true. h q who?me. and why?"
    roomy, tight = PackChat(_model(), name="x", max_tokens=9), PackChat(_model(64), name="x", max_tokens=9)
    assert roomy.ask(talk) == _said(whole, 9) and roomy.dropped_turns == 0
    assert tight.ask(talk) == _said(short, 9) and tight.dropped_turns == 1
    assert _said(whole, 9) != _said(short, 9)


def test_a_pack_for_pictures_only_says_so() -> None:
    with pytest.raises(UsageError, match="only answers about pictures; use a pack exported from an instruct model"):
        check_instructable(Pack.open("nano"))


def test_packs_without_rules_or_rounds_say_so(monkeypatch: pytest.MonkeyPatch) -> None:
    def pack(**captioner: Any) -> Any:
        block = (
            SimpleNamespace(prompt_file=None, layout=CHAT_LAYOUT) if captioner == {} else SimpleNamespace(**captioner)
        )
        return SimpleNamespace(spec=SimpleNamespace(name="p", captioner=block))

    with pytest.raises(UsageError, match="without rules and rounds"):
        check_instructable(pack())
    bare = SimpleNamespace(spec=SimpleNamespace(name="p", captioner=None))
    with pytest.raises(UsageError, match="has no captioner"):
        check_instructable(bare)  # type: ignore[arg-type]
    monkeypatch.setattr("edgecap.runtime.decode.chat.read_book", lambda _: SimpleNamespace(instruct=True))
    check_instructable(pack())
    with pytest.raises(UsageError, match="one question only"):
        check_instructable(pack(layout=PromptLayout()))


def test_a_shorter_answer_is_better_than_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("edgecap.runtime.decode.chat._LEAST_TOKENS", 2)
    text = "rule be true. h q a rather long question for it?"
    chat = PackChat(_model(len(text) + 1 + 5), name="x", max_tokens=9)
    assert chat.ask(_talk("a rather long question for it")) == _said(text, 5)
    with pytest.raises(EngineError, match=r"needs \d+ positions"):
        PackChat(_model(24), name="x", max_tokens=9).ask(_talk("a rather long question for it"))
