"""Cost of masks by number of objects, from boxes in every frame and from memory, and memory over a long stream.

    python -m edgecap.bench.speed.propagation PACK [--frames 60] [--objects 1,4,8] [--stream 600] [--json FILE]

In: a pack whose segmenter has a memory. Out: a table and JSON. Counts are measured in turn on the same frame, so that
other load on the machine affects all of them alike; CPU time is given as well for the same reason."""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgecap.bench.speed.world_clip import CLIP_FRAMES, world_clip
from edgecap.engines.errors import EdgecapError, OutputError, UsageError
from edgecap.engines.graph.device import probe_device
from edgecap.engines.graph.session import Arrays, Binding, Session
from edgecap.engines.graph.spec import GraphSpec
from edgecap.engines.packs.pack import Pack
from edgecap.runtime.data.frame import Frame
from edgecap.runtime.perceive.memory.segmenter import MemorySegmenter, MemorySessions
from edgecap.runtime.perceive.segmenter import Segmenter

RSS_AFTER = 100
"""Frames after which a stream's memory must be what it will stay."""
_WARM_UP = 8
"""Frames not counted: slots fill, kernels pick their paths."""
_Took = tuple[float, float]
"""Wall and CPU seconds."""
_PARTS = ("encoder", "decoder", "attention", "memory_encoder", "memory_decoder")


@dataclass(frozen=True, slots=True)
class CountRow:
    """One number of objects: medians per frame in ms, pixels included. `boxes_*`: prompted by boxes (`--masks boxes`);
    the others: carried on by memory (`--masks memory` between its boxes). `part_cpu_ms`: by graph, of memory."""

    objects: int
    boxes_wall_ms: float
    boxes_cpu_ms: float
    wall_ms: float
    cpu_ms: float
    part_cpu_ms: dict[str, float]


@dataclass(frozen=True, slots=True)
class PropagationReport:
    """`ms_per_object`: slope of wall time over the counts, least squares; `cpu_ms_per_object` and, of boxes,
    `boxes_cpu_ms_per_object` likewise.

    `rss_mb`: resident memory of the process in MiB after that many frames of one stream. `ring_mb`: of which ring.
    """

    pack: str
    precisions: dict[str, str]
    provider: str
    image_side: int
    machine: str
    cores: int
    load_average: float
    intra_threads: int
    frames: int
    rows: tuple[CountRow, ...]
    boxes_cpu_ms_per_object: float
    ms_per_object: float
    cpu_ms_per_object: float
    stream_objects: int
    rss_mb: dict[int, float]
    ring_mb: float


@dataclass(slots=True)
class _Timed:
    """A session that notes the CPU time it took."""

    inner: Session
    seconds: list[float] = field(default_factory=list)

    @property
    def spec(self) -> GraphSpec:
        return self.inner.spec

    @property
    def provider(self) -> str:
        return self.inner.provider

    def run(self, feeds: Arrays) -> dict[str, NDArray[Any]]:
        started = time.process_time()
        found = self.inner.run(feeds)
        self.seconds.append(time.process_time() - started)
        return found

    def bind(self, inputs: Arrays, outputs: Arrays) -> Binding:
        return self.inner.bind(inputs, outputs)


