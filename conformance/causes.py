"""The causes of what failed in a run: items of one layer that fail alike, told by the plainest of them.

Pure functions of the data that ``conformance.report.item_data`` makes of items.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from conformance.case import Case
from conformance.diagnosis import diagnosis, sizes_alone
from conformance.verdict import Status, gist

Item: TypeAlias = Mapping[str, Any]
Kind: TypeAlias = tuple[str, str]  # what the failures of a cause have in common

# Wrong numbers: where nothing is rounded, and where rounding cannot explain them.
_EXACT: Kind = ("numbers", "exact")
_ROUNDED: Kind = ("numbers", "rounded")

# All wrong numbers: special values have outcomes instead of a permitted error, and long sums a typical one.
_NUMBERS = frozenset({_EXACT, _ROUNDED, ("check", "special"), ("check", "typical")})

# How far checks other than of values and derivatives are from plain calls.
_REMOTE = 2


@dataclass(frozen=True)
class Cause:
    """Why items of one layer fail, in words. They are in the order of a run; the ``representative`` shows it best.

    An item is there with the failure that is due to the cause, as often as it has such.
    """

    layer: str
    words: str
    items: Sequence[Item]
    representative: Item

    def to_json(self) -> dict[str, Any]:
        """Plain data, items by their names."""
        return {
            "layer": self.layer,
            "cause": self.words,
            "items": list(dict.fromkeys(map(item_name, self.items))),
            "representative": item_name(self.representative),
        }


def item_name(item: Item) -> str:
    """What pytest calls the item."""
    return f"{item['layer']}-{item['format']}-{item['check']}"


def in_order(items: Iterable[Item]) -> list[Item]:
    """The items of a run, by layer, format and check."""
    return sorted(items, key=lambda item: (item["layer"], item["format"], item["check"]))


def causes(items: Iterable[Item], formats: Sequence[str]) -> list[Cause]:
    """The causes of the items that failed, layer by layer, the plainest first. ``formats`` are the target's, in order.

    An item may fail in several ways, and so be among the items of several causes.

    A layer whose answers have a wrong shape or format, whose call raises, whose numbers are wrong where nothing is
    rounded, or whose mistake is known, has wrong numbers elsewhere as a consequence: they count as the same cause.
    """
    layers: dict[str, list[Item]] = {}
    for item in sorted(_failed(items), key=_plainness(formats)):
        layers.setdefault(item["layer"], []).append(item)
    return [cause for _, failed in sorted(layers.items()) for cause in _of_layer(failed, formats)]


def _failed(items: Iterable[Item]) -> Iterator[Item]:
    """Every item that failed, as often as it has failures, with each of them in turn."""
    for item in items:
        for failure in failures(item):
            yield {**item, "failure": failure}


def failures(item: Item) -> list[Mapping[str, Any]]:
    """The failures of an item, no two alike, in the order in which they were found."""
    return [item["failure"], *item.get("other_failures", ())] if item["failure"] else []


def _plainness(formats: Sequence[str]) -> Callable[[Item], tuple[Any, ...]]:
    """Orders items by how well they show their cause: forward values, then small cases."""
    return lambda item: (_remoteness(item), _elements(item), formats.index(item["format"]), item["check"])


def _remoteness(item: Item) -> int:
    """How far a check is from plain calls."""
    return {"forward": 0, "gradient": 1}.get(item["check"], _REMOTE)


def _elements(item: Item) -> float:
    case = item["failure"]["case"]
    return Case.from_json(case).elements if case else math.inf


def _of_layer(failed: Sequence[Item], formats: Sequence[str]) -> list[Cause]:
    """The causes of these items of one layer, the plainest first."""
    diagnoses = sorted({tuple(item["failure"]["mistakes"]) for item in failed}, key=lambda found: (len(found), found))
    kinds: dict[Kind, list[Item]] = {}
    for item in failed:
        kinds.setdefault(_kind(item, diagnoses), []).append(item)
    plainest = {kind: _plainest(alike) for kind, alike in kinds.items()}
    if root := _root(plainest):
        for kind in kinds.keys() & _NUMBERS - {root}:
            kinds[root] += kinds.pop(kind)
    return [_cause(kind, plainest[kind], alike, formats) for kind, alike in kinds.items()]


def _plainest(alike: Sequence[Item]) -> Item:
    """The first with wrong numbers, which alone a mistake explains; without any, the first."""
    return next((item for item in alike if not item["failure"]["fault"]), alike[0])


def _kind(item: Item, diagnoses: Iterable[Sequence[str]]) -> Kind:
    """What the item shares with others of the same cause. ``diagnoses`` are all of the layer, the narrowest first."""
    failure = item["failure"]
    if not sizes_alone(failure["mistakes"]):
        # several mistakes may explain an item; one of them that alone explains another is the likely one
        return "mistake", diagnosis(next(found for found in diagnoses if found and {*found} <= {*failure["mistakes"]}))
    if failure["fault"]:
        return failure["status"], gist(failure["fault"])
    if failure["permitted"] is None:
        return "check", item["check"]
    return _EXACT if failure["permitted"] == 0.0 else _ROUNDED


def _root(plainest: Mapping[Kind, Item]) -> Kind | None:
    """The kind of failure that may bring wrong numbers with it: what plain calls show, rounding the last to be blamed.

    No other call is answered wrongly because of what is not judged, because a law or a refusal fails, or because a call
    raises that is not plain, as a large one for want of memory.
    """
    able = [
        kind
        for kind, item in plainest.items()
        if kind[0] in ("mistake", "numbers") or (kind[0] == Status.FAIL and _remoteness(item) < _REMOTE)
    ]
    return min(able, key=lambda kind: (_remoteness(plainest[kind]), kind == _ROUNDED), default=None)


def _cause(kind: Kind, plainest: Item, alike: Iterable[Item], formats: Sequence[str]) -> Cause:
    items = sorted(alike, key=lambda item: (formats.index(item["format"]), item["check"]))
    return Cause(plainest["layer"], _words(kind, plainest["failure"]["reason"]), items, plainest)


def _words(kind: Kind, reason: str) -> str:
    if kind[0] == "mistake":
        return kind[1]
    return f"{reason}, where nothing is rounded" if kind == _EXACT else reason
