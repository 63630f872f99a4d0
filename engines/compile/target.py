"""What an engine is compiled for: the GPU of this machine, or one that is named.

In: the text of `--target`, the compiler, the machine. Out: `BuildTarget`. TensorRT times kernels on the GPU itself,
so it builds for this device alone; TensorRT-RTX compiles ahead of time for any SM it knows, without a GPU.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from edgecap.engines.errors import UsageError
from edgecap.engines.graph.device import DeviceReport
from edgecap.engines.tensorrt.api import TrtApi

HERE = "here"
_TARGET = re.compile(r"(?:sm[_-]?)?(\d{1,2})[._]?(\d)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class BuildTarget:
    """A GPU generation. `compute_capability`: as "8.9"; `device_name`: the GPU's name where it is this machine's,
    "" where the engine is compiled ahead for any GPU of that generation."""

    compute_capability: str
    device_name: str = ""

    @property
    def name(self) -> str:
        """As `--target` spells it: "sm_89"."""
        return f"sm_{self.compute_capability.replace('.', '')}"

    @property
    def ahead(self) -> bool:
        """Compiled without the device."""
        return not self.device_name


def choose_target(text: str | None, api: TrtApi, report: DeviceReport) -> BuildTarget:
    """The target that `text` names: "sm_89", "89" and "8.9" are one; None or "here" = the first GPU of this machine.

    Raises `UsageError` where the compiler can't build for it on this machine; the message lists what it can build for.
    """
    ahead = ", ".join(BuildTarget(known).name for known in api.targets)
    if text is None or text == HERE:
        if report.gpus:
            return BuildTarget(report.gpus[0].compute_capability, report.gpus[0].name)
        way_on = f"name one with --target ({ahead})" if ahead else "build on the machine that will run the engine"
        raise UsageError(f"{api.name} was asked for this machine's GPU, but {report.no_gpu_reason}; {way_on}")
    found = _TARGET.fullmatch(text.strip())
    if found is None:
        raise UsageError(
            f"--target {text!r} is not a GPU generation; write it as sm_89{f' ({ahead})' if ahead else ''}"
        )
    wanted = f"{found[1]}.{found[2]}"
    for gpu in report.gpus[:1]:
        if gpu.compute_capability == wanted:
            return BuildTarget(wanted, gpu.name)
    if wanted in api.targets:
        return BuildTarget(wanted)
    here = f"this machine's GPU ({BuildTarget(report.gpus[0].compute_capability).name})" if report.gpus else ""
    choice = " or ".join(part for part in (here, ahead) if part) or "nothing here: it needs that GPU"
    raise UsageError(f"{api.name} can't compile for {BuildTarget(wanted).name}; it can for {choice}")
