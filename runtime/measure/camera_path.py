"""The camera's path over a window: its steps composed.

In: the `camera_step` of every observation (runtime/perceive/camera_step.py). Out: `CameraPath`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgecap.runtime.data.window import Observation


@dataclass(frozen=True, slots=True)
class CameraPath:
    """Where the camera's view was in every observation, relative to the others.

    Coordinates are frame widths on both axes, y down. `to_first` float64 [T, 3, 3] maps a frame's coordinates
    to those of the first frame of its stretch; `stretches` int64 [T] numbers the stretches without a missing
    step; `aspect` is H / W.
    """

    to_first: NDArray[np.float64]
    stretches: NDArray[np.int64]
    aspect: float

    def between(self, *, source: int | NDArray[np.int64], target: int) -> NDArray[np.float64]:
        """float64 [..., 3, 3] from the coordinates of observation(s) `source` [...] to those of `target`, all of one
        stretch."""
        if (self.stretches[source] != self.stretches[target]).any():
            raise ValueError(f"no camera path from observation {source} to {target}: a step is missing")
        matrix = np.linalg.solve(self.to_first[target], self.to_first[source])
        scaled: NDArray[np.float64] = matrix / matrix[..., 2:, 2:]
        return scaled

    def carried(
        self, points_xy: NDArray[np.float64], *, sources: NDArray[np.int64], target: int
    ) -> NDArray[np.float64]:
        """Where background points [N, 2], each of one of the observations `sources` [N], are in `target`: [N, 2]."""
        homogeneous = np.column_stack([points_xy, np.ones(len(points_xy))])[..., None]
        moved = (self.between(source=sources, target=target) @ homogeneous)[..., 0]
        carried: NDArray[np.float64] = moved[:, :2] / moved[:, 2:]
        return carried


def camera_path(observations: Sequence[Observation], *, aspect: float) -> CameraPath:
    """Compose the steps; the first observation's own step (from the window before) is not used. T >= 1."""
    to_first = np.empty((len(observations), 3, 3))
    stretches = np.zeros(len(observations), np.int64)
    to_first[0] = np.eye(3)
    for i, observation in enumerate(observations[1:], start=1):
        if observation.camera_step is None:
            to_first[i], stretches[i] = np.eye(3), stretches[i - 1] + 1
        else:
            composed = to_first[i - 1] @ np.linalg.inv(in_widths(observation.camera_step, aspect))
            to_first[i], stretches[i] = composed / composed[2, 2], stretches[i - 1]
    return CameraPath(to_first=to_first, stretches=stretches, aspect=aspect)


def mapped(
    matrix: NDArray[np.float64], point_xy: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Where a homography [3, 3] takes a point, float64 [2], and its Jacobian there, float64 [2, 2]."""
    moved = matrix @ np.array([point_xy[0], point_xy[1], 1.0])
    point: NDArray[np.float64] = moved[:2] / moved[2]
    return point, (matrix[:2, :2] - np.outer(point, matrix[2, :2])) / moved[2]


def in_widths(step: NDArray[np.float64], aspect: float) -> NDArray[np.float64]:
    """The step between relative coordinates, as one between frame widths: without it a roll would be a
    shear."""
    scale = np.diag([1.0, aspect, 1.0])
    matrix: NDArray[np.float64] = scale @ step @ np.linalg.inv(scale)
    return matrix
