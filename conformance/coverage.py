"""The tables of checks and layers in the README, updated by ``python -m conformance.coverage README.md``."""

from __future__ import annotations

import sys
from pathlib import Path

from conformance import checks, golden, spec
from oracle.formulas import names

_TABLES = ("example", "shape", "formula", "snippet")


def table() -> str:
    """One row for every layer: where it is specified, its formula, its fixture, and what is checked. Markdown."""
    lines = ["| layer | specified in | formula | fixture | checks |", "| --- | --- | --- | --- | --- |"]
    for layer in spec.names():
        formula = f"[formula](oracle/formulas/{layer}.py)" if layer in names() else "[law](oracle/initialisation.py)"
        kinds = ", ".join(check for check in checks.names() if checks.check(check).applies(layer))
        lines.append(f"| {layer} | {spec.spec(layer).source} | {formula} | {_fixture(layer)} | {kinds} |")
    return "\n".join(lines) + "\n"


def _fixture(layer: str) -> str:
    if layer not in golden.names():
        return "–"
    count = sum(len(golden.fixture(layer).get(kind, ())) for kind in _TABLES)
    return f"[{count} statements](fixtures/{layer}.toml)"


def questions() -> str:
    """One row for every check: what it asks, the first sentence of its file. Markdown."""
    lines = ["| check | asks |", "| --- | --- |"]
    for name in checks.names():
        sentence = " ".join((checks.check(name).__doc__ or "").split("\n\n")[0].split())
        lines.append(f"| {name} | {sentence} |")
    return "\n".join(lines) + "\n"


def updated(text: str) -> str:
    """The text with both tables as they are now, each between the comments that mark it."""
    return marked(marked(text, "checks", questions()), "layers", table())


def marked(text: str, name: str, rows: str) -> str:
    """The text with these lines between the comments that bear the name, if it has such comments."""
    begin, end = f"<!-- {name} -->\n", f"<!-- /{name} -->"
    before, _, rest = text.partition(begin)
    return before + begin + rows + end + rest.partition(end)[2] if rest else text


if __name__ == "__main__":
    for path in map(Path, sys.argv[1:]):
        path.write_text(updated(path.read_text(encoding="utf-8")), encoding="utf-8")
