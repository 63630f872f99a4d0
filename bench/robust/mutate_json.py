"""JSON in, broken JSON out: odd values in place of sound ones, keys gone, renamed or doubled, and broken text."""

from __future__ import annotations

import copy
import json
import random
from typing import Any

from edgecap.bench.robust.mutate_bytes import mutate_bytes

_DEEP = "@deep@"
ODD_VALUES: tuple[Any, ...] = (
    *(None, True, False, 0, -1, 1, 3, 2**31, 2**63, -(2**63), 10**30, 0.5, -0.5, 1e-300, 1e308, 1e400, -1e400),
    *(float("nan"), "", " ", "x", "\0", "\ud800", "../../x", "/etc/passwd", "a" * 5000, "{", "No.0", "1", "nan", _DEEP),
    *([], {}, [[]], [None], {"": None}, [1, 2, 3, 4], ["x"], [0.1, float("inf")]),
)
"""What may stand where something else belongs. 1e400 is read as infinity, `_DEEP` becomes many nested lists."""


def mutate_json(text: str, rng: random.Random) -> tuple[bytes, str]:
    """The text of one JSON value with one to three changes: in its values, or now and then in its bytes."""
    if rng.random() < 0.15:
        return mutate_bytes(text.encode("utf-8"), rng)
    value = copy.deepcopy(json.loads(text))
    words = []
    for _ in range(rng.choice((1, 1, 1, 2, 3))):
        value, done = _changed(value, rng)
        words.append(done)
    made = json.dumps(value, ensure_ascii=rng.random() < 0.5)
    if rng.random() < 0.03 and made.startswith("{"):
        made, words = (
            made.replace("{", f"{{{json.dumps(rng.choice(list(json.loads(text))))}: 1, ", 1),
            [*words, "a key twice"],
        )
    depth = rng.choice((300, 900, 3000, 20_000))
    made = made.replace(f'"{_DEEP}"', "[" * depth + "]" * depth)
    return made.encode("utf-8", "surrogatepass"), ", ".join(words)


def mutate_lines(text: str, rng: random.Random) -> tuple[bytes, str]:
    """JSON Lines: one line's value, or the lines themselves."""
    lines = [line.encode("utf-8") for line in text.splitlines()]
    at = rng.randrange(len(lines))
    match rng.choice(("value",) * 7 + ("drop", "twice", "cut", "blank", "bom", "joined", "garbage", "bytes")):
        case "drop":
            del lines[at]
            words = f"line {at + 1} left out"
        case "twice":
            lines.insert(at, lines[at])
            words = f"line {at + 1} twice"
        case "cut":
            data = b"\n".join(lines) + b"\n"
            return data[: rng.randrange(len(data))], "cut short"
        case "blank":
            lines.insert(at, rng.choice((b"", b"  ", b"\0", b"\r")))
            words = f"a blank line before line {at + 1}"
        case "bom":
            lines[0] = rng.choice((b"\xef\xbb\xbf", b"\xff\xfe", b"\0")) + lines[0]
            words = "bytes before the first line"
        case "joined":
            return b"".join(lines) + b"\n", "lines without ends"
        case "garbage":
            lines[at] = rng.choice(
                (rng.randbytes(200), b"null", b"[]", b"{}", b"3", b'"x"', b"[" * 30_000, b"9" * 5000)
            )
            words = f"line {at + 1} is {lines[at][:12]!r}"
        case "bytes":
            return mutate_bytes(b"\n".join(lines) + b"\n", rng)
        case _:
            lines[at], words = mutate_json(lines[at].decode("utf-8"), rng)
            words = f"line {at + 1}: {words}"
    return b"\n".join(lines) + rng.choice((b"\n", b"\n", b"")), words


def _changed(value: Any, rng: random.Random) -> tuple[Any, str]:
    if not isinstance(value, dict | list) or not value:
        return copy.deepcopy(rng.choice(ODD_VALUES)), "the whole value replaced"
    holder, key, path = _place(value, rng)
    match rng.choice(("replace",) * 5 + ("delete", "rename", "add", "scale")):
        case "delete":
            del holder[key]
            return value, f"{path} left out"
        case "rename" if isinstance(holder, dict):
            name = rng.choice((f"{key} ", key.upper(), "", "x", "\0", key[:-1]))
            holder[name] = holder.pop(key)
            return value, f"{path} called {name!r}"
        case "add" if isinstance(holder, dict):
            holder["unexpected"] = copy.deepcopy(rng.choice(ODD_VALUES))
            return value, f"a key beside {path}"
        case "scale" if isinstance(holder[key], int | float):
            factor = rng.choice((-1, 0, 2, 10, 1000, 0.5, 0.001))
            holder[key] = type(holder[key])(holder[key] * factor)
            return value, f"{path} x {factor}"
        case _:
            odd = rng.choice(ODD_VALUES)
            holder[key] = copy.deepcopy(odd)
            return value, f"{path} is {str(odd)[:20]!r}"


def _place(value: Any, rng: random.Random) -> tuple[Any, Any, str]:
    """(the object or list, the key or index in it, its path) of some value inside: a high one as often as a deep one,
    of which there are many more."""
    path = "$"
    while True:
        key = rng.choice(list(value)) if isinstance(value, dict) else rng.randrange(len(value))
        path = f"{path}.{key}"
        inner = value[key]
        if not isinstance(inner, dict | list) or not inner or rng.random() < 0.3:
            return value, key, path
        value = inner
