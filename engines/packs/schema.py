"""pack.json text <-> `PackSpec`, strictly: anything the schema doesn't name is an error that gives its path.

The layout is `specs.py` field by field (tuples as lists) plus a top-level `"schema_version"`.
"""

from __future__ import annotations

import dataclasses
import functools
import json
import math
import re
import string
import types
from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import Any, Literal, NoReturn, TypeVar, Union, get_args, get_origin, get_type_hints

from edgecap.engines.errors import PackSchemaError
from edgecap.engines.graph.spec import GraphSpec
from edgecap.engines.packs.specs import CaptionerSpec, DetectorSpec, PackSpec, PoseSpec, SegmenterSpec

_Kind = TypeVar("_Kind")

SCHEMA_VERSION = 1
PROMPT_FIELDS = ("global", "background", "appearance", "action")
OPTIONAL_PROMPT_FIELDS = ("camera",)
PROMPT_PLACEHOLDERS = ("class", "motion", "measured", "instances", "class_hint", "camera_hint", "relations")

_SCALARS: dict[Any, str] = {str: "a string", int: "a whole number", float: "a number", bool: "true or false"}


def decode_pack(text: str, *, source: str) -> PackSpec:
    """Text of a pack.json -> `PackSpec`. `source` names the file in errors.

    Raises `PackSchemaError` with the JSON path, what is expected and what is there: not JSON, a key twice,
    another schema_version, an unknown or missing key, a wrong type, or values that contradict each other.
    """
    try:
        data = json.loads(text, object_pairs_hook=_unique_keys, parse_constant=_refuse_constant)
        if not isinstance(data, dict):
            _fail("$", "an object", data)
        if data.get("schema_version") != SCHEMA_VERSION or isinstance(data["schema_version"], bool):
            _fail(
                "$.schema_version",
                f"{SCHEMA_VERSION} (use the edgecap that wrote it, or export it again)",
                data.get("schema_version"),
            )
        del data["schema_version"]
        spec = _decode(data, PackSpec, "$")
        assert isinstance(spec, PackSpec)
        check_pack(spec)
    except json.JSONDecodeError as error:
        raise PackSchemaError(
            f"{source}: not JSON (line {error.lineno}, column {error.colno}: {error.msg}); reinstall or export the pack"
        ) from error
    except (ValueError, RecursionError) as error:
        raise PackSchemaError(f"{source}: {_not_json(error)}; reinstall or export the pack") from error
    except PackSchemaError as error:
        raise PackSchemaError(f"{source}: {error}; undo the edit, or export the pack again") from None
    return spec


def decode_strictly(text: str, kind: type[_Kind]) -> _Kind:
    """JSON text -> a dataclass, by the rules of pack.json: no key that it lacks, none twice, every type exact.

    Raises `PackSchemaError` with the JSON path; the caller puts the file's name before it.
    """
    try:
        data = json.loads(text, object_pairs_hook=_unique_keys, parse_constant=_refuse_constant)
    except json.JSONDecodeError as error:
        raise PackSchemaError(f"not JSON (line {error.lineno}, column {error.colno}: {error.msg})") from error
    except (ValueError, RecursionError) as error:
        raise PackSchemaError(_not_json(error)) from error
    value = _decode(data, kind, "$")
    assert isinstance(value, kind)
    return value


def _not_json(error: Exception) -> str:
    """Text that follows JSON's grammar and can't be read: thousands of nested lists, or of digits in one number."""
    return f"not JSON ({'nested too deeply' if isinstance(error, RecursionError) else error})"


