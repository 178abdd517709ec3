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
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from types import ModuleType
from typing import Any

from conformance.layouts import PLAIN
from conformance.target import Target, Unavailable, require_contract, said

_GROUP = "conformance.targets"

# What the name of a program in any language begins with.
_PROGRAM = "command:"

# What a target knows of itself, and what a plain module may define beside its layers.
_OWN = ("name", "layer", "definition", "loaded_as")
OFFERS = {
    "extends",
    *(name for name in vars(Target) if not name.startswith("_") and name not in _OWN),
}

# Of these, what says something of its layers alone.
_OF_LAYERS = {"known", "session", "trusted"}


class UnknownTarget(Exception):
    """No target goes by this name; the message lists those that do."""


def load(name: str) -> Target:
    """The target of this name: built in, registered as an entry point of the group ``conformance.targets``, ``module``,
    ``module:attribute``, a path to a file, or ``command:PROGRAM ARGUMENT …``.

    Raises ``UnknownTarget`` for an unknown name, ``Unavailable`` where the target cannot run here.
    """
    with _loading(name):
        target = _load(name, ())
        require_contract(target)
        target.loaded_as = name
    return target


def offering(name: str, offers: Mapping[str, Any]) -> Target:
    """The target that a file with these definitions is.

    Raises ``UnknownTarget`` for an unknown one that it extends, ``Unavailable`` where it cannot run here.
    """
    with _loading(name):
        module = ModuleType(name)
        vars(module).update(offers)
        target = _Functions(module, name, ())
        require_contract(target)
    return target


def _load(name: str, extended_by: tuple[str, ...]) -> Target:
    if name in extended_by:
        raise UnknownTarget(f"target {name!r} extends itself: {' → '.join((*extended_by, name))}")
    if name.startswith(_PROGRAM):
        program: Target = _our_own(_PROGRAM[:-1], name).Command(name.removeprefix(_PROGRAM))
        return program
    stem, _, variant = name.partition("-")
    if stem in _built_in():
        module = _our_own(stem, name)
        if variant in module.VARIANTS:
            with _installed(name):
                built: Target = module.target(variant)
            return built
        if name not in _registered():
            raise UnknownTarget(_unknown(name))
    return _target(_foreign(name), name, extended_by)


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
    with _installed(name):
        return importlib.import_module(f"{__name__}.{stem}")


@contextmanager
def _installed(name: str) -> Iterator[None]:
    """Raises ``Unavailable`` where a library that a target of ours needs is not there."""
    try:
        yield
    except ModuleNotFoundError as error:
        if error.name is None or "." in error.name:  # a part of a library that is there
            raise
        raise Unavailable(
            f"target {name!r} needs the module {error.name!r}: {error}; "
            f"install it, for example: pip install {error.name}"
        ) from error


def _foreign(name: str) -> Any:
    """What an entry point, a module, a file or an attribute of these holds."""
    entry = _registered().get(name)
    if entry is not None:
        return entry.load()
    path, _, attribute = name.partition(":")
    module = _from_file(Path(path)) if path.endswith(".py") else _from_name(path, name)
    if not attribute:
        return module
    if not hasattr(module, attribute):
        raise UnknownTarget(f"{path} has no attribute {attribute!r}")
    return getattr(module, attribute)


def _registered() -> dict[str, EntryPoint]:
    """The targets of other packages that are installed here, by name."""
    return {entry.name: entry for entry in entry_points(group=_GROUP)}


def _built_in() -> list[str]:
    return [module.name for module in pkgutil.iter_modules(__path__) if not module.name.startswith("_")]


def names() -> list[str]:
    """All targets known by name; one whose library is missing is listed with what it needs."""
    found = list(_registered())
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
        "or a module, module:attribute, or path/to/file.py with functions named like the layers; or command:PROGRAM"
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
    except BaseException as error:
        del sys.modules[name]
        if isinstance(error, ImportError) and (error.name or "").partition(".")[0] == path.stem:
            raise Unavailable(
                f"target {path.name!r} does not load: it imports {error.name!r}, "
                f"and is itself found under the name {path.stem!r}: give the file another name"
            ) from error
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

    ``extends = "torch-cpu"`` takes all those attributes from another target, but none of its layers, nor what belongs
    to these: the modules that live over several calls, the known deviations, the trust. A function is
    anything that can be called: defined, made by assignment, imported from the module's own package. What it imports
    from elsewhere counts only where ``__all__`` lists it: a library's softmax, for use inside, is not an offer.
    Arrays of its own are contiguous, unless it names layouts or arranges them.
    """

    def __init__(self, module: ModuleType, name: str, extended_by: tuple[str, ...]) -> None:
        base = _load(module.extends, (*extended_by, name)) if hasattr(module, "extends") else self
        self.name = name
        self._module = module
        self._imported = _imported(module)
        own = {
            attribute: self._offer(attribute) if callable(default) else self._constant(attribute)
            for attribute, default in vars(Target).items()
            if attribute in OFFERS
        }
        # by case, the other target knows its own arithmetic alone
        by_itself = _OF_LAYERS if own["declared"] is None else {*_OF_LAYERS, "declared_for"}
        for attribute, found in own.items():
            inherited = getattr(self if attribute in by_itself else base, attribute)
            setattr(self, attribute, inherited if found is None else found)
        if own["array"] and not (own["layouts"] or own["arranged"] or own["arrangements"]):
            self.layouts = (PLAIN,)  # how its arrays are arranged is not known

    def layer(self, name: str) -> Callable[..., Any] | None:
        return self._offer(name)

    def definition(self, layer: str) -> tuple[ModuleType, str] | None:
        return (self._module, layer) if self._module.__name__ in sys.modules else None

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
