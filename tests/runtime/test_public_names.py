"""What `edgecap.runtime` offers, and what it must not drag in."""

from __future__ import annotations

import subprocess
import sys

import pytest

import edgecap.runtime as runtime

PUBLIC = [
    "AnnotatedVideoSink", "CollectSink", "FailedVideo", "HtmlReportSink", "JsonLinesSink", "Pipeline", "PipelineConfig",
    "Record", "RunSummary", "SrtSink", "StageThreads", "caption_video", "make_config", "record_to_json",
]  # fmt: skip


def test_public_names_are_these_and_all_load() -> None:
    assert runtime.__all__ == PUBLIC
    assert dir(runtime) == PUBLIC
    assert all(getattr(runtime, name).__module__.startswith("edgecap.runtime.") for name in PUBLIC)
    with pytest.raises(AttributeError, match="no attribute 'torch'"):
        runtime.torch  # noqa: B018


@pytest.mark.parametrize(
    ("statement", "absent"),
    [
        ("import edgecap.runtime", ("torch", "transformers", "onnx", "cv2", "av", "numpy", "onnxruntime")),
        (
            "from edgecap.runtime import Pipeline; import edgecap.runtime.pipeline.open",
            ("torch", "transformers", "onnx"),
        ),
        ("import edgecap.cli.main", ("torch", "transformers", "onnx", "cv2", "av", "numba")),
    ],
    ids=["runtime", "pipeline", "cli"],
)
def test_importing_stays_light(statement: str, absent: tuple[str, ...]) -> None:
    code = f"{statement}; import sys; print(*sorted(m for m in {absent!r} if m in sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []
