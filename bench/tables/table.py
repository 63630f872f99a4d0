"""A generated table: a paragraph, columns, and one format string per row; and its place in a document."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

Values = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Table:
    """What stands above the table, its columns and its rows, as format strings over measured values."""

    title: str
    """Over the measurement; "" for none."""
    columns: str
    """"clip | IDF1", over the measurement."""
    row: str
    """"{name} | {idf1:.3f}", over each of `rows`."""
    rows: Callable[[Any], Iterable[Values]]
    """Measurement -> values of each row."""
    more: Callable[[Any], Values] = lambda data: {}
    """Measurement -> further values for title and columns."""

    def render(self, data: Values) -> str:
        """Markdown. KeyError where the measurement lacks a value."""
        values = {**data, **self.more(data)}
        lines = markdown_table(self.columns.format(**values), [self.row.format(**row) for row in self.rows(data)])
        return f"{self.title.format(**values)}\n\n{lines}" if self.title else lines


def markdown_table(head: str, rows: Sequence[str]) -> str:
    """Rows of cells separated by " | "."""
    rule = " | ".join("---" for _ in head.split(" | "))
    return "\n".join(f"| {cells} |" for cells in (head, rule, *rows))


def replace_between(text: str, name: str, content: str) -> str:
    """`text` with everything between `<!-- name -->` and `<!-- /name -->` replaced; ValueError if not once each."""
    start, end = f"<!-- {name} -->", f"<!-- /{name} -->"
    if text.count(start) != 1 or text.count(end) != 1:
        raise ValueError(f"expected {start} and {end} once each in the document")
    before, rest = text.split(start)
    return f"{before}{start}\n{content}\n{end}{rest.split(end)[1]}"
