"""Does a compiled engine give the same output as its graph, on made-up inputs?

In: a `GraphSpec`, or two sessions over one. Out: arrays for every input, the same for the same seed; figures per
output, and which of them miss their limits. Floats are noise; whole numbers (positions, lengths, last rows, ages)
follow the contracts of `CaptionerSpec` and `MemorySpec`, since noise there reads outside the cache. (A graph is
compared with its checkpoint by `export.onnx.parity`.)
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from edgecap.engines.errors import EngineError
from edgecap.engines.graph.session import Session
from edgecap.engines.graph.spec import GraphSpec, TensorSpec

TrialSize = Literal["least", "usual", "most"]
# Sizes of free axes where a pack gives no ranges: small pictures, a short text, room for it in the cache.
_GUESSES = {"M": 32, "P": 0, "S": 4}
_GUESS_HEIGHT, _GUESS_WIDTH, _GUESS = 96, 128, 2
_MASKED = -30_000.0  # as good as minus infinity for a softmax, and still finite in fp16
# The least cosine of an output between engine and graph, by the precision of the graph. Both hold the same weights, so
# what differs is the order of sums, and in reduced precisions the rounding in between.
_LEAST_COSINE = {"fp32": 0.9999, "fp16": 0.999}
_LEAST_COSINE_QUANTISED = 0.98
# Rows ordered by a score swap places at near-ties, which noise pictures are full of: the rows of a detector are looked
# for wherever they are, and half of the best must be found.
_UNORDERED = frozenset({"boxes_xyxy", "class_ids"})
_BEST_ROWS = 20
_SAME_IOU = 0.5
_LEAST_FOUND_AGAIN = 0.5


def trial_sizes(spec: GraphSpec, *, which: TrialSize = "usual") -> dict[str, int]:
    """A size for every free axis of the inputs: from the ranges of `spec`, guessed where it has none."""
    at = ("least", "usual", "most").index(which)
    sizes: dict[str, int] = {}
    for axis in (axis for tensor in spec.inputs for axis in tensor.axes if isinstance(axis, str)):
        if axis in spec.ranges:
            sizes[axis] = spec.ranges[axis][at]
        elif axis.endswith(("height", "width")):
            sizes[axis] = _GUESS_HEIGHT if axis.endswith("height") else _GUESS_WIDTH
        else:
            sizes[axis] = _GUESSES.get(axis, _GUESS)
    return sizes | {axis: _sum(axis, sizes) for axis in sizes if "+" in axis and axis not in spec.ranges}


def trial_feeds(spec: GraphSpec, *, seed: int = 0, sizes: Mapping[str, int] | None = None) -> dict[str, NDArray[Any]]:
    """One array per input of `spec`. `sizes`: free axis -> size; None = `trial_sizes(spec)`.

    Raises `EngineError` for an input of whole numbers whose meaning isn't known.
    """
    sizes = trial_sizes(spec) if sizes is None else sizes
    rng = np.random.default_rng(seed)
    shapes = {t.name: tuple(sizes[a] if isinstance(a, str) else a for a in t.axes) for t in spec.inputs}
    lengths = _lengths(shapes, rng)
    return {tensor.name: _feed(spec, tensor, shapes, lengths, rng) for tensor in spec.inputs}


def engine_figures(reference: Session, engine: Session, *, seeds: tuple[int, ...] = (0, 1)) -> dict[str, float]:
    """Worst figure over trial inputs: "NAME.cosine" (-1 to 1) and "NAME.max_abs" (>= 0) of every output; of a detector
    "boxes_xyxy.found_again" too, the share (0-1) of its best boxes that the engine finds with the same class."""
    figures: dict[str, float] = {}
    for seed in seeds:
        feeds = trial_feeds(reference.spec, seed=seed)
        want, got = reference.run(feeds), engine.run(feeds)
        for name, wanted in want.items():
            cosine, gap = _compare(wanted, got[name])
            figures[f"{name}.cosine"] = min(figures.get(f"{name}.cosine", 1.0), cosine)
            figures[f"{name}.max_abs"] = max(figures.get(f"{name}.max_abs", 0.0), gap)
        if {*_UNORDERED, "scores"} <= want.keys():
            found = min(_found_again(want, got, picture) for picture in range(len(want["scores"])))
            figures["boxes_xyxy.found_again"] = min(figures.get("boxes_xyxy.found_again", 1.0), found)
    return figures


def drift(figures: dict[str, float], *, precision: str) -> str:
    """The figures that miss their limits, in words; "" where there is none."""
    least = _LEAST_COSINE.get(precision, _LEAST_COSINE_QUANTISED)
    limits = {
        name: _LEAST_FOUND_AGAIN if name.endswith(".found_again") else least
        for name in figures
        if name.endswith((".cosine", ".found_again")) and name.removesuffix(".cosine") not in _UNORDERED
    }
    missed = [f"{name} {figures[name]:.5f} (at least {at})" for name, at in limits.items() if not figures[name] >= at]
    return ", ".join(missed)


def _lengths(shapes: Mapping[str, tuple[int, ...]], rng: np.random.Generator) -> NDArray[np.int64]:
    """For a decoder: how many positions of each row are filled before the call. One new position may come after any
    number; several (a prompt) begin an empty cache, which every contract allows."""
    batch, new = shapes.get("inputs_embeds", (0, 0))[:2]
    past = next((shape for name, shape in shapes.items() if name.startswith("past_")), (0, 0, 1, 0))
    if "attention_mask" in shapes:  # "growing": past is as long as it says
        return np.full(batch, past[2], np.int64)
    return rng.integers(0, max(past[2] - new, 0) + 1, batch) if new == 1 else np.zeros(batch, np.int64)


def _feed(
    spec: GraphSpec,
    tensor: TensorSpec,
    shapes: Mapping[str, tuple[int, ...]],
    lengths: NDArray[np.int64],
    rng: np.random.Generator,
) -> NDArray[Any]:
    shape, dtype = shapes[tensor.name], np.dtype(tensor.dtype)
    if tensor.name in _WHOLE and "inputs_embeds" in shapes:
        new = shapes["inputs_embeds"][1]
        return np.asarray(_WHOLE[tensor.name](shape, lengths, new), dtype).reshape(shape)
    if tensor.name.endswith("_ages"):  # of a segmenter's memories: the last slot is empty, if there are two
        ages = np.arange(shape[-1])
        return np.broadcast_to(np.where((ages > 0) & (ages == ages[-1]), -1, ages), shape).astype(dtype)
    if tensor.name == "class_ids":  # of a mask decoder: the first two classes, of which a pack has one at least
        return rng.integers(0, 2, shape).astype(dtype)
    if tensor.name == "attention_bias":
        columns = np.arange(shape[-1])
        rows = lengths[:, None] + np.arange(shape[-2])
        return np.where(columns <= rows[:, None, :, None], 0.0, _MASKED).astype(dtype)
    if tensor.name.startswith("boxes"):
        corners = np.sort(rng.random((*shape[:-1], 2, 2)), axis=-2)
        return corners.reshape(shape).astype(dtype)
    if tensor.name.startswith(("rope_cos", "rope_sin")):
        angles = rng.uniform(-np.pi, np.pi, shape)
        return (np.cos(angles) if tensor.name.startswith("rope_cos") else np.sin(angles)).astype(dtype)
    if dtype == np.uint8:
        return rng.integers(0, 256, shape).astype(dtype)
    if dtype == np.bool_:
        return rng.random(shape) < 0.5
    if dtype.kind == "f":
        return rng.standard_normal(shape).astype(dtype)
    raise EngineError(
        f"{spec.file}: can't make a trial input for {tensor.name!r} ({tensor.dtype} {list(shape)}), a whole "
        "number of unknown meaning; compare the graph in its recipe"
    )


# Decoder inputs of whole numbers: (shape, filled positions [B], new positions S) -> values.
_WHOLE: dict[str, Callable[[tuple[int, ...], NDArray[np.int64], int], ArrayLike]] = {
    "seqlens_k": lambda shape, lengths, new: lengths + new - 1,
    "total_sequence_length": lambda shape, lengths, new: lengths.max(initial=0) + new,
    "last_index": lambda shape, lengths, new: np.full(shape, new - 1),
    "write_indices": lambda shape, lengths, new: lengths,
    "position_ids": lambda shape, lengths, new: np.broadcast_to(lengths[:, None] + np.arange(new), shape),
    "attention_mask": lambda shape, lengths, new: np.ones(shape),
}


def _sum(axis: str, sizes: Mapping[str, int]) -> int:
    """ "P+S" -> the sum of both."""
    return sum(int(part) if part.isdigit() else sizes.get(part, 0) for part in axis.replace(" ", "").split("+"))


def _found_again(want: dict[str, NDArray[Any]], got: dict[str, NDArray[Any]], picture: int) -> float:
    """Share of the best boxes of one picture that have a box of their class in the same place, in any row."""
    best = np.argsort(-want["scores"][picture])[:_BEST_ROWS]
    a, b = (rows["boxes_xyxy"][picture].astype(np.float64) for rows in (want, got))
    a = a[best, None]
    sides = np.minimum(a[..., 2:], b[..., 2:]) - np.maximum(a[..., :2], b[..., :2])
    shared = sides.clip(0).prod(-1)
    union = (a[..., 2:] - a[..., :2]).clip(0).prod(-1) + (b[..., 2:] - b[..., :2]).clip(0).prod(-1) - shared
    same = (shared >= _SAME_IOU * union) & (want["class_ids"][picture][best, None] == got["class_ids"][picture])
    return float(same.any(1).mean())


def _compare(wanted: NDArray[Any], got: NDArray[Any]) -> tuple[float, float]:
    """Cosine and greatest absolute difference; -1 and a huge figure where the engine's output is not finite."""
    a, b = wanted.astype(np.float64).ravel(), got.astype(np.float64).ravel()
    if not np.isfinite(b).all():
        return -1.0, float(np.finfo(np.float64).max)
    norms = float(np.linalg.norm(a) * np.linalg.norm(b))
    same = bool(np.array_equal(a, b))
    cosine = 1.0 if same else float(a @ b) / norms if norms else 0.0
    return min(cosine, 1.0), float(np.abs(a - b).max(initial=0.0))
