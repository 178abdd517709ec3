"""The options of the pytest plugin: what they are, and what they say. Bad values are usage errors."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from conformance import isolation
from conformance import spec as specs
from conformance.run import PROFILES

_DEFAULT_TARGET = "torch-cpu"

# Those that say something of a target, in a run that may ask for no spec.
_OF_TARGETS = ("target", "report", "certificate")


def add(parser: pytest.Parser) -> None:
    """Tell pytest of the options."""
    group = parser.getgroup("conformance", "conformance of neural-network layers")
    group.addoption("--target", help=f"what to test: a name, a module or a file (default: {_DEFAULT_TARGET})")
    group.addoption("--layer", action="append", metavar="NAME[,NAME]", help="only these layers")
    group.addoption("--format", action="append", metavar="NAME[,NAME]", help="only these formats")
    group.addoption(
        "--profile", choices=tuple(PROFILES), default="default", help="how many examples (default: default)"
    )
    group.addoption("--max-examples", type=int, metavar="N", help="examples per layer, format and check")
    isolated = "make the target's calls in another process, which may die or hang (default: all but torch-cpu, oracle)"
    group.addoption("--isolate", action="store_true", default=None, help=isolated)
    group.addoption("--no-isolate", action="store_false", dest="isolate", help="make them in the process of the run")
    group.addoption(
        "--call-timeout",
        type=float,
        default=isolation.TIMEOUT,
        metavar="SECONDS",
        help=f"what a call, or judging its answer, may take in another process (default: {isolation.TIMEOUT:g})",
    )
    group.addoption("--report", type=Path, metavar="FILE.json", help="write what was found as JSON")
    group.addoption(
        "--certificate",
        type=Path,
        metavar="DIR",
        help="write a certificate, its page, summary and badge into this folder",
    )
    group.addoption(
        "--corpus",
        metavar="PLACE",
        help="put the cases that earlier runs have kept here first, and keep those that failed or had the largest "
        "errors: a folder, or redis://HOST[:PORT]/DB",
    )
    group.addoption("--shard", metavar="I/N", help="only the I-th of N shares of the work, of about the same cost")
    group.addoption(
        "--costs",
        type=Path,
        metavar="FILE.json",
        help="a certificate that tells what the work costs",
    )


def require_sound(config: pytest.Config) -> None:
    """Raises ``pytest.UsageError`` for what no run can do, before anything is loaded."""
    known = specs.names()
    for layer in listed(config, "layer"):
        if layer not in known:
            raise pytest.UsageError(f"unknown layer {layer!r}; known: {', '.join(known)}")
    examples = config.getoption("max_examples")
    if examples is not None and examples < 1:
        raise pytest.UsageError(f"--max-examples must be at least 1, not {examples}")
    timeout = config.getoption("call_timeout")
    if not timeout > 0:
        raise pytest.UsageError(f"--call-timeout must be more than 0 seconds, not {timeout:g}")
    report = config.getoption("report")
    if report is not None:
        _require_writable(report)
    folder = config.getoption("certificate")
    if folder is not None:
        _require_folder(folder)
    shard(config)


def _require_writable(report: Path) -> None:
    if report.is_dir():
        raise pytest.UsageError(f"--report: {str(report)!r} is a folder, expected the name of a file")
    if not report.parent.is_dir():
        raise pytest.UsageError(f"--report: there is no folder {str(report.parent)!r}")
    if not os.access(report if report.exists() else report.parent, os.W_OK):
        raise pytest.UsageError(f"--report: {str(report)!r} cannot be written")


def _require_folder(folder: Path) -> None:
    """Make the folder of a certificate now rather than after hours."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise pytest.UsageError(
            f"--certificate: the folder {str(folder)!r} cannot be made: {error.strerror}"
        ) from error
    if not os.access(folder, os.W_OK):
        raise pytest.UsageError(f"--certificate: the folder {str(folder)!r} cannot be written to")


def shard(config: pytest.Config) -> tuple[int, int] | None:
    """Which share of how many is asked for; None for all of the work."""
    given = config.getoption("shard")
    if given is None:
        return None
    index, _, count = given.partition("/")
    if not (index.isdecimal() and count.isdecimal() and 1 <= int(index) <= int(count)):
        raise pytest.UsageError(f"--shard must be I/N with I from 1 to N, such as 2/4, not {given!r}")
    return int(index), int(count)


def listed(config: pytest.Config, option: str) -> list[str]:
    """The names that an option lists, each once."""
    return list(dict.fromkeys(name for value in config.getoption(option) or () for name in value.split(",")))


def target(config: pytest.Config) -> str:
    """The target's name, as it stands on the command line."""
    name = config.getoption("target")
    return _DEFAULT_TARGET if name is None else str(name)


def speaks_of_a_target(config: pytest.Config) -> bool:
    """Whether any option was given that makes a run one of a target."""
    return any(config.getoption(option) is not None for option in _OF_TARGETS)


def examples(config: pytest.Config) -> int:
    """How many are asked of each layer, format and check."""
    return int(config.getoption("max_examples") or PROFILES[config.getoption("profile")])
