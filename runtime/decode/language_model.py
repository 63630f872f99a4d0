"""The multimodal language model behind one call: pictures and questions in, short texts out.

In: `VisualPrompt`s. Out: one `Answer` per question, in the order asked, and what it cost.

A batch takes as few graph runs as the questions allow: every distinct picture is encoded once; what the
questions of a prompt share (its pictures) is read once and the memory of it copied to each of them; all
questions answer together, one token of each per run. Answers are those of asking one by one (a test
compares them). `open_port` chooses the port for the decoder's kind.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgecap.engines.errors import PackError
from edgecap.engines.graph.providers import Provider
from edgecap.engines.graph.session import Session
from edgecap.engines.packs.pack import Pack
from edgecap.engines.packs.prompt_book import PromptBook, read_book
from edgecap.engines.packs.specs import CaptionerSpec
from edgecap.runtime.data.question import Answer, Question, VisualPrompt
from edgecap.runtime.decode.generation import AnswerRow, batches_of, capacity_for, gather, take_slots
from edgecap.runtime.decode.kv_cache import MOST_KV_BYTES
from edgecap.runtime.decode.open_port import Chunk, open_port
from edgecap.runtime.decode.rotary import Part, positions_of, text_positions
from edgecap.runtime.decode.tokens import PromptTokens, Tokenizer, WordBan
from edgecap.runtime.decode.view_encoder import ViewEncoder

_MOST_ROWS_PER_BATCH = 32
"""Bounds the key/value memory of a crowded window, as `MOST_KV_BYTES` does; more questions make a second batch."""
_MOST_POSITIONS_PER_RUN = 4096
"""Bounds the memory of a large decoder's layers while pictures are read."""


@dataclass(frozen=True, slots=True)
class Answers:
    """One `Answer` per question: prompts in the order given, questions in the order of each prompt.

    `model_calls` counts graph runs (vision batches, prefills and decode steps); `prefill_tokens` counts
    positions read (pictures and questions), `decode_tokens` the tokens answered, end tokens included; `generations`
    the answers written, those to earlier turns included (what a server would call requests).
    """

    answers: tuple[Answer, ...]
    model_calls: int
    prefill_tokens: int
    decode_tokens: int
    generations: int = 0


@dataclass(frozen=True, slots=True)
class _Text:
    """What is read at once: embeddings float32 [S, H], coordinates int64 [S, 3], the position that comes after."""

    embeds: NDArray[np.float32]
    positions: NDArray[np.int64]
    next_position: int


