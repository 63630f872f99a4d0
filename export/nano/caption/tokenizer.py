"""The captioner's tokenizer: byte-level BPE trained on the closed corpus, so that a word is one token and any text
round-trips.

In: the corpus of `prompts`. Out: a `tokenizers.Tokenizer` (tokenizer.json).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from edgecap.export.nano.caption.prompts import closed_corpus

if TYPE_CHECKING:
    from tokenizers import Tokenizer

BOS, EOS, IMAGE, PAD = "<|bos|>", "<|eos|>", "<|image|>", "<|pad|>"
SPECIALS = (BOS, EOS, IMAGE, PAD)
VOCAB_LIMIT = 768


def train_tokenizer() -> Tokenizer:
    """Byte-level BPE over the distinct words of the corpus; ids 0-3 are BOS, EOS, IMAGE, PAD. Deterministic."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=VOCAB_LIMIT,
        special_tokens=list(SPECIALS),
        show_progress=False,
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
    )
    tokenizer.train_from_iterator(corpus_words(), trainer)
    return tokenizer


def corpus_words() -> list[str]:
    """Distinct words of the corpus as the pre-tokenizer cuts them (a leading blank belongs to the word), sorted."""
    import re

    return sorted({word for line in closed_corpus() for word in re.findall(r" ?[A-Za-z]+|[^A-Za-z\s]", line)})


def special_id(tokenizer: Tokenizer, token: str) -> int:
    """Id of one of SPECIALS."""
    found = tokenizer.token_to_id(token)
    assert found is not None, token  # training puts them first
    return int(found)


def encode(tokenizer: Tokenizer, text: str) -> list[int]:
    """Ids of `text` without specials; a special's spelling inside the text is read as plain characters."""
    tokenizer.encode_special_tokens = True
    return list(tokenizer.encode(text, add_special_tokens=False).ids)


def decode(tokenizer: Tokenizer, ids: list[int]) -> str:
    """Text of `ids`, specials left out."""
    return str(tokenizer.decode(ids, skip_special_tokens=True))