def encode_pack(spec: PackSpec) -> str:
    """`PackSpec` -> the text of its pack.json, indented, with a final newline. Same spec, same bytes."""
    data = {"schema_version": SCHEMA_VERSION, **content_of(spec)}
    return json.dumps(data, indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def content_of(spec: PackSpec) -> dict[str, Any]:
    """`spec` as JSON types, without what is as in packs of before: these keep their text and their digest, and older
    versions read them."""
    content = dataclasses.asdict(spec)
    if spec.pose is None:
        del content["pose"]
    if spec.detector is not None and spec.detector.scores == "raw":
        del content["detector"]["scores"]
    return content


def check_pack(spec: PackSpec) -> None:
    """Raise `PackSchemaError` where well-typed values can't be true together."""
    for name, entry in spec.files.items():
        at = f"$.files[{name!r}]"
        check_file_name(name, at=at)
        if not re.fullmatch(r"[0-9a-f]{64}", entry.sha256):
            _fail(f"{at}.sha256", "64 lower-case hex digits", entry.sha256)
        if entry.bytes < 0:
            _fail(f"{at}.bytes", "a size >= 0", entry.bytes)
    for at, name in _named_files(spec):
        if name not in spec.files:
            _fail(at, f"one of the names under $.files ({', '.join(sorted(spec.files)) or 'none'})", name)
    for at, graph in graphs_of(spec):
        for side in ("inputs", "outputs"):
            names = [tensor.name for tensor in getattr(graph, side)]
            if len(set(names)) != len(names):
                _fail(f"{at}.{side}", "each tensor name once", names)
        for axis, (least, usual, most) in graph.ranges.items():
            if not 0 <= least <= usual <= most:
                _fail(f"{at}.ranges[{axis!r}]", "least <= usual <= most, none below 0", [least, usual, most])
    paths = {at.removeprefix("$.") for at, _ in graphs_of(spec)}
    for graph_path in spec.twins:
        if graph_path not in paths:
            known = ", ".join(sorted(paths))
            _fail(f"$.twins[{graph_path!r}]", f"the path of a graph of this pack ({known})", graph_path)
    for role in (spec.detector, spec.segmenter, spec.pose):
        if role is not None:
            _check_pixels(role)
    if spec.captioner is not None:
        _check_prompts(spec.captioner)
    if spec.domain is not None:
        outputs = [] if spec.detector is None else [tensor.name for tensor in spec.detector.graph.outputs]
        if "embedding" not in outputs:
            _fail("$.domain", "null where no detector has an output 'embedding' for the check to look at", outputs)


def check_file_name(name: str, *, at: str) -> None:
    """Raise `PackSchemaError` unless `name` is a plain relative path, with "/", that stays in its folder."""
    path = PurePosixPath(name)
    escapes = path.is_absolute() or ".." in path.parts or str(path) != name
    if escapes or not path.parts or "\\" in name or "\0" in name:
        _fail(at, "a relative path inside the pack, with forward slashes", name)


def _check_prompts(captioner: CaptionerSpec) -> None:
    for at, fields in (("prompts", set(captioner.prompts)), ("max_tokens", set(captioner.max_tokens))):
        if fields - set(OPTIONAL_PROMPT_FIELDS) != set(PROMPT_FIELDS) or fields ^ set(captioner.prompts):
            _fail(f"$.captioner.{at}", f"exactly the fields {', '.join(PROMPT_FIELDS)} (and camera)", sorted(fields))
    for field, template in captioner.prompts.items():
        at = f"$.captioner.prompts[{field!r}]"
        try:
            parts = list(string.Formatter().parse(template))
        except ValueError as error:
            raise PackSchemaError(f"{at}: expected a template ({error}), got {json.dumps(template)}") from None
        for _, name, form, conversion in parts:
            if name is not None and (name not in PROMPT_PLACEHOLDERS or form or conversion):
                _fail(at, f"no placeholder but {', '.join(f'{{{p}}}' for p in PROMPT_PLACEHOLDERS)}", template)


def _check_pixels(role: DetectorSpec | SegmenterSpec | PoseSpec) -> None:
    at = f"$.{type(role).__name__.removesuffix('Spec').lower()}"
    if role.stride < 1 or role.image_side < role.stride:
        _fail(f"{at}.image_side", f"at least one stride ({role.stride})", role.image_side)
    if not 0 <= role.pad_value <= 255:
        _fail(f"{at}.pad_value", "0 to 255", role.pad_value)


def _named_files(spec: PackSpec) -> Iterator[tuple[str, str]]:
    """Where a file is named, and its name."""
    for at, graph in graphs_of(spec):
        yield f"{at}.file", graph.file
    for graph_path, graph in spec.twins.items():
        yield f"$.twins[{graph_path!r}].file", graph.file
    if spec.captioner is not None:
        yield "$.captioner.embedding_file", spec.captioner.embedding_file
        yield "$.captioner.tokenizer_file", spec.captioner.tokenizer_file
        if spec.captioner.prompt_file is not None:
            yield "$.captioner.prompt_file", spec.captioner.prompt_file
    if spec.domain is not None:
        yield "$.domain.file", spec.domain.file


def graphs_of(spec: PackSpec) -> Iterator[tuple[str, GraphSpec]]:
    """JSON path and spec of every graph that a role names."""
    if isinstance(spec.detector, DetectorSpec):
        yield "$.detector.graph", spec.detector.graph
    if isinstance(spec.segmenter, SegmenterSpec):
        yield "$.segmenter.encoder", spec.segmenter.encoder
        yield "$.segmenter.decoder", spec.segmenter.decoder
        if spec.segmenter.memory is not None:
            yield "$.segmenter.memory.attention", spec.segmenter.memory.attention
            yield "$.segmenter.memory.encoder", spec.segmenter.memory.encoder
            yield "$.segmenter.memory.decoder", spec.segmenter.memory.decoder
    if isinstance(spec.captioner, CaptionerSpec):
        yield "$.captioner.vision", spec.captioner.vision
        yield "$.captioner.decoder", spec.captioner.decoder
    if isinstance(spec.pose, PoseSpec):
        yield "$.pose.graph", spec.pose.graph


def _decode(value: Any, kind: Any, at: str) -> Any:
    """JSON value -> instance of the annotation `kind`; `at` is the JSON path so far."""
    origin = get_origin(kind)
    if dataclasses.is_dataclass(kind):
        return _decode_object(value, kind, at)
    if origin is Literal:
        if value not in get_args(kind) or not isinstance(value, str):
            _fail(at, f"one of {', '.join(get_args(kind))}", value)
        return value
    if origin in (Union, types.UnionType):
        return _decode_union(value, get_args(kind), at)
    if origin is tuple:
        return _decode_tuple(value, get_args(kind), at)
    if origin is dict:
        if not isinstance(value, dict):
            _fail(at, "an object", value)
        return {key: _decode(item, get_args(kind)[1], f"{at}[{key!r}]") for key, item in value.items()}
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if type(value) is not kind or (kind is float and not math.isfinite(value)):
        _fail(at, _SCALARS[kind], value)
    return value


def _decode_object(value: Any, kind: Any, at: str) -> Any:
    if not isinstance(value, dict):
        _fail(at, f"an object ({kind.__name__})", value)
    hints = _hints(kind)
    for key in value:
        if key not in hints:
            raise PackSchemaError(f"{at}.{key}: unknown key; {kind.__name__} has {', '.join(hints)}")
    needed = _needed(kind)
    for key in needed:
        if key not in value:
            raise PackSchemaError(f"{at}.{key}: missing; {kind.__name__} needs {', '.join(needed)}")
    return kind(**{key: _decode(item, hints[key], f"{at}.{key}") for key, item in value.items()})


def _decode_union(value: Any, kinds: tuple[Any, ...], at: str) -> Any:
    """`X | None`, or scalars distinguished by their JSON type (int | str)."""
    if value is None and types.NoneType in kinds:
        return None
    rest = [kind for kind in kinds if kind is not types.NoneType]
    if len(rest) == 1:
        return _decode(value, rest[0], at)
    if type(value) not in rest:
        _fail(at, " or ".join(_SCALARS[kind] for kind in rest), value)
    return value


def _decode_tuple(value: Any, kinds: tuple[Any, ...], at: str) -> tuple[Any, ...]:
    if not isinstance(value, list):
        _fail(at, "a list", value)
    if kinds[-1] is Ellipsis:
        kinds = kinds[:1] * len(value)
    if len(value) != len(kinds):
        _fail(at, f"a list of {len(kinds)}", value)
    return tuple(_decode(item, kind, f"{at}[{i}]") for i, (item, kind) in enumerate(zip(value, kinds, strict=True)))


@functools.cache
def _hints(kind: Any) -> dict[str, Any]:
    return get_type_hints(kind)


@functools.cache
def _needed(kind: Any) -> tuple[str, ...]:
    """Fields without a default, in order. Those with one came after the first packs were written."""
    missing = dataclasses.MISSING
    return tuple(f.name for f in dataclasses.fields(kind) if f.default is missing and f.default_factory is missing)


def _unique_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    out: dict[str, Any] = {}
    for key, value in pairs:
        if key in out:
            raise PackSchemaError(f"key {key!r} occurs twice in one object; keep one")
        out[key] = value
    return out


def _refuse_constant(name: str) -> NoReturn:
    raise PackSchemaError(f"{name} is no JSON number; write a finite one")


def _fail(at: str, expected: str, got: Any) -> NoReturn:
    shown = json.dumps(got, default=str)
    shown = shown if len(shown) <= 80 else shown[:77] + "..."
    raise PackSchemaError(f"{at}: expected {expected}, got {shown}")
