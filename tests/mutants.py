"""A pytest plugin for mutation testing: all mutants that mutmut made, one after the other, without a start for each.

    PYTEST_ADDOPTS="-k none" mutmut run NOTHING    # writes mutants/: the project, its functions with their mutants
    cd mutants && python -m pytest -p tests.mutants --mutants="oracle.formulas.*" tests/test_formulas_*.py …

mutmut itself starts a process for each mutant, which imports torch and collects the tests again. Here every test runs
once without a mutant, which tells its time (the processor's, as all times here) and the functions that it calls; then
each mutant is put to the tests that call its function, first the one that killed the mutant before it, then the
quickest, until one fails, or takes far longer than it did. Tests slower than ``--slowest`` are left out, and named; of
the others a mutant is put to as many as are over within ``--budget``. What survives is printed, and what no test calls;
``--survivors=FILE`` keeps the list, and ``--mutants=@FILE`` asks other tests of them.
"""

from __future__ import annotations

import fnmatch
import os
import resource
import signal
import sys
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import _lru_cache_wrapper, wraps
from itertools import accumulate
from pathlib import Path
from types import FrameType
from typing import Any, TypeAlias

import pytest
from hypothesis import HealthCheck, Phase, settings
from mutmut.mutation import trampoline

# A mutant may build what does not fit into memory.
_MEMORY = 8 << 30
# A test that takes this many times as long as it did, and this many seconds beside, does not end.
_TIMES, _SECONDS = 5.0, 2.0

_TESTS = Path(__file__).parent

Mutants: TypeAlias = dict[str, Callable[..., Any]]

# The mutant that is called in place of its function: the function's mutants, and the name of one of them.
_mutant: tuple[Mutants | None, str] = (None, "")
# The functions that a test has called: the identities of their mutants.
_called: set[int] = set()


