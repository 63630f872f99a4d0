"""Markdown of the generated tables: a table, and the text between two markers of a document."""

from __future__ import annotations

from collections.abc import Iterable, Sequence


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table; one string per cell."""
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (head, ["---"] * len(head), *rows))


def numbered(lines: Iterable[str]) -> str:
    """A numbered list, from 1."""
    return "\n".join(f"{number}. {line}" for number, line in enumerate(lines, 1))


def replace_between(text: str, name: str, content: str) -> str:
    """`text` with everything between `<!-- name -->` and `<!-- /name -->` replaced; ValueError if not once each."""
    start, end = f"<!-- {name} -->", f"<!-- /{name} -->"
    if text.count(start) != 1 or text.count(end) != 1:
        raise ValueError(f"expected {start} and {end} once each in the document")
    before, rest = text.split(start)
    return f"{before}{start}\n{content}\n{end}{rest.split(end)[1]}"
