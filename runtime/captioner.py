"""The multimodal language model behind one call: pictures and questions in, short texts out.

In: `VisualPrompt`s. Out: one `Answer` per question, in the order asked, and what it cost. Called by
`describe`.

A round is as few graph runs as the questions allow: every distinct picture is encoded once; what the
questions of a prompt share (its pictures) is read once and the memory of it copied to each of them; all
questions answer together, one token of each per run. Answers are those of asking one by one (a test
compares them), only sooner.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgecap.engines.errors import PackError
from edgecap.engines.pack import Pack
from edgecap.engines.preprocess import normalise_views
from edgecap.engines.providers import Provider
from edgecap.engines.session import Binding, Session
from edgecap.engines.specs import CaptionerSpec
from edgecap.runtime.kv_cache import KvPool
from edgecap.runtime.prompt import Answer, Question, VisualPrompt
from edgecap.runtime.wordban import Tokenizer, WordBan

_MOST_VIEWS_PER_RUN = 32
_MOST_ROWS_PER_ROUND = 32
"""Bounds the key/value memory of a crowded window; more questions make a second round."""


@dataclass(frozen=True, slots=True)
class Answers:
    """One `Answer` per question: prompts in the order given, questions in the order of each prompt.

    `model_calls` counts graph runs (vision batches, prefills and decode steps); `prefill_tokens` counts
    positions read (pictures and questions), `decode_tokens` the tokens answered, end tokens included.
    """

    answers: tuple[Answer, ...]
    model_calls: int
    prefill_tokens: int
    decode_tokens: int


@dataclass(slots=True)
class _Row:
    """One question on its way: its row in the pool, the positions filled, the tokens chosen so far."""

    prompt: int
    question: Question
    track_id: int | None
    text_ids: list[int]
    ban: WordBan
    slot: int = -1
    length: int = 0
    ids: list[int] = field(default_factory=list)
    probabilities: list[float] = field(default_factory=list)
    ended: bool = False

    @property
    def done(self) -> bool:
        return self.ended or len(self.ids) >= self.question.max_tokens


class Captioner:
    """Answers questions about pictures, greedily. Its buffers are reused: one captioner per thread.

    `spec`: the pack's captioner block. `vision`, `decoder`: open sessions of its two graphs. `embedding`:
    [V, H] float16 or float32, usually memory mapped.
    """

    def __init__(
        self, spec: CaptionerSpec, *, vision: Session, decoder: Session, embedding: NDArray[Any], tokenizer: Tokenizer
    ) -> None:
        if embedding.shape != (spec.vocab_size, spec.hidden_size):
            raise ValueError(f"want embedding [{spec.vocab_size}, {spec.hidden_size}], got {embedding.shape = }")
        self.spec = spec
        self._vision, self._decoder, self._embedding, self._tokenizer = vision, decoder, embedding, tokenizer
        past = next(t for t in spec.decoder.inputs if t.name.startswith("past_"))
        self._kv = KvPool(layers=spec.layers, kv_heads=spec.kv_heads, head_dim=spec.head_dim, dtype=past.dtype)
        self._steps: dict[int, _Step] = {}
        self._seen: dict[bytes, NDArray[np.float32]] = {}
        self._calls = self._prefilled = 0

    @classmethod
    def open(cls, pack: Pack, *, provider: Provider = "cpu", intra_threads: int = 1) -> Captioner:
        """The captioner of a pack. Raises `PackError` where it has none or a file of it can't be read, and
        what `Pack.open_session` raises."""
        from tokenizers import Tokenizer as TokenizerFile

        spec = pack.spec.captioner
        if spec is None:
            raise PackError(f"pack {pack.spec.name!r} has no captioner; use --captioner none, or another pack")
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
        )

    def answer(self, prompts: Sequence[VisualPrompt]) -> Answers:
        """Ask every question of every prompt. Raises `EngineError` when a graph fails."""
        self._calls = self._prefilled = 0
        self._encode(prompts)
        answers: list[Answer] = []
        for group in _groups(prompts):
            answers += self._round(group)
        return Answers(tuple(answers), self._calls, self._prefilled, sum(a.token_count for a in answers))

    def _encode(self, prompts: Sequence[VisualPrompt]) -> None:
        """Vision tokens of every distinct view; those of the previous call are kept, so that a retry
        encodes nothing."""
        side = self.spec.view_side
        views: dict[bytes, NDArray[np.uint8]] = {}
        for prompt in prompts:
            if prompt.frames_rgb.shape != (self.spec.views, side, side, 3):
                raise ValueError(f"want views [{self.spec.views}, {side}, {side}, 3], got {prompt.frames_rgb.shape = }")
            views |= {frame.tobytes(): frame for frame in prompt.frames_rgb}
        known = {key: self._seen[key] for key in views if key in self._seen}
        new = [key for key in views if key not in known]
        for start in range(0, len(new), _MOST_VIEWS_PER_RUN):
            keys = new[start : start + _MOST_VIEWS_PER_RUN]
            pixels = normalise_views(np.stack([views[k] for k in keys]), mean=self.spec.mean, std=self.spec.std)
            tokens = self._vision.run({"pixels": pixels})["tokens"]  # [n, T, H]
            known |= dict(zip(keys, tokens, strict=True))
            self._calls += 1
        self._seen = known

    def _round(self, prompts: Sequence[VisualPrompt]) -> list[Answer]:
        rows = self._rows(prompts)
        if not rows:
            return []
        prefix = 1 + self.spec.views * self.spec.tokens_per_view
        need = prefix + max(len(row.text_ids) + row.question.max_tokens for row in rows)
        if self._kv.reserve(rows=len(rows), capacity=need):
            self._steps.clear()
        self._read_pictures(prompts, rows, prefix)
        for row in rows:
            self._read_question(row)
        self._speak(rows)
        return [self._finish(row) for row in rows]

    def _rows(self, prompts: Sequence[VisualPrompt]) -> list[_Row]:
        rows = [
            _Row(
                p,
                question,
                prompt.track_id,
                self._tokenizer.encode(question.text, add_special_tokens=False).ids,
                WordBan(question.banned_words, self._tokenizer),
            )
            for p, prompt in enumerate(prompts)
            for question in prompt.questions
        ]
        first = {row.prompt: row for row in reversed(rows)}
        leaders = [row for row in rows if first[row.prompt] is row]
        for slot, row in enumerate([*leaders, *(row for row in rows if first[row.prompt] is not row)]):
            row.slot = slot
        return rows

    def _read_pictures(self, prompts: Sequence[VisualPrompt], rows: list[_Row], prefix: int) -> None:
        """Fill the memory of each prompt's pictures once, then copy it to the prompt's further questions."""
        leaders: dict[int, _Row] = {}
        for row in sorted(rows, key=lambda r: r.slot):
            leaders.setdefault(row.prompt, row)
        bos = np.asarray(self._embedding[self.spec.bos_id], np.float32)[None]
        embeds = np.stack(
            [np.concatenate([bos, *(self._seen[f.tobytes()] for f in prompts[p].frames_rgb)]) for p in leaders]
        ).astype(np.float32)  # [P, prefix, H]
        self._prefill(embeds, start=0, length=prefix)
        for row in rows:
            row.length = prefix
            if row is not leaders[row.prompt]:
                self._kv.copy(source=leaders[row.prompt].slot, target=row.slot, length=prefix)

    def _read_question(self, row: _Row) -> None:
        # ONNX Runtime's attention on CPU takes several new positions after a past for one row only, so
        # questions are read one at a time, each on its own row of the pool.
        embeds = np.asarray(self._embedding[row.text_ids], np.float32)[None]
        row.length += len(row.text_ids)
        self._choose(row, self._prefill(embeds, start=row.slot, length=row.length)[0])

    def _prefill(self, embeds: NDArray[np.float32], *, start: int, length: int) -> NDArray[np.float32]:
        """Read `embeds` [B, S, H] into rows start:start+B, ending at `length` valid positions: logits [B,
        V]."""
        batch, new = embeds.shape[:2]
        logits = np.empty((batch, self.spec.vocab_size), np.float32)
        inputs: dict[str, NDArray[Any]] = {
            "inputs_embeds": np.ascontiguousarray(embeds),
            "seqlens_k": np.full(batch, length - 1, np.int32),
            "total_sequence_length": np.array(length, np.int32),
            "last_index": np.full(batch, new - 1, np.int64),
        }
        self._decoder.bind(
            inputs | self._kv.past(start, start + batch), {"logits": logits} | self._kv.present(start, start + batch)
        ).run()
        self._calls += 1
        self._prefilled += batch * new
        return logits

    def _speak(self, rows: list[_Row]) -> None:
        """One token of every unfinished row per run; the rows left are kept at the front of the pool."""
        active = sorted(rows, key=lambda r: r.slot)
        while active := self._compact(active):
            step = self._step(len(active))
            ids = [row.ids[-1] for row in active]
            step.embeds[:, 0] = self._embedding[ids]
            step.seqlens[:] = [row.length for row in active]
            step.total[...] = max(row.length for row in active) + 1
            step.binding.run()
            self._calls += 1
            for row, logits in zip(active, step.logits, strict=True):
                row.length += 1
                self._choose(row, logits)

    def _compact(self, active: list[_Row]) -> list[_Row]:
        """Drop finished rows; rows at the end move into the gaps, so that slots are 0..n-1 again."""
        left = [row for row in active if not row.done]
        gaps = iter(sorted(set(range(len(left))) - {row.slot for row in left}))
        for row in left:
            if row.slot >= len(left):
                target = next(gaps)
                self._kv.copy(source=row.slot, target=target, length=row.length)
                row.slot = target
        return sorted(left, key=lambda r: r.slot)

    def _choose(self, row: _Row, logits: NDArray[np.float32]) -> None:
        """Append the likeliest token that is not banned, with the probability that the model itself gave
        it."""
        allowed = logits
        if banned := row.ban.next_ids(row.ids):
            allowed = logits.copy()
            allowed[banned] = -np.inf
        best = int(np.argmax(allowed))
        row.ids.append(best)
        row.probabilities.append(float(1.0 / np.exp(logits - logits[best]).sum(dtype=np.float64)))
        row.ended = best == self.spec.eos_id

    def _step(self, batch: int) -> _Step:
        if batch not in self._steps:
            self._steps[batch] = _Step.bind(self._decoder, self.spec, self._kv, batch)
        return self._steps[batch]

    def _finish(self, row: _Row) -> Answer:
        ids = row.ids[:-1] if row.ended else row.ids
        text = self._tokenizer.decode(ids, skip_special_tokens=True).strip()
        return Answer(
            track_id=row.track_id,
            field=row.question.field,
            text=text,
            token_count=len(row.ids),
            confidence=float(np.mean(row.probabilities)),
            truncated=not row.ended,
        )


@dataclass(frozen=True, slots=True)
class _Step:
    """Resident buffers for one decode step of a batch."""

    embeds: NDArray[np.float32]
    seqlens: NDArray[np.int32]
    total: NDArray[np.int32]
    logits: NDArray[np.float32]
    binding: Binding

    @classmethod
    def bind(cls, decoder: Session, spec: CaptionerSpec, kv: KvPool, batch: int) -> _Step:
        embeds = np.zeros((batch, 1, spec.hidden_size), np.float32)
        seqlens, total = np.zeros(batch, np.int32), np.zeros((), np.int32)
        logits = np.empty((batch, spec.vocab_size), np.float32)
        inputs: dict[str, NDArray[Any]] = {
            "inputs_embeds": embeds,
            "seqlens_k": seqlens,
            "total_sequence_length": total,
            "last_index": np.zeros(batch, np.int64),
        }
        binding = decoder.bind(inputs | kv.past(0, batch), {"logits": logits} | kv.present(0, batch))
        return cls(embeds, seqlens, total, logits, binding)


def _groups(prompts: Sequence[VisualPrompt]) -> Iterator[list[VisualPrompt]]:
    """Runs of prompts with at most `_MOST_ROWS_PER_ROUND` questions together (one prompt at least)."""
    group: list[VisualPrompt] = []
    for prompt in prompts:
        if group and sum(len(p.questions) for p in (*group, prompt)) > _MOST_ROWS_PER_ROUND:
            yield group
            group = []
        group.append(prompt)
    if group:
        yield group
