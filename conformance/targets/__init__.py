"""The targets.

The directory is the registry: ``NAME.py`` (or the package ``NAME``) serves the targets ``NAME`` and ``NAME-VARIANT``.
Each offers ``VARIANTS``, the variants it has ("" for none), and ``target(variant)``, which makes one.
"""

from __future__ import annotations

import ast
import importlib
import importlib.util
import inspect
import pkgutil
import symtable
import sys
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.metadata import entry_points
from pathlib import Path
from types import ModuleType
from typing import Any

from conformance.target import Target, Unavailable, require_formats, said

_GROUP = "conformance.targets"


class UnknownTarget(Exception):
    """No target goes by this name; the message lists those that do."""


def load(name: str) -> Target:
    """The target of this name: built in, registered as an entry point of the group ``conformance.targets``, ``module``,
    ``module:attribute``, or a path to a file.

    Raises ``UnknownTarget`` for an unknown name, ``Unavailable`` where the target cannot run here.
    """
    with _loading(name):
        target = _load(name, ())
        require_formats(target)
        target.loaded_as = name
    return target


def _load(name: str, extended_by: tuple[str, ...]) -> Target:
    if name in extended_by:
        raise UnknownTarget(f"target {name!r} extends itself: {' → '.join((*extended_by, name))}")
    stem, _, variant = name.partition("-")
    if stem not in _built_in():
        return _target(_foreign(name), name, extended_by)
    module = _our_own(stem, name)
    if variant not in module.VARIANTS:
        raise UnknownTarget(_unknown(name))
    built: Target = module.target(variant)
    return built


@contextmanager
def _loading(name: str) -> Iterator[None]:
    """A target is another's code: whatever it raises, its user reads one line about it."""
    try:
        yield
    except (UnknownTarget, Unavailable, KeyboardInterrupt):
        raise
    except BaseException as error:  # sys.exit as well
        raise Unavailable(f"target {name!r} does not load: {said(error)}") from error


def _our_own(stem: str, name: str) -> ModuleType:
    try:
        return importlib.import_module(f"{__name__}.{stem}")
    except ModuleNotFoundError as error:
        if error.name is None or "." in error.name:  # a part of a library that is there
            raise
        raise Unavailable(
            f"target {name!r} needs the module {error.name!r}: {error}; "
            f"install it, for example: pip install {error.name}"
        ) from error


def _foreign(name: str) -> Any:
    """What an entry point, a module, a file or an attribute of these holds."""
    for entry in entry_points(group=_GROUP):
        if entry.name == name:
            return entry.load()
    path, _, attribute = name.partition(":")
    module = _from_file(Path(path)) if path.endswith(".py") else _from_name(path, name)
    if not attribute:
        return module
    if not hasattr(module, attribute):
        raise UnknownTarget(f"{path} has no attribute {attribute!r}")
    return getattr(module, attribute)


def _built_in() -> list[str]:
    return [module.name for module in pkgutil.iter_modules(__path__)]


def names() -> list[str]:
    """All targets known by name; one whose library is missing is listed with what it needs."""
    found = [entry.name for entry in entry_points(group=_GROUP)]
    for stem in _built_in():
        try:
            with _loading(stem):
                variants = importlib.import_module(f"{__name__}.{stem}").VARIANTS
            found += [f"{stem}-{variant}" if variant else stem for variant in variants]
        except Unavailable as unavailable:
            found.append(f"{stem} (does not load: {said(unavailable.__cause__ or unavailable)})")
    return sorted(found)


def _unknown(name: str) -> str:
    return (
        f"unknown target {name!r}; known: {', '.join(names())}; "
        "or a module, module:attribute, or path/to/file.py with functions named like the layers"
    )


def _from_name(module: str, name: str) -> ModuleType:
    if not all(part.isidentifier() for part in module.split(".")):
        raise UnknownTarget(_unknown(name))
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        if f"{module}.".startswith(f"{error.name}."):  # neither it nor the package it would be in
            raise UnknownTarget(_unknown(name)) from error
        raise


def _from_file(path: Path) -> ModuleType:
    if not path.is_file():
        raise UnknownTarget(f"unknown target {str(path)!r}: there is no such file")
    path = path.resolve()
    # a name that nothing else imports: the file may be called like a module of the standard library
    name = f"target_{path.stem}_{zlib.crc32(bytes(path)):08x}"
    description = importlib.util.spec_from_file_location(name, path)
    assert description is not None
    assert description.loader is not None
    module = sys.modules[name] = importlib.util.module_from_spec(description)
    sys.path.insert(0, str(path.parent))  # it may import its neighbours, like any script
    try:
        description.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    finally:
        sys.path.remove(str(path.parent))
    return module


def _target(found: Any, name: str, extended_by: tuple[str, ...]) -> Target:
    if isinstance(found, type) and issubclass(found, Target):
        return found()
    if isinstance(found, Target):
        return found
    if isinstance(found, ModuleType):
        return _Functions(found, name, extended_by)
    raise UnknownTarget(f"target {name!r} is a {type(found).__name__}, expected a module or a Target")


class _Functions(Target):
    """A plain module: its functions named like the layers, and any attribute of ``Target`` that it defines.

    ``extends = "torch-cpu"`` takes all those attributes from another target, but none of its layers. A function is
    anything that can be called: defined, made by assignment, imported from the module's own package. What it imports
    from elsewhere counts only where ``__all__`` lists it: a library's softmax, for use inside, is not an offer.
    """

    def __init__(self, module: ModuleType, name: str, extended_by: tuple[str, ...]) -> None:
        base = _load(module.extends, (*extended_by, name)) if hasattr(module, "extends") else self
        self.name = name
        self._module = module
        self._imported = _imported(module)
        for attribute, default in vars(Target).items():
            if not attribute.startswith("_") and attribute not in ("name", "layer"):
                own = self._offer(attribute) if callable(default) else self._constant(attribute)
                setattr(self, attribute, getattr(base, attribute) if own is None else own)

    def layer(self, name: str) -> Callable[..., Any] | None:
        return self._offer(name)

    def _constant(self, name: str) -> Any:
        found = getattr(self._module, name, None)
        return None if isinstance(found, ModuleType) else found

    def _offer(self, name: str) -> Callable[..., Any] | None:
        found = getattr(self._module, name, None)
        offered = name not in self._imported or name in getattr(self._module, "__all__", ())
        return found if callable(found) and offered else None


def _imported(module: ModuleType) -> set[str]:
    """The names that a module only imports, from outside its own package; none where there is no source to read."""
    try:
        source = inspect.getsource(module)
    except (OSError, TypeError):
        return set()
    package = module.__name__.partition(".")[0]
    symbols = symtable.symtable(source, module.__name__, "exec").get_symbols()
    own = {symbol.get_name() for symbol in symbols if symbol.is_assigned()}
    foreign: set[str] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ImportFrom):
            origin = importlib.util.resolve_name("." * node.level + (node.module or ""), module.__package__ or package)
            bound = {alias.asname or alias.name for alias in node.names}
            everything = dir(sys.modules.get(origin)) if bound == {"*"} else bound
            (own if origin.partition(".")[0] == package else foreign).update(everything)
    return foreign - own
