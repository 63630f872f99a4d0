"""Class names of a detector in COCO's spelling, never guessed.

In: a checkpoint's `id2label`, or a text file of the user. Out: one name per class id, in order. The runtime's words
(plurals, articles, "person" as who) know COCO's names.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from edgecap.engines.errors import CheckpointError, UsageError

COCO_LABELS: tuple[str, ...] = tuple(
    """person|bicycle|car|motorcycle|airplane|bus|train|truck|boat|traffic light|fire hydrant|stop sign|parking meter
|bench|bird|cat|dog|horse|sheep|cow|elephant|bear|zebra|giraffe|backpack|umbrella|handbag|tie|suitcase|frisbee|skis|snowboard
|sports ball|kite|baseball bat|baseball glove|skateboard|surfboard|tennis racket|bottle|wine glass|cup|fork|knife|spoon
|bowl|banana|apple|sandwich|orange|broccoli|carrot|hot dog|pizza|donut|cake|chair|couch|potted plant|bed|dining table
|toilet|tv|laptop|mouse|remote|keyboard|cell phone|microwave|oven|toaster|sink|refrigerator|book|clock|vase|scissors
|teddy bear|hair drier|toothbrush""".replace("\n", "").split("|")
)
"""The 80 things of COCO detection (Lin et al. 2014) in the order of their category ids."""

_OTHER_SPELLINGS = {
    "motorbike": "motorcycle",
    "aeroplane": "airplane",
    "sofa": "couch",
    "pottedplant": "potted plant",
    "diningtable": "dining table",
    "tvmonitor": "tv",
    "hair dryer": "hair drier",
    "doughnut": "donut",
    "cellphone": "cell phone",
    "television": "tv",
    "fridge": "refrigerator",
}
"""Spellings met in published id2label tables (Pascal VOC's names above all) -> COCO's."""
_PLACEHOLDER = re.compile(r"(label|class|cls)?[_ -]?\d+", re.IGNORECASE)


def labels_of(id2label: Mapping[Any, Any], *, count: int | None, origin: str, file: str | None) -> tuple[str, ...]:
    """Names by class id.

    `id2label`: as config.json has it (ids as text or whole numbers). `count`: classes of the head, None = as many as
    named. `file`: text file with one name per line, in the order of the ids, used instead. Raises `UsageError` for a
    file that can't be used, `CheckpointError` where the checkpoint has no names, placeholders, gaps, or another number.
    """
    names = _from_file(Path(file)) if file is not None else _from_config(id2label, origin)
    where = file or origin
    if count is not None and len(names) != count:
        raise (UsageError if file else CheckpointError)(
            f"{where}: {len(names)} class names for a head of {count} classes; give labels=FILE with {count} lines"
        )
    spelled = tuple(coco_spelling(name) for name in names)
    twice = sorted({name for name in spelled if spelled.count(name) > 1})
    if twice:
        raise (UsageError if file else CheckpointError)(
            f"{where}: class name {twice[0]!r} stands for several ids; give labels=FILE with one name per class"
        )
    return spelled


def coco_spelling(name: str) -> str:
    """COCO's name where `name` is one of them in another spelling or case, else `name` as it is, stripped."""
    plain = re.sub(r"[_\s]+", " ", name.strip())
    lower = plain.lower()
    found = _OTHER_SPELLINGS.get(lower, lower)
    return found if found in COCO_LABELS else plain


def _from_config(id2label: Mapping[Any, Any], origin: str) -> tuple[str, ...]:
    try:
        by_id = {int(key): str(value).strip() for key, value in id2label.items()}
    except (TypeError, ValueError) as error:
        raise CheckpointError(f"{origin}: id2label has a key that is not a class id ({error}); {_GIVE}") from error
    if not by_id:
        raise CheckpointError(f"{origin}: names no classes (no id2label); {_GIVE}")
    if sorted(by_id) != list(range(len(by_id))):
        raise CheckpointError(f"{origin}: id2label names {len(by_id)} classes, not 0 to {len(by_id) - 1}; {_GIVE}")
    nameless = [name for name in by_id.values() if not name or _PLACEHOLDER.fullmatch(name)]
    if nameless:
        raise CheckpointError(f"{origin}: its classes have no names (id2label says {nameless[0]!r}); {_GIVE}")
    return tuple(by_id[i] for i in range(len(by_id)))


def _from_file(path: Path) -> tuple[str, ...]:
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"labels={path}: can't be read ({error}); give a text file, one name per line") from error
    while lines and not lines[-1].strip():
        lines.pop()
    empty = next((i for i, line in enumerate(lines, 1) if not line.strip()), None)
    if not lines or empty:
        raise UsageError(f"labels={path}: line {empty or 1} is empty; give one class name per line, by class id")
    return tuple(line.strip() for line in lines)


_GIVE = "give them with the option labels=FILE, one name per line in the order of the ids"
