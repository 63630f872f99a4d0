"""Ctrl-C and SIGTERM: complete records stay, the second signal ends a run that is stuck."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest

from edgecap.runtime.config import PipelineConfig
from edgecap.runtime.data.record import Record
from edgecap.runtime.pipeline.collect import CollectSink
from edgecap.runtime.pipeline.pipeline import Pipeline
from tests.runtime.pipeline.fake_videos import rig_of


@pytest.mark.parametrize("overlap", [False, True], ids=["serial", "threads"])
def test_ctrl_c_leaves_complete_records(tmp_path: Path, overlap: bool) -> None:
    rig, paths = rig_of(tmp_path, ("a.mp4", 3600.0))

    class Interrupts(CollectSink):
        def write(self, record: Record) -> None:
            if len(self.records) == 1:
                os.kill(os.getpid(), signal.SIGINT)
                time.sleep(0.05)  # the handler runs here, in the middle of a write, and must not raise
            super().write(record)

    sink = Interrupts()
    summary = Pipeline(PipelineConfig(window_seconds=2.0), stages=rig.stages()).run(paths, [sink], overlap=overlap)
    assert summary.interrupted and summary.exit_code == 130
    assert 2 <= len(sink.records) <= 8
    assert [r.window.clip_index for r in sink.records] == list(range(len(sink.records)))
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    with pytest.raises(KeyboardInterrupt):
        summary.raise_for_failures()


ENDLESS = textwrap.dedent("""
    import sys, threading, time
    from edgecap.runtime.pipeline.interrupt import stop_on_interrupt
    from edgecap.runtime.pipeline.queues import SourceStage, Stage, StopSignal, run_stages
    from edgecap.runtime.pipeline.stage_clock import StageClock

    def stuck(item):
        print("stuck", flush=True)
        while True:
            time.sleep(0.05)

    stop = StopSignal()
    with stop_on_interrupt(stop):
        try:
            run_stages(SourceStage("source", [1]), [Stage("stuck", stuck), Stage("last", lambda item: [])],
                       clock=StageClock(), stop=stop, overlap=True)
        except KeyboardInterrupt:
            print("out", flush=True)
            sys.exit(130)
""")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_second_signal_ends_a_run_that_is_stuck(number: signal.Signals) -> None:
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    process = subprocess.Popen([sys.executable, "-c", ENDLESS], stdout=subprocess.PIPE, text=True, env=environment)
    assert process.stdout is not None
    try:
        assert process.stdout.readline() == "stuck\n"
        process.send_signal(number)
        time.sleep(0.3)
        assert process.poll() is None, "the first one waits for good order"
        process.send_signal(number)
        assert process.wait(timeout=10) == 130
        assert process.stdout.readline() == "out\n"
    finally:
        process.kill()
        process.stdout.close()


def test_sigterm_leaves_complete_records_too(tmp_path: Path) -> None:
    rig, paths = rig_of(tmp_path, ("a.mp4", 3600.0))

    class Terminates(CollectSink):
        def write(self, record: Record) -> None:
            super().write(record)
            os.kill(os.getpid(), signal.SIGTERM)
            time.sleep(0.05)

    summary = Pipeline(PipelineConfig(window_seconds=2.0), stages=rig.stages()).run(
        paths, [Terminates()], overlap=False
    )
    assert summary.interrupted and summary.exit_code == 130
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
