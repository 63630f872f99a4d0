"""Decoded pictures of one video into upright RGB arrays of one size, in the colours of a BT.709 display."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np
from av.sidedata.sidedata import Type as SideDataType
from av.video.frame import VideoFrame
from av.video.reformatter import Colorspace, Interpolation, VideoReformatter
from numpy.typing import NDArray

from edgecap.runtime.video.colour import ColourConverter, ColourKind
from edgecap.runtime.video.geometry import Orientation, fitted_size, square_pixel_size, with_bars


class Picture:
    """`size_wh`: of the displayed picture, square pixels; `working_size_wh`: of every array, its long side at most
    `working_side`. Both are the first picture's: a later one of another shape is fitted into them. `colours`: the
    first one's.

    Scaling happens inside the decoder's colour conversion, so a 4K file never becomes a 4K RGB array.
    """

    def __init__(self, first: VideoFrame, *, pixel_aspect: Fraction | None, working_side: int) -> None:
        orientation = Orientation.of_matrix(_matrix(first))
        width, height = square_pixel_size(first.width, first.height, pixel_aspect)
        size = (height, width) if orientation.transposed else (width, height)
        scale = min(1.0, working_side / max(size))
        self.size_wh = max(1, round(size[0])), max(1, round(size[1]))
        self.working_size_wh = max(1, round(size[0] * scale)), max(1, round(size[1] * scale))
        self.rotation_degrees = orientation.rotation_degrees
        self.colours = ColourKind.of(first)
        self._scaler = VideoReformatter()
        self._converters: dict[ColourKind, ColourConverter] = {}

    def upright_rgb(self, raw: VideoFrame, pixel_aspect: Fraction | None) -> NDArray[np.uint8]:
        """uint8 [H, W, 3] of `working_size_wh`, contiguous. A picture of another shape has black bars."""
        orientation = Orientation.of_matrix(_matrix(raw))
        size = square_pixel_size(raw.width, raw.height, pixel_aspect)
        into = self.working_size_wh[::-1] if orientation.transposed else self.working_size_wh
        image = orientation.apply(self._rgb(raw, fitted_size(size, into)))
        return with_bars(image, self.working_size_wh)

    def _rgb(self, raw: VideoFrame, size_wh: tuple[int, int]) -> NDArray[np.uint8]:
        kind = ColourKind.of(raw)
        small = self._scaler.reformat(
            raw,
            width=size_wh[0],
            height=size_wh[1],
            format="rgb24" if kind.is_plain else "rgb48le",
            interpolation=Interpolation.AREA,
            # Refused otherwise; the shapes are right, and no colour is reported.
            src_colorspace=None if kind.unknown is None else Colorspace.ITU709,
        )
        if kind.is_plain:
            return np.asarray(small.to_ndarray(), np.uint8)
        if kind not in self._converters:
            self._converters[kind] = ColourConverter(kind)
        return self._converters[kind].to_bt709(np.asarray(small.to_ndarray(), np.uint16))


def _matrix(frame: VideoFrame) -> bytes | None:
    side: Any = frame.side_data
    return next((bytes(data) for data in side if data.type == SideDataType.DISPLAYMATRIX), None)
