"""The tables of checks and layers for the README: ``python -m conformance.coverage``."""

from __future__ import annotations

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


if __name__ == "__main__":
    print(questions(), table(), sep="\n", end="")
