"""Which seeds belong to which split, and how a seed becomes a random generator.

0 .......... 99_999     held-out evaluation clips (never trained on)
900_000 ... 999_999     validation during training
1_000_000 ...           training
"""

from __future__ import annotations

import zlib

import numpy as np

EVALUATION_SEED_START = 0
EVALUATION_SEED_END = 100_000
VALIDATION_SEED_START = 900_000
VALIDATION_SEED_END = 1_000_000
TRAIN_SEED_START = 1_000_000


def generator(seed: int, *salts: str | int) -> np.random.Generator:
    """Independent generator for (seed, salts); equal on every machine, because Python's `hash` is never used."""
    words = [zlib.crc32(s.encode()) if isinstance(s, str) else int(s) for s in salts]
    return np.random.default_rng(np.random.SeedSequence([seed, *words]))
