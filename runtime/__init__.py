"""The stream: a video in, instance-aware structured captions out.

    from edgecap.runtime import caption_video
    rows = caption_video("clip.mp4")

Names are loaded when first used, so `import edgecap.runtime` opens no video library and no engine.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from edgecap.runtime.config import PipelineConfig, StageThreads, make_config
    from edgecap.runtime.data.record import FailedVideo, Record
    from edgecap.runtime.output.jsonl import JsonLinesSink
    from edgecap.runtime.output.pictures.annotated_video import AnnotatedVideoSink
    from edgecap.runtime.output.pictures.report import HtmlReportSink
    from edgecap.runtime.output.row import record_to_json
    from edgecap.runtime.output.srt import SrtSink
    from edgecap.runtime.pipeline.collect import CollectSink, caption_video
    from edgecap.runtime.pipeline.pipeline import Pipeline
    from edgecap.runtime.pipeline.summary import RunSummary

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
    "AnnotatedVideoSink": "output.pictures.annotated_video",
    "CollectSink": "pipeline.collect",
    "FailedVideo": "data.record",
    "HtmlReportSink": "output.pictures.report",
    "JsonLinesSink": "output.jsonl",
    "Pipeline": "pipeline.pipeline",
    "PipelineConfig": "config",
    "Record": "data.record",
    "RunSummary": "pipeline.summary",
    "SrtSink": "output.srt",
    "StageThreads": "config",
    "caption_video": "pipeline.collect",
    "make_config": "config",
    "record_to_json": "output.row",
}


def __getattr__(name: str) -> Any:
    if name in _HOME:
        return getattr(importlib.import_module(f"{__name__}.{_HOME[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
