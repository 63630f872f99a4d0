"""All checks that need a GPU, in one run, as one JSON file: `python -m edgecap.bench.gpu.check --out FILE`.

In: a machine, perhaps bare. Out: a JSON with a status and a reason for every part. Each part runs in a process of its
own with a time limit, so that a crash in a driver or an endless build leaves the parts after it alone. All together
take less than 8 minutes.
"""

from __future__ import annotations

import argparse
import json
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from edgecap.bench.gpu.parts import PARTS, PartContext, reason_of
from edgecap.engines.errors import OutputError
from edgecap.runtime.output.files import replace_text, writing

SCHEMA_VERSION = 1
BUDGET_SECONDS = 460.0
_LEAST_SECONDS = 5.0


def check_gpu(
    out: Path, *, context: PartContext, parts: tuple[str, ...] = tuple(PARTS), budget_seconds: float = BUDGET_SECONDS
) -> dict[str, Any]:
    """Run `parts` in order and write `out` after each, so that an interrupted run keeps its results.

    Returns what was written: {"schema_version", "seconds", "context", "parts": {name: {"status": "ok" | "failed" |
    "skipped", "reason", "seconds", "data"}}}. Raises `OutputError` where `out` can't be written.
    """
    started = time.monotonic()
    report: dict[str, Any] = {
        "schema_version": SCHEMA_VERSION,
        "context": {name: getattr(context, name) for name in ("pack", "provider", "clip_seconds", "calls")},
        "seconds": 0.0,
        "parts": {},
    }
    _write(out, report)
    for name in parts:
        left = budget_seconds - (time.monotonic() - started)
        if left < _LEAST_SECONDS:
            report["parts"][name] = _result("skipped", f"no time left of {budget_seconds:g} s")
        else:
            report["parts"][name] = _run_part(name, context, limit_seconds=min(PARTS[name][1], left))
        report["seconds"] = round(time.monotonic() - started, 1)
        _write(out, report)
    return report


def _run_part(name: str, context: PartContext, *, limit_seconds: float) -> dict[str, Any]:
    """One part in its own process."""
    started = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="edgecap-gpu-check-") as folder:
        answer = Path(folder) / "answer.json"
        command = [sys.executable, "-m", "edgecap.bench.gpu.check", "--part", name, "--out", str(answer)]
        command += ["--pack", context.pack, "--provider", context.provider]
        command += ["--clip-seconds", str(context.clip_seconds), "--calls", str(context.calls)]
        try:
            done = subprocess.run(command, capture_output=True, text=True, errors="replace", timeout=limit_seconds)
        except subprocess.TimeoutExpired:
            return _result("failed", f"stopped after {limit_seconds:.0f} s", time.monotonic() - started)
        if answer.is_file():
            result: dict[str, Any] = json.loads(answer.read_text(encoding="utf-8"))
        else:
            result = _result("failed", _death(done))
    return result | {"seconds": round(time.monotonic() - started, 1)}


def _part_process(name: str, context: PartContext) -> dict[str, Any]:
    """What the part's own process answers."""
    try:
        return _result("ok", "", data=PARTS[name][0](context))
    except Exception as error:
        return _result("failed", reason_of(error))


def _death(done: subprocess.CompletedProcess[str]) -> str:
    """How a process ended that left no answer."""
    last = (done.stderr.strip().splitlines() or ["no message"])[-1][:300]
    if done.returncode < 0:
        return f"killed by {signal.Signals(-done.returncode).name}: {last}"
    return f"ended with code {done.returncode}: {last}"


def _result(status: str, reason: str, seconds: float = 0.0, data: dict[str, Any] | None = None) -> dict[str, Any]:
    return {"status": status, "reason": reason, "seconds": round(seconds, 1), "data": data or {}}


def _write(out: Path, report: dict[str, Any]) -> None:
    with writing(out):
        out.parent.mkdir(parents=True, exist_ok=True)
    replace_text(out, iter([json.dumps(report, indent=1) + "\n"]))


def main(arguments: list[str] | None = None) -> int:
    """The command. Exit code 0 where every part was ok, 1 where one was not, 4 where the file can't be written."""
    parser = argparse.ArgumentParser(
        prog="python -m edgecap.bench.gpu.check", description=(__doc__ or "").split("\n")[0]
    )
    parser.add_argument("--out", type=Path, required=True, metavar="FILE")
    parser.add_argument("--part", choices=list(PARTS), help="run one part in this process and write its answer")
    parser.add_argument("--only", choices=list(PARTS), action="append", help="only this part; may be repeated")
    parser.add_argument("--pack", default="nano", metavar="NAME|DIR")
    parser.add_argument("--provider", default="cuda", choices=["cuda", "tensorrt", "cpu"])
    parser.add_argument("--clip-seconds", type=float, default=60.0)
    parser.add_argument("--calls", type=int, default=50)
    given = parser.parse_args(arguments)
    context = PartContext(pack=given.pack, provider=given.provider, clip_seconds=given.clip_seconds, calls=given.calls)
    try:
        if given.part:
            _write(given.out, _part_process(given.part, context))
            return 0
        report = check_gpu(given.out, context=context, parts=tuple(given.only or PARTS))
    except OutputError as error:
        print(f"gpu_check: {error}", file=sys.stderr)
        return OutputError.exit_code
    for name, part in report["parts"].items():
        print(f"{name:10s} {part['status']:8s} {part['seconds']:6.1f} s  {part['reason']}")
    print(f"{report['seconds']:.1f} s, written to {given.out}")
    return 0 if all(part["status"] == "ok" for part in report["parts"].values()) else 1


if __name__ == "__main__":
    sys.exit(main())
