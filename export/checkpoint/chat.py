"""A checkpoint's chat template and tokenizer as pack data: text around the pictures and the question, end tokens.

In: the checkpoint folder. Out: `PromptLayout`, token ids. The template is Jinja code of somebody else: it is run once,
here, in a sandbox, with marks in the places of pictures and question; the runtime gets plain strings.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgecap.engines.errors import CheckpointError
from edgecap.engines.packs.specs import PromptLayout

if TYPE_CHECKING:
    from tokenizers import Tokenizer

TOKENIZER_FILE = "tokenizer.json"
_QUESTION, _ANSWER, _SYSTEM = "QUESTION-GOES-HERE", "ANSWER-GOES-HERE", "SYSTEM-GOES-HERE"


def chat_layout(folder: Path, *, views: int, picture: str, view_before: str, view_after: str) -> PromptLayout:
    """The layout of a conversation: `views` pictures, the question, the assistant's turn; then further questions, and
    rules in a system turn where the template has them.

    `picture`: what the template prints for one picture, e.g. "<image>"; the model's processor writes `view_before`,
    T picture tokens and `view_after` in its place. Raises `CheckpointError` where the folder has no template, the
    template can't be run, or it puts something between pictures.
    """
    text = _render(folder, [_user_turn(views)])
    pieces = text.split(picture)
    if len(pieces) != views + 1 or pieces[-1].count(_QUESTION) != 1:
        raise CheckpointError(
            f"{folder}: the chat template prints {len(pieces) - 1} times {picture!r} for {views} picture(s) and a "
            "question after them; it is not the template of this kind of model: fetch the folder again"
        )
    between = {piece for piece in pieces[1:-1] if piece}
    if between:
        raise CheckpointError(
            f"{folder}: the chat template puts {sorted(between)[0]!r} between pictures, which a pack can't say; "
            "export with --option views=1"
        )
    before_question, after_question = pieces[-1].split(_QUESTION)
    return PromptLayout(
        before=pieces[0],
        view_before=view_before,
        view_after=view_after,
        question_before=before_question,
        question_after=after_question,
        answer_after=_answer_after(folder),
        before_system=_before_system(folder, views, picture, rest=text.removeprefix(pieces[0])),
    )


def _answer_after(folder: Path) -> str:
    """What stands between an answer and the next question; "" where the template has no place for a second one."""
    turns = [("user", "FIRST"), ("assistant", _ANSWER), ("user", _QUESTION)]
    try:
        text = _render(folder, [{"role": role, "content": [_said(words)]} for role, words in turns])
    except CheckpointError:
        return ""
    behind = text.partition(_ANSWER)[2]
    return behind.partition(_QUESTION)[0] if _QUESTION in behind else ""


def _before_system(folder: Path, views: int, picture: str, *, rest: str) -> str:
    """`before` with a system turn whose text is "{system}"; "" where the template has none, or where it changes what
    comes after it (`rest`)."""
    turns = [{"role": "system", "content": [_said(_SYSTEM)]}, _user_turn(views)]
    try:
        text = _render(folder, turns)
    except CheckpointError:
        return ""
    if text.count(_SYSTEM) != 1 or not text.endswith(rest):
        return ""
    return text.removesuffix(rest).replace(_SYSTEM, "{system}")


def layout_notes(layout: PromptLayout) -> dict[str, str]:
    """What the template has no place for, and what follows from that; {} for a whole one. For the notes of a pack
    (`RoleExport.kept_high`)."""
    notes = {}
    if not layout.answer_after:
        notes["further questions"] = (
            "the chat template takes one question only: the pack has no rounds (--stages full) and holds no "
            "conversation without pictures (enhance, paragraphs)"
        )
    if not layout.before_system:
        notes["rules"] = "the chat template has no system turn: the rules stand in front of the first question"
    return notes


def open_tokenizer(folder: Path) -> Tokenizer:
    """tokenizer.json of the checkpoint. Raises `CheckpointError` where it is missing or no tokenizer."""
    from tokenizers import Tokenizer as TokenizerFile

    path = folder / TOKENIZER_FILE
    if not path.is_file():
        raise CheckpointError(
            f"{folder}: contains no {TOKENIZER_FILE}; "
            f"fetch it too, or write one with AutoTokenizer(...).save_pretrained"
        )
    try:
        return TokenizerFile.from_file(str(path))
    except Exception as error:  # tokenizers raises bare Exception
        raise CheckpointError(f"{path}: is not a tokenizer ({error}); fetch it again") from error


def single_ids(tokenizer: Tokenizer, tokens: Sequence[str], *, folder: Path) -> tuple[int, ...]:
    """The id of each special token. Raises `CheckpointError` for one that the tokenizer would cut into pieces."""
    ids = []
    for token in tokens:
        found = tokenizer.encode(token, add_special_tokens=False).ids
        if len(found) != 1:
            raise CheckpointError(
                f"{folder}: its tokenizer reads {token!r} as {len(found)} tokens; it is not the tokenizer of this model"
            )
        ids.append(found[0])
    return tuple(ids)


def end_ids(folder: Path, config: dict[str, Any], tokenizer: Tokenizer) -> tuple[int, ...]:
    """Ids that end an answer, the likeliest first: those of generation_config.json, the tokenizer's end token, and only
    where both are silent config.json's (of the whole, then of its text model)."""
    found = _as_ids(_read(folder / "generation_config.json").get("eos_token_id"))
    named = _token_text(_read(folder / "tokenizer_config.json").get("eos_token"))
    if named:
        found += single_ids(tokenizer, (named,), folder=folder)
    if not found:
        found = _as_ids(config.get("eos_token_id")) + _as_ids((config.get("text_config") or {}).get("eos_token_id"))
    if not found:
        raise CheckpointError(
            f"{folder}: neither generation_config.json, tokenizer_config.json nor config.json says which token ends an "
            "answer; fetch generation_config.json too"
        )
    return tuple(dict.fromkeys(found))


