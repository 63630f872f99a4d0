"""Objects carried from frame to frame: a SAM2-like segmenter with memory, all objects in one call of each graph.

In: frames one after another, boxes of new objects at any of them. Out: `Followed` per frame. Follows Ravi et al.,
"SAM 2" (2024): the prompted frame and the last frames of each object are remembered as features, the last 16 as
pointers. What is held per object is fixed: a stream of any length needs no more memory than its most crowded frame.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgecap.engines.errors import EngineError, PackError
from edgecap.engines.graph.letterbox import Letterbox, boxes_to_padded, fit_image, letterbox
from edgecap.engines.graph.providers import Provider
from edgecap.engines.graph.session import Session
from edgecap.engines.graph.spec import GraphSpec
from edgecap.engines.packs.pack import Pack
from edgecap.engines.packs.specs import SegmenterSpec
from edgecap.runtime.data.frame import Frame
from edgecap.runtime.data.mask import Mask
from edgecap.runtime.perceive.memory.ring import MemoryRing
from edgecap.runtime.perceive.segmenter import WHOLE_PICTURE, claimed_pixels, padded_to_pixels

Arrays = dict[str, NDArray[Any]]


@dataclass(frozen=True, slots=True)
class Followed:
    """What is known of the objects in one frame, K of them.

    `ids`: as `start` and `add` gave them. `quality`: float32 [K], predicted IoU, 0-1. `presence`: float32 [K], logit;
    above 0 = to be seen. `mask_logits`: float32 [K, h, w] over the padded picture, meaningless where presence is not
    above 0.
    """

    ids: tuple[int, ...]
    quality: NDArray[np.float32]
    presence: NDArray[np.float32]
    mask_logits: NDArray[np.float32]

    def of(self, ids: Sequence[int]) -> Followed:
        """These objects alone, in this order. Raises ValueError for one that isn't among them."""
        rows = [self.ids.index(number) for number in ids]
        return Followed(tuple(ids), self.quality[rows], self.presence[rows], self.mask_logits[rows])

    def joined(self, other: Followed) -> Followed:
        """These objects of a frame and others of the same."""
        return Followed(
            self.ids + other.ids,
            np.concatenate([self.quality, other.quality]),
            np.concatenate([self.presence, other.presence]),
            np.concatenate([self.mask_logits, other.mask_logits]),
        )

    def __repr__(self) -> str:
        return f"Followed(ids={self.ids}, {self.mask_logits.shape = }, presence={self.presence.round(1).tolist()})"


@dataclass(frozen=True, slots=True)
class MemorySessions:
    """The five open graphs: of `SegmenterSpec` (encoder, decoder) and of its `MemorySpec`."""

    encoder: Session
    decoder: Session
    attention: Session
    memory_encoder: Session
    memory_decoder: Session

    @classmethod
    def open(cls, pack: Pack, *, provider: Provider = "cpu", intra_threads: int = 1) -> MemorySessions:
        """Raises `PackError` where the pack's segmenter has no memory, and as `Pack.open_session`."""
        spec = pack.spec.segmenter
        if spec is None or spec.memory is None:
            raise PackError(
                f"pack {pack.spec.name!r} has no segmenter with memory, which --masks memory needs; use --masks boxes, "
                "or add one to the pack with edgecap export sam2"
            )

        def opened(graph: GraphSpec) -> Session:
            return pack.open_session(graph, provider=provider, intra_threads=intra_threads)

        memory = spec.memory
        return cls(*map(opened, (spec.encoder, spec.decoder, memory.attention, memory.encoder, memory.decoder)))


