"""The specimens by name: what each stands for, which recipe takes it, and in which precisions it is worth exporting.

In: a name, a folder. Out: what `edgecap export RECIPE --checkpoint` takes. Reading the list loads nothing heavy.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from edgecap.engines.errors import UsageError
from edgecap.export.job import Precision

DETECTOR_SIDE = 320
"""Pixels. The real ones take 640; no weight depends on it, and a CPU takes a quarter of the time."""


@dataclass(frozen=True, slots=True)
class Specimen:
    """`stands_for`: the model, and what is less than in it. `precisions`: those the recipe offers, fp32 first; a last
    one that it refuses shows the reason. `options`: of the export command. `write`: folder -> checkpoint path."""

    recipe: str
    stands_for: str
    precisions: tuple[Precision, ...]
    write: Callable[[Path], Path]
    options: dict[str, str] = field(default_factory=dict)


def save_specimen(name: str, folder: Path) -> Path:
    """Write a specimen; returns what --checkpoint takes. Raises `UsageError` for an unknown name, ModuleNotFoundError
    where a package isn't installed."""
    if name not in SPECIMENS:
        raise UsageError(f"no specimen {name!r}; there are {', '.join(SPECIMENS)}")
    folder.mkdir(parents=True, exist_ok=True)
    return SPECIMENS[name].write(folder)


def _dfine(folder: Path) -> Path:
    from edgecap.export.specimens.detectors import save_dfine

    save_dfine(folder, side=DETECTOR_SIDE)
    return folder


def _rtdetr(folder: Path) -> Path:
    from edgecap.export.specimens.detectors import save_rtdetr

    save_rtdetr(folder, side=DETECTOR_SIDE)
    return folder


def _yolo(folder: Path) -> Path:
    from edgecap.export.specimens.yolo import save_yolo

    return save_yolo(folder / "yolo11n.pt", name="yolo11n", image_side=DETECTOR_SIDE)


def _sam2(folder: Path) -> Path:
    from edgecap.export.sam2.specimen import save_specimen as save_sam2

    return save_sam2(folder, size="tiny", image_side=512)


def _smolvlm(folder: Path) -> Path:
    from edgecap.export.specimens.smolvlm import save_smolvlm

    save_smolvlm(folder)
    return folder


def _qwen(folder: Path) -> Path:
    from edgecap.export.specimens.qwen import TRUE_3B_TEXT, TRUE_3B_VISION, save_qwen

    # The sections of M-RoPE belong to heads of 128.
    save_qwen(folder, vision=TRUE_3B_VISION, text=TRUE_3B_TEXT, sections=(16, 24, 24), tied=True, dtype="bfloat16")
    return folder


def _ready_made(folder: Path) -> Path:
    from edgecap.export.specimens.hub_onnx import without_weights, write_hub_onnx
    from edgecap.export.specimens.smolvlm import save_smolvlm

    source = folder / "source"
    write_hub_onnx(source, save_smolvlm(source))
    return without_weights(source, folder / "onnx-community")


def _tfjs(folder: Path) -> Path:
    from edgecap.export.specimens.tfjs import save_nanodet

    return save_nanodet(folder)


_SIDE = {"image_side": str(DETECTOR_SIDE)}
SPECIMENS: dict[str, Specimen] = {
    "dfine": Specimen(
        "dfine", "D-FINE-N, 2 of 3 decoder layers, 320 px", ("fp32", "int8", "fp16"), _dfine, options=_SIDE
    ),
    "rtdetr": Specimen(
        "dfine", "RT-DETR-r18, 2 of 3 decoder layers, 320 px", ("fp32", "int8", "fp16"), _rtdetr, options=_SIDE
    ),
    "yolo": Specimen("yolo", "YOLO11n, whole, 320 px", ("fp32", "int8", "fp16"), _yolo, options=_SIDE),
    "sam2": Specimen("sam2", "SAM2.1-tiny, whole, 512 px", ("fp32", "int8", "fp16"), _sam2),
    "smolvlm": Specimen("smolvlm", "SmolVLM-256M, 2 + 2 of 12 + 30 layers", ("fp32", "int8", "int4"), _smolvlm),
    "qwen2_5_vl": Specimen(
        "qwen2_5_vl",
        "Qwen2.5-VL-3B, 2 + 2 of 32 + 36 layers, 4096 of 151936 tokens",
        ("fp32", "int8", "int4"),
        _qwen,
        options={"views": "2"},
    ),
    "tfjs": Specimen(
        "tfjs", "NanoDet-g's outputs over 3 + 6 convolutions, 320 px", ("fp32", "int8", "fp16"), _tfjs, options=_SIDE
    ),
    "ready-made": Specimen(
        "ready-made", "SmolVLM-256M as three ONNX files, 2 + 2 layers", ("fp32", "int8", "int4"), _ready_made
    ),
}
