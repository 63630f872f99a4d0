"""What is asked, and how: the two kinds of checkpoint that share the Qwen2.5-VL architecture.

In: the `style` option. Out: prompts, limits, the system line.

    instruct    Qwen2.5-VL-3B/7B-Instruct: answers one short question per field
    captioner   InstanceCap-Captioner (a fine-tune of the 7B): knows one request, to describe a clip, and answers in
                prose of one or more paragraphs, instances first, then setting, then camera
                (docs/spec/instancecap.md 11)
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal, get_args

from edgecap.engines.errors import CheckpointError
from edgecap.engines.packs.specs import PromptLayout
from edgecap.export.prompts import prompt_data
from edgecap.export.prompts.prompt_data import BookName

StyleName = Literal["instruct", "captioner"]
STYLE_NAMES: tuple[StyleName, ...] = get_args(StyleName)

_SYSTEM_BEGIN, _SYSTEM_END = "<|im_start|>system\n", "<|im_end|>"


@dataclass(frozen=True, slots=True)
class Style:
    """`system`: the line that casts the model, None = the template's own. `note`: what a user of the pack must know.
    `book`: the rules and rounds that go with it; None where it answers prose only."""

    prompts: dict[str, str]
    max_tokens: dict[str, int]
    system: str | None
    note: str
    book: BookName | None = None

    def layout(self, layout: PromptLayout) -> PromptLayout:
        """The template's layout with this style's system line. Raises `CheckpointError` where it prints none."""
        if self.system is None:
            return layout
        start = layout.before.find(_SYSTEM_BEGIN)
        end = layout.before.find(_SYSTEM_END, start)
        if start < 0 or end < 0:
            raise CheckpointError(
                f"the chat template prints no system turn (it begins {layout.before[:40]!r}), which style captioner "
                "needs; export with --option style=instruct, or fetch the template again"
            )
        before = layout.before[: start + len(_SYSTEM_BEGIN)] + self.system + layout.before[end:]
        return replace(layout, before=before, before_system="")


STYLES: dict[StyleName, Style] = {
    "instruct": Style(
        prompts=dict(prompt_data.PROMPTS),
        max_tokens=dict(prompt_data.MAX_TOKENS),
        system=None,
        note="style instruct: one question per field, each answered by one sentence, or the rounds of --stages full",
        book="edge",
    ),
    "captioner": Style(
        prompts={"global": "Give a full description of this clip."},
        max_tokens={"global": 512},
        system="You write detailed captions of video clips.",
        note="style captioner: only the whole picture is asked about, and the answer is prose (instances, setting, "
        "camera) of up to 512 tokens, to be folded into fields by the runtime; the fine-tune was trained on one video "
        "item, here it sees still pictures in time order",
    ),
}