def measure_propagation(
    pack: Pack,
    *,
    frames: int = CLIP_FRAMES,
    counts: Sequence[int] = (1, 4, 8),
    stream_frames: int = 600,
    intra_threads: int = 1,
) -> PropagationReport:
    """Raises `PackError` where the pack has no segmenter with memory, `UsageError` for too few frames."""
    if frames <= _WARM_UP or 0 < stream_frames < RSS_AFTER or min(counts, default=0) < 1:
        got = f"got {frames}, {stream_frames} and {list(counts)}"
        raise UsageError(f"needs > {_WARM_UP} frames, a stream of >= {RSS_AFTER} (or 0) and counts >= 1; {got}")
    load = os.getloadavg()[0]
    opened = MemorySessions.open(pack, intra_threads=intra_threads)
    timed = {part: _Timed(getattr(opened, part)) for part in _PARTS}
    sessions = MemorySessions(**timed)
    spec = pack.spec.segmenter
    assert spec is not None  # MemorySessions.open has looked
    clip, boxes = world_clip(frames, max(counts))
    segmenters = {count: MemorySegmenter(spec, sessions, capacity=count) for count in counts}
    rows = _count_rows(segmenters, Segmenter(spec, sessions.encoder, sessions.decoder), timed, clip, boxes)
    rss, ring = _stream(MemorySegmenter(spec, sessions), clip, boxes, stream_frames)  # {} for a stream of 0 frames
    objects = [row.objects for row in rows]
    return PropagationReport(
        pack=pack.spec.name,
        precisions={part: session.spec.precision for part, session in timed.items()},
        provider=opened.encoder.provider,
        image_side=spec.image_side,
        machine=probe_device().machine_line(),
        cores=os.cpu_count() or 0,
        load_average=load,
        intra_threads=intra_threads,
        frames=frames,
        rows=rows,
        boxes_cpu_ms_per_object=slope(objects, [row.boxes_cpu_ms for row in rows]),
        ms_per_object=slope(objects, [row.wall_ms for row in rows]),
        cpu_ms_per_object=slope(objects, [row.cpu_ms for row in rows]),
        stream_objects=max(counts),
        rss_mb=rss,
        ring_mb=ring,
    )


def slope(xs: Sequence[float], ys: Sequence[float]) -> float:
    """Least-squares slope of ys over xs; NaN where all xs are equal."""
    x, y = np.asarray(xs, np.float64), np.asarray(ys, np.float64)
    spread = float(((x - x.mean()) ** 2).sum())
    return float(((x - x.mean()) * (y - y.mean())).sum()) / spread if spread else float("nan")


def _count_rows(
    segmenters: dict[int, MemorySegmenter],
    prompted: Segmenter,
    timed: dict[str, _Timed],
    clip: Sequence[Frame],
    boxes: NDArray[np.float32],
) -> tuple[CountRow, ...]:
    boxed: dict[int, list[_Took]] = {count: [] for count in segmenters}
    carried: dict[int, list[_Took]] = {count: [] for count in segmenters}
    parts: dict[int, dict[str, list[float]]] = {count: {part: [] for part in timed} for count in segmenters}
    for frame in clip:
        for count, segmenter in segmenters.items():
            by_boxes = _took(partial(prompted.masks, frame, boxes[:count]))
            for session in timed.values():
                session.seconds.clear()
            by_memory = _took(partial(_carry, segmenter, frame, boxes[:count]))
            if frame.index >= _WARM_UP:
                boxed[count].append(by_boxes)
                carried[count].append(by_memory)
                for part, session in timed.items():
                    parts[count][part].extend(session.seconds)
    return tuple(
        CountRow(
            objects=count,
            boxes_wall_ms=_median_ms(wall for wall, _ in boxed[count]),
            boxes_cpu_ms=_median_ms(cpu for _, cpu in boxed[count]),
            wall_ms=_median_ms(wall for wall, _ in carried[count]),
            cpu_ms=_median_ms(cpu for _, cpu in carried[count]),
            part_cpu_ms={part: _median_ms(took) for part, took in parts[count].items() if took},
        )
        for count in segmenters
    )


def _median_ms(seconds: Iterable[float]) -> float:
    return 1e3 * statistics.median(seconds)


def _took(work: Callable[[], object]) -> _Took:
    wall, cpu = time.perf_counter(), time.process_time()
    work()
    return time.perf_counter() - wall, time.process_time() - cpu


def _carry(segmenter: MemorySegmenter, frame: Frame, boxes: NDArray[np.float32]) -> None:
    found = segmenter.start(frame, boxes) if frame.index == 0 else segmenter.step(frame)
    segmenter.masks(found, boxes)


