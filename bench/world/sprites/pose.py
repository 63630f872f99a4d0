"""Pose: the phase of the gait and of the gesture, which is all that a sprite's drawing depends on."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, slots=True)
class Pose:
    """Phases in radians; the rest pose is `Pose()`."""

    stride: float | None = None
    """Gait phase while the whole body moves; None when it stands."""
    gesture: str | None = None
    """Name of the gesture, None for none."""
    beat: float = 0.0
    """Gesture phase."""

    def gait(self) -> float:
        """Sine of the gait in [-1, 1]; 0 when standing."""
        return 0.0 if self.stride is None else float(np.sin(self.stride))

    def lift(self, gesture: str) -> float:
        """How far a one-sided gesture is carried out, in [0, 1]; 0 unless `gesture` is the one performed."""
        return 0.5 - 0.5 * float(np.cos(self.beat)) if self.gesture == gesture else 0.0

    def swing(self, gesture: str) -> float:
        """Two-sided gesture in [-1, 1]; 0 unless `gesture` is the one performed."""
        return float(np.sin(self.beat)) if self.gesture == gesture else 0.0

    def lit(self, gesture: str = "flash") -> bool:
        """Lights on: half of each period."""
        return self.gesture == gesture and float(np.cos(self.beat)) < 0.0
