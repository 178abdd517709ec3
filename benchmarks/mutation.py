"""What share of broken implementations this suite rejects, and what share of honest ones it accepts.

    python -m benchmarks.mutation [--profile quick|default] [--layer NAME,…] [--seeds N] [--json FILE] [--short]
                                  [--only broken|honest] [--name NAME,…] [--least SHARE]

Every implementation of ``benchmarks.implementations`` stands for its layer in the torch target on the CPU, declares the
plain arithmetic (its own format, float32 for narrower ones) and its order of operations where that is not the
formula's, and has no known deviations. It is asked all checks of the profile in their order, in each of its formats,
until one rejects it: FAIL, or CRASHED, or its process died. Seed 0 has the cases that everyone gets; each further seed
has others. Honest implementations are accepted if no seed rejects them; broken ones are asked with seed 0 alone.

Beside it stand the rules of ``benchmarks.rivals``, which see the same implementations, in float32: allclose as in
KernelBench, assert_close as with OpInfo, the ONNX backend test, WebNN's ulps, TOSA's bound of dot products. Each says
there, and below the table, what it runs.

Every implementation is put to the test in a process of its own, so that one that crashes or hangs ends nothing else.
``--short`` takes the quick profile, one seed, and of each layer the first honest implementation, in its first format,
and every sixth broken one. The exit status is 1 where an honest implementation is rejected, or a smaller share of the
broken ones than ``--least``.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import multiprocessing
import os
import signal
import sys
import time
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import product
from multiprocessing.connection import Connection
from pathlib import Path
from statistics import median
from textwrap import wrap
from typing import Any

import hypothesis.core
import torch

from benchmarks.implementations import Implementation, collect
from benchmarks.rivals import RIVALS
from conformance import checks
from conformance.case import Case
from conformance.run import PROFILES, run
from conformance.tally import Tally
from conformance.target import Declared
from conformance.targets.torch import Torch
from conformance.verdict import FAILING, Verdict

# Seconds that one implementation may take with one seed: several times what an honest one takes.
_LIMIT = 600.0
_WIDTH = 80


class Implemented(Torch):
    """The torch target with another implementation of one layer."""

    def __init__(self, implementation: Implementation) -> None:
        super().__init__("cpu")
        self.name = implementation.name
        self.formats = implementation.formats
        self.known = ()
        self._implementation = implementation

    def layer(self, name: str) -> Callable[..., Any] | None:
        return self._implementation.function if name == self._implementation.layer else super().layer(name)

    def declared(self, layer: str, format: str) -> Declared:
        """What the implementation declares, beside the accuracy of torch's elementary functions."""
        if layer != self._implementation.layer:  # another one, to which a relation compares
            return super().declared(layer, format)
        compute = format if format in ("float64", "float32") else "float32"
        return Declared(compute, units=super().declared("tanh", format).units, **self._implementation.declared)

    def declared_for(self, case: Case) -> Declared:
        """What torch does in some cases only, the implementation does not."""
        if case.layer != self._implementation.layer:
            return super().declared_for(case)
        return self.declared(case.layer, case.format)

    def session(self, layer: str) -> None:
        """Implementations are functions."""


@dataclass(frozen=True)
class Found:
    """What came of one implementation with one seed: the check and format that rejected it and why, if one did.

    ``cases`` were judged in ``seconds`` until then, or in all. ``complete`` says that it had the time it needed.
    """

    by: str | None = None
    format: str | None = None
    reason: str = ""
    cases: int = 0
    seconds: float = 0.0
    complete: bool = True


class _Rejected(KeyboardInterrupt):
    """Ends an item at its first failure: nothing is shrunk. Hypothesis lets only an interrupt through."""


class _First(Tally):
    def add(self, case: Case, verdict: Verdict) -> None:
        super().add(case, verdict)
        if verdict.status in FAILING:
            raise _Rejected(verdict.reason)


@contextlib.contextmanager
def _seeded(seed: int) -> Iterator[None]:
    """Within, Hypothesis has this global seed; without one, or with 0, cases are those that everyone gets."""
    before = hypothesis.core.global_force_seed
    hypothesis.core.global_force_seed = seed or None
    try:
        yield
    finally:
        hypothesis.core.global_force_seed = before


def examined(implementation: Implementation, profile: str, seed: int = 0) -> Found:
    """The checks of a profile, until one rejects the implementation."""
    target = Implemented(implementation)
    begin, cases = time.perf_counter(), 0
    for format, check in product(implementation.formats, checks.asked(implementation.layer)):
        tally = _First()
        reason = None
        try:
            with _seeded(seed):
                run(target, implementation.layer, format, check, PROFILES[profile], tally)
            reason = tally.failure and tally.failure.verdict.reason
        except _Rejected as rejected:
            reason = str(rejected)
        cases += tally.cases
        if reason is not None:
            return Found(check, format, reason, cases, time.perf_counter() - begin)
    return Found(cases=cases, seconds=time.perf_counter() - begin)


