"""What packs of larger models change by data alone: layout, end tokens, picture sizes, fixed batches."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from edgecap.engines.errors import EngineError, GraphContractError
from edgecap.engines.graph.scripted_session import ScriptedSession
from edgecap.engines.graph.spec import GraphSpec, TensorSpec
from edgecap.engines.packs.specs import PromptLayout, RopeSpec
from edgecap.runtime.config import AskOptions
from edgecap.runtime.data.question import Question, VisualPrompt
from edgecap.runtime.decode import language_model as language_model_module
from edgecap.runtime.decode.language_model import LanguageModel
from edgecap.runtime.decode.tokens import PromptTokens
from edgecap.runtime.decode.view_encoder import ViewEncoder
from edgecap.runtime.describe.prompts import build_prompts
from edgecap.runtime.describe.questions import Questions
from edgecap.runtime.describe.views import frame_picture, frame_view, instance_picture, instance_view, nearest_size
from tests.runtime.decode.letters_model import (
    BOS,
    DECODER,
    EMBEDDING,
    EOS,
    HIDDEN,
    SPEC,
    VISION,
    Letters,
    ids_of,
    open_model,
    see,
)
from tests.runtime.fake_records import make_evidence, make_window

LAYOUT = PromptLayout("hi ", "see ", ".", "ask ", "?")


def test_a_layout_stands_around_pictures_and_question() -> None:
    tokens = PromptTokens(replace(SPEC, layout=LAYOUT, bos_id=None), Letters())
    assert tokens.around(views=3) == [ids_of("hi see "), ids_of(".see "), ids_of(".see "), ids_of(".")]
    assert tokens.question("who") == ids_of("ask who?")


def test_no_layout_is_bos_and_the_bare_question() -> None:
    tokens = PromptTokens(SPEC, Letters())
    assert tokens.around(views=2) == [[BOS], [], []] and tokens.question("who") == ids_of("who")


def _prompt(track: int | None, *questions: Question, seed: int = 0) -> VisualPrompt:
    frames = np.random.default_rng(seed).integers(0, 255, (2, 4, 4, 3), np.uint8)
    return VisualPrompt(track, frames, np.arange(2.0), questions)


def test_the_layout_is_read_in_its_order_and_pictures_once() -> None:
    spec = replace(SPEC, layout=LAYOUT, bos_id=None)
    model, _, decoder = open_model(spec)
    prompt = _prompt(1, Question("appearance", "who", 4), Question("action", "why so", 4))
    model.answer([prompt])
    seen = see({"pixels": ((prompt.frames_rgb.astype(np.float32) / 255 - 0.5) / 0.5).transpose(0, 3, 1, 2)})["tokens"]
    pictures = [EMBEDDING[ids_of("hi see ")], seen[0], EMBEDDING[ids_of(".see ")], seen[1], EMBEDDING[ids_of(".")]]
    np.testing.assert_allclose(decoder.calls[0]["inputs_embeds"][0], np.concatenate(pictures), atol=1e-6)
    np.testing.assert_array_equal(decoder.calls[1]["inputs_embeds"][0], EMBEDDING[ids_of("ask who?")])
    np.testing.assert_array_equal(decoder.calls[2]["inputs_embeds"][0], EMBEDDING[ids_of("ask why so?")])


def test_any_of_the_end_tokens_ends_an_answer_and_is_not_said() -> None:
    question = Question("appearance", "what is it", 12)
    [whole] = open_model(SPEC)[0].answer([_prompt(1, question)]).answers
    assert whole.token_count > 3
    stop = ids_of(whole.text)[2]
    [cut] = open_model(replace(SPEC, eos_ids=(stop,)))[0].answer([_prompt(1, question)]).answers
    assert cut.text == whole.text[: whole.text.index(Letters.ALPHABET[stop - 2])].strip()
    assert cut.token_count < whole.token_count and not cut.truncated
    assert SPEC.eos_id == EOS, "the first end token stays one"


def test_a_twin_of_another_contract_serves_the_same_pack() -> None:
    """The pack's own decoder is "shared"; what is opened is asked which kind it is."""
    from tests.runtime.decode.test_ports import SCATTER, _scatter

    questions = [Question("appearance", "what is it", 12), Question("action", "does it", 9)]
    prompts = [_prompt(1, *questions, seed=1), _prompt(2, *questions, seed=2)]
    own = open_model(SPEC)[0].answer(prompts)
    twin = LanguageModel(
        SPEC,
        vision=ScriptedSession(VISION, see),
        decoder=ScriptedSession(SCATTER, _scatter),
        embedding=EMBEDDING,
        tokenizer=Letters(),
    ).answer(prompts)
    assert [a.text for a in twin.answers] == [a.text for a in own.answers]
    assert twin.model_calls < own.model_calls, "scatter reads all questions in one run"


