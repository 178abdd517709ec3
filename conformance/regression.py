"""What changed between two runs: new failures, larger errors, less coverage, another promise. Pure functions.

When does an error grow *beyond noise*? Where both runs put the same cases, each error of the one has its partner in the
other. If nothing but the luck of rounding differs, either of two that differ is as likely to be the larger: the number
of those that grew is binomial (the sign test). Where the cases are others, and only luck differs, each order of all
errors is as likely as any other: the chance that the j largest are all of the new run is known exactly. So are the
chances that all cases with a certain parameter are of the old one. A change counts where chance explains it less often
than ``FALSE_ALARMS`` divided by the number of comparisons. No error is compared with a constant.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from typing import Any

from scipy.special import bdtrc

from conformance.causes import failures, item_name
from conformance.certificate import Document
from conformance.traits import merged
from conformance.verdict import Status

# How often two runs that differ by luck alone may be told apart: of one comparison a night, once in three years.
FALSE_ALARMS = 1e-3

Item = Mapping[str, Any]
Items = Mapping[str, Item]
Failure = Mapping[str, Any]


@dataclass(frozen=True)
class Change:
    """One difference. ``worse`` says that it is a regression; ``case`` shows it, where there is one."""

    kind: str
    about: str
    words: str
    worse: bool = False
    case: Mapping[str, Any] | None = None


def changes(old: Document, new: Document) -> list[Change]:
    """All differences between two certificates, regressions first."""
    before, after = (document["body"]["report"] for document in (old, new))
    olds, news = ({item_name(item): item for item in report["items"]} for report in (before, after))
    found = [
        *_failures(olds, news),
        *_judged(olds, news),
        *_promises(before, after, olds, news),
        *_growth(olds, news),
        *_coverage(olds, news),
        *_surroundings(before, after),
    ]
    return sorted(found, key=lambda change: not change.worse)


def _failures(olds: Items, news: Items) -> Iterator[Change]:
    for name, item in news.items():
        before = failures(olds[name]) if name in olds else []
        after = failures(item)
        for old, new in zip_longest(_without(before, after), _without(after, before)):
            if old is None:
                yield Change("new failure", name, _why(new), True, new["case"])
            elif new is None:
                yield Change("fixed", name, _why(old))
            else:
                worse = (old["status"], new["status"]) == (Status.FAIL, Status.CRASHED)
                yield Change("changed failure", name, f"{_why(old)} → {_why(new)}", worse, new["case"])


def _without(these: Iterable[Failure], others: Iterable[Failure]) -> list[Failure]:
    """Those of which there is none of the same words among the others."""
    said = {*map(_why, others)}
    return [failure for failure in these if _why(failure) not in said]


def _why(failure: Failure) -> str:
    return str(failure["diagnosis"] or failure["reason"])


def _judged(olds: Items, news: Items) -> Iterator[Change]:
    """What is judged no more, or in fewer cases of the same; what is judged now."""
    for name in sorted(olds.keys() | news.keys()):
        before, after = (_decided(items[name]) if name in items else 0 for items in (olds, news))
        if before and not after:
            how = "supports no case of it" if name in news else "was not asked it"
            yield Change("no longer judged", name, f"{before} cases were judged; the new run {how}", True)
        elif after and not before:
            yield Change("newly judged", name, f"{after} cases")
        elif after < before and _alike(olds[name], news[name]) and not news[name]["failure"]:
            yield Change("changed status", name, f"{_counts(olds[name])} → {_counts(news[name])}", True)


def _decided(item: Item) -> int:
    """Drawn cases with a verdict about the target."""
    return sum(_drawn(item)[status] for status in (Status.PASS, Status.FAIL))


def _counts(item: Item) -> str:
    return ", ".join(f"{count} {status.lower()}" for status, count in _drawn(item).items() if count)


def _drawn(item: Item) -> dict[str, int]:
    """How many of the cases that were drawn had which status: those of a corpus may be others in the other run."""
    recalled = item.get("corpus", {}).get("counts", {})
    return {status: count - recalled.get(status, 0) for status, count in item["counts"].items()}


def _alike(old: Item, new: Item) -> bool:
    """Whether both were put the same cases."""
    return bool(old["drawn"] == new["drawn"] and len(old["ratios"]) == len(new["ratios"]))


def _promises(before: Item, after: Item, olds: Items, news: Items) -> Iterator[Change]:
    """Another arithmetic, convention, or known deviation: verdicts are about another promise."""
    arithmetic: dict[tuple[str, str], list[str]] = {}
    for name in olds.keys() & news.keys():
        one, other = olds[name]["judged_by"], news[name]["judged_by"]
        if one != other and not (olds[name]["failure"] or news[name]["failure"]):
            change = f"{_parts(one, other)} → {_parts(other, one)}"
            arithmetic.setdefault((olds[name]["layer"], change), []).append(olds[name]["format"])
    for (layer, change), formats in sorted(arithmetic.items()):
        yield Change("changed arithmetic", f"{layer} ({', '.join(sorted(set(formats)))})", change, True)
    for layer in sorted(before["policies"].keys() | after["policies"].keys()):
        one, other = (report["policies"].get(layer, {}) for report in (before, after))
        if one != other and {layer} <= {*before["layers"]} & {*after["layers"]}:
            yield Change("changed convention", layer, f"{_parts(one, other)} → {_parts(other, one)}", True)
    declared = {(deviation["layer"], deviation["reason"]) for deviation in before["known"]}
    for deviation in after["known"]:
        if deviation["met"] and (deviation["layer"], deviation["reason"]) not in declared:
            yield Change("new known deviation", deviation["layer"], deviation["reason"], True)


def _parts(of: Mapping[str, Any], other: Mapping[str, Any]) -> str:
    """What the one says and the other does not."""
    return ", ".join(f"{name} = {value}" for name, value in sorted(of.items()) if other.get(name) != value) or "plain"


def _growth(olds: Items, news: Items) -> Iterator[Change]:
    """Errors that grew beyond noise: of an item, else of all checks of a layer in a format together."""
    both = [name for name in news if name in olds and not olds[name]["failure"] and not news[name]["failure"]]
    layers: dict[str, list[str]] = {}
    for name in both:
        layers.setdefault("{layer}-{format}".format(**news[name]), []).append(name)
    rate = FALSE_ALARMS / max(len(both) + len(layers), 1)
    for layer, names in layers.items():
        grown = [name for name in names if _chance([name], olds, news) < rate]
        for name in grown:
            yield _grown(name, [name], olds, news)
        alike = [name for name in names if _alike(olds[name], news[name])]
        if not grown and alike and _chance(alike, olds, news) < rate:
            yield _grown(layer, alike, olds, news)


def _chance(names: Sequence[str], olds: Items, news: Items) -> float:
    """How likely luck alone makes errors grow so much. Of several items each was put the same cases."""
    if all(_alike(olds[name], news[name]) for name in names):
        pairs = [
            (float(before), float(after))
            for name in names
            for before, after in zip(olds[name]["ratios"], news[name]["ratios"], strict=True)
            if before is not None and after is not None and before != after
        ]
        grown = sum(after > before for before, after in pairs)
        return float(bdtrc(grown - 1, len(pairs), 0.5)) if grown else 1.0
    (name,) = names
    before, after = (_numbers(items[name]) for items in (olds, news))
    above = sum(ratio > max(before, default=0.0) for ratio in after)
    return all_within(above, len(after), len(before) + len(after))


def all_within(chosen: int, part: int, whole: int) -> float:
    """The chance that so many, chosen at random of a whole, all lie in a part of it."""
    chance = 1.0
    for k in range(chosen):
        chance *= max(part - k, 0) / (whole - k)
    return chance


def _numbers(item: Item) -> list[float]:
    return [float(ratio) for ratio in item["ratios"] if ratio is not None]


def _grown(about: str, names: Sequence[str], olds: Items, news: Items) -> Change:
    worst = max(names, key=lambda name: float(news[name]["worst_ratio"]))
    numbers = ", ".join(
        f"{word} {float(olds[worst][key]):.2f} → {float(news[worst][key]):.2f}"
        for word, key in (("worst", "worst_ratio"), ("typical", "typical_ratio"))
    )
    return Change("larger errors", about, f"error / permitted: {numbers}", True, news[worst]["worst_case"])


def _coverage(olds: Items, news: Items) -> Iterator[Change]:
    """What was asked of layers in the old run and, beyond chance, is not in the new one."""
    both = [name for name in news if name in olds and not news[name]["failure"]]
    layers: dict[str, list[str]] = {}
    for name in both:
        layers.setdefault(news[name]["layer"], []).append(name)
    for layer, names in layers.items():
        before, after = (merged(items[name]["coverage"] for name in names) for items in (olds, news))
        cases, others = (sum(map(_covered, (items[name] for name in names))) for items in (olds, news))
        rate = FALSE_ALARMS / (len(layers) * max(sum(map(len, before.values())), 1))
        for kind, values in sorted(before.items()):
            lost = [
                value
                for value, count in sorted(values.items())
                if value not in after.get(kind, {}) and all_within(count, cases, cases + others) < rate
            ]
            if lost:
                yield Change("coverage lost", layer, f"{kind}: {', '.join(lost)}", True)


def _covered(item: Item) -> int:
    """Drawn cases that count as coverage."""
    return sum(count for status, count in _drawn(item).items() if status not in ("UNSUPPORTED", "CRASHED"))


def _surroundings(before: Item, after: Item) -> Iterator[Change]:
    """What may explain the rest: versions, machine, profile, seed."""
    for name in ("description", "profile", "examples", "seed", "load"):
        if before[name] != after[name]:
            yield Change("changed", name, f"{before[name]} → {after[name]}")
    for name in ("suite", "environment"):
        one, other = _flat(before[name]), _flat(after[name])
        for key in sorted(one.keys() | other.keys()):
            if one.get(key) != other.get(key):
                yield Change("changed", f"{name}, {key}", f"{one.get(key)} → {other.get(key)}")


def _flat(data: Mapping[str, Any]) -> dict[str, str]:
    """Names and values of nested data."""
    found: dict[str, str] = {}
    for name, value in data.items():
        found |= {f"{name} {key}": text for key, text in value.items()} if isinstance(value, dict) else {name: value}
    return found
