"""Training of the nano captioner on a CPU core: one vision encode per view set, both its questions in one row.

In: shards of `dataset`. Out: `captioner.pt` (weights, optimiser, clock) in the work folder, every few minutes,
resumable. Command: `python -m edgecap.export.nano.caption.train`.

Measured on one Zen 5 core (CPU seconds): fp32 36 sets/s, bfloat16 autocast 37 (its attention backward takes 55 %),
bfloat16 with attention in fp32 86.
"""

from __future__ import annotations

import argparse
import json
import math
import time
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
from numpy.typing import NDArray

from edgecap.engines.files import replacing
from edgecap.engines.graph.letterbox import normalise_views
from edgecap.export.nano.caption.aux_heads import build_aux_heads
from edgecap.export.nano.caption.dataset import SIDE, ViewStore
from edgecap.export.nano.caption.evaluate import teacher_forced
from edgecap.export.nano.caption.model import (
    MEAN,
    STD,
    NetworkConfig,
    build_network,
    packed_forward,
    use_fp32_attention,
)
from edgecap.export.nano.caption.packing import Example, attributes_of, examples_of, pack
from edgecap.export.nano.caption.tokenizer import BOS, EOS, IMAGE, PAD, special_id, train_tokenizer
from edgecap.export.nano.caption.view_sets import VIEWS
from edgecap.export.nano.vision.training import average_decay, parameter_groups

if TYPE_CHECKING:
    from tokenizers import Tokenizer

_BATCH = 32
_PICTURE_EVERY = 6
_PEAK_RATE, _FLOOR_RATE, _WARM_STEPS = 1e-3, 1e-5, 300
_AUX_WEIGHT = 0.3
_AVERAGE_DECAY = 0.998
_SHIFT = 3
_ACTION_ONLY_SHARE = 0.8  # of the instance steps, towards the end: appearance is learnt long before the gestures are
_SAVE_SECONDS = 240.0
_REFRESH_STEPS = 100
_CHECK_SETS = 256  # of each kind, after every save


@dataclass(slots=True)
class Trainer:
    """Everything that a checkpoint holds, and what one step needs besides."""

    network: Any
    heads: Any
    average: Any
    optimiser: Any
    tokenizer: Tokenizer
    config: NetworkConfig
    step: int = 0
    seconds: float = 0.0

    @property
    def prefix(self) -> int:
        """Length of the shared visual prefix: BOS and the vision tokens of all views."""
        return 1 + VIEWS * self.config.tokens_per_view


def train_captioner(work_dir: Path, *, minutes: float, seed: int, steps: int | None = None) -> None:
    """Train (or go on training) until `minutes` of training, or exactly `steps` steps when given.

    `work_dir`/views holds the shards (`dataset.write_shards`; at least one train and one validation shard must be
    complete, more are picked up while they appear). Writes captioner.pt, tokenizer.json and train_log.jsonl there.
    """
    import torch

    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    trainer = load_trainer(work_dir, seed=seed)
    store = ViewStore(work_dir / "views", "train")
    validation = ViewStore(work_dir / "views", "validation")
    rng = np.random.default_rng([seed, trainer.step])
    last_save = started = time.monotonic()
    before = trainer.seconds
    while (done := _progress(trainer, minutes=minutes, steps=steps)) < 1.0:
        if trainer.step % _REFRESH_STEPS == 0:
            store.refresh()
        losses = _train_step(trainer, store, rng=rng, progress=done)
        trainer.seconds = before + time.monotonic() - started
        if trainer.step % _REFRESH_STEPS == 0:
            _log(work_dir, trainer, progress=done, **losses)
        if time.monotonic() - last_save > _SAVE_SECONDS:
            _save_and_check(work_dir, trainer, validation)
            last_save = time.monotonic()
    _save_and_check(work_dir, trainer, validation)


def load_trainer(work_dir: Path, *, seed: int) -> Trainer:
    """The checkpoint of `work_dir`, or a fresh network when there is none."""
    import copy

    import torch

    tokenizer = _tokenizer(work_dir)
    config = NetworkConfig(side=SIDE, vocab_size=tokenizer.get_vocab_size())
    torch.manual_seed(seed)
    network = new_network(config, tokenizer)
    heads = build_aux_heads(config)
    use_fp32_attention(network)
    groups = parameter_groups([*network.parameters(), *heads.parameters()], weight_decay=0.02)
    optimiser = torch.optim.AdamW(groups, lr=_PEAK_RATE, betas=(0.9, 0.98), fused=True)
    trainer = Trainer(network, heads, copy.deepcopy(network), optimiser, tokenizer, config)
    file = work_dir / "captioner.pt"
    if file.exists():
        state = torch.load(file, weights_only=True)
        for part in ("network", "heads", "average", "optimiser"):
            getattr(trainer, part).load_state_dict(state[part])
        trainer.step, trainer.seconds = state["step"], state["seconds"]
    return trainer


def new_network(config: NetworkConfig, tokenizer: Tokenizer) -> Any:
    """A network whose special ids are the tokenizer's."""
    bos, eos, image, pad = (special_id(tokenizer, t) for t in (BOS, EOS, IMAGE, PAD))
    return build_network(config, bos_id=bos, eos_id=eos, pad_id=pad, image_id=image)