@dataclass(frozen=True)
class Row:
    """What came of one implementation: of the suite by seed, and of the rivals, None where one has no rule for it."""

    implementation: Implementation
    found: Sequence[Found]
    rivals: dict[str, bool | None]

    @property
    def rejection(self) -> Found | None:
        """The first, if there is one."""
        return next((found for found in self.found if found.by), None)

    def data(self) -> dict[str, Any]:
        """Plain data for JSON."""
        about = {name: value for name, value in vars(self.implementation).items() if name != "function"}
        return {**about, "suite": [asdict(found) for found in self.found], "rejected_by_rivals": self.rivals}


def measured(implementation: Implementation, profile: str, seeds: int, limit: float = _LIMIT) -> Row:
    """Both suite and rivals, each in a process of its own: what a call leaves behind helps none of them."""
    rivals: dict[str, bool | None] = {}
    for rival in RIVALS:
        came = _apart(lambda rival=rival: rival.rejects(implementation), limit)
        # a crash is seen under any rule, a run without end under none
        rivals[rival.name] = came.by is not None if isinstance(came, Found) else came
    found: list[Found] = []
    for seed in range(seeds if implementation.honest else 1):
        found.append(_apart(lambda seed=seed: examined(implementation, profile, seed), limit))
        if found[-1].by:
            break
    return Row(implementation, found, rivals)


def _apart(function: Callable[[], Any], limit: float) -> Any:
    """What a function returns in a process of its own, or what became of that process."""
    begin = time.perf_counter()
    context = multiprocessing.get_context("fork")  # what is loaded need not be loaded again
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=_answer, args=(function, sender))
    process.start()
    sender.close()
    try:
        if not receiver.poll(limit):
            return Found(reason=f"no end after {limit:g} s", seconds=time.perf_counter() - begin, complete=False)
        return receiver.recv()
    except EOFError:
        process.join()
        reason = f"the process ended with the status {process.exitcode}"
        return Found("process", None, reason, seconds=time.perf_counter() - begin)
    finally:
        process.kill()
        process.join()


def _answer(function: Callable[[], Any], sender: Connection) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent ends it
    torch.set_num_threads(1)  # threads of the parent are not there
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    warnings.simplefilter("ignore")
    sender.send(function())


# The table.


def report(rows: Sequence[Row], profile: str, seeds: int, complete: bool = True) -> Iterator[str]:
    """The table, in lines of at most 80 columns."""
    broken = [row for row in rows if not row.implementation.honest]
    honest = [row for row in rows if row.implementation.honest]
    if not complete:
        yield "interrupted: this is what was found so far"
    yield f"{len(broken)} broken and {len(honest)} honest implementations, torch {torch.__version__}"
    yield ""
    yield f"{'rule':44}{'broken rejected':>18}{'honest accepted':>18}"
    rejected, accepted = [row.rejection is not None for row in broken], [row.rejection is None for row in honest]
    about = f"this suite, {profile}, {seeds} seed{'s' * (seeds > 1)}"
    yield f"{about:44}{_share(rejected):>18}{_share(accepted):>18}"
    for rival in RIVALS:
        ours = [row.rivals[rival.name] for row in broken if row.rivals[rival.name] is not None]
        theirs = [not row.rivals[rival.name] for row in honest if row.rivals[rival.name] is not None]
        yield f"{rival.name:44}{_share(ours):>18}{_share(theirs):>18}"
    yield ""
    yield from _by_layer(rows)
    rejections = [row.rejection for row in broken if row.rejection]
    if rejections:
        yield ""
        cases, seconds = (median(getattr(each, name) for each in rejections) for name in ("cases", "seconds"))
        yield f"until rejection, median: {cases:g} cases, {seconds:.2f} s"
        by: dict[str, int] = {}
        for each in rejections:
            by[str(each.by)] = by.get(str(each.by), 0) + 1
        yield from _wrapped("rejected by", ", ".join(f"{check} {count}" for check, count in by.items()))
    survivors = [row.implementation for row in broken if not row.rejection]
    yield from _listed("broken and accepted", ((each.layer, each.name, each.sentence) for each in survivors))
    yield from _listed(
        "honest and rejected",
        (
            (row.implementation.layer, row.implementation.name, f"{row.rejection.by}: {row.rejection.reason}")
            for row in honest
            if row.rejection
        ),
    )
    late = [row for row in rows if not all(found.complete for found in row.found)]
    yield from _listed("not ended", ((r.implementation.layer, r.implementation.name, "") for r in late))
    yield ""
    for rival in RIVALS:
        yield from _wrapped(f"{rival.name}:", rival.sentence)


