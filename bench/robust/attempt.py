"""One try of the fuzz: a number and a kind give a mutated input in a folder, and what the product does with it."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from edgecap.bench.robust.exercise import Models, use_config, use_pack, use_rows, use_video
from edgecap.bench.robust.mutate_bytes import mutate_bytes
from edgecap.bench.robust.mutate_json import mutate_json, mutate_lines
from edgecap.bench.robust.mutate_options import CommandShape, mutate_command, mutate_config
from edgecap.bench.robust.mutate_video import mutate_video
from edgecap.bench.robust.samples import Samples, link_pack
from edgecap.engines.errors import EdgecapError
from edgecap.engines.packs.pack import PACK_FILE

SHARES = {"video": 60, "pack": 6, "pack-json": 12, "rows": 12, "options": 10}
"""Kind -> its share of the tries, in percent."""
KINDS = tuple(SHARES)
Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class CommandLine:
    """The command line for the tries of kind "options". `run`: arguments in, exit code out; it raises what the command
    raises, usage errors as `EdgecapError`, and may be pickled."""

    shapes: tuple[CommandShape, ...]
    run: Callable[[Sequence[str]], int]


@dataclass(frozen=True, slots=True)
class Attempt:
    """`number`: from 0. The same number, kind and seed give the same input."""

    kind: str
    number: int
    seed: int

    def random(self) -> random.Random:
        """The numbers that this try is made from."""
        return random.Random(f"{self.seed}/{self.kind}/{self.number}")


class ExitCodeError(Exception):
    """A command that printed its errors itself ended with `code`."""

    def __init__(self, code: int) -> None:
        super().__init__("")
        self.code = code


def attempt_of(number: int, *, seed: int, kind: str | None) -> Attempt:
    """The try of a number; its kind is drawn by `SHARES` where none is given."""
    if kind is None:
        rng = random.Random(f"{seed}/{number}")
        kind = rng.choices(KINDS, weights=list(SHARES.values()))[0]
    return Attempt(kind, number, seed)


def make_and_use(
    attempt: Attempt, samples: Samples, models: Models, command: CommandLine | None, folder: Path, say: Say
) -> None:
    """Write the mutated input into `folder`/in, say what was done to it, and use it; output goes to `folder`/out.

    Raises whatever the product raises, and `ExitCodeError` for a command that reported its error itself.
    """
    rng, given, out = attempt.random(), folder / "in", folder / "out"
    given.mkdir(parents=True)
    out.mkdir()
    _USES[attempt.kind](rng, samples, models, command, given, out, say)


def _video(
    rng: random.Random, samples: Samples, models: Models, command: CommandLine | None, given: Path, out: Path, say: Say
) -> None:
    path, words = mutate_video(samples.videos, given, rng)
    say(words)
    use_video(models, path, out, rng)


def _pack(
    rng: random.Random, samples: Samples, models: Models, command: CommandLine | None, given: Path, out: Path, say: Say
) -> None:
    """One file broken; four times of five pack.json lists its new hash: else the hashes alone would be tested."""
    folder = given / "pack"
    link_pack(samples.pack, folder)
    data = json.loads((folder / PACK_FILE).read_text(encoding="utf-8"))
    name = rng.choice(sorted(data["files"]))
    file = folder / name
    if file.suffix == ".json" and rng.random() < 0.7:
        content, words = mutate_json(file.read_text(encoding="utf-8"), rng)
    else:
        content, words = mutate_bytes(file.read_bytes(), rng)
    file.unlink()
    file.write_bytes(content)
    listed = rng.random() < 0.8
    if listed:
        data["files"][name] = {"sha256": hashlib.sha256(content).hexdigest(), "bytes": len(content)}
        (folder / PACK_FILE).unlink()
        (folder / PACK_FILE).write_text(json.dumps(data), encoding="utf-8")
    say(f"{name}: {words}{'' if listed else ', not listed'}")
    use_pack(folder, samples.videos[0], out)


def _pack_json(
    rng: random.Random, samples: Samples, models: Models, command: CommandLine | None, given: Path, out: Path, say: Say
) -> None:
    folder = given / "pack"
    link_pack(samples.pack, folder)
    content, words = mutate_json((folder / PACK_FILE).read_text(encoding="utf-8"), rng)
    (folder / PACK_FILE).unlink()
    (folder / PACK_FILE).write_bytes(content)
    say(words)
    use_pack(folder, samples.videos[0], out)


def _rows(
    rng: random.Random, samples: Samples, models: Models, command: CommandLine | None, given: Path, out: Path, say: Say
) -> None:
    contents, words = {}, []
    for source in (samples.rows, samples.events):
        text = source.read_text(encoding="utf-8")
        contents[source.name], done = mutate_lines(text, rng)
        words.append(f"{source.name}: {done}")
    for name, content in contents.items():
        (given / name).write_bytes(content)
    say("; ".join(words))
    use_rows(given / samples.rows.name, given / samples.events.name, samples.videos, out, rng)


def _options(
    rng: random.Random, samples: Samples, models: Models, command: CommandLine | None, given: Path, out: Path, say: Say
) -> None:
    if command is None or rng.random() < 0.4:
        options, words = mutate_config(rng)
        say(f"make_config({words})")
        use_config(options, samples.videos[0])
        return
    files = [*samples.videos, samples.rows, samples.events]
    arguments, words = mutate_command(command.shapes, files, out, rng)
    say(words)
    code = command.run(arguments)
    if code:
        raise ExitCodeError(code)


_USES = {"video": _video, "pack": _pack, "pack-json": _pack_json, "rows": _rows, "options": _options}


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a try. `result`: see `RESULTS`. `error`: class of the exception; "" where none. `where`: file and
    line of ours where it was raised. `message`: its words. `done`: what was mutated."""

    attempt: Attempt
    result: str
    error: str = ""
    message: str = ""
    where: str = ""
    done: str = ""
    seconds: float = 0.0

    @property
    def is_fault(self) -> bool:
        """Whether it is anything but a sound end or one clear error."""
        return self.result in FAULTS


FAULTS = ("traceback", "unclear", "hang", "crash", "memory")
CLEAR = {2: "usage", 3: "input", 4: "output", 5: "pack", 6: "engine", 7: "export", 8: "some failed"}
RESULTS = ("ok", *CLEAR.values(), *FAULTS)
"""ok; the error class by its exit code; an exception outside the table; one in it whose message is empty or endless; no
end in time; the process died; it took too much memory."""
_LONGEST_MESSAGE = 1500


def judge(error: Exception) -> str:
    """The result that an exception stands for."""
    code = error.code if isinstance(error, ExitCodeError) else getattr(error, "exit_code", 1)
    if isinstance(error, MemoryError):
        return "memory"
    if not isinstance(error, EdgecapError | ExitCodeError) or code not in CLEAR:
        return "traceback"
    if isinstance(error, EdgecapError) and not 0 < len(str(error)) <= _LONGEST_MESSAGE:
        return "unclear"
    return CLEAR[code]


def as_json(outcome: Outcome) -> dict[str, object]:
    """Flat, for the report."""
    data = dataclasses.asdict(outcome)
    return {**data.pop("attempt"), **data}
