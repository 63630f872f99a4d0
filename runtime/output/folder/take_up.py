"""Which rows of an earlier run hold for the inputs of this one, and the captions file without the others.

In: `EarlierRun`, the inputs. Out: `EarlierRun` with the rows that hold, or a `UsageError` where they are of another
file. The rules are the table in docs/outputs.md.
"""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath
from typing import Any

from edgecap.engines.errors import UsageError
from edgecap.engines.files import write_whole
from edgecap.runtime.data.frame import FileIdentity
from edgecap.runtime.english import printable
from edgecap.runtime.output.files import ADVICE, whole_lines
from edgecap.runtime.output.jsonl import json_line
from edgecap.runtime.output.resume import EarlierClip, EarlierFailure, EarlierRun, RowKey, key_of
from edgecap.runtime.output.row import video_name
from edgecap.runtime.video.identity import identify


@dataclass(slots=True)
class _Plan:
    """What becomes of the rows."""

    keep: dict[RowKey, EarlierClip]
    failures: list[EarlierFailure]
    of_input: dict[str, tuple[EarlierClip, ...]] = field(default_factory=dict)
    new_names: dict[str, str] = field(default_factory=dict)
    begins_again: dict[str, int] = field(default_factory=dict)

    def drop(self, clips: Iterable[EarlierClip]) -> None:
        """Rows that do not hold any longer."""
        for clip in clips:
            self.keep.pop(clip.key, None)
            first = self.begins_again.get(clip.video, clip.clip_index)
            self.begins_again[clip.video] = min(first, clip.clip_index)


def take_up(
    earlier: EarlierRun,
    inputs: Sequence[Path],
    *,
    root: Path | None,
    is_stale: Callable[[Mapping[str, Any]], bool] = lambda run: False,
) -> EarlierRun:
    """The rows that hold. Nothing on the disk is changed. `is_stale`: of a row's `Record.run`, whether an input's row
    is to be made again. Raises `UsageError`; see docs/outputs.md."""
    names = {path: video_name(str(path), root=root) for path in inputs}
    identities = identities_of(names, earlier)
    plan = _Plan({clip.key: clip for clip in earlier.clips}, list(earlier.failures))
    for path, name in names.items():
        others = {identities[p] for p, n in names.items() if n == name and p != path}
        if path.exists():  # else its failure is a row already, or becomes one
            _take_up_one(plan, earlier, path, name, identities[path], others)
    for path, name in names.items():
        if str(path) not in plan.of_input and (identity := identities[path]):
            _rename(plan, name, identity, others=frozenset(names.values()))
            _hold(plan, path, [c for c in plan.keep.values() if (c.video, c.identity) == (name, identity)])
    for key, clips in plan.of_input.items():
        plan.drop(c for c in clips if is_stale(c.run))
        plan.of_input[key] = tuple(c for c in clips if not is_stale(c.run))
    skip = {
        (path, c.clip_index): (c.start_seconds, c.end_seconds) for path, clips in plan.of_input.items() for c in clips
    }
    return replace(
        earlier,
        clips=tuple(plan.keep.values()),
        failures=tuple(plan.failures),
        skip=skip,
        clips_by_input=plan.of_input,
        new_names=plan.new_names,
        begins_again=plan.begins_again,
        taken_up=True,
    )


def identities_of(names: Mapping[Path, str], earlier: EarlierRun) -> dict[Path, FileIdentity | None]:
    """The identity of each input of which it matters (others: None): it shares its name with another one or with an
    earlier row. `names`: the inputs' "Video". Raises `UsageError` where two share name and content: no one could tell
    their rows apart."""
    owners, known = Counter(names.values()), {PurePosixPath(video).name for video in earlier.videos}
    identities: dict[Path, FileIdentity | None] = {}
    seen: dict[tuple[str, FileIdentity], Path] = {}
    for path, name in names.items():
        matters = owners[name] > 1 or PurePosixPath(name).name in known
        identity = identities[path] = identify(path) if matters else None
        if identity is not None and (first := seen.setdefault((name, identity), path)) != path:
            raise UsageError(
                f"{printable(first)} and {printable(path)} have one content and one name in the rows; leave one "
                "out, or rename it"
            )
    return identities


