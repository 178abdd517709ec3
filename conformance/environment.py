"""What a run depends on beside its cases: the suite's own sources, the machine, and the libraries."""

from __future__ import annotations

import hashlib
import platform
from collections.abc import Iterator
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import conformance
import oracle
from conformance import golden
from conformance.target import Target

NAME = "layer-conformance"

# The libraries in which cases are drawn and judged.
_LIBRARIES = ("hypothesis", "numpy", "python-flint", "scipy")

_CPU_INFO = Path("/proc/cpuinfo")


def suite() -> dict[str, str]:
    """The suite's name and version, and the hash of its sources and fixtures."""
    return {"name": NAME, "version": conformance.__version__, "sources": sources()}


@cache
def sources() -> str:
    """The hash of the suite's sources and fixtures."""
    content = hashlib.sha256()
    for name, path in sorted(_sources()):
        data = path.read_bytes()
        content.update(f"{name}\0{len(data)}\0".encode())
        content.update(data)
    return f"sha256:{content.hexdigest()}"


def _sources() -> Iterator[tuple[str, Path]]:
    """Every file, by a name that is the same in a checkout and in a wheel."""
    for package in (conformance, oracle):
        root = Path(str(package.__file__)).parent
        for path in root.rglob("*"):
            inside = path.relative_to(root)
            if path.is_file() and "__pycache__" not in inside.parts and inside.parts[0] != golden.DIRECTORY.name:
                yield f"{package.__name__}/{inside.as_posix()}", path
    for path in golden.DIRECTORY.glob("*.toml"):
        yield f"{golden.DIRECTORY.name}/{path.name}", path


def environment(target: Target) -> dict[str, Any]:
    """The operating system, the processor, and the versions that answers and verdicts depend on."""
    return {
        "system": platform.platform(),
        "machine": platform.machine(),
        "processor": _processor(),
        "python": platform.python_version(),
        "libraries": {name: _version(name) for name in _LIBRARIES},
        "target": {str(name): str(value) for name, value in target.environment.items()},
    }


def _processor() -> str:
    """The model, where the system tells it."""
    try:
        lines = _CPU_INFO.read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor()
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return models[0] if models else platform.processor()


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "unknown"
