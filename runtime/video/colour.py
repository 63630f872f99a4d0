"""Colours of wide and high-dynamic-range video into those of BT.709 displays, from which colours are named.

In: RGB of a video's own transfer function and primaries, 16 bits. Out: RGB as a BT.709 display shows it, 8 bits.

    signal -> light of the display, white = 1 -> BT.709 primaries -> brighter than white scaled, hue kept -> signal

Sources: SMPTE ST 2084 (PQ); ITU-R BT.2100-2, tables 4 and 5 (PQ, HLG and its system gamma); ITU-R BT.2408-7, 2.2
(reference white 203 cd/m2, 75 % of HLG); ITU-R BT.2087-0 (BT.2020 to BT.709); IEC 61966-2-1 (the
display's curve); SMPTE EG 432-1 (P3).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import cv2
import numpy as np
from av.sidedata.sidedata import Type as SideDataType
from av.video.frame import VideoFrame
from av.video.reformatter import ColorPrimaries, ColorTrc
from numpy.typing import NDArray

WHITE_NITS = 203.0
_PQ_PEAK_NITS = 10_000.0
_HLG_PEAK_NITS, _HLG_GAMMA = 1_000.0, 1.2
_LEVELS = 4096  # steps of the tables: 12 bits

Transfer = Literal["gamma", "pq", "hlg"]
_PLAIN = {
    ColorTrc.BT709, ColorTrc.UNSPECIFIED, ColorTrc.GAMMA22, ColorTrc.GAMMA28, ColorTrc.SMPTE170M, ColorTrc.SMPTE240M,
    ColorTrc.IEC61966_2_4, ColorTrc.BT1361_ECG, ColorTrc.IEC61966_2_1, ColorTrc.BT2020_10, ColorTrc.BT2020_12, 0,
}  # fmt: skip
# What differs little from BT.709: its colours keep their names.
_NEAR_709 = {
    ColorPrimaries.BT709, ColorPrimaries.UNSPECIFIED, ColorPrimaries.BT470BG, ColorPrimaries.SMPTE170M,
    ColorPrimaries.SMPTE240M, ColorPrimaries.EBU3213, ColorPrimaries.BT470M, 0,
}  # fmt: skip
# Linear RGB of other primaries into linear RGB of BT.709 (white point D65 for all).
_TO_709 = {
    ColorPrimaries.BT2020: ((1.6605, -0.5876, -0.0728), (-0.1246, 1.1329, -0.0083), (-0.0182, -0.1006, 1.1187)),
    ColorPrimaries.SMPTE432: ((1.2249, -0.2249, 0.0), (-0.0420, 1.0420, 0.0), (-0.0196, -0.0786, 1.0983)),
}
# Matrices of coded components that swscale does not undo: ICtCp, chroma-derived, IPT-PQ (codes of ITU-T H.273).
_STRANGE_MATRICES = {11: "Y'D'zD'x", 12: "chroma-derived", 13: "chroma-derived", 14: "ICtCp", 15: "IPT-PQ-C2"}
_HDR_TRANSFERS: dict[int, Transfer] = {ColorTrc.SMPTE2084: "pq", ColorTrc.ARIB_STD_B67: "hlg"}


@dataclass(frozen=True, slots=True)
class ColourKind:
    """What a frame says of its colours. `unknown`: why they can't be converted, or None."""

    transfer: Transfer = "gamma"
    primaries: int = int(ColorPrimaries.BT709)
    unknown: str | None = None

    @classmethod
    def of(cls, frame: VideoFrame) -> ColourKind:
        """Read from the frame's own tags, which the decoder takes from the stream or its container."""
        trc, primaries, matrix = int(frame.color_trc), int(frame.color_primaries), int(frame.colorspace)
        if matrix in _STRANGE_MATRICES:
            return cls(unknown=f"{_STRANGE_MATRICES[matrix]} components")
        if matrix == 2 and trc == 2 and _has_dolby_vision(frame):
            return cls(unknown="Dolby Vision without a compatible base layer")
        transfer = _HDR_TRANSFERS.get(trc, "gamma")
        if transfer == "gamma" and trc not in _PLAIN:
            return cls(unknown=f"transfer function {trc} of ITU-T H.273")
        if primaries in _NEAR_709:
            # PQ and HLG exist with BT.2020 only; a file that leaves its primaries out means those.
            guessed = transfer != "gamma" and primaries in (int(ColorPrimaries.UNSPECIFIED), 0)
            return cls(transfer, int(ColorPrimaries.BT2020 if guessed else ColorPrimaries.BT709))
        if primaries not in _TO_709:
            return cls(unknown=f"colour primaries {primaries} of ITU-T H.273")
        return cls(transfer, primaries)

    @property
    def is_plain(self) -> bool:
        """Nothing to convert."""
        return self.unknown is not None or (self.transfer == "gamma" and self.primaries == ColorPrimaries.BT709)


