"""Where records go. Every sink is a context manager with `write(record)` and `fail(failed)`; path None
makes it a no-op."""

from __future__ import annotations

from edgecap.runtime.sinks.annotated_video import AnnotatedVideoSink
from edgecap.runtime.sinks.earlier import EarlierRun
from edgecap.runtime.sinks.html_report import HtmlReportSink
from edgecap.runtime.sinks.jsonl import JsonLinesSink
from edgecap.runtime.sinks.srt import SrtSink

__all__ = ["AnnotatedVideoSink", "EarlierRun", "HtmlReportSink", "JsonLinesSink", "SrtSink"]
