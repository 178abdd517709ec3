"""The arrows of import point one way."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FILES = sorted([*(ROOT / "oracle").rglob("*.py"), *(ROOT / "conformance").rglob("*.py")])


def imported(path: Path) -> set[str]:
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return found


def named(names: set[str], *prefixes: str) -> set[str]:
    return {name for name in names if any(name == prefix or name.startswith(f"{prefix}.") for prefix in prefixes)}


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_follow_the_arrows(path: Path) -> None:
    names = imported(path)
    here = path.relative_to(ROOT).as_posix()
    if here.startswith("oracle/"):
        assert not named(names, "conformance", "hypothesis", "pytest", "torch", "numpy"), "the oracle knows only itself"
    if here.startswith("oracle/formulas/") and not here.endswith("__init__.py"):
        allowed = ("oracle.scalar", "oracle.tensor", "oracle.sizes", "oracle.formulas")
        assert named(names, "oracle") == named(names, *allowed), "formulas know the vocabulary, tensors and each other"
    if here.startswith("conformance/targets/"):
        strategies = named(
            names, "conformance.strategies", "conformance.spec", "conformance.specs", "conformance.checks"
        )
        assert not strategies, "targets know nothing of what is asked"
        if here != "conformance/targets/oracle.py":
            assert not named(names, "oracle"), "only the oracle's own target knows the oracle"
    assert not named(names, "conformance.plugin"), "nothing imports the plugin"
    if not here.startswith(("conformance/targets/", "conformance/examples/")):
        assert not named(names, "torch"), "frameworks stay in their targets"


@pytest.mark.parametrize("path", sorted((ROOT / "oracle" / "formulas").glob("*.py")), ids=lambda path: path.stem)
def test_formulas_add_only_with_total_and_dot(path: Path) -> None:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    assert not any(isinstance(node, ast.AugAssign) for node in ast.walk(tree)), "a running sum fixes an order"
    calls = {node.func.id for node in ast.walk(tree) if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)}
    assert "sum" not in calls, "a sum is total(terms) or dot(xs, ys)"
