"""Local linear smoothing over time: the one low-pass that camera path and instance motion share.

In: values at uneven times. Out: smoothed values at the same times. Pure numpy; T is at most a few hundred.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def local_linear(
    times: NDArray[np.float64],
    values: NDArray[np.float64],
    *,
    half_width_seconds: float,
    weights: NDArray[np.float64] | None = None,
) -> NDArray[np.float64]:
    """Smooth `values` float64 [T, D], seen at rising `times` [T] in seconds; returns float64 [T, D].

    At every time a straight line is fitted to its neighbours, weighted by an Epanechnikov kernel of
    `half_width_seconds` times `weights` [T] (> 0, default 1). Unlike a moving average it does not lag at the
    ends of a steady movement. Where samples are sparse the kernel widens to reach the second nearest
    neighbour.
    """
    count = len(times)
    if count < 3:
        return values.astype(np.float64, copy=True)
    gaps = np.abs(times[:, None] - times[None, :])  # [T, T]
    reach = np.maximum(half_width_seconds, 1.1 * np.sort(gaps, axis=1)[:, 2])
    kernel = np.clip(1.0 - (gaps / reach[:, None]) ** 2, 0.0, None)
    if weights is not None:
        kernel = kernel * weights[None, :]
    kernel /= kernel.sum(1, keepdims=True)
    offsets = times[None, :] - times[:, None]
    mean_offset = (kernel * offsets).sum(1)
    spread = (kernel * offsets**2).sum(1) - mean_offset**2
    mean_value = kernel @ values
    covariance = (kernel * offsets) @ values - mean_offset[:, None] * mean_value
    slope = covariance / np.maximum(spread, 1e-9)[:, None]
    smoothed: NDArray[np.float64] = mean_value - slope * mean_offset[:, None]
    return smoothed
