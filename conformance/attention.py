"""The document's table of kinds of attention, row by row: python -m conformance.attention > docs/attention.md."""

from __future__ import annotations

import ast
import inspect
import tomllib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from conformance.spec import names, spec
from oracle.formulas import formula

_HERE = Path(__file__).parent
_TARGETS = _HERE / "targets"

# The line of the document that has the first row.
_FIRST = 1344

_KINDS = {
    "formula": "formula",
    "several": "formulas of other names",
    "composition": "composition",
    "none": "no layer",
}
_HEAD = """# Kinds of attention

The document's table names {rows} kinds of attention (lines {first}–{last}), each in one sentence without a formula.
Here is what each is: a formula of its own ({formula}), formulas that answer to the name though none owns it
({several}), a composition of other rows ({composition}), or no layer at all ({none}). {checked} rows are checked,
{open} open. Generated from `conformance/attention.toml` and the specs by `python -m conformance.attention`; the tests
hold them together.

A row is *checked* where the suite has its layers, or the relations that hold the composition to what it is made of;
*open* where it has neither yet. *Unconfirmed* formulas were compared with neither paper nor code. Where no library
has the layer, plain torch in `tests/attention_kinds.py` stands in as the target.

"""


@dataclass(frozen=True)
class Row:
    """A row of the table.

    ``kind`` is one of "formula", "several", "composition" and "none"; ``layers`` are those that the suite has of it;
    ``formula`` stands where it has none, ``composition`` and ``proofs``, relations as "layer: name", for what is put
    together of others, ``reason`` for what no layer has. ``confirmed`` says whether the formula was compared with the
    paper, its authors' code or a library's documentation.
    """

    line: int
    name: str
    kind: str
    source: str
    confirmed: bool
    layers: Sequence[str] = ()
    formula: str = ""
    composition: str = ""
    proofs: Sequence[str] = ()
    reason: str = ""

    @property
    def state(self) -> str:
        if self.kind == "none":
            return "–"
        return "checked" if self.layers or self.proofs else "open"


@cache
def rows() -> tuple[Row, ...]:
    """The rows in the document's order."""
    found = tomllib.loads((_HERE / "attention.toml").read_text(encoding="utf-8"))["row"]
    return tuple(Row(line, **row) for line, row in enumerate(found, _FIRST))


def layers() -> list[str]:
    """The layers of all rows, in alphabetical order."""
    return sorted({layer for row in rows() for layer in row.layers})


def page() -> str:
    """The whole page, Markdown."""
    counts = {kind: sum(row.kind == kind for row in rows()) for kind in _KINDS}
    states = [row.state for row in rows()]
    head = _HEAD.format(
        rows=len(rows()),
        first=rows()[0].line,
        last=rows()[-1].line,
        checked=states.count("checked"),
        open=states.count("open"),
        **counts,
    )
    lines = ["| line | kind of attention | class | state | layers | source |", "| --- | --- | --- | --- | --- | --- |"]
    for row in rows():
        offered = ", ".join(f"[{layer}](#{layer})" for layer in row.layers) or "–"
        unsure = "" if row.confirmed or row.source == "–" else " (unconfirmed)"
        entry = (str(row.line), row.name, _KINDS[row.kind], row.state, offered, row.source + unsure)
        lines.append(f"| {' | '.join(entry)} |")
    parts = [head + "\n".join(lines) + "\n"]
    parts.append("## Rows without a layer of their own\n\n" + "".join(map(_said, _without_layers())))
    parts += ["## Layers\n", *map(_layer, layers())]
    return "\n".join(parts)


def _without_layers() -> Iterator[Row]:
    return (row for row in rows() if not row.layers or row.composition)


def _said(row: Row) -> str:
    what = row.reason or row.composition or row.formula
    proofs = f" Held to it by: {'; '.join(row.proofs)}." if row.proofs else ""
    return f"- **{row.name}** (line {row.line}): {what}.{proofs}\n"


def _layer(layer: str) -> str:
    """What a layer computes, which relations it is asked, which laws it is exempt from, and who has it."""
    asked = spec(layer)
    documented = inspect.getdoc(formula(layer)) or ""
    computes = " ".join(documented.split("\n\n")[0].split())
    parts = [f"### {layer}\n\n{computes}\n\nSource: {asked.source}.\n"]
    parts.append("".join(f"- {name}: {relation.sentence}\n" for name, relation in asked.relations.items()))
    if asked.exempt:
        parts.append("Laws that do not hold:\n")
        parts.append("".join(f"- {name}: {reason}\n" for name, reason in asked.exempt.items()))
    parts.append(f"Mistakes that are told apart: {len(asked.mistakes)}. Targets: {', '.join(_targets(layer))}.\n")
    return "\n".join(parts)


def _targets(layer: str) -> list[str]:
    """The libraries whose target defines the layer; plain torch in the tests where none does.

    The files are read, not imported: a library may not be here.
    """
    found = [package.name for package in sorted(_TARGETS.iterdir()) if package.is_dir() and layer in _defined(package)]
    return found or ["plain torch, in the tests"]


@cache
def _defined(package: Path) -> frozenset[str]:
    trees = (ast.parse(path.read_text(encoding="utf-8")) for path in package.glob("*.py"))
    return frozenset(node.name for tree in trees for node in tree.body if isinstance(node, ast.FunctionDef)) & {
        *names()
    }


if __name__ == "__main__":
    print(page(), end="")
