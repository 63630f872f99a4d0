"""The loop and the command that both models train with: AdamW, warm-up and cosine, a running average, checkpoints.

In: a network, a function that makes batch number n, a function that turns a batch into a loss. Out: a checkpoint
whose `average` is the model. Batch n depends on n alone, so a run that was cut off goes on as if it had not been.
"""

from __future__ import annotations

import argparse
import math
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, Protocol, TypeVar

import torch
from torch import nn

from edgecap.engines.files import replacing

Batch = TypeVar("Batch")
Losses = dict[str, torch.Tensor]
"""Loss terms by name; their sum is minimised."""


@dataclass(frozen=True, slots=True)
class Budget:
    """How long to train; whichever ends first. The learning rate reaches zero at the end."""

    steps: int
    minutes: float = math.inf

    def progress(self, *, step: int, seconds: float) -> float:
        """Share of the budget used, 0-1."""
        return min(1.0, max(step / self.steps, seconds / (self.minutes * 60)))


@dataclass(frozen=True, slots=True)
class Recipe:
    """What a run is besides its data."""

    checkpoint: Path
    budget: Budget
    peak_rate: float = 2e-3
    weight_decay: float = 0.02
    average_decay: float = 0.998
    checkpoint_minutes: float = 2.0
    report_steps: int = 100


class TrainingRun(Generic[Batch]):
    """One model being trained; `run` returns when the budget is spent."""

    def __init__(
        self,
        network: nn.Module,
        recipe: Recipe,
        *,
        batch_of: Callable[[int], Batch],
        losses_of: Callable[[nn.Module, Batch], Losses],
    ) -> None:
        self.network: nn.Module = network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # torch's stubs lack it
        self.recipe, self.batch_of, self.losses_of = recipe, batch_of, losses_of
        self.average = {name: value.clone() for name, value in network.state_dict().items()}
        groups = parameter_groups(network.parameters(), weight_decay=recipe.weight_decay)
        self.optimizer = torch.optim.AdamW(groups, lr=recipe.peak_rate, betas=(0.9, 0.99))
        self.step, self.seconds = 0, 0.0
        if recipe.checkpoint.exists():
            self._resume()

    def run(self, report: Callable[[str], None] = print) -> Path:
        """Train to the end of the budget; returns the checkpoint. `report` gets a line now and then."""
        self.network.train()
        saved_at, clock, sums = self.seconds, time.monotonic(), dict[str, float]()
        while (progress := self.recipe.budget.progress(step=self.step, seconds=self.seconds)) < 1.0:
            for name, value in self._one_step(progress).items():
                sums[name] = sums.get(name, 0.0) + value / self.recipe.report_steps
            now = time.monotonic()
            self.seconds, clock = self.seconds + now - clock, now
            if self.step % self.recipe.report_steps == 0:
                terms = " ".join(f"{name} {value:.4f}" for name, value in sums.items())
                report(f"step {self.step} {self.seconds / 60:.1f} min {progress:.0%} {terms}")
                sums = {}
            if self.seconds - saved_at > self.recipe.checkpoint_minutes * 60:
                self._save()
                saved_at = self.seconds
        self._save()
        return self.recipe.checkpoint

    def _one_step(self, progress: float) -> dict[str, float]:
        rate = self.recipe.peak_rate * learning_rate_factor(progress)
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        # bf16 with channels last is 3x faster than fp32 on a CPU with AVX512-BF16 (28 -> 9 ms per picture for the
        # detector)
        with torch.autocast("cpu", torch.bfloat16):
            losses = self.losses_of(self.network, self.batch_of(self.step))
        total = torch.stack(list(losses.values())).sum()
        self.optimizer.zero_grad(set_to_none=True)
        total.backward()  # type: ignore[no-untyped-call]  # torch leaves it untyped
        nn.utils.clip_grad_norm_(self.network.parameters(), 5.0)
        self.optimizer.step()
        self.step += 1
        self._follow()
        return {name: float(value.detach()) for name, value in losses.items()}

    @torch.no_grad()
    def _follow(self) -> None:
        decay = average_decay(self.recipe.average_decay, step=self.step)
        for name, value in self.network.state_dict().items():
            if value.is_floating_point():
                self.average[name].lerp_(value, 1 - decay)
            else:
                self.average[name].copy_(value)

    def _save(self) -> None:
        state = {
            "network": self.network.state_dict(),
            "average": self.average,
            "optimizer": self.optimizer.state_dict(),
            "step": self.step,
            "seconds": self.seconds,
        }
        with replacing(self.recipe.checkpoint) as unfinished:
            torch.save(state, unfinished)

    def _resume(self) -> None:
        state = torch.load(self.recipe.checkpoint, weights_only=True)
        self.network.load_state_dict(state["network"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.average, self.step, self.seconds = state["average"], state["step"], state["seconds"]


def load_average(network: nn.Module, checkpoint: Path) -> nn.Module:
    """The averaged weights of a checkpoint, in evaluation mode. Raises FileNotFoundError where nothing was trained."""
    network.load_state_dict(torch.load(checkpoint, weights_only=True)["average"])
    return network.eval()


def learning_rate_factor(progress: float, *, warm_up: float = 0.03) -> float:
    """0 -> 1 linearly over `warm_up`, then a cosine down to 0 at progress 1."""
    if progress < warm_up:
        return max(progress, 1e-4) / warm_up
    return 0.5 * (1 + math.cos(math.pi * (progress - warm_up) / (1 - warm_up)))


def average_decay(most: float, *, step: int) -> float:
    """How much of the running average is kept at a step: little at first, `most` in the end."""
    return min(most, (1 + step) / (10 + step))


def parameter_groups(parameters: Iterable[nn.Parameter], *, weight_decay: float) -> list[dict[str, Any]]:
    """For an optimiser: weights decay; biases and normalisation do not."""
    held = list(parameters)
    return [
        {"params": [p for p in held if p.ndim > 1], "weight_decay": weight_decay},
        {"params": [p for p in held if p.ndim <= 1], "weight_decay": 0.0},
    ]


class Trainer(Protocol):
    """Trains, or goes on training, until the budget is spent; renders missing frames first. Returns the checkpoint."""

    def __call__(self, work_dir: Path, *, steps: int, minutes: float = math.inf, shards: int = 48) -> Path: ...


def training_command(train: Trainer, *, description: str | None, steps: int) -> None:
    """The command line of a trainer; `steps`: by default."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--work-dir", type=Path, default=Path(".nano"))
    parser.add_argument("--steps", type=int, default=steps)
    parser.add_argument("--minutes", type=float, default=math.inf)
    parser.add_argument("--shards", type=int, default=48)
    given = parser.parse_args()
    torch.set_num_threads(1)
    train(given.work_dir, steps=given.steps, minutes=given.minutes, shards=given.shards)