def _stream(
    segmenter: MemorySegmenter, clip: Sequence[Frame], boxes: NDArray[np.float32], frames: int
) -> tuple[dict[int, float], float]:
    """The clip over and over as one stream; resident memory after `RSS_AFTER` frames, in between, and at the end."""
    rss: dict[int, float] = {}
    marks = {RSS_AFTER, (RSS_AFTER + frames) // 2, frames}
    for number in range(frames):
        shown = clip[number % len(clip)]
        frame = Frame(number, number / 24.0, shown.image_rgb)
        if number == 0:
            segmenter.start(frame, boxes)
        else:
            segmenter.step(frame)
        if number + 1 in marks:
            rss[number + 1] = resident_mb()
    return rss, segmenter.memory_bytes / 2**20


def resident_mb() -> float:
    """Resident memory of this process in MiB. Raises `UsageError` where the system has no /proc."""
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
    except OSError as error:
        raise UsageError(f"resident memory is read from /proc/self/statm ({error}); run on Linux") from error
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def table(report: PropagationReport) -> str:
    """The report as Markdown."""
    names = [part for part in _PARTS if any(part in row.part_cpu_ms for row in report.rows)]
    lines = [
        f"{report.pack}, {report.image_side} px, encoder {report.precisions['encoder']}, others "
        f"{report.precisions['attention']}, {report.provider}, {report.intra_threads} thread(s), {report.cores} cores, "
        f"load {report.load_average:.1f} before",
        "",
        f"| objects | boxes, wall ms | CPU ms | memory, wall ms | CPU ms | {' CPU ms | '.join(names)} CPU ms |",
        "|---" * (5 + len(names)) + "|",
    ]
    for row in report.rows:
        figures = [f"{ms:.1f}" for ms in (row.boxes_wall_ms, row.boxes_cpu_ms, row.wall_ms, row.cpu_ms)]
        figures += [f"{row.part_cpu_ms[name]:.1f}" if name in row.part_cpu_ms else "-" for name in names]
        lines.append(f"| {row.objects} | {' | '.join(figures)} |")
    more = f"{report.ms_per_object:.1f} ms wall, {report.cpu_ms_per_object:.1f} ms CPU a frame"
    lines += ["", f"one more object: boxes {report.boxes_cpu_ms_per_object:.1f} ms CPU; memory {more}"]
    if report.rss_mb:
        lines.append(
            f"{report.stream_objects} objects in one stream: "
            + ", ".join(f"{mb:.1f} MiB after {frames} frames" for frames, mb in report.rss_mb.items())
            + f" (ring {report.ring_mb:.1f} MiB)"
        )
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> int:
    """The command; returns its exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m edgecap.bench.speed.propagation", description=__doc__.splitlines()[0]
    )
    parser.add_argument("pack", help="folder of a pack whose segmenter has a memory")
    parser.add_argument("--frames", type=int, default=CLIP_FRAMES)
    parser.add_argument("--objects", default="1,4,8", help="counts, separated by commas")
    parser.add_argument("--stream", type=int, default=600, help="frames of the memory stream, 0 = none")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--json", type=Path, default=None, help="write the report here too")
    given = parser.parse_args(arguments)
    try:
        counts = [int(text) for text in given.objects.split(",") if text.strip().isdigit()]
        report = measure_propagation(
            Pack.open(given.pack),
            frames=given.frames,
            counts=counts,
            stream_frames=given.stream,
            intra_threads=given.threads,
        )
        print(table(report))
        if given.json is not None:
            write_json(given.json, asdict(report))
    except EdgecapError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code
    return 0


def write_json(path: Path, content: Any) -> None:
    """Raises `OutputError` where the file can't be written."""
    try:
        path.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    except OSError as error:
        raise OutputError(f"{path}: can't be written ({error}); choose another --json") from error


if __name__ == "__main__":
    raise SystemExit(main())
