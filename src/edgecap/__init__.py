"""edgecap: instance-aware structured video captions, streamed from compiled engines on one device.

    import edgecap

    rows = edgecap.caption_video("clip.mp4")

    with edgecap.Captioner(detector=my_function) as captioner:
        for clip in captioner.stream("street.mp4"):
            print(clip.text)

Names are loaded when first used: `import edgecap` opens no video library and no engine.
"""

from __future__ import annotations

import importlib
import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from edgecap.engines.errors import EdgecapError, EngineError, InputError, PackError, UsageError
    from edgecap.runtime.api.clip import Clip, Instance
    from edgecap.runtime.api.video_captioner import VideoCaptioner as Captioner
    from edgecap.runtime.pipeline.collect import caption_video

__version__ = "0.1.0"

# Nothing is sent or stored that was not asked for. ONNX Runtime (a device id, a database of events, a look-up of a host)
# and huggingface_hub read these when they are imported; what the user has set stays.
for _switch in ("ORT_DISABLE_TELEMETRY", "HF_HUB_DISABLE_TELEMETRY"):
    os.environ.setdefault(_switch, "1")

__all__ = [
    "Captioner",
    "Clip",
    "EdgecapError",
    "EngineError",
    "InputError",
    "Instance",
    "PackError",
    "UsageError",
    "__version__",
    "caption_video",
]

_HOME = {
    "Captioner": ("runtime.api.video_captioner", "VideoCaptioner"),
    "Clip": ("runtime.api.clip", "Clip"),
    "EdgecapError": ("engines.errors", "EdgecapError"),
    "EngineError": ("engines.errors", "EngineError"),
    "InputError": ("engines.errors", "InputError"),
    "Instance": ("runtime.api.clip", "Instance"),
    "PackError": ("engines.errors", "PackError"),
    "UsageError": ("engines.errors", "UsageError"),
    "caption_video": ("runtime.pipeline.collect", "caption_video"),
}


def __getattr__(name: str) -> object:
    if name in _HOME:
        module, attribute = _HOME[name]
        return getattr(importlib.import_module(f"{__name__}.{module}"), attribute)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
