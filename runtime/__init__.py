"""The stream: a video in, instance-aware structured captions out.

    from edgecap.runtime import caption_video
    rows = caption_video("clip.mp4")

Names are loaded when first used, so `import edgecap.runtime` opens no video library and no engine.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from edgecap.runtime.api import CollectSink, caption_video
    from edgecap.runtime.config import PipelineConfig, StageThreads, make_config
    from edgecap.runtime.pipeline import Pipeline
    from edgecap.runtime.record import FailedVideo, Record
    from edgecap.runtime.record_json import record_to_json
    from edgecap.runtime.sinks import AnnotatedVideoSink, HtmlReportSink, JsonLinesSink, SrtSink
    from edgecap.runtime.summary import RunSummary

__all__ = [
    "AnnotatedVideoSink",
    "CollectSink",
    "FailedVideo",
    "HtmlReportSink",
    "JsonLinesSink",
    "Pipeline",
    "PipelineConfig",
    "Record",
    "RunSummary",
    "SrtSink",
    "StageThreads",
    "caption_video",
    "make_config",
    "record_to_json",
]

_HOME = {
    "AnnotatedVideoSink": "sinks",
    "CollectSink": "api",
    "FailedVideo": "record",
    "HtmlReportSink": "sinks",
    "JsonLinesSink": "sinks",
    "Pipeline": "pipeline",
    "PipelineConfig": "config",
    "Record": "record",
    "RunSummary": "summary",
    "SrtSink": "sinks",
    "StageThreads": "config",
    "caption_video": "api",
    "make_config": "config",
    "record_to_json": "record_json",
}


def __getattr__(name: str) -> Any:
    if name in _HOME:
        return getattr(importlib.import_module(f"{__name__}.{_HOME[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