def _has_dolby_vision(frame: VideoFrame) -> bool:
    side: Any = frame.side_data
    return any(data.type in (SideDataType.DOVI_METADATA, SideDataType.DOVI_RPU_BUFFER) for data in side)


class ColourConverter:
    """Converts pictures of one kind. Tables are made once."""

    def __init__(self, kind: ColourKind) -> None:
        self._kind = kind
        signal = np.linspace(0.0, 1.0, _LEVELS)
        self._light = {"pq": pq_light, "hlg": hlg_scene_light, "gamma": display_light}[kind.transfer](signal).astype(
            np.float32
        )
        # By the root of light: its equal steps are fine where a signal's are, in the dark.
        self._signal = np.round(255 * display_signal(signal**2)).astype(np.uint8)
        matrix = _TO_709.get(ColorPrimaries(kind.primaries))
        self._matrix = None if matrix is None else np.asarray(matrix, np.float32)

    def to_bt709(self, rgb: NDArray[np.uint16]) -> NDArray[np.uint8]:
        """uint16 [H, W, 3] of full range -> uint8 [H, W, 3]."""
        light = self._light[rgb >> 4]
        if self._kind.transfer == "hlg":
            luminance = np.maximum(light @ np.asarray((0.2627, 0.6780, 0.0593), np.float32), 1e-6)
            light = light * (_HLG_PEAK_NITS / WHITE_NITS * luminance ** (_HLG_GAMMA - 1))[..., None]
        if self._matrix is not None:
            light = cv2.transform(light, self._matrix)
        light = np.maximum(light, 0.0)
        light = light / np.maximum(light.max(2, keepdims=True), 1.0)
        return np.asarray(self._signal[np.round(np.sqrt(light) * (_LEVELS - 1)).astype(np.int32)], np.uint8)


def pq_light(signal: NDArray[np.float64]) -> NDArray[np.float64]:
    """ST 2084: signal 0-1 -> light of the display, reference white = 1."""
    m1, m2 = 2610 / 16384, 2523 / 4096 * 128
    c1, c2, c3 = 3424 / 4096, 2413 / 4096 * 32, 2392 / 4096 * 32
    root = np.power(signal, 1 / m2)
    nits = _PQ_PEAK_NITS * np.power(np.maximum(root - c1, 0) / (c2 - c3 * root), 1 / m1)
    return np.asarray(nits / WHITE_NITS, np.float64)


def hlg_scene_light(signal: NDArray[np.float64]) -> NDArray[np.float64]:
    """BT.2100 inverse OETF: signal 0-1 -> light of the scene, 0-1."""
    a, b, c = 0.17883277, 0.28466892, 0.55991073
    return np.where(signal <= 0.5, signal**2 / 3, (np.exp((signal - c) / a) + b) / 12)


def display_light(signal: NDArray[np.float64]) -> NDArray[np.float64]:
    """IEC 61966-2-1: signal 0-1 of an everyday display -> its light, 0-1."""
    return np.where(signal <= 0.04045, signal / 12.92, ((signal + 0.055) / 1.055) ** 2.4)


def display_signal(light: NDArray[np.float64]) -> NDArray[np.float64]:
    """The inverse of `display_light`."""
    return np.where(light <= 0.0031308, light * 12.92, 1.055 * light ** (1 / 2.4) - 0.055)
