"""Chat templates as plain strings around pictures and question."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from edgecap.engines.errors import CheckpointError
from edgecap.engines.packs.specs import PromptLayout
from edgecap.export.checkpoint.chat import chat_layout, end_ids, layout_notes, open_tokenizer, single_ids
from edgecap.export.specimens.hub_folder import write_tokenizer
from edgecap.export.specimens.smolvlm import CHAT_TEMPLATE, END_ID, SPECIALS

_QWEN = (
    "{% if messages[0].role != 'system' %}<|im_start|>system\nBe helpful.<|im_end|>\n{% endif %}"
    "{% for m in messages %}<|im_start|>{{ m.role }}\n{% for c in m.content %}"
    "{% if c.type == 'image' %}<|vision_start|><|image_pad|><|vision_end|>{% else %}{{ c.text }}{% endif %}"
    "{% endfor %}<|im_end|>\n{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


def _smolvlm(folder: Path, *, views: int = 2) -> PromptLayout:
    return chat_layout(folder, views=views, picture="<image>", view_before="<a><g>", view_after="<a>")


@pytest.mark.parametrize("name", ["chat_template.jinja", "chat_template.json", "processor_config.json", "list"])
def test_smolvlm_template_from_every_place(tmp_path: Path, name: str) -> None:
    if name == "list":
        held = [{"name": "tool_use", "template": "no"}, {"name": "default", "template": CHAT_TEMPLATE}]
        (tmp_path / "tokenizer_config.json").write_text(json.dumps({"chat_template": held}))
    elif name.endswith(".jinja"):
        (tmp_path / name).write_text(CHAT_TEMPLATE)
    else:
        (tmp_path / name).write_text(json.dumps({"chat_template": CHAT_TEMPLATE}))
    assert _smolvlm(tmp_path) == PromptLayout(
        before="<|im_start|>User:",
        view_before="<a><g>",
        view_after="<a>",
        question_before="",
        question_after="<end_of_utterance>\nAssistant:",
        answer_after="<end_of_utterance>\nUser: ",
        before_system="<|im_start|>System: {system}<end_of_utterance>\nUser:",
    )


@pytest.mark.parametrize(
    ("template", "answer_after", "before_system"),
    [
        (CHAT_TEMPLATE + "{% if messages|length > 1 %}{{ raise_exception('one turn only') }}{% endif %}", "", ""),
        (
            "{% if messages[0].role == 'system' %}{{ raise_exception('no rules') }}{% endif %}" + CHAT_TEMPLATE,
            "<end_of_utterance>\nUser: ",
            "",
        ),
        (
            "{% set messages = messages if messages[0].role != 'system' else messages[1:] %}" + CHAT_TEMPLATE,
            "<end_of_utterance>\nUser: ",
            "",
        ),
    ],
    ids=["one turn", "refuses rules", "drops rules"],
)
def test_a_template_without_a_place_for_more(
    tmp_path: Path, template: str, answer_after: str, before_system: str
) -> None:
    (tmp_path / "chat_template.jinja").write_text(template)
    layout = _smolvlm(tmp_path)
    assert (layout.answer_after, layout.before_system) == (answer_after, before_system)
    assert layout.before == "<|im_start|>User:"
    assert ("further questions" in layout_notes(layout)) == (answer_after == "")
    assert "in front of the first question" in layout_notes(layout)["rules"] or before_system


def test_braces_of_a_template_are_left_alone(tmp_path: Path) -> None:
    """The rules are put in by replacing "{system}", so other braces may stand around them."""
    (tmp_path / "chat_template.jinja").write_text("{{ '{tools: {}}' }}" + CHAT_TEMPLATE)
    layout = _smolvlm(tmp_path)
    assert layout.before == "{tools: {}}<|im_start|>User:"
    assert layout.before_system == "{tools: {}}<|im_start|>System: {system}<end_of_utterance>\nUser:"
    assert layout_notes(layout) == {}


def test_qwen_template(tmp_path: Path) -> None:
    (tmp_path / "chat_template.jinja").write_text(_QWEN)
    layout = chat_layout(
        tmp_path,
        views=3,
        picture="<|vision_start|><|image_pad|><|vision_end|>",
        view_before="<|vision_start|>",
        view_after="<|vision_end|>",
    )
    assert layout.before == "<|im_start|>system\nBe helpful.<|im_end|>\n<|im_start|>user\n"
    assert layout.question_after == "<|im_end|>\n<|im_start|>assistant\n"
    assert layout.answer_after == "<|im_end|>\n<|im_start|>user\n"
    assert layout.before_system == "<|im_start|>system\n{system}<|im_end|>\n<|im_start|>user\n"


def test_text_between_pictures_is_refused(tmp_path: Path) -> None:
    (tmp_path / "chat_template.jinja").write_text(CHAT_TEMPLATE.replace("'<image>'", "'<image>, '"))
    with pytest.raises(CheckpointError, match="between pictures"):
        _smolvlm(tmp_path)


def test_template_of_another_kind_of_model(tmp_path: Path) -> None:
    (tmp_path / "chat_template.jinja").write_text("{{ messages[0].content[-1].text }}")
    with pytest.raises(CheckpointError, match=r"prints 0 times '<image>'"):
        _smolvlm(tmp_path)


@pytest.mark.parametrize(
    "template",
    ["{% for %}", "{{ raise_exception('no images') }}", "{{ ''.__class__.__mro__ }}", "{{ messages.pop() }}"],
    ids=["syntax", "raises", "escape from the sandbox", "change"],
)
def test_template_that_cannot_be_run(tmp_path: Path, template: str) -> None:
    (tmp_path / "chat_template.jinja").write_text(template)
    with pytest.raises(CheckpointError):
        _smolvlm(tmp_path)


def test_no_template(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="contains no chat template"):
        _smolvlm(tmp_path)


def test_tokenizer_missing_or_broken(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"contains no tokenizer\.json"):
        open_tokenizer(tmp_path)
    (tmp_path / "tokenizer.json").write_text("{}")
    with pytest.raises(CheckpointError, match="is not a tokenizer"):
        open_tokenizer(tmp_path)


def test_special_tokens_must_be_one_token_each(tmp_path: Path) -> None:
    write_tokenizer(tmp_path, specials=SPECIALS)
    tokenizer = open_tokenizer(tmp_path)
    assert single_ids(tokenizer, SPECIALS, folder=tmp_path) == tuple(range(len(SPECIALS)))
    with pytest.raises(CheckpointError, match=r"reads '<\|vision_start\|>' as \d+ tokens"):
        single_ids(tokenizer, ("<|vision_start|>",), folder=tmp_path)


def test_end_ids_in_order_of_trust(tmp_path: Path) -> None:
    write_tokenizer(tmp_path, specials=SPECIALS)
    tokenizer = open_tokenizer(tmp_path)
    config = {"text_config": {"eos_token_id": 2}}
    assert end_ids(tmp_path, config, tokenizer) == (END_ID,)  # tokenizer_config.json
    (tmp_path / "generation_config.json").write_text(json.dumps({"eos_token_id": [0, END_ID]}))
    assert end_ids(tmp_path, config, tokenizer) == (0, END_ID)
    (tmp_path / "generation_config.json").unlink()
    (tmp_path / "tokenizer_config.json").unlink()
    assert end_ids(tmp_path, config, tokenizer) == (2,)
    with pytest.raises(CheckpointError, match="which token ends an answer"):
        end_ids(tmp_path, {}, tokenizer)
