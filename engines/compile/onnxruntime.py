"""ONNX Runtime's own optimised form of a graph, kept as a file, so that opening it costs no optimisation.

In: an ONNX file of a pack. Out: a file for this ONNX Runtime on this CPU, proven equal to the original bit for bit.

The result is opened with optimisation off: it is already optimised.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgecap.engines.compile.check import TrialSize, trial_feeds, trial_sizes
from edgecap.engines.errors import EngineBuildError, EngineError, OutputError
from edgecap.engines.graph.onnx_session import open_onnx_session
from edgecap.engines.graph.providers import open_model, session_options
from edgecap.engines.graph.spec import GraphSpec
from edgecap.engines.packs.onnx_files import external_files

_SEEDS = (0, 1)
# protobuf ends at 2 GB; well below that the weights go into a separate file.
_MOST_INSIDE_BYTES = 1_500_000_000
_MOST_TRIAL_BYTES = 64 << 20
# The second is all that ONNX Runtime reports for a full disk; graphs too large for protobuf never get there.
_UNWRITTEN = ("No space left", "Protobuf serialization failed", "Permission denied")


def build_ort(path: str | Path, spec: GraphSpec, out_path: str | Path, *, intra_threads: int = 1) -> Path:
    """Write the graph at `path`, optimised for this machine's CPU, to `out_path`; returns `out_path`.

    Weights over 1.5 GB go to a second file, `out_path` with ".data" added. The result is opened again, without any
    optimisation, and must give the same bits as the original on trial inputs; `intra_threads`: of both sessions in
    that comparison.

    Raises `EngineBuildError` (and leaves no file) where it does not, `PackError` or `EngineError` where the graph can't
    be read or opened, `OutputError` where the file can't be written.
    """
    path, out_path = Path(path), Path(out_path)
    if not path.is_file():
        raise EngineError(f"{path}: no such graph file; export or reinstall the pack")
    out_path.parent.mkdir(parents=True, exist_ok=True)
    try:
        _write(path, spec, out_path, intra_threads)
        _prove_equal(path, spec, out_path, intra_threads)
    except BaseException:
        for left in (out_path, _data_path(out_path)):
            left.unlink(missing_ok=True)
        raise
    return out_path


def _write(path: Path, spec: GraphSpec, out_path: Path, intra_threads: int) -> None:
    config = {}
    if sum((path.parent / name).stat().st_size for name in (path.name, *external_files(path))) > _MOST_INSIDE_BYTES:
        config["session.optimized_model_external_initializers_file_name"] = _data_path(out_path).name
        config["session.optimized_model_external_initializers_min_size_in_bytes"] = "1024"
    options = session_options(intra_threads=intra_threads, config=config)
    options.optimized_model_filepath = str(out_path)
    try:
        open_model(str(path), label=spec.file, provider="cpu", options=options)
    except EngineError as error:
        if any(words in str(error) for words in _UNWRITTEN):
            raise OutputError(
                f"{out_path}: ONNX Runtime can't write it (the disk is full, over its quota or not writable); nothing "
                "was published: free some space, or keep the store on another disk"
            ) from error
        raise
    if not out_path.is_file() or out_path.stat().st_size == 0:
        raise EngineBuildError(f"{spec.file}: ONNX Runtime wrote no optimised graph to {out_path}; use the pack's own")


def _prove_equal(path: Path, spec: GraphSpec, out_path: Path, intra_threads: int) -> None:
    original = open_onnx_session(path, spec, intra_threads=intra_threads)
    optimised = open_onnx_session(out_path, spec, intra_threads=intra_threads, optimised=True)
    for seed in _SEEDS:
        sizes = _affordable(spec, "usual" if seed else "least")
        feeds = trial_feeds(spec, seed=seed, sizes=sizes)
        want, got = original.run(feeds), optimised.run(feeds)
        for name, wanted in want.items():
            if wanted.tobytes() != got[name].tobytes() or wanted.shape != got[name].shape:
                raise EngineBuildError(
                    f"{spec.file}: ONNX Runtime's optimised graph differs in output {name!r} "
                    f"({_gap(wanted, got[name])}, sizes {sizes}); nothing was kept, use the pack's own graph"
                )


def _affordable(spec: GraphSpec, which: TrialSize) -> Mapping[str, int]:
    """Sizes of a trial; the least ones where the usual ones would take long."""
    sizes = trial_sizes(spec, which=which)
    elements = sum(
        int(np.prod([sizes[axis] if isinstance(axis, str) else axis for axis in tensor.axes])) for tensor in spec.inputs
    )
    return sizes if elements * 4 <= _MOST_TRIAL_BYTES else trial_sizes(spec, which="least")


def _gap(wanted: NDArray[Any], got: NDArray[Any]) -> str:
    if wanted.shape != got.shape:
        return f"shape {list(got.shape)} instead of {list(wanted.shape)}"
    gap = np.abs(wanted.astype(np.float64) - got.astype(np.float64))
    return f"off by up to {np.nanmax(gap):.3g}"


def _data_path(out_path: Path) -> Path:
    return out_path.with_name(out_path.name + ".data")