def other_videos(earlier: EarlierRun, inputs: Iterable[Path], *, root: Path | None) -> frozenset[str]:
    """Videos of the rows that are not inputs of this run, by name: their subtitles and annotated videos must stay."""
    return earlier.videos - {video_name(str(path), root=root) for path in inputs}


def write_kept(before: EarlierRun, kept: EarlierRun) -> None:
    """Replace the captions file by the rows that `kept` has of `before`, if there is a difference. Raises
    `OutputError`."""
    if (before.clips, before.failures) == (kept.clips, kept.failures):
        return
    old_names = {new: old for old, new in kept.new_names.items()}
    keys = {replace(clip, video=old_names.get(clip.video, clip.video)).key for clip in kept.clips}
    lines = []
    for line in whole_lines(before.path):
        row = json.loads(line)
        if row["meta"]["status"] == "ok":
            if (key := key_of(row)) not in keys:
                continue
            keys.remove(key)  # a row that is there twice is kept once
        elif (row["Video"], row["meta"]["error"], row["meta"]["message"]) not in kept.failure_texts:
            continue
        new_name = kept.new_names.get(row["Video"])
        lines.append(line if new_name is None else json_line(row | {"Video": new_name}).encode())
    write_whole(before.path, b"".join(line + b"\n" for line in lines), advice=ADVICE)


def _take_up_one(
    plan: _Plan,
    earlier: EarlierRun,
    path: Path,
    name: str,
    identity: FileIdentity | None,
    others: set[FileIdentity | None],
) -> None:
    groups: dict[FileIdentity | None, list[EarlierClip]] = defaultdict(list)
    for clip in earlier.clips:
        if clip.video == name:
            groups[clip.identity].append(clip)
    failed = [f for f in earlier.failures if f.video == name and (f.identity not in others or f.identity is None)]
    # An input that could not be found had no folder beside the others.
    failed += [f for f in earlier.failures if f.identity is None and _one_path(f.video, name)]
    for known, clips in groups.items():
        if known is None:
            raise UsageError(
                f"--resume: the rows of {name} in {earlier.path} do not name their file; choose another --out"
            )
        if known == identity or known in others:
            continue
        if any(clip.ends_video for clip in clips):
            raise UsageError(_clash(earlier.path, name, known, path, identity))
        plan.drop(clips)
    same = groups.get(identity, [])
    if same and any(f.identity == identity for f in failed):
        last = max(same, key=lambda c: c.clip_index)
        plan.drop([] if last.ends_video else [last])  # the failure may have cut it short
    if failed:
        plan.failures = [f for f in plan.failures if f not in failed]
        first = max((c.clip_index + 1 for c in same if c.key in plan.keep), default=0)
        plan.begins_again[name] = min(plan.begins_again.get(name, first), first)
    if same:
        _hold(plan, path, [clip for clip in same if clip.key in plan.keep])


def _hold(plan: _Plan, path: Path, clips: Iterable[EarlierClip]) -> None:
    once = {clip.clip_index: clip for clip in reversed(list(clips))}
    if once:
        plan.of_input[str(path)] = tuple(once.values())


def _rename(plan: _Plan, name: str, identity: FileIdentity, *, others: frozenset[str]) -> None:
    """Rows of the same content under the name that it had beside other inputs ("v.mp4" for "day1/v.mp4")."""
    olds = {c.video for c in plan.keep.values() if c.identity == identity and _one_path(c.video, name)} - others
    for old in sorted(olds)[:1]:
        plan.new_names[old] = name
        for key, clip in list(plan.keep.items()):
            if (clip.video, clip.identity) == (old, identity):
                del plan.keep[key]
                moved = replace(clip, video=name)
                plan.keep[moved.key] = moved


def _one_path(first: str, second: str) -> bool:
    short, long = sorted((PurePosixPath(first).parts, PurePosixPath(second).parts), key=len)
    return 0 < len(short) < len(long) and long[-len(short) :] == short


def _clash(captions: Path, name: str, known: FileIdentity, path: Path, identity: FileIdentity | None) -> str:
    return (
        f"--resume: {captions} has all clips of another file named {name} ({_shown(known)}); {printable(path)} is "
        f"{_shown(identity)}; rename it, or choose another --out"
    )


def _shown(identity: FileIdentity | None) -> str:
    return f"{identity.size_bytes} bytes, {identity.digest[:8]}" if identity else "not a regular file"
