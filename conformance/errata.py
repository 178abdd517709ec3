"""The errata of the document, written from the golden fixtures: ``python -m conformance.errata > docs/errata.md``."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from conformance import golden

_TABLES = ("example", "shape", "formula", "snippet")
_HEAD = """# Errata of the document

Every statement of the document about a number, a shape, a count, a formula or the outcome of a code block that is not
right as printed. Generated from `fixtures/` by `python -m conformance.errata`; the tests hold both together. Line
numbers are those of the document. Of {all} statements examined, {right} are right and {wrong} are listed here.
"""
# Worked numbers with more elements than this are left to the fixture.
_SHOWN = 12


def page() -> str:
    """The whole page, Markdown."""
    statements = [entry for layer in golden.names() for _, entry in _entries(layer)]
    wrong = [entry for entry in statements if entry["kinds"]]
    parts = [_HEAD.format(all=len(statements), right=len(statements) - len(wrong), wrong=len(wrong))]
    for layer in golden.names():
        entries = [(table, entry) for table, entry in _entries(layer) if entry["kinds"]]
        if entries:
            parts.append(f"## {layer}\n")
            parts += [_statement(table, entry) for table, entry in entries]
    return "\n".join(parts)


def _entries(layer: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    fixture = golden.fixture(layer)
    found = [(table, entry) for table in _TABLES for entry in fixture.get(table, ())]
    return iter(sorted(found, key=lambda pair: pair[1]["lines"]))


def _statement(table: str, entry: Mapping[str, Any]) -> str:
    first, last = entry["lines"]
    lines = f"line {first}" if first == last else f"lines {first}–{last}"
    explanation = " ".join(entry["explanation"].split())
    text = [f"**{entry['title']}** ({lines}; {', '.join(entry['kinds'])}). {explanation}", ""]
    details = [*_details(table, entry)]
    return "\n".join([*text, *(f"- {detail}" for detail in details), *([""] if details else [])])


def _details(table: str, entry: Mapping[str, Any]) -> Iterator[str]:
    if table == "formula":
        yield f"Right: {entry['correct']}"
    if table == "shape":
        if "printed" in entry and entry["printed"] != entry["outputs"]:
            yield f"Shape printed {entry['printed']}, right {entry['outputs']}"
        if "printed_parameters" in entry and entry["printed_parameters"] != entry["parameters"]:
            yield f"Parameters printed {entry['printed_parameters']}, right {entry['parameters']}"
    if table == "snippet":
        yield f"Alone: {entry['isolated']}. After the blocks before it: {entry['notebook']}."
    for reading in entry.get("reading", ()):
        values = golden.literal(reading["expected"]).values
        if len(values) <= _SHOWN:
            printed = golden.literal(reading["printed"]).values if "printed" in reading else ()
            shown = ", ".join(str(value) for value in values)
            against = f"; printed {', '.join(str(value) or '–' for value in printed)}" if printed else ""
            yield f"{reading['name']}: {shown}{against}"


if __name__ == "__main__":
    print(page(), end="")