def test_little_memory_means_more_rounds_and_the_same_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    prompts = [
        _prompt(i, Question("appearance", "what", 6), Question("action", "does it", 6), seed=i) for i in range(5)
    ]
    roomy, _, decoder = open_model(SPEC)
    wanted = roomy.answer(prompts).answers
    assert max(c["inputs_embeds"].shape[0] for c in decoder.calls) == 10
    monkeypatch.setattr(language_model_module, "MOST_KV_BYTES", 5 * 2 * HIDDEN * 4 * 20)
    tight, _, decoder = open_model(SPEC)
    assert tight.answer(prompts).answers == wanted
    assert max(c["inputs_embeds"].shape[0] for c in decoder.calls) == 4


def test_pictures_are_read_in_bounded_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    prompts = [_prompt(i, Question("appearance", "what", 6), seed=i) for i in range(5)]
    wanted = open_model(SPEC)[0].answer(prompts).answers
    monkeypatch.setattr(language_model_module, "_MOST_POSITIONS_PER_RUN", 15)
    bounded, _, decoder = open_model(SPEC)
    assert bounded.answer(prompts).answers == wanted
    assert [c["inputs_embeds"].shape[:2] for c in decoder.calls[:3]] == [(2, 7), (2, 7), (1, 7)]


def test_more_than_the_decoder_was_made_for_is_one_clear_line() -> None:
    spec = replace(SPEC, decoder=replace(DECODER, ranges={"B": (1, 2, 8), "M": (1, 16, 20)}))
    model, _, _ = open_model(spec)
    with pytest.raises(EngineError, match=r"the captioner needs 24 positions .* made for 20; use a pack with fewer"):
        model.answer([_prompt(1, Question("appearance", "what", 13))])


def _eye(axes: tuple[int | str, ...], ranges: dict[str, tuple[int, int, int]] | None = None) -> GraphSpec:
    pixels, tokens = TensorSpec("pixels", "float32", axes), TensorSpec("tokens", "float32", (axes[0], "T", HIDDEN))
    return GraphSpec("vision", "fp32", (pixels,), (tokens,), ranges or {})


@pytest.mark.parametrize(
    ("graph", "batches"),
    [
        (_eye(("n", 3, 4, 4)), [5]),
        (_eye(("n", 3, 4, 4), {"n": (1, 2, 2)}), [2, 2, 1]),
        (_eye((2, 3, 4, 4)), [2, 2, 2]),
        (_eye((1, 3, 4, 4)), [1] * 5),
    ],
    ids=["free", "range", "fixed at 2", "fixed at 1"],
)
def test_views_are_encoded_in_batches_the_graph_takes(graph: GraphSpec, batches: list[int]) -> None:
    views = np.random.default_rng(0).integers(0, 255, (5, 4, 4, 3), np.uint8)
    session = ScriptedSession(graph, see)
    encoder = ViewEncoder(replace(SPEC, vision=graph), session)
    encoder.encode([*views, views[0]])
    assert [c["pixels"].shape[0] for c in session.calls] == batches and encoder.runs == len(batches)
    pixels = ((views.astype(np.float32) / 255 - 0.5) / 0.5).transpose(0, 3, 1, 2)
    for view, tokens in zip(views, see({"pixels": pixels})["tokens"], strict=True):
        np.testing.assert_allclose(encoder[view].tokens, tokens, atol=1e-6)


