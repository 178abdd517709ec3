"""A corpus: cases that earlier runs have kept, which later ones put before they draw any.

Kept are cases that failed, shrunk, and those with the largest errors. A case that failed stays when it fails no more:
that is what it is kept for. Which cases are kept follows from the cases alone, not from the order in which they were
found: several processes and machines may share one corpus.
"""

from __future__ import annotations

import hashlib
import inspect
import json
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from typing import Any

from conformance.case import Case
from conformance.causes import in_order, item_name
from conformance.environment import sources
from conformance.explain import calls, specified
from conformance.kept import Kept, digest
from conformance.places import Place
from conformance.run import PROFILES
from conformance.scope import Question
from conformance.tally import Tally
from conformance.target import said
from conformance.verdict import Status

# All that is kept of an item costs what the shortest run of it does, at most: a quarter of that are largest errors,
# of which a record may be beaten thrice before the first is forgotten, the rest failures, of which a run adds one.
_LARGEST = PROFILES["quick"] // 4
_FAILED = PROFILES["quick"] - _LARGEST


class Corpus:
    """The cases at a place. What is there but cannot be read is left as it is: another version may read it.

    All methods raise ``Unreachable`` where the place cannot be read or written.
    """

    def __init__(self, place: Place) -> None:
        self._place = place

    def of(self, question: Question) -> tuple[list[Kept], list[str]]:
        """The cases of an item in the order in which to put them; and what cannot be read, with the reason."""
        present, unread = self._present(question)
        return _chosen(present.values()), unread

    def keep(self, question: Question, tally: Tally) -> None:
        """Keep what a run of the item has found, and drop what is less worth keeping than others."""
        new = _found(question[2], tally)
        if new:
            present, _ = self._present(question)
            wanted = {kept.name for kept in _chosen([*present.values(), *new])}
            there = {kept.name for kept in present.values()}
            for kept in new:
                if kept.name in wanted - there:
                    text = json.dumps(kept.to_json(), indent=1, allow_nan=False)
                    self._place.put("-".join(question), kept.name, f"{text}\n")
            for name, kept in present.items():
                if kept.name not in wanted:
                    self._place.drop("-".join(question), name)

    def _present(self, question: Question) -> tuple[dict[str, Kept], list[str]]:
        """All cases of an item that can be read, by the names under which they are there, and what cannot be read."""
        found, unread = {}, []
        for name, text in sorted(self._place.texts("-".join(question)).items()):
            try:
                found[name] = _read(text, question)
            except Exception as error:  # written by any version, or damaged in any way
                unread.append(f"{name} of {'-'.join(question)} cannot be read: {said(error)}")
        return found, unread


def _found(check: str, tally: Tally) -> list[Kept]:
    found = []
    for failure in tally.failures:
        if failure.case:
            found.append(Kept(check, failure.case, failure.verdict.status, failure.verdict.ratio, sources()))
    if tally.worst_case and tally.worst > 0.0:
        found.append(Kept(check, tally.worst_case, Status.PASS, tally.worst, sources()))
    return found


def _chosen(cases: Iterable[Kept]) -> list[Kept]:
    """Those that are worth keeping: the plainest that failed, then the largest errors."""
    each = {kept.name: kept for kept in cases}.values()
    failed = sorted((kept for kept in each if kept.failed), key=lambda kept: (kept.case.elements, kept.name))
    known = {kept.key for kept in failed}
    others = sorted((kept for kept in each if kept.key not in known), key=lambda kept: (-kept.ratio, kept.name))
    return [*failed[:_FAILED], *others[:_LARGEST]]


def _read(text: str, question: Question) -> Kept:
    """Raises some exception for what is no case of the item in this version of the suite."""
    kept = Kept.from_json(json.loads(text))
    if (asked := (kept.case.layer, kept.case.format, kept.check)) != question:
        raise ValueError(f"it is a case of {'-'.join(asked)}")
    if kept.foreign:
        for case in (kept.case, *kept.case.steps):
            _require_fit(case)
    return kept


def _require_fit(case: Case) -> None:
    """Raises ``ValueError`` for names that calls of the layer do not have, or no more, and for unknown regimes."""
    known, needed = _names(case.layer)
    given = {*case.tensors, *case.parameters}
    if strange := sorted(given - known):
        raise ValueError(f"{case.layer} has no {', '.join(strange)}")
    if missing := sorted(needed - given):
        raise ValueError(f"{case.layer} needs {', '.join(missing)}")
    case.arrays()


@cache
def _names(layer: str) -> tuple[set[str], set[str]]:
    """What a layer may be called with, and what it must be."""
    written = inspect.signature(specified(layer)).parameters
    each = [{*call.tensors, *call.parameters} for call in calls(layer)]
    defaults = {name for name, parameter in written.items() if parameter.default is not parameter.empty}
    return set.union(*each), set.intersection(*each) - defaults


def record(cases: Sequence[Kept], unread: Sequence[str], counts: Mapping[str, int]) -> dict[str, Any]:
    """What an item says of its corpus. ``counts`` are those of its cases that were put."""
    return {"cases": len(cases), "sha256": digest(cases), "counts": dict(counts), "unread": list(unread)}


def summed(items: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """What a report says of the corpus of its items: how many cases, and a hash that depends on all of them."""
    records = [(item_name(item), item["corpus"]) for item in in_order(items) if "corpus" in item]
    content = json.dumps([(name, found["sha256"]) for name, found in records])
    cases = sum(found["cases"] for _, found in records)
    return {"cases": cases, "sha256": hashlib.sha256(content.encode()).hexdigest()}
