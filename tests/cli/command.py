"""A small video for the command line, and how a test runs a command in this process."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import pytest

from edgecap.cli.main import main
from edgecap.engines.packs.pack import Pack
from edgecap.engines.packs.writer import write_pack

MOTION = ("--detector", "motion", "--captioner", "none")
"""Options that need no weights."""


@dataclass(frozen=True, slots=True)
class FinishedRun:
    """A run over `disc_video` in two clips, with report, subtitles and annotated video; not to be changed."""

    folder: Path
    code: int
    out: str
    err: str


def write_disc(path: Path, *, seconds: int) -> None:
    """A red disc crosses a still, mottled background: 320 x 192, 12 frames per second."""
    mottled = np.random.default_rng(0).integers(60, 200, (24, 40, 3), dtype=np.uint8)
    background = cv2.resize(mottled, (320, 192), interpolation=cv2.INTER_CUBIC)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=12)
        stream.width, stream.height, stream.pix_fmt = 320, 192, "yuv420p"
        for index in range(12 * seconds):
            image = background.copy()
            cv2.circle(image, (40 + index * 220 // (12 * seconds), 100), 26, (220, 30, 30), -1)
            for packet in stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")):
                container.mux(packet)
        for packet in stream.encode():
            container.mux(packet)


def run(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str, str]:
    """Exit code, stdout and stderr of a command; `capsys` or capfd."""
    with pytest.raises(SystemExit) as end:
        main([str(a) for a in arguments])
    captured = capsys.readouterr()
    return int(end.value.code or 0), captured.out, captured.err


def rows_of(folder: Path, name: str = "captions.jsonl") -> list[dict[str, Any]]:
    """Rows of a run's captions."""
    return [json.loads(line) for line in (folder / name).read_text(encoding="utf-8").splitlines()]


def write_street(packs: Path) -> Path:
    """A stand-in for pack street where auto looks for it: nano's detector and masks, no captioner, no domain check."""
    nano = Pack.open("nano")
    folder = packs / "street"
    shutil.copytree(nano.folder, folder, ignore=shutil.ignore_patterns("decoder*", "vision*", "captioner*", "embed*"))
    twins = {path: twin for path, twin in nano.spec.twins.items() if not path.startswith("captioner")}
    write_pack(folder, replace(nano.spec, name="street", captioner=None, domain=None, twins=twins))
    return folder