def test_tokens_that_fill_no_grid_are_refused_where_a_grid_is_needed() -> None:
    def seven(feeds: dict[str, NDArray[Any]]) -> dict[str, NDArray[np.float32]]:
        return {"tokens": np.zeros((len(feeds["pixels"]), 7, HIDDEN), np.float32)}

    graph, view = _eye(("n", 3, "h", "w")), np.zeros((4, 8, 3), np.uint8)
    rope = RopeSpec(theta=100.0, sections=(1, 1, 2), merge=2)
    with pytest.raises(GraphContractError, match="7 tokens fill no grid of a picture of 8x4"):
        ViewEncoder(replace(SPEC, rope=rope), ScriptedSession(graph, seven)).encode([view])
    plain = ViewEncoder(SPEC, ScriptedSession(graph, seven))
    plain.encode([view])
    assert plain[view].grid_hw == (1, 7)


@pytest.mark.parametrize(
    ("aspect", "size"), [(16 / 9, (28, 16)), (1.0, (20, 20)), (0.4, (16, 28)), (1.3, (20, 20)), (1.4, (28, 16))]
)
def test_a_picture_gets_the_size_nearest_to_its_shape(aspect: float, size: tuple[int, int]) -> None:
    assert nearest_size(aspect, [(20, 20), (28, 16), (16, 28)]) == size


class _Whole:
    """A mask that covers a box of a 60x40 frame."""

    def __init__(self, box: tuple[int, int, int, int]) -> None:
        self._box = box

    def full(self) -> NDArray[np.bool_]:
        x1, y1, x2, y2 = self._box
        mask = np.zeros((40, 60), bool)
        mask[y1:y2, x1:x2] = True
        return mask


def test_a_tall_instance_fills_a_tall_view() -> None:
    image = np.zeros((40, 60, 3), np.uint8)
    image[5:35, 20:30] = 255  # 10 wide, 30 high
    box = np.array([20 / 60, 5 / 40, 30 / 60, 35 / 40], np.float32)
    mask: Any = _Whole((20, 5, 30, 35))
    tall = instance_picture(image, mask, box_xyxy=box, size_wh=(32, 96), margin=1.2)
    square = instance_view(image, mask, box_xyxy=box, side=96, margin=1.2)
    assert tall.shape == (96, 32, 3) and square.shape == (96, 96, 3)
    white = [(view > 200).all(2) for view in (tall, square)]
    assert white[0].mean() > 0.6 and white[1].mean() < 0.3
    for view in white:  # the whole instance is there, in the middle, at its own proportions
        rows, columns = np.flatnonzero(view.any(1)), np.flatnonzero(view.any(0))
        assert abs(rows.mean() - 47.5) < 2 and 2.5 < len(rows) / len(columns) < 3.5
    assert frame_picture(image, size_wh=(48, 32)).shape == (32, 48, 3)
    np.testing.assert_array_equal(frame_view(image, side=32), frame_picture(image, size_wh=(32, 32)))


def test_prompts_take_the_nearest_of_the_packs_sizes() -> None:
    """The drawn person's box is tall, the dog's wide, the window's frames are wide; each prompt has one size."""
    window = make_window()
    spec = replace(
        SPEC,
        buckets_wh=((32, 32), (48, 32), (32, 48)),
        prompts={"appearance": "{class}", "action": "{class} {motion}", "background": "b", "global": "{instances}"},
        max_tokens={"appearance": 2, "action": 2, "background": 2, "global": 2},
    )
    prompts = build_prompts(window, make_evidence(window), Questions(spec, None, AskOptions()))
    height, width = window.observations[0].frame.image_rgb.shape[:2]
    for prompt, instance in zip(prompts, window.observations[0].instances, strict=False):
        x1, y1, x2, y2 = instance.box_xyxy
        wanted = nearest_size(((x2 - x1) * width) / ((y2 - y1) * height), spec.sizes_wh)
        assert prompt.frames_rgb.shape == (2, wanted[1], wanted[0], 3)
    wide = nearest_size(width / height, spec.sizes_wh)
    assert prompts[-1].track_id is None and prompts[-1].frames_rgb.shape == (2, wide[1], wide[0], 3)
    assert len({prompt.frames_rgb.shape for prompt in prompts}) > 1
