"""Is a row's caption fit for training? Faults of form only: what a trainer would stumble over.

In: an InstanceCap row (dict). Out: faults as lines, empty where there is none. The words themselves are judged by
runtime/verify/verifier.py; the released InstanceVid rows hedge too often for that to be a reason to drop them.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from typing import Any

from edgecap.engines.errors import InputError
from edgecap.runtime.output.row import structure_of

_FIELDS = ("Class", "Appearance", "Actions and Motion", "Position")
_LEAKS = re.compile(r"\b(?:mosaic|blurred (?:area|background|region)|as an ai|frame \d+|i cannot|i'm sorry)\b", re.I)
_MOST_WORDS = 400
"""Of one field. The longest field of the method's own example has 40; 400 is a model that did not stop."""
_MOST_REPEATS = 3


def caption_faults(row: Mapping[str, Any]) -> list[str]:
    """What is wrong with the caption of a row, worst first."""
    if (meta := row.get("meta")) and isinstance(meta, Mapping) and meta.get("status") == "error":
        return [f"its captioner failed: {meta.get('message', 'no reason given')}"]
    try:
        block = structure_of(row)
    except InputError as error:
        return [str(error).partition(";")[0]]
    instances = block.get("Main Instance")
    if not isinstance(instances, dict):
        return ["'Main Instance' is missing or no object"]
    texts = {"Global Description": row.get("Global Description")}
    texts |= {name: block.get(name) for name in ("Background Detail", "Camera Movement")}
    faults = [] if instances else ["no instance is described"]
    for key, instance in instances.items():
        if isinstance(instance, dict):
            texts |= {f"{key} {name}": instance.get(name) for name in _FIELDS}
        else:
            faults.append(f"instance {key} is no object")
    return faults + [fault for name, text in texts.items() for fault in _text_faults(name, text)]


def _text_faults(name: str, text: object) -> list[str]:
    if not isinstance(text, str):
        return [f"{name} is missing or no text"]
    if not text.strip():
        return [f"{name} is empty"]
    words = text.lower().split()
    faults = [f"{name} has {len(words)} words"] if len(words) > _MOST_WORDS else []
    fours = Counter(" ".join(words[i : i + 4]) for i in range(len(words) - 3))
    phrase, count = fours.most_common(1)[0] if fours else ("", 0)
    if count > _MOST_REPEATS:
        faults.append(f"{name} says {phrase!r} {count} times")
    if leak := _LEAKS.search(text):
        faults.append(f"{name} speaks of how it was made: {leak.group()!r}")
    return faults
