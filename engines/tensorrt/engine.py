"""A serialised TensorRT engine, opened and checked before anything runs.

In: an engine file, the `GraphSpec` it was compiled from. Out: TensorRT's `ICudaEngine`.
"""

from __future__ import annotations

import contextlib
import mmap
from pathlib import Path
from typing import Any

from edgecap.engines.errors import EngineMismatchError, GraphContractError
from edgecap.engines.graph.spec import GraphSpec
from edgecap.engines.tensorrt.api import TrtApi
from edgecap.engines.tensorrt.profile import profile_shapes


def open_engine(path: Path, spec: GraphSpec, api: TrtApi) -> Any:
    """The `ICudaEngine` in the file at `path`, checked against `spec`.

    Raises `EngineMismatchError` where it was made for another device, TensorRT or profile; `GraphContractError` where
    its tensors are not those of `spec`.
    """
    engine = _deserialise(path, spec, api)
    _check_tensors(spec, engine, api)
    _check_profile(spec, engine)
    return engine


def _deserialise(path: Path, spec: GraphSpec, api: TrtApi) -> Any:
    # A map of the file, not its bytes: TensorRT copies what it needs to the device, and the host needs no second copy.
    with api.listening() as log, path.open("rb") as file:
        try:
            blob = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        except ValueError:
            raise EngineMismatchError(f"{path}: the engine file is empty; build it again") from None
        with contextlib.closing(blob):
            runtime = api.module.Runtime(log.logger)
            engine = runtime.deserialize_cuda_engine(blob)
            if engine is not None:
                return engine
            verdict = f" ({_validity(runtime, blob, api)})" if api.has_validity else ""
        said = log.errors()
    raise EngineMismatchError(
        f"{spec.file}: {api.name} does not open its engine here{verdict}: "
        f"{said[0][:300] if said else 'no reason given'}; engines fit one GPU generation and one TensorRT version: "
        "build it again with edgecap build, and see edgecap doctor"
    )


def _validity(runtime: Any, blob: Any, api: TrtApi) -> str:
    """TensorRT-RTX's own result: "INVALID: UNSUPPORTED_CC, ..."."""
    validity, diagnostics = runtime.get_engine_validity(blob)
    flags = getattr(api.module, "EngineInvalidityDiagnostics", None)
    members = getattr(flags, "__members__", {}).items()
    reasons = [name for name, flag in members if int(diagnostics) & int(flag)]
    return f"{str(validity).rpartition('.')[2]}{': ' + ', '.join(reasons) if reasons else ''}"


def _check_tensors(spec: GraphSpec, engine: Any, api: TrtApi) -> None:
    modes = api.module.TensorIOMode
    names = [engine.get_tensor_name(index) for index in range(engine.num_io_tensors)]
    for kind, mode, declared in (("input", modes.INPUT, spec.inputs), ("output", modes.OUTPUT, spec.outputs)):
        found = {name for name in names if engine.get_tensor_mode(name) == mode}
        if found != {tensor.name for tensor in declared}:
            want = sorted(tensor.name for tensor in declared)
            raise GraphContractError(
                f"{spec.file}: {kind} names differ: the pack declares {want}, the engine has {sorted(found)}; {_FIX}"
            )
        for tensor in declared:
            dtype = engine.get_tensor_dtype(tensor.name)
            if dtype != api.dtype(tensor.dtype):
                raise GraphContractError(
                    f"{spec.file}: {kind} {tensor.name!r}: the pack declares {tensor.dtype}, the engine has "
                    f"{api.dtype_name(dtype)}; {_FIX}"
                )


def _check_profile(spec: GraphSpec, engine: Any) -> None:
    for name, wanted in profile_shapes(spec).items():
        compiled = tuple(tuple(shape) for shape in engine.get_tensor_profile_shape(name, 0))
        if compiled != wanted:
            raise EngineMismatchError(
                f"{spec.file}: input {name!r} was compiled for shapes {compiled}, the pack declares {wanted}; {_FIX}"
            )


_FIX = "build it again with edgecap build"
