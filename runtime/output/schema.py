"""Does a row follow record_schema.json? A small validator for the JSON Schema words that file uses, and for
no others.

In: a row as parsed from JSON. Out: complaints, empty where it is valid.

The tests compare it with the `jsonschema` package; the runtime needs no such package for one fixed schema.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

SCHEMA_FILE = Path(__file__).with_name("record_schema.json")
_TYPES: dict[str, Callable[[Any], bool]] = {
    "object": lambda v: isinstance(v, dict),
    "array": lambda v: isinstance(v, list),
    "string": lambda v: isinstance(v, str),
    "boolean": lambda v: isinstance(v, bool),
    "null": lambda v: v is None,
    "number": lambda v: isinstance(v, int | float) and not isinstance(v, bool),
    "integer": lambda v: isinstance(v, int) and not isinstance(v, bool),
}
_KNOWN = frozenset(
    {
        "$schema",
        "$defs",
        "$ref",
        "title",
        "description",
        "type",
        "properties",
        "required",
        "items",
        "enum",
        "additionalProperties",
        "patternProperties",
        "anyOf",
        "const",
        "minimum",
        "maximum",
        "pattern",
        "minItems",
        "maxItems",
        "minLength",
    }
)


@cache
def record_schema() -> dict[str, Any]:
    """The shipped schema. ValueError where it uses a word this validator does not know."""
    schema: dict[str, Any] = json.loads(SCHEMA_FILE.read_text(encoding="utf-8"))
    for words in _schemas(schema):
        if unknown := set(words) - _KNOWN:
            raise ValueError(f"{SCHEMA_FILE.name} uses {sorted(unknown)}, which schema_check.py does not implement")
    return schema


def schema_errors(row: object) -> list[str]:
    """What is wrong with a row, as "path: complaint" lines; [] for a valid one."""
    schema = record_schema()
    return list(_errors(row, schema, schema, "row"))


def _errors(value: Any, schema: dict[str, Any], root: dict[str, Any], at: str) -> Iterator[str]:
    if "$ref" in schema:
        yield from _errors(value, root["$defs"][schema["$ref"].removeprefix("#/$defs/")], root, at)
        return
    if "anyOf" in schema:
        attempts = [list(_errors(value, option, root, at)) for option in schema["anyOf"]]
        if all(attempts):
            yield from min(attempts, key=len)  # the option it missed by least says most
        return
    kinds = schema.get("type", [])
    kinds = [kinds] if isinstance(kinds, str) else kinds
    if kinds and not any(_TYPES[kind](value) for kind in kinds):
        yield f"{at}: expected {' or '.join(kinds)}, got {type(value).__name__}"
        return
    if "const" in schema and value != schema["const"]:
        yield f"{at}: expected {schema['const']!r}, got {value!r}"
    if "enum" in schema and value not in schema["enum"]:
        yield f"{at}: expected one of {schema['enum']}, got {value!r}"
    if isinstance(value, dict):
        yield from _object_errors(value, schema, root, at)
    elif isinstance(value, list):
        yield from _array_errors(value, schema, root, at)
    elif isinstance(value, str):
        yield from _string_errors(value, schema, at)
    elif isinstance(value, int | float):
        yield from _number_errors(value, schema, at)


def _object_errors(value: dict[str, Any], schema: dict[str, Any], root: dict[str, Any], at: str) -> Iterator[str]:
    for name in schema.get("required", []):
        if name not in value:
            yield f"{at}: {name!r} is missing"
    named, patterns = schema.get("properties", {}), schema.get("patternProperties", {})
    rest = schema.get("additionalProperties", {})
    for name, item in value.items():
        known = name in named
        rules = [named[name]] if known else [rule for pattern, rule in patterns.items() if re.search(pattern, name)]
        if not rules and rest is False:
            yield f"{at}: {name!r} is unknown"
        for rule in rules or ([rest] if rest else []):
            yield from _errors(item, rule, root, f"{at}.{name}")


def _array_errors(value: list[Any], schema: dict[str, Any], root: dict[str, Any], at: str) -> Iterator[str]:
    low, high = schema.get("minItems", 0), schema.get("maxItems", len(value))
    if not low <= len(value) <= high:
        yield f"{at}: expected {low} to {high} items, got {len(value)}"
    for i, item in enumerate(value):
        yield from _errors(item, schema.get("items", {}), root, f"{at}[{i}]")


def _string_errors(value: str, schema: dict[str, Any], at: str) -> Iterator[str]:
    if len(value) < schema.get("minLength", 0):
        yield f"{at}: is empty"
    if "pattern" in schema and not re.search(schema["pattern"], value):
        yield f"{at}: {value!r} does not match {schema['pattern']}"


def _number_errors(value: float, schema: dict[str, Any], at: str) -> Iterator[str]:
    if not schema.get("minimum", value) <= value <= schema.get("maximum", value):
        yield f"{at}: {value} is not within {schema.get('minimum', '-inf')} to {schema.get('maximum', 'inf')}"


def _schemas(schema: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The schema and every schema inside it."""
    yield schema
    for word in ("properties", "patternProperties", "$defs"):
        for inner in schema.get(word, {}).values():
            yield from _schemas(inner)
    for word in ("items", "additionalProperties"):
        if isinstance(schema.get(word), dict):
            yield from _schemas(schema[word])
    for inner in schema.get("anyOf", []):
        yield from _schemas(inner)
