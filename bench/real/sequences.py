"""A folder of real sequences and their truth.

In: a folder with any of `mot/NAME.mp4` + `NAME.gt.txt` (MOTChallenge rows), `davis/NAME.mp4` + `NAME.masks.npz`
(`shape` [T, H, W], `bits` = packed bool masks of one annotated object), `clips/NAME.mp4`, and `truth.json` (what a
person sees, by "FOLDER/NAME.mp4"). Out: `RealSequence` objects, which load their truth when asked.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgecap.engines.errors import InputError, MissingInputError

_FOLDERS = ("mot", "davis", "clips")
Boxes = dict[int, dict[int, NDArray[np.float64]]]
"""Identity -> frame index (0-based) -> box_xyxy float64 [4] in pixels of the source."""


@dataclass(frozen=True, slots=True)
class TrueInstance:
    """One instance that must be found."""

    classes: tuple[str, ...]
    """Class names of which any is right."""
    colours: tuple[str, ...]
    """Colour names of which any is right, of all parts together; () where two people would not agree."""
    count_at_least: int
    """How many of it are seen over the sequence."""


@dataclass(frozen=True, slots=True)
class SeenTruth:
    """What a person sees in one sequence (an entry of truth.json)."""

    instances: tuple[TrueInstance, ...]
    others: tuple[str, ...]
    """Class names that may be said and aren't wrong."""
    camera: frozenset[str] | None
    """Camera labels; None where two people would not agree."""
    never: tuple[str, ...]
    """Words that would be false."""


@dataclass(frozen=True, slots=True)
class RealSequence:
    """One video and where its truth is. `seen` None: truth.json has no entry for it."""

    name: str
    """FOLDER/NAME.mp4"""
    video: Path
    truth_file: Path | None
    """MOTChallenge rows or packed masks."""
    seen: SeenTruth | None

    @property
    def kind(self) -> str:
        """mot, davis or clips."""
        return self.name.split("/")[0]

    def boxes(self) -> Boxes:
        """Boxes of every identity that counts (flag 1 where the rows have one). Raises `InputError`."""
        if self.truth_file is None:
            raise InputError(f"{self.name} has no rows of boxes")
        found: Boxes = {}
        for number, line in enumerate(self.truth_file.read_text(encoding="utf-8").splitlines(), 1):
            try:
                frame, identity, left, top, width, height, *rest = (float(v) for v in line.split(","))
            except ValueError as error:
                raise InputError(f"{self.truth_file}: line {number} is not a row of MOTChallenge ({error})") from error
            if not rest or rest[0] != 0:
                box = np.array([left, top, left + width, top + height])
                found.setdefault(int(identity), {})[int(frame) - 1] = box
        return found

    def masks(self) -> NDArray[np.bool_]:
        """The annotated object, bool [T, H, W]. Raises `InputError`."""
        if self.truth_file is None:
            raise InputError(f"{self.name} has no masks")
        try:
            with np.load(self.truth_file) as data:
                shape = tuple(int(n) for n in data["shape"])
                bits = np.unpackbits(data["bits"])[: int(np.prod(shape))]
        except (OSError, ValueError, KeyError) as error:
            raise InputError(f"{self.truth_file}: can't be read as packed masks ({error})") from error
        return bits.reshape(shape).astype(bool)


def read_sequences(folder: Path) -> tuple[RealSequence, ...]:
    """Every video of the three sub-folders, by name. Raises `MissingInputError` where there is none, `InputError` where
    truth.json can't be read."""
    entries = _entries(folder / "truth.json")
    found = []
    for kind in _FOLDERS:
        for video in sorted((folder / kind).glob("*.mp4")):
            name = f"{kind}/{video.name}"
            seen = _seen(entries[name], name) if name in entries else None
            found.append(RealSequence(name, video, _truth_file(video), seen))
    if not found:
        raise MissingInputError(f"{folder} has no video in mot/, davis/ or clips/; name a folder of real sequences")
    return tuple(found)


def labelled_videos(folder: Path, names: Iterable[str], *, also: Sequence[Path]) -> dict[str, Path | None]:
    """The video of every name (FOLDER/NAME.mp4, once each): in `folder`, else by its file name in one of `also`; None
    where it is nowhere. Raises `MissingInputError` where none of them is found."""
    known = list(dict.fromkeys(names))
    places = {name: [folder / name, *(other / Path(name).name for other in also)] for name in known}
    videos = {name: next((p for p in where if p.exists()), None) for name, where in places.items()}
    if not any(videos.values()):
        raise MissingInputError(f"{folder} has none of the labelled sequences ({', '.join(known[:3])}...)")
    return videos


def _truth_file(video: Path) -> Path | None:
    candidates = (video.with_suffix(".gt.txt"), video.with_suffix(".masks.npz"))
    return next((path for path in candidates if path.exists()), None)


def _entries(path: Path) -> Mapping[str, Any]:
    if not path.exists():
        return {}
    try:
        entries = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: can't be read as JSON ({error})") from error
    if not isinstance(entries, dict):
        raise InputError(f"{path}: expected an object by sequence name, got {type(entries).__name__}")
    return entries


def _seen(entry: Mapping[str, Any], name: str) -> SeenTruth:
    try:
        return SeenTruth(
            instances=tuple(_instance(one) for one in entry["instances"]),
            others=tuple(entry.get("others", ())),
            camera=None if entry.get("camera") is None else frozenset(entry["camera"]),
            never=tuple(entry.get("never", ())),
        )
    except (KeyError, TypeError, AttributeError) as error:
        raise InputError(f"truth.json: entry {name} is incomplete ({type(error).__name__}: {error})") from error


def _instance(one: Mapping[str, Any]) -> TrueInstance:
    colours = one.get("colours") or ()
    names = [c for part in colours.values() for c in part] if isinstance(colours, Mapping) else list(colours)
    return TrueInstance(tuple(one["class"]), tuple(dict.fromkeys(names)), int(one.get("count_at_least", 1)))