def _in_place_of_its_function(
    mutants: Mutants, is_classmethod: bool = False
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """What mutmut decorates every function with, much quicker than its own, which looks up the environment."""

    def decorated(function: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(function)
        def call(*args: Any, **kwargs: Any) -> Any:
            owner, name = _mutant
            if owner is mutants and is_classmethod:  # mutmut's are bound to the class that has them, not to its heirs
                return getattr(args[0], mutants[name].__name__)(*args[1:], **kwargs)
            if owner is mutants:
                return mutants[name](*args, **kwargs)
            _called.add(id(mutants))
            return function(*args, **kwargs)

        return call

    return decorated


trampoline.wrap_in_trampoline = _in_place_of_its_function  # before the oracle is imported

# A failure kills a mutant: it need not be made plain.
settings.register_profile(
    "unshrunk",
    phases=[Phase.explicit, Phase.generate],
    database=None,
    deadline=None,
    derandomize=True,
    suppress_health_check=list(HealthCheck),
)
settings.load_profile("unshrunk")


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("mutants")
    group.addoption("--mutants", default="*", help="only those whose name is like one of these; or @FILE, with names")
    group.addoption("--survivors", type=Path, help="a file for the names of the mutants that survive")
    group.addoption("--slowest", type=float, default=5.0, help="seconds that a test may take to be asked (5)")
    group.addoption("--budget", type=float, default=60.0, help="seconds that the tests of a mutant may take (60)")


@pytest.hookimpl(tryfirst=True)
def pytest_runtestloop(session: pytest.Session) -> bool:
    """Instead of running each test once."""
    write = session.config.get_terminal_writer().line
    write()
    resource.setrlimit(resource.RLIMIT_AS, (_MEMORY, _MEMORY))
    sys.unraisablehook = lambda _: None  # a test that is late may be in a finaliser
    patterns, slowest, budget = map(session.config.getoption, ("--mutants", "--slowest", "--budget"))
    wanted = _wanted(patterns)
    seconds: dict[pytest.Item, float] = {}
    callers: dict[int, list[pytest.Item]] = {}
    for item in session.items:
        _called.clear()
        begin = time.process_time()
        try:
            _run(item, (None, ""), slowest)
        except (Exception, pytest.fail.Exception, pytest.skip.Exception, _Late) as error:
            late = isinstance(error, _Late) or time.process_time() - begin >= slowest
            write(f"left out, as {'slow' if late else f'it fails without a mutant ({error!r})'}: {item.nodeid}")
        else:
            seconds[item] = time.process_time() - begin
            for name in _called:
                callers.setdefault(name, []).append(item)
    write(f"{len(seconds)} tests, {sum(seconds.values()):.0f} s")
    limits = {item: _TIMES * taken + _SECONDS for item, taken in seconds.items()}
    counts = dict.fromkeys(("killed", "survived", "not called"), 0)
    survivors = []
    for module, mutants in _mutated():
        names = [own for own in mutants if own != "_mutmut_orig" and wanted(f"{module}.{own}")]
        items = sorted(callers.get(id(mutants), ()), key=seconds.__getitem__)
        until = accumulate(seconds[item] for item in items)
        items = [item for item, sum_of_seconds in zip(items, until, strict=True) if sum_of_seconds <= budget]
        for own, killed in _killed(mutants, names, items, limits):
            outcome = "killed" if killed else "survived" if items else "not called"
            counts[outcome] += 1
            if not killed:
                survivors.append(f"{module}.{own}")
                write(f"{outcome}: {module}.{own}")
    write(", ".join(f"{count} {outcome}" for outcome, count in counts.items()))
    if file := session.config.getoption("--survivors"):
        file.write_text("".join(f"{name}\n" for name in survivors))
    return True


def _wanted(patterns: str) -> Callable[[str], bool]:
    """Whether a mutant is asked for by its name."""
    if patterns.startswith("@"):
        return set(Path(patterns[1:]).read_text().split()).__contains__
    return lambda name: any(fnmatch.fnmatch(name, pattern) for pattern in patterns.split(","))


def _killed(
    mutants: Mutants, names: Sequence[str], items: list[pytest.Item], limits: dict[pytest.Item, float]
) -> Iterator[tuple[str, bool]]:
    """Whether these mutants of a function are killed, found out in a process of their own, which may die of one."""
    left = list(names)
    while left:
        reading, writing = os.pipe()
        process = os.fork()
        if not process:
            try:
                for own in left:
                    killer = _killer((mutants, own), items, limits)
                    if killer is None:  # what was found without the mutant may be remembered
                        _forget()
                        killer = _killer((mutants, own), items, limits)
                    items.sort(key=lambda item: item is not killer)  # it goes first, the others keep their order
                    os.write(writing, b"1" if killer else b"0")
            finally:  # nothing of pytest's goes on here
                os._exit(0)
        os.close(writing)
        with open(reading, "rb") as answers:
            found = [answer == ord("1") for answer in answers.read()]
        os.waitpid(process, 0)
        found += [True] * (len(found) < len(left))  # it died of the next
        yield from zip(left, found, strict=False)
        left = left[len(found) :]


def _killer(
    mutant: tuple[Mutants, str], items: list[pytest.Item], limits: dict[pytest.Item, float]
) -> pytest.Item | None:
    """The first test that fails."""
    return next((item for item in items if not _passes(item, mutant, limits[item])), None)


def _forget() -> None:
    """Empty the caches of the tests' functions."""
    for module in list(sys.modules.values()):
        if Path(getattr(module, "__file__", None) or "").parent == _TESTS:
            for function in vars(module).values():
                if isinstance(function, _lru_cache_wrapper):
                    function.cache_clear()


def _mutated() -> Iterator[tuple[str, Mutants]]:
    """Every function that has mutants: its module's name, and they by their names."""
    for module in sorted(sys.modules):
        for attribute, mutants in list(vars(sys.modules[module]).items()):
            if attribute.startswith("mutants_x") and isinstance(mutants, dict):
                yield module, mutants


def _passes(item: pytest.Item, mutant: tuple[Mutants, str], limit: float) -> bool:
    """Whether a test passes with a mutant, in time."""
    try:
        _run(item, mutant, limit)
    except pytest.skip.Exception:  # no failure
        return True
    except (Exception, pytest.fail.Exception, _Late):
        return False
    return True


def _run(item: pytest.Item, mutant: tuple[Mutants | None, str], limit: float) -> None:
    """Run a test with a mutant; raises what the test raises, and ``_Late`` after the limit in seconds."""
    global _mutant
    if isinstance(item, pytest.Function):  # the others have no fixtures
        item._initrequest()  # it has run before
    _mutant = mutant
    try:
        with _at_most(limit), warnings.catch_warnings():
            warnings.simplefilter("error")
            warnings.simplefilter("ignore", UserWarning)  # of which torch gives each once, and none the second time
            item.session._setupstate.setup(item)
            item.runtest()
    finally:
        _mutant = (None, "")
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
