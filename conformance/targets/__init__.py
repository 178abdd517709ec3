"""The targets.

The directory is the registry: ``NAME.py`` (or the package ``NAME``) serves the targets ``NAME`` and ``NAME-VARIANT``.
Each offers ``VARIANTS``, the variants it has ("" for none), and ``target(variant)``, which makes one.
"""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import pkgutil
import sys
from collections.abc import Callable
from importlib.metadata import entry_points
from pathlib import Path
from types import ModuleType
from typing import Any

from conformance.target import Target, Unavailable

_GROUP = "conformance.targets"


class UnknownTarget(Exception):
    """No target goes by this name; the message lists those that do."""


def load(name: str) -> Target:
    """The target of this name: built in, registered as an entry point of the group ``conformance.targets``, ``module``,
    ``module:attribute``, or a path to a file.

    Raises ``UnknownTarget`` for an unknown name, ``Unavailable`` where the target cannot run here.
    """
    stem, _, variant = name.partition("-")
    if stem in _built_in():
        module = _imported(f"{__name__}.{stem}", name)
        if variant not in module.VARIANTS:
            raise UnknownTarget(_unknown(name))
        built: Target = module.target(variant)
        return built
    for entry in entry_points(group=_GROUP):
        if entry.name == name:
            return _target(entry.load(), name)
    path, _, attribute = name.partition(":")
    if path.endswith(".py"):
        return _target(_from_file(Path(path), attribute), name)
    if _is_module(path):
        module = _imported(path, name)
        return _target(_attribute(module, attribute), name)
    raise UnknownTarget(_unknown(name))


def _built_in() -> list[str]:
    return [module.name for module in pkgutil.iter_modules(__path__)]


def names() -> list[str]:
    """All targets known by name; one whose library is missing is listed with what it needs."""
    found = [entry.name for entry in entry_points(group=_GROUP)]
    for stem in _built_in():
        try:
            variants = importlib.import_module(f"{__name__}.{stem}").VARIANTS
            found += [f"{stem}-{variant}" if variant else stem for variant in variants]
        except ImportError as error:
            found.append(f"{stem} (needs {error.name})")
    return sorted(found)


def _unknown(name: str) -> str:
    return (
        f"unknown target {name!r}; known: {', '.join(names())}; "
        "or a module, module:attribute, or path/to/file.py with functions named like the layers"
    )


def _imported(module: str, target: str) -> ModuleType:
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise Unavailable(
            f"target {target!r} needs the module {error.name!r}: {error}; "
            f"install it, for example: pip install {error.name}"
        ) from error
    except Exception as error:
        raise Unavailable(f"target {target!r} does not import: {type(error).__name__}: {error}") from error


def _from_file(path: Path, attribute: str) -> Any:
    if not path.is_file():
        raise UnknownTarget(f"unknown target {str(path)!r}: there is no such file")
    description = importlib.util.spec_from_file_location(path.stem, path)
    assert description is not None
    assert description.loader is not None
    module = importlib.util.module_from_spec(description)
    sys.modules.setdefault(path.stem, module)
    try:
        description.loader.exec_module(module)
    except Exception as error:
        raise Unavailable(f"target {str(path)!r} does not import: {type(error).__name__}: {error}") from error
    return _attribute(module, attribute)


def _attribute(module: ModuleType, attribute: str) -> Any:
    if not attribute:
        return module
    if not hasattr(module, attribute):
        raise UnknownTarget(f"the module {module.__name__!r} has no attribute {attribute!r}")
    return getattr(module, attribute)


def _is_module(name: str) -> bool:
    try:
        return importlib.util.find_spec(name) is not None
    except (ImportError, ValueError):
        return False


def _target(found: Any, name: str) -> Target:
    if isinstance(found, Target):
        return found
    if isinstance(found, type) and issubclass(found, Target):
        return found()
    if isinstance(found, ModuleType):
        return _Functions(found, name)
    raise UnknownTarget(f"target {name!r} is a {type(found).__name__}, expected a module or a Target")


class _Functions(Target):
    """A plain module: its functions named like the layers, and any attribute of ``Target`` that it defines.

    ``extends = "torch-cpu"`` takes arrays, formats and arithmetic from another target, but none of its layers.
    """

    def __init__(self, module: ModuleType, name: str) -> None:
        base = load(module.extends) if hasattr(module, "extends") else None
        self.name = name
        self._module = module
        for attribute in ("array", "read", "declared", "seed", "formats", "policies", "known", "description"):
            source = module if hasattr(module, attribute) else base
            if source is not None:
                setattr(self, attribute, getattr(source, attribute))

    def layer(self, name: str) -> Callable[..., Any] | None:
        found = getattr(self._module, name, None)
        # a name imported for use inside, such as softmax from a library, is not an offer
        own = inspect.isfunction(found) and found.__module__ == self._module.__name__
        return found if own else None
