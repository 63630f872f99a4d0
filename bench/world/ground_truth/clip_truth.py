"""Reader of a truth file: typed views instead of nested dicts."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgecap.bench.world.ground_truth.truth import SCHEMA, decode_mask


@dataclass(frozen=True, slots=True)
class ActorTruth:
    """One actor of a clip. T frames."""

    id: int
    class_name: str
    primary_colour: str
    secondary_colour: str | None
    gesture: str | None
    captioned: bool
    """Visible long enough to be expected in a caption."""
    moving: bool
    visible: NDArray[np.bool_]
    """[T] by the rule of `motion`."""
    boxes_xyxy: NDArray[np.float32]
    """[T, 4] relative, zeros when invisible."""
    visible_fractions: NDArray[np.float64]
    """[T] 0-1."""
    raw: dict[str, Any]
    """All fields as stored."""

    def mask(self, frame: int) -> NDArray[np.bool_] | None:
        """[H, W] visible mask, None when nothing is visible."""
        rle = self.raw["frames"]["masks"][frame]
        return None if rle is None else decode_mask(rle)

    def __repr__(self) -> str:
        what = f"{self.primary_colour} {self.class_name}"
        return f"ActorTruth({self.id}, {what}, visible in {int(self.visible.sum())} frames)"


@dataclass(frozen=True, slots=True)
class ClipTruth:
    """Truth of one clip."""

    name: str
    size_wh: tuple[int, int]
    fps: float
    num_frames: int
    background: str
    global_sentence: str
    camera_labels: tuple[str, ...]
    cameras: NDArray[np.float64]
    """[T, 3, 3] world -> image pixels."""
    actors: tuple[ActorTruth, ...]
    caption: dict[str, Any]

    @classmethod
    def load(cls, path: Path) -> ClipTruth:
        """Read a `*.truth.json` file."""
        return cls.from_dict(json.loads(path.read_text(encoding="utf-8")))

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> ClipTruth:
        """From what `truth.truth` returns."""
        if data.get("schema") != SCHEMA:
            raise ValueError(f"expected schema {SCHEMA!r}, got {data.get('schema')!r}; render the clip again")
        width, height = data["size_wh"]
        return cls(
            name=data["clip"],
            size_wh=(width, height),
            fps=data["fps"],
            num_frames=data["num_frames"],
            background=data["background"]["name"],
            global_sentence=data["global_sentence"],
            camera_labels=tuple(data["camera"]["labels"]),
            cameras=np.array(data["camera"]["world_to_image_px"]).reshape(-1, 3, 3),
            actors=tuple(_actor(a) for a in data["actors"]),
            caption=data["caption"],
        )

    def captioned(self) -> tuple[ActorTruth, ...]:
        """Actors that a caption must name."""
        return tuple(a for a in self.actors if a.captioned)


def _actor(data: dict[str, Any]) -> ActorTruth:
    frames = data["frames"]
    return ActorTruth(
        id=data["id"],
        class_name=data["class"],
        primary_colour=data["primary_colour"],
        secondary_colour=data["secondary_colour"],
        gesture=data["gesture"],
        captioned=data["captioned"],
        moving=data["moving"],
        visible=np.array(frames["visible"], dtype=bool),
        boxes_xyxy=np.array(frames["boxes_xyxy"], dtype=np.float32),
        visible_fractions=np.array(frames["visible_fractions"]),
        raw=data,
    )