def _by_layer(rows: Sequence[Row]) -> Iterator[str]:
    yield f"{'layer':44}{'broken rejected':>18}{'honest accepted':>18}"
    for layer in sorted({row.implementation.layer for row in rows}):
        those = [row for row in rows if row.implementation.layer == layer]
        rejected = [row.rejection is not None for row in those if not row.implementation.honest]
        accepted = [row.rejection is None for row in those if row.implementation.honest]
        yield f"{layer:44}{_share(rejected):>18}{_share(accepted):>18}"


def _share(found: Sequence[bool | None]) -> str:
    return f"{sum(map(bool, found))} of {len(found)}  {sum(map(bool, found)) / len(found):4.0%}" if found else "-"


def _wrapped(head: str, text: str) -> list[str]:
    return wrap(f"{head} {text}", _WIDTH, subsequent_indent="    ")


def _listed(title: str, entries: Iterable[tuple[str, str, str]]) -> Iterator[str]:
    lines = [line for layer, name, text in entries for line in _wrapped(f"  {layer}: {name}.", text)]
    if lines:
        yield from ("", f"{title}:", *lines)


def sample(implementations: Sequence[Implementation]) -> list[Implementation]:
    """The fixed part of them that ``--short`` measures."""
    found: list[Implementation] = []
    for layer in dict.fromkeys(each.layer for each in implementations):
        honest = [each for each in implementations if each.layer == layer and each.honest]
        broken = [each for each in implementations if each.layer == layer and not each.honest]
        found += [replace(each, formats=each.formats[:1]) for each in honest[:1]] + broken[::6]
    return found


def _parsed(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        "python -m benchmarks.mutation", description="Shares of broken implementations rejected and of honest accepted."
    )
    parser.add_argument("--profile", choices=("quick", "default"), default="default")
    parser.add_argument("--layer", default="", metavar="NAME,…", help="only these layers")
    parser.add_argument("--name", default="", metavar="NAME,…", help="only these implementations")
    parser.add_argument("--seeds", type=int, default=1, metavar="N", help="runs of each honest implementation")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every row as JSON")
    parser.add_argument("--short", action="store_true", help="a fixed part of them, in under five minutes")
    parser.add_argument("--only", choices=("broken", "honest"))
    parser.add_argument("--least", type=float, default=0.0, metavar="SHARE", help="of broken ones to be rejected")
    parsed = parser.parse_args(arguments)
    if parsed.short:
        parsed.profile, parsed.seeds = "quick", 1
    return parsed


def _chosen(parsed: argparse.Namespace) -> list[Implementation]:
    found = collect()
    for option, attribute in (("layer", "layer"), ("name", "name")):
        wanted = set(filter(None, getattr(parsed, option).split(",")))
        unknown = wanted - {getattr(each, attribute) for each in found}
        if unknown:
            raise SystemExit(f"no implementation has the {option} {', '.join(sorted(unknown))}")
        found = [each for each in found if not wanted or getattr(each, attribute) in wanted]
    found = [each for each in found if parsed.only is None or each.honest == (parsed.only == "honest")]
    return sample(found) if parsed.short else found


def main(arguments: Sequence[str] | None = None) -> None:
    parsed = _parsed(arguments)
    implementations = _chosen(parsed)
    rows: list[Row] = []
    complete = False
    with contextlib.suppress(KeyboardInterrupt):
        for number, implementation in enumerate(implementations, 1):
            rows.append(measured(implementation, parsed.profile, parsed.seeds))
            print(f"[{number}/{len(implementations)}] {_progress(rows[-1])}", file=sys.stderr, flush=True)
        complete = True
    if parsed.short:
        print("short: quick profile; of each layer one honest and every sixth broken implementation")
    for line in report(rows, parsed.profile, parsed.seeds, complete):
        print(line)
    if parsed.json:
        rules = {rival.name: rival.sentence for rival in RIVALS}
        about = {"profile": parsed.profile, "seeds": parsed.seeds, "short": parsed.short, "complete": complete}
        data = {**about, "torch": torch.__version__, "rules": rules, "rows": [row.data() for row in rows]}
        parsed.json.write_text(json.dumps(data, indent=1) + "\n", encoding="utf-8")
    if complete and not _suffices(rows, parsed.least):
        raise SystemExit(1)


def _suffices(rows: Sequence[Row], least: float) -> bool:
    """Whether all honest implementations are accepted, and at least this share of the broken ones is rejected."""
    rejected = [row.rejection is not None for row in rows if not row.implementation.honest]
    accepted = [row.rejection is None for row in rows if row.implementation.honest]
    return all(accepted) and sum(rejected) >= least * len(rejected)


def _progress(row: Row) -> str:
    about, last = row.implementation, row.found[-1]
    kind = "honest" if about.honest else "broken"
    came = f"rejected by {last.by} in {last.format}" if last.by else "accepted" if last.complete else last.reason
    cases, seconds = (sum(getattr(found, name) for found in row.found) for name in ("cases", "seconds"))
    return f"{about.layer} {about.name} ({kind}): {came}, {cases} cases, {seconds:.1f} s"


if __name__ == "__main__":
    main()
