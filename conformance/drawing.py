"""How cases are drawn: by Hypothesis, but each independently of those before.

After its first ten examples Hypothesis follows each new one by up to five copies in which one part repeats another. It
does not know that the parts are sides and seeds: of 100 cases of a layer a third repeated others, or were smaller.
Shrinking is Hypothesis' own.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from hypothesis import HealthCheck, Phase, core, given, seed, settings
from hypothesis.internal.conjecture.providers import AVAILABLE_PROVIDERS, HypothesisProvider
from hypothesis.strategies import SearchStrategy

from conformance.case import Case

_BACKEND = "conformance"

_turn = ContextVar("turn", default=0)


class Independent(HypothesisProvider):
    """Hypothesis' choices without the constants that it finds in the code of loaded modules.

    What is drawn would depend on what was imported before.
    """

    def _maybe_draw_constant(self, *arguments: Any, **options: Any) -> None:
        return None


AVAILABLE_PROVIDERS[_BACKEND] = f"{__name__}.{Independent.__name__}"


def drawn(source: SearchStrategy[Case], judge: Callable[[Case], None], examples: int, about: str) -> None:
    """Call ``judge`` with so many cases, those of the ``number`` about one thing.

    One for which it raises is shrunk to the simplest for which it still does.
    """
    configure = _settings(examples, phases=(Phase.generate, Phase.shrink))
    seed(number(about))(configure(given(source)(judge)))()


def number(about: str) -> int:
    """A number below 2³² ``about`` one thing: always the same in a turn, or that of Hypothesis' global seed."""
    fresh = "" if core.global_force_seed is None else f" {core.global_force_seed}"
    again = f" turn {_turn.get()}" if _turn.get() else ""
    return zlib.crc32(f"{about}{fresh}{again}".encode())


@contextmanager
def turn(number: int) -> Iterator[None]:
    """What is drawn within is other than in other turns; outside it is the first, 0."""
    token = _turn.set(number)
    try:
        yield
    finally:
        _turn.reset(token)


def listed(source: SearchStrategy[Case], count: int, about: str) -> list[Case]:
    """So many cases, those of the ``number`` about one thing, without the smallest, with which every search begins."""
    found: list[Case] = []

    @seed(number(about))
    @_settings(count + 1, phases=(Phase.generate,))
    @given(source)
    def collect(case: Case) -> None:
        found.append(case)

    collect()
    return found[1:]


def _settings(examples: int, **others: Any) -> settings:
    return settings(
        max_examples=examples,
        database=None,
        deadline=None,
        report_multiple_bugs=False,
        suppress_health_check=list(HealthCheck),
        backend=_BACKEND,
        **others,
    )
