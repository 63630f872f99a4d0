"""The colour statistics that a checkpoint's pictures are normalised with.

In: a checkpoint folder. Out: mean and std per channel, of values 0-1.
"""

from __future__ import annotations

import json
from pathlib import Path

from edgecap.engines.errors import CheckpointError

Triple = tuple[float, float, float]


FILES = ("preprocessor_config.json", "processor_config.json", "video_preprocessor_config.json")


def image_stats(folder: Path, *, default: tuple[Triple, Triple] | None = None) -> tuple[Triple, Triple]:
    """(mean, std) out of the first of `FILES` that gives them, or of the image processor inside it; `default` where
    none does.

    Raises `CheckpointError` where they can't be read, and where there is no default either.
    """
    for path in (folder / name for name in FILES):
        if not path.is_file():
            continue
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
            held = content.get("image_processor", content)
            if "image_mean" not in held:
                continue
            mean, std = ([float(v) for v in held[key]] for key in ("image_mean", "image_std"))
        except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
            raise CheckpointError(
                f"{path}: image_mean and image_std can't be read ({error}); fetch it again"
            ) from error
        if len(mean) != 3 or len(std) != 3 or min(std) <= 0:
            raise CheckpointError(f"{path}: expected 3 channels and std above 0, got mean {mean} and std {std}")
        return (mean[0], mean[1], mean[2]), (std[0], std[1], std[2])
    if default is not None:
        return default
    raise CheckpointError(
        f"{folder}: neither preprocessor_config.json nor processor_config.json gives image_mean and image_std; "
        "fetch preprocessor_config.json too"
    )
