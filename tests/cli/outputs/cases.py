"""Inputs as they were met, where a checkout has them beside it."""

from __future__ import annotations

from pathlib import Path

import pytest

_ROOT = Path(__file__).resolve().parents[3]
_FOUND = [folder for up in (_ROOT, *_ROOT.parents) if (folder := up / "shared" / "cases").is_dir()]
CASES = _FOUND[0] if _FOUND else _ROOT.parent / "shared" / "cases"
needs_cases = pytest.mark.skipif(not _FOUND, reason=f"{CASES} is not there")