class LanguageModel:
    """Answers questions about pictures, greedily. Its buffers are reused: one language model per thread.

    `spec`: the pack's captioner block; `book`: its rules, turns and hints. `vision`, `decoder`: open
    sessions of its two graphs, or of their twins. `embedding`: [V, H] float16 or float32, usually memory mapped. Raises
    `GraphContractError` for a decoder of no known kind.
    """

    def __init__(
        self,
        spec: CaptionerSpec,
        *,
        vision: Session,
        decoder: Session,
        embedding: NDArray[Any],
        tokenizer: Tokenizer,
        book: PromptBook | None = None,
    ) -> None:
        if embedding.shape != (spec.vocab_size, spec.hidden_size):
            raise ValueError(f"expected embedding [{spec.vocab_size}, {spec.hidden_size}], got {embedding.shape = }")
        self.spec, self.book = spec, book
        self._embedding, self._tokenizer = embedding, tokenizer
        self._views = ViewEncoder(spec, vision)
        self._port = open_port(spec, decoder)
        self._tokens = PromptTokens(spec, tokenizer)
        self._ends = {spec.eos_id, *spec.eos_ids}
        self._prefilled = 0

    @classmethod
    def open(cls, pack: Pack, *, provider: Provider = "cpu", intra_threads: int = 1) -> LanguageModel:
        """The model of a pack's captioner. Raises `PackError` where there is none or a file can't be read, and what
        `Pack.open_session` raises."""
        from tokenizers import Tokenizer as TokenizerFile

        spec = pack.spec.captioner
        if spec is None:
            raise PackError(
                f"pack {pack.spec.name!r} has no captioner; use --captioner none, another pack, or add one with "
                "edgecap export"
            )
        try:
            embedding = np.load(pack.path(spec.embedding_file), mmap_mode="r")
            tokenizer = TokenizerFile.from_file(str(pack.path(spec.tokenizer_file)))
        except PackError:
            raise
        except Exception as error:  # tokenizers raises bare Exception for a file that is not one
            raise PackError(
                f"{pack.folder}: the captioner's table or tokenizer can't be read ({error}); export the pack again"
            ) from error
        return cls(
            spec,
            vision=pack.open_session(spec.vision, provider=provider, intra_threads=intra_threads),
            decoder=pack.open_session(spec.decoder, provider=provider, intra_threads=intra_threads),
            embedding=embedding,
            tokenizer=tokenizer,
            book=read_book(pack),
        )

    def answer(self, prompts: Sequence[VisualPrompt]) -> Answers:
        """Ask every question of every prompt. Raises `EngineError` when a graph fails, or when pictures, question and
        answer are longer than the decoder was made for."""
        self._prefilled, runs = 0, self._views.runs + self._port.runs
        for prompt in prompts:
            self._check_views(prompt)
        self._views.encode(frame for prompt in prompts for frame in prompt.frames_rgb)
        rows = self._rows(prompts)
        answers: list[Answer] = []
        for batch in batches_of(rows, most_rows=self._most_rows(prompts, rows)):
            answers += self._answer_batch(prompts, batch)
        return Answers(
            tuple(answers),
            model_calls=self._views.runs + self._port.runs - runs,
            prefill_tokens=self._prefilled,
            decode_tokens=sum(a.token_count + a.reasoning_tokens for a in answers),
            generations=sum(1 + len(a.reasoning) for a in answers),
        )

    def room_for(self, prompt: VisualPrompt) -> int | None:
        """Positions that the decoder has left when `prompt` is answered at full length, below 0 where it is too long;
        None for a decoder that names no limit."""
        most = self._port.kv.most_capacity
        rows = self._rows([prompt])
        texts = sum(map(len, self._tokens.around(views=len(prompt.frames_rgb), system=prompt.system)))
        pictures = texts + len(prompt.frames_rgb) * self.spec.tokens_per_view
        return None if most is None else most - capacity_for(pictures, rows)

    def _check_views(self, prompt: VisualPrompt) -> None:
        shape = prompt.frames_rgb.shape
        if shape[0] == 0 or shape in [(self.spec.views, h, w, 3) for w, h in self.spec.sizes_wh]:
            return
        sizes = " or ".join(f"[{self.spec.views}, {h}, {w}, 3]" for w, h in self.spec.sizes_wh)
        raise ValueError(f"want views {sizes}, got {prompt.frames_rgb.shape = }")

    def _rows(self, prompts: Sequence[VisualPrompt]) -> list[AnswerRow]:
        return [
            AnswerRow(p, q, prompt.track_id, self._turn_ids(prompt, q), WordBan(q.banned_words, self._tokenizer))
            for p, prompt in enumerate(prompts)
            for q in prompt.questions
        ]

    def _turn_ids(self, prompt: VisualPrompt, question: Question) -> list[list[int]]:
        """The text of each turn as ids."""
        first, *further = [turn.text for turn in question.turns]
        begin = partial(self._tokens.question, views=len(prompt.frames_rgb), system=prompt.system)
        return [begin(first), *(self._tokens.further(text) if question.history else begin(text) for text in further)]

    def _most_rows(self, prompts: Sequence[VisualPrompt], rows: list[AnswerRow]) -> int:
        """Questions that one batch may have."""
        if not rows:
            return 1
        pictures = max(self._picture_length(prompts[row.prompt]) for row in rows)
        row_bytes = self._port.kv.row_bytes(capacity_for(pictures, rows))
        most = self._port.most_rows or _MOST_ROWS_PER_BATCH
        return min(_MOST_ROWS_PER_BATCH, most, max(1, MOST_KV_BYTES // row_bytes))

    def _picture_length(self, prompt: VisualPrompt) -> int:
        around = self._tokens.around(views=len(prompt.frames_rgb), system=prompt.system)
        return sum(map(len, around)) + sum(len(self._views[f].tokens) for f in prompt.frames_rgb)

    def _answer_batch(self, prompts: Sequence[VisualPrompt], rows: list[AnswerRow]) -> list[Answer]:
        leaders = take_slots(rows)
        pictures = [self._pictures(prompts[row.prompt]) for row in leaders]
        self._port.reserve(rows=len(rows), capacity=capacity_for(max(len(p.embeds) for p in pictures), rows))
        if any(len(p.embeds) for p in pictures):  # nothing is read before a question without pictures
            for _ in self._read(leaders, pictures):
                pass
        by_prompt = {row.prompt: row for row in leaders}
        for row in rows:
            leader = by_prompt[row.prompt]
            if row is not leader:
                row.length, row.next_position = leader.length, leader.next_position
                self._port.kv.copy(source=leader.slot, target=row.slot, length=row.length)
            row.pictures = row.length, row.next_position
        self._converse(rows)
        return [self._finish(row) for row in rows]

    def _converse(self, rows: list[AnswerRow]) -> None:
        """Every turn of every row: the rows that have a turn left read and answer it together."""
        active = sorted(rows, key=lambda r: r.slot)
        while active:
            for row, logits in self._read(active, [self._question(row) for row in active]):
                self._choose(row, logits)
            self._speak(active)
            more = [row for row in active if not row.last_turn]
            for row in more:
                row.begin_turn()
            active = gather(more, more, self._port.kv)

    def _pictures(self, prompt: VisualPrompt) -> _Text:
        """What the questions of a prompt share: the text around its pictures, and their tokens."""
        opening, *behind = self._tokens.around(views=len(prompt.frames_rgb), system=prompt.system)
        embeds, parts = [self._embed(opening)], list[Part]([len(opening)])
        for frame, ids in zip(prompt.frames_rgb, behind, strict=True):
            view = self._views[frame]
            embeds += [view.tokens, self._embed(ids)]
            parts += [view.grid_hw, len(ids)]
        positions, after = positions_of(parts, rope=self.spec.rope)
        return _Text(np.concatenate(embeds).astype(np.float32), positions, after)

    def _question(self, row: AnswerRow) -> _Text:
        ids = row.text_ids
        places = text_positions(row.next_position, count=len(ids))
        return _Text(self._embed(ids), places, row.next_position + len(ids))

    def _embed(self, ids: Sequence[int]) -> NDArray[np.float32]:
        return np.asarray(self._embedding[np.asarray(ids, np.int64)], np.float32)

    def _read(self, rows: list[AnswerRow], texts: list[_Text]) -> Iterator[tuple[AnswerRow, NDArray[np.float32]]]:
        """Read one text a row, rows in the order of their slots, as many at once as the bound allows: each row with the
        logits [V] behind its text."""
        step = max(1, _MOST_POSITIONS_PER_RUN // max(len(t.embeds) for t in texts))
        for start in range(0, len(rows), step):
            part, read = rows[start : start + step], texts[start : start + step]
            chunk = Chunk.join(
                [t.embeds for t in read],
                [t.positions for t in read],
                begins=[row.length for row in part],
                first_row=part[0].slot,
            )
            logits = self._port.read(chunk)
            self._prefilled += int(chunk.counts.sum())
            for row, text, after in zip(part, read, logits, strict=True):
                row.length += len(text.embeds)
                row.next_position = text.next_position
                yield row, after

    def _speak(self, rows: list[AnswerRow]) -> None:
        """One token of every unfinished row per run; the rows left are kept at the front of the pool."""
        kept = [row for row in rows if not row.last_turn]
        active = rows
        while active := gather([row for row in active if not row.done], kept, self._port.kv):
            chunk = Chunk(
                self._embed([row.ids[-1] for row in active])[:, None],
                np.ones(len(active), np.int64),
                np.array([row.length for row in active]),
                np.array([[[row.next_position] * 3] for row in active]),
            )
            for row, logits in zip(active, self._port.read(chunk), strict=True):
                row.length += 1
                row.next_position += 1
                self._choose(row, logits)

    def _choose(self, row: AnswerRow, logits: NDArray[np.float32]) -> None:
        """Append the likeliest token that is not banned, with the probability that the model itself gave
        it."""
        allowed = logits
        if row.last_turn and (banned := row.ban.next_ids(row.ids)):
            allowed = logits.copy()
            allowed[banned] = -np.inf
        best = int(np.argmax(allowed))
        row.ids.append(best)
        row.probabilities.append(float(1.0 / np.exp(logits - logits[best]).sum(dtype=np.float64)))
        row.ended = best in self._ends

    def _finish(self, row: AnswerRow) -> Answer:
        ids = row.ids[:-1] if row.ended else row.ids
        return Answer(
            track_id=row.track_id,
            field=row.question.field,
            text=self._words(ids),
            token_count=len(row.ids),
            confidence=float(np.mean(row.probabilities)),
            truncated=not row.ended,
            reasoning=tuple(self._words(said[:-1] if said[-1] in self._ends else said) for said in row.said),
            reasoning_tokens=sum(map(len, row.said)),
        )

    def _words(self, ids: Sequence[int]) -> str:
        return self._tokenizer.decode(ids, skip_special_tokens=True).strip()