def _said(words: str) -> dict[str, str]:
    return {"type": "text", "text": words}


def _user_turn(views: int) -> dict[str, Any]:
    return {"role": "user", "content": [*({"type": "image"} for _ in range(views)), _said(_QUESTION)]}


def _render(folder: Path, messages: Sequence[dict[str, Any]]) -> str:
    from jinja2 import TemplateError
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    settings = _read(folder / "tokenizer_config.json")
    world = ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True)
    try:
        return world.from_string(_template(folder, settings)).render(
            messages=list(messages),
            add_generation_prompt=True,
            raise_exception=_refuse,
            bos_token=_token_text(settings.get("bos_token")) or "",
            eos_token=_token_text(settings.get("eos_token")) or "",
        )
    except (TemplateError, TypeError, ValueError) as error:
        raise CheckpointError(f"{folder}: the chat template can't be run ({error}); fetch it again") from error


def _template(folder: Path, settings: dict[str, Any]) -> str:
    """Where transformers looks, in its order: chat_template.jinja, chat_template.json, the processor's, the
    tokenizer's."""
    path = folder / "chat_template.jinja"
    if path.is_file():
        return path.read_text(encoding="utf-8")
    for name in ("chat_template.json", "processor_config.json"):
        held = _read(folder / name).get("chat_template")
        if isinstance(held, str):
            return held
    held = settings.get("chat_template")
    if isinstance(held, list):  # several named ones
        held = next((entry.get("template") for entry in held if entry.get("name") == "default"), None)
    if not isinstance(held, str):
        raise CheckpointError(
            f"{folder}: contains no chat template (chat_template.jinja, chat_template.json, processor_config.json, "
            "tokenizer_config.json); a base model without one can't answer questions: use the -Instruct checkpoint"
        )
    return held


def _refuse(message: str) -> None:
    raise ValueError(message)


def _as_ids(value: Any) -> tuple[int, ...]:
    if isinstance(value, int):
        return (value,)
    return tuple(v for v in value if isinstance(v, int)) if isinstance(value, list) else ()


def _token_text(value: Any) -> str | None:
    """A token as tokenizer_config.json writes it: a string, or an object with its content."""
    held = value.get("content") if isinstance(value, dict) else value
    return held if isinstance(held, str) and held else None


def _read(path: Path) -> dict[str, Any]:
    """A JSON object, {} where there is no such file."""
    if not path.is_file():
        return {}
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise CheckpointError(f"{path}: is not JSON ({error}); fetch it again") from error
    return content if isinstance(content, dict) else {}