class MemorySegmenter:
    """Follows objects through a stream of frames.

    Call `step` once per frame, then `add` objects of the same frame if there are new ones. Not for several threads.
    """

    def __init__(
        self, spec: SegmenterSpec, sessions: MemorySessions, *, capacity: int = 4, ring: type[MemoryRing] = MemoryRing
    ) -> None:
        """`capacity`: objects for which memory is allocated first; more double it. `ring`: another class may
        forget on purpose, for a test. Raises `PackError` where `spec` has no memory."""
        if spec.memory is None or spec.mask_frame != "image":
            raise PackError("the segmenter has no memory, or masks over boxes; make one with edgecap export sam2")
        self._spec, self._sessions = spec, sessions
        shapes = {tensor.name: tensor.axes for tensor in spec.memory.attention.inputs}
        _, slots, tokens, channels = (_fixed(axis) for axis in shapes["memories"])
        _, pointer_slots, pointer_channels = (_fixed(axis) for axis in shapes["pointers"])
        self._ring = ring(
            slots=slots,
            tokens=tokens,
            channels=channels,
            pointer_slots=pointer_slots,
            pointer_channels=pointer_channels,
            capacity=capacity,
        )
        self._fine = [t.name for t in spec.memory.decoder.inputs if t.name != "conditioned"]
        self._ids: list[int] = []
        self._next_id = 0
        self._clock = -1
        self._frame_index: int | None = None
        self._size_wh = (1, 1)
        self._placement = Letterbox((1, 1), (1, 1))
        self._embeddings: Arrays = {}

    @property
    def ids(self) -> tuple[int, ...]:
        """Objects being followed, in the order in which `step` gives them."""
        return tuple(self._ids)

    @property
    def memory_bytes(self) -> int:
        """Bytes held for what is remembered."""
        return self._ring.bytes

    def start(self, frame: Frame, boxes_xyxy: NDArray[np.float32]) -> Followed:
        """Forget everything and follow the objects in `boxes_xyxy` [K, 4] (relative to the frame, 0-1)."""
        self.drop(self._ids)
        return self.add(frame, boxes_xyxy)

    def add(self, frame: Frame, boxes_xyxy: NDArray[np.float32]) -> Followed:
        """Follow further objects from this frame on; returns the new ones only.

        `frame` is the one last given to `step`, or a new one while nothing is followed; otherwise `EngineError`: the
        objects already followed would miss it.
        """
        if frame.index != self._frame_index:
            if self._ids:
                raise EngineError(
                    f"objects were added at frame {frame.index}, the last one looked at is {self._frame_index}; "
                    "call step with a frame before adding objects to it"
                )
            self._look(frame)
        if len(boxes_xyxy) == 0:
            return self._followed((), None)
        ids = tuple(range(self._next_id, self._next_id + len(boxes_xyxy)))
        prompts = boxes_to_padded(np.asarray(boxes_xyxy, np.float32), self._placement)
        found = _in_parts(self._sessions.decoder, self._embeddings, {"boxes_xyxy": prompts})
        memory = self._remembered(found, prompted=True)
        self._ring.append(memory, found["pointer"], frame=self._clock)
        self._ids.extend(ids)
        self._next_id += len(ids)
        return self._followed(ids, found)

    def step(self, frame: Frame) -> Followed:
        """Find every followed object in the next frame, and remember it there."""
        self._look(frame)
        if not self._ids:
            return self._followed((), None)
        ring, now, sessions = self._ring, self._clock, self._sessions
        remembered = {
            "memories": ring.memories,
            "memory_ages": ring.memory_ages(now),
            "pointers": ring.pointers,
            "pointer_ages": ring.pointer_ages(now),
        }
        conditioned = _in_parts(sessions.attention, {"features": self._embeddings["features"]}, remembered)
        found = _in_parts(sessions.memory_decoder, {name: self._embeddings[name] for name in self._fine}, conditioned)
        ring.write(self._remembered(found, prompted=False), found["pointer"], frame=now)
        return self._followed(self.ids, found)

    def masks(self, found: Followed, boxes_xyxy: NDArray[np.float32] | None = None) -> tuple[Mask, ...]:
        """Pixels of objects in the frame last looked at; a pixel that several claim goes to the largest logit.

        Empty where an object is not to be seen. `boxes_xyxy` [K, 4] (relative to the frame): object k claims pixels in
        box k alone; None = anywhere.
        """
        width, height = self._size_wh
        boxes = np.tile(WHOLE_PICTURE, (len(found.ids), 1)) if boxes_xyxy is None else np.clip(boxes_xyxy, 0, 1)
        low, high = boxes[:, :2] * [width, height], boxes[:, 2:] * [width, height]
        regions = np.concatenate([np.floor(low), np.ceil(high)], 1) * (found.presence > 0)[:, None]
        return claimed_pixels(
            found.mask_logits,
            np.tile(padded_to_pixels(WHOLE_PICTURE, self._placement, self._size_wh), (len(found.ids), 1)),
            regions.astype(np.int64),
            size_wh=self._size_wh,
            threshold=self._spec.mask_threshold,
        )

    def spans(self, found: Followed, boxes_xyxy: NDArray[np.float32]) -> NDArray[np.float64]:
        """Share [K] (0-1) of box k (relative to the frame last looked at) that the box around mask k's part in it
        fills; 0 where an object is not to be seen."""
        height, width = found.mask_logits.shape[1:]
        cells = boxes_to_padded(np.clip(boxes_xyxy, 0, 1), self._placement) * [width, height, width, height]
        low, high = np.floor(cells[:, :2]).astype(int), np.ceil(cells[:, 2:]).astype(int)
        shares = np.zeros(len(found.ids))
        for k in np.flatnonzero(found.presence > 0):
            (x0, y0), (x1, y1) = low[k], high[k]
            on = found.mask_logits[k, y0:y1, x0:x1] > self._spec.mask_threshold
            if on.any():
                shares[k] = np.prod([np.ptp(np.flatnonzero(on.any(axis))) + 1 for axis in (0, 1)]) / on.size
        return shares

    def drop(self, ids: Iterable[int]) -> None:
        """Stop following objects. Raises KeyError for an id that isn't followed; room is kept for others."""
        for number in tuple(ids):
            if number not in self._ids:
                raise KeyError(f"object {number} isn't followed; followed are {self._ids}")
            row = self._ids.index(number)
            self._ids[row] = self._ids[self._ring.drop(row)]
            self._ids.pop()

    def _look(self, frame: Frame) -> None:
        """Encode a frame and advance the clock."""
        height, width = frame.image_rgb.shape[:2]
        spec = self._spec
        self._placement = letterbox((width, height), image_side=spec.image_side, stride=spec.stride)
        images = fit_image(frame.image_rgb, self._placement, pad_value=spec.pad_value)[None]
        self._embeddings = self._sessions.encoder.run({"images": images})
        self._frame_index, self._size_wh = frame.index, (width, height)
        self._clock += 1

    def _remembered(self, found: Arrays, *, prompted: bool) -> NDArray[np.float32]:
        presence = found["presence"]
        feeds = {
            "mask_logits": found["mask_logits"],
            "presence": presence,
            "prompted": np.full(len(presence), prompted),
        }
        shared = {"features": self._embeddings["features"]}
        memory: NDArray[np.float32] = _in_parts(self._sessions.memory_encoder, shared, feeds)["memory"]
        return memory

    def _followed(self, ids: tuple[int, ...], found: Arrays | None) -> Followed:
        if found is None:
            side = self._spec.image_side
            nothing = np.zeros(0, np.float32)
            return Followed((), nothing, nothing, np.zeros((0, side, side), np.float32))
        presence = np.asarray(found["presence"], np.float32)
        return Followed(ids, np.clip(found["quality"], 0, 1), presence, found["mask_logits"])


def _in_parts(session: Session, shared: Arrays, per_object: Arrays) -> Arrays:
    """One call for all objects; several where there are more than the open graph takes."""
    graph = session.spec  # of what is open: a stored engine may take fewer than the pack's graph
    count = len(next(iter(per_object.values())))
    axis = next(tensor.axes[0] for tensor in graph.inputs if tensor.name in per_object)
    most = graph.ranges[axis][2] if isinstance(axis, str) and axis in graph.ranges else count
    parts = [
        session.run({**shared, **{name: value[start : start + most] for name, value in per_object.items()}})
        for start in range(0, count, most)
    ]
    return parts[0] if len(parts) == 1 else {name: np.concatenate([p[name] for p in parts]) for name in parts[0]}


def _fixed(axis: int | str) -> int:
    """The size of an axis; 0 for a free one (the objects)."""
    return axis if isinstance(axis, int) else 0