def _train_step(trainer: Trainer, store: ViewStore, *, rng: np.random.Generator, progress: float) -> dict[str, float]:
    import torch
    from torch.nn.functional import cross_entropy

    kind = "picture" if trainer.step % _PICTURE_EVERY == _PICTURE_EVERY - 1 else "instance"
    numbers = np.sort(rng.choice(store.count(kind), _BATCH, replace=store.count(kind) < _BATCH))
    labels = [store.label(kind, int(i)) for i in numbers]
    asked: list[tuple[Example, ...]] = [examples_of(lb, rng=rng) for lb in labels]
    if kind == "instance" and rng.random() < _ACTION_ONLY_SHARE * progress:
        asked = [pair[1:] for pair in asked]
    packed = pack(asked, trainer.tokenizer, prefix=trainer.prefix)
    pixels = torch.from_numpy(_augmented_pixels(store.frames(kind, numbers), rng=rng))
    with torch.autocast("cpu", torch.bfloat16, enabled=_bfloat16_is_fast()):
        seen, hidden, logits = packed_forward(trainer.network, pixels, packed)
        aux = trainer.heads.loss(seen, hidden[:, trainer.prefix - 1], attributes_of(labels))
    language = cross_entropy(logits.float(), torch.from_numpy(packed.targets))
    (language + _AUX_WEIGHT * max(0.0, 1.0 - progress) * aux).backward()
    _update(trainer, progress=progress)
    return {"language": language.item(), "aux": aux.item()}


def _update(trainer: Trainer, *, progress: float) -> None:
    """One optimiser step at this moment's rate, then the running average of the weights."""
    import torch

    trainer.step += 1
    wave = _FLOOR_RATE + (_PEAK_RATE - _FLOOR_RATE) * 0.5 * (1 + math.cos(math.pi * min(progress, 1.0)))
    for group in trainer.optimiser.param_groups:
        group["lr"] = wave * min(1.0, trainer.step / _WARM_STEPS)
    torch.nn.utils.clip_grad_norm_([*trainer.network.parameters(), *trainer.heads.parameters()], 1.0)
    trainer.optimiser.step()
    trainer.optimiser.zero_grad(set_to_none=True)
    decay = average_decay(_AVERAGE_DECAY, step=trainer.step)
    with torch.no_grad():
        torch._foreach_lerp_(list(trainer.average.parameters()), list(trainer.network.parameters()), 1 - decay)


def _augmented_pixels(frames: NDArray[np.uint8], *, rng: np.random.Generator) -> NDArray[np.float32]:
    """uint8 [B, F, S, S, 3] -> float32 [B*F, 3, S, S]: shifted, mirrored, played backwards, brighter or darker."""
    side, out = frames.shape[2], np.empty_like(frames)
    for i, views in enumerate(frames):
        dx, dy = rng.integers(0, 2 * _SHIFT + 1, 2)
        padded = np.pad(views, ((0, 0), (_SHIFT, _SHIFT), (_SHIFT, _SHIFT), (0, 0)), mode="edge")
        moved = padded[:, dy : dy + side, dx : dx + side]
        moved = moved[:, :, ::-1] if rng.random() < 0.5 else moved
        out[i] = moved[::-1] if rng.random() < 0.5 else moved
    pixels = normalise_views(out.reshape(-1, side, side, 3), mean=MEAN, std=STD).reshape(len(frames), -1)
    gain = rng.uniform(0.93, 1.07, (len(frames), 1)).astype(np.float32)
    lift = rng.uniform(-0.04, 0.04, (len(frames), 1)).astype(np.float32)
    return (pixels * gain + lift).reshape(-1, 3, side, side)


def _progress(trainer: Trainer, *, minutes: float, steps: int | None) -> float:
    return trainer.step / steps if steps is not None else trainer.seconds / (60 * minutes)


def _tokenizer(work_dir: Path) -> Tokenizer:
    """The work folder's tokenizer; trained on the spot the first time."""
    from tokenizers import Tokenizer

    file = work_dir / "tokenizer.json"
    if not file.exists():
        work_dir.mkdir(parents=True, exist_ok=True)
        train_tokenizer().save(str(file))
    return Tokenizer.from_file(str(file))


@cache
def _bfloat16_is_fast() -> bool:
    """Whether this CPU multiplies bfloat16 in hardware; elsewhere autocast would slow training down."""
    cpuinfo = Path("/proc/cpuinfo")
    return cpuinfo.exists() and "avx512_bf16" in cpuinfo.read_text()


def _save_and_check(work_dir: Path, trainer: Trainer, validation: ViewStore) -> None:
    """Checkpoint (atomically), then the exact-sentence shares of the averaged weights on validation sets."""
    import torch

    state = {part: getattr(trainer, part).state_dict() for part in ("network", "heads", "average", "optimiser")}
    state |= {"step": trainer.step, "seconds": trainer.seconds, "config": asdict(trainer.config)}
    with replacing(work_dir / "captioner.pt") as temporary:
        torch.save(state, temporary)
    validation.refresh()
    _log(
        work_dir,
        trainer,
        **teacher_forced(trainer.average, trainer.tokenizer, validation, limit=_CHECK_SETS, prefix=trainer.prefix),
    )


def _log(work_dir: Path, trainer: Trainer, **values: float) -> None:
    row = {
        "step": trainer.step,
        "minutes": round(trainer.seconds / 60, 2),
        **{k: round(v, 4) for k, v in values.items()},
    }
    with (work_dir / "train_log.jsonl").open("a") as log:
        log.write(json.dumps(row) + "\n")
    print(row, flush=True)


def main() -> None:
    """Command line: train for some minutes in a work folder whose views/ a worker fills."""
    parser = argparse.ArgumentParser(description="Train the nano captioner (resumable).")
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--minutes", type=float, default=100.0)
    parser.add_argument("--steps", type=int, default=None)
    parser.add_argument("--seed", type=int, default=20261122)
    arguments = parser.parse_args()
    train_captioner(arguments.work, minutes=arguments.minutes, seed=arguments.seed, steps=arguments.steps)


if __name__ == "__main__":
    main()
