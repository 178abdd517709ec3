"""The source of a function with all that it uses of this package, as a program that needs only the library."""

from __future__ import annotations

import ast
import importlib
import inspect
from collections.abc import Iterator
from functools import cache
from types import ModuleType

# Packages whose definitions are copied instead of imported.
_OURS = ("conformance", "oracle")


class Unbundled(Exception):
    """The definition uses something that cannot be copied; the message says what."""


class Bundle:
    """Definitions, each after those that it uses, and the imports that they need."""

    def __init__(self) -> None:
        self._imports: dict[str, None] = {}
        self._parts: dict[tuple[str, str], str] = {}
        self._owners: dict[str, str] = {}

    def add(self, module: ModuleType, name: str) -> None:
        """A definition of a module. Raises ``Unbundled`` where it cannot be copied."""
        node = _definitions(module).get(name)
        if node is None or (module.__name__, name) in self._parts:
            return  # a builtin, or known
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            self._imported(node, name)
            return
        if self._owners.setdefault(name, module.__name__) != module.__name__:
            raise Unbundled(f"{module.__name__} and {self._owners[name]} both define {name}")
        key = module.__name__, name
        self._parts[key] = ""  # it may use itself
        for used in dict.fromkeys(_used(node)):
            self.add(module, used)
        del self._parts[key]
        self._parts[key] = _text(module, node)

    def text(self) -> str:
        """The program."""
        return "\n\n".join(["\n".join(self._imports), *self._parts.values()])

    def _imported(self, node: ast.Import | ast.ImportFrom, name: str) -> None:
        (alias,) = (alias for alias in node.names if (alias.asname or alias.name.partition(".")[0]) == name)
        renamed = f" as {alias.asname}" if alias.asname else ""
        if isinstance(node, ast.Import):
            self._imports[f"import {alias.name}{renamed}"] = None
        elif node.module is None or node.level:
            raise Unbundled(f"{name} is imported from a place relative to its file")
        elif node.module.partition(".")[0] not in _OURS:
            self._imports[f"from {node.module} import {alias.name}{renamed}"] = None
        elif renamed or isinstance(getattr(module := importlib.import_module(node.module), name, None), ModuleType):
            raise Unbundled(f"{name} is a name for {node.module}.{alias.name}")
        else:
            self.add(module, name)


@cache
def _definitions(module: ModuleType) -> dict[str, ast.stmt]:
    """What the statements of a module define, by name. Raises ``Unbundled`` where there is no source."""
    found: dict[str, ast.stmt] = {}
    try:
        source = inspect.getsource(module)
    except (OSError, TypeError) as error:
        raise Unbundled(f"{module.__name__} has no source: {error}") from error
    for node in ast.parse(source).body:
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            found[node.name] = node
        elif isinstance(node, (ast.Import, ast.ImportFrom)):
            found |= {alias.asname or alias.name.partition(".")[0]: node for alias in node.names}
        elif isinstance(node, (ast.Assign, ast.AnnAssign)):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            found |= {each.id: node for each in targets if isinstance(each, ast.Name)}
    return found


def _used(node: ast.AST) -> Iterator[str]:
    """The names in a definition, those of annotations aside, which nothing evaluates."""
    if isinstance(node, ast.Name):
        yield node.id
    for field, value in ast.iter_fields(node):
        if field not in ("annotation", "returns"):
            for each in value if isinstance(value, list) else [value]:
                if isinstance(each, ast.AST):
                    yield from _used(each)


def _text(module: ModuleType, node: ast.stmt) -> str:
    """The lines of a definition, with its decorators."""
    first = min([node.lineno, *(each.lineno for each in getattr(node, "decorator_list", ()))])
    lines = inspect.getsource(module).splitlines()[first - 1 : node.end_lineno]
    return "\n".join(lines)
