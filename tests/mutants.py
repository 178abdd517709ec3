"""A pytest plugin for mutation testing: all mutants that mutmut made, one after the other, in one process.

    mutmut run NOTHING    # writes mutants/, a copy of the project in which each function knows its mutants
    cd mutants && python -m pytest -p tests.mutants --mutants="oracle.formulas.*" tests/test_formulas_*.py …

mutmut itself starts a process for each mutant, which imports torch and collects the tests again. Here every test runs
once without a mutant, which tells its time (the processor's, as all times here) and the functions that it calls; then
each mutant is put to the tests that call its function, first the one that killed the mutant before it, then the
quickest, until one fails, or takes far longer than it did. Tests slower than ``--slowest`` are left out, and named.
What survives is printed, and what no test calls; ``--survivors=FILE`` keeps the list.
"""

from __future__ import annotations

import fnmatch
import resource
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

import pytest
from mutmut.mutation import trampoline

import tests.unshrunk  # noqa: F401  # a failure kills a mutant: it need not be made plain

# A mutant may build what does not fit into memory.
_MEMORY = 8 << 30
# A test that takes this many times as long as it did, and this many seconds beside, does not end.
_TIMES, _SECONDS = 5.0, 2.0

_mutant = ""
_called: set[str] = set()


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("mutants")
    group.addoption("--mutants", default="*", help="only those whose name is like this pattern")
    group.addoption("--survivors", type=Path, help="a file for the names of the mutants that survive")
    group.addoption("--slowest", type=float, default=5.0, help="seconds that a test may take to be asked (5)")


@pytest.hookimpl(tryfirst=True)
def pytest_runtestloop(session: pytest.Session) -> bool:
    """Instead of running each test once."""
    write = session.config.get_terminal_writer().line
    write()
    resource.setrlimit(resource.RLIMIT_AS, (_MEMORY, _MEMORY))
    trampoline.get_mutant_under_test = lambda: _mutant
    trampoline.record_trampoline_hit = lambda name, caller: _called.add(name)
    pattern, slowest = session.config.getoption("--mutants"), session.config.getoption("--slowest")
    seconds: dict[pytest.Item, float] = {}
    callers: dict[str, list[pytest.Item]] = {}
    for item in session.items:
        _called.clear()
        begin = time.process_time()
        try:
            _run(item, "stats", slowest)
        except BaseException as error:
            if not isinstance(error, _Late) and time.process_time() - begin < slowest:
                raise pytest.UsageError(f"{item.nodeid} fails without a mutant: {error!r}") from error
            write(f"slower than {slowest:g} s: {item.nodeid}")
        else:
            seconds[item] = time.process_time() - begin
            for name in _called:
                callers.setdefault(name, []).append(item)
    write(f"{len(seconds)} tests, {sum(seconds.values()):.0f} s")
    counts = dict.fromkeys(("killed", "survived", "not called"), 0)
    survivors = []
    for function, names in _mutants(pattern):
        items = sorted(callers.get(function, ()), key=seconds.__getitem__)
        for name in names:
            killer = next((i for i in items if not _passes(i, name, _TIMES * seconds[i] + _SECONDS)), None)
            outcome = "killed" if killer else "survived" if items else "not called"
            counts[outcome] += 1
            if killer:
                items.sort(key=lambda item: item is not killer)  # it goes first, the others keep their order
            else:
                survivors.append(name)
                write(f"{outcome}: {name}")
        write(f"{function}: " + ", ".join(f"{count} {outcome}" for outcome, count in counts.items()))
    if file := session.config.getoption("--survivors"):
        file.write_text("".join(f"{name}\n" for name in survivors))
    return True


def _mutants(pattern: str) -> Iterator[tuple[str, list[str]]]:
    """The functions of the loaded modules of the oracle and the verdict, each with its mutants."""
    for module in sorted(sys.modules):
        for attribute, mutants in list(vars(sys.modules[module]).items()):
            if attribute.startswith("mutants_x") and isinstance(mutants, dict):
                function = attribute.removeprefix("mutants_").removesuffix("__mutmut")
                names = [f"{module}.{name}" for name in mutants if name != "_mutmut_orig"]
                if names := fnmatch.filter(names, pattern):
                    yield f"{module}.{function}", names


def _passes(item: pytest.Item, mutant: str, limit: float) -> bool:
    """Whether a test passes with a mutant, in time."""
    try:
        _run(item, mutant, limit)
    except (Exception, pytest.fail.Exception, _Late):
        return False
    return True


def _run(item: pytest.Item, mutant: str, limit: float) -> None:
    """Run a test with a mutant; raises what the test raises, and ``_Late`` after the limit in seconds."""
    global _mutant
    item._initrequest()  # type: ignore[attr-defined]  # it has run before
    _mutant = mutant
    try:
        with _at_most(limit):
            item.session._setupstate.setup(item)
            item.runtest()
    finally:
        _mutant = ""
        item.session._setupstate.teardown_exact(None)


class _Late(KeyboardInterrupt):
    """A test takes too long: nothing that Hypothesis takes for a failure, and tries again."""


@contextmanager
def _at_most(limit: float) -> Iterator[None]:
    def late(signal: int, frame: FrameType | None) -> None:
        raise _Late

    signal.signal(signal.SIGPROF, late)
    signal.setitimer(signal.ITIMER_PROF, limit, 1.0)  # again: where a finaliser is interrupted, nothing comes of it
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0.0)
