"""Suite-wide rule: a test marked `gpu` skips at home and fails in the job that is meant to have the device."""

from __future__ import annotations

import os
import signal
import tempfile

import pytest

from edgecap.engines import probe_device


def pytest_runtest_setup(item: pytest.Item) -> None:
    """`gpu` skips at home and fails where a GPU is promised: that job must not pass by skipping."""
    if item.get_closest_marker("gpu") is None or probe_device().gpus:
        return
    if os.environ.get("EDGECAP_REQUIRE_GPU") == "1":
        pytest.fail(f"EDGECAP_REQUIRE_GPU=1, but {probe_device().no_gpu_reason}")
    pytest.skip(probe_device().no_gpu_reason)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Slow modules first: with a worker a core, what takes longest must not be what starts last."""
    items.sort(key=lambda item: item.get_closest_marker("slow") is None)


def pytest_configure(config: pytest.Config) -> None:
    """A shell that starts the suite in the background makes it ignore Ctrl-C, and its children with it; the tests of
    Ctrl-C need the signal as a person's terminal gives it."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    # Engines that a developer has built for this machine must not serve the tests; those that want a store make one.
    os.environ["EDGECAP_PACKS"] = os.path.join(tempfile.gettempdir(), f"edgecap-tests-{os.getpid()}", "no-packs")
    os.environ["EDGECAP_ENGINES"] = os.path.join(tempfile.gettempdir(), f"edgecap-tests-{os.getpid()}", "no-engines")
