"""Several shards of a run, each with a certificate, as the one run that they are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from conformance.causes import causes, in_order, item_name
from conformance.certificate import Document, Unusable, certificate, with_times
from conformance.corpus import summed

# What differs from shard to shard; all else must be the same.
_OWN = frozenset({"items", "not_asked", "shard", "interrupted", "causes", "known", "corpus"})


def merged(documents: Mapping[str, Document]) -> Document:
    """The certificate of the whole run, from those of its shards by the names of their files.

    Raises ``Unusable`` where shards are missing, or where they are not of one run.
    """
    reports = {name: with_times(document) for name, document in documents.items()}
    _require_one_run(reports)
    _require_all(reports)
    parts = list(reports.values())
    items = in_order(item for part in parts for item in part["items"])
    missing = sorted(name for part in parts for name in part["not_asked"])
    _require_partition(parts[0]["questions"], [*map(item_name, items), *missing])
    report = {
        **parts[0],
        "shard": None,
        "interrupted": any(part["interrupted"] for part in parts),
        "items": items,
        "not_asked": missing,
        "causes": [cause.to_json() for cause in causes(items, parts[0]["offered_formats"])],
        "known": _known(parts),
        **({"corpus": summed(items)} if "corpus" in parts[0] else {}),
    }
    return certificate(report, _volatile([document["volatile"] for document in documents.values()]))


def _require_one_run(reports: Mapping[str, Mapping[str, Any]]) -> None:
    (first, expected), *others = reports.items()
    for name, report in others:
        for field in sorted(expected.keys() - _OWN):
            if report[field] != expected[field]:
                raise Unusable(
                    f"{name} is not of the run of {first}: {field} {_difference(report[field], expected[field])}"
                )
        if ("corpus" in report) != ("corpus" in expected):
            raise Unusable(f"{name} is not of the run of {first}: one was made with --corpus, the other without")


def _difference(found: Any, expected: Any) -> str:
    """Where the data is nested, the first part that differs."""
    if isinstance(found, dict) and isinstance(expected, dict):
        name = min(key for key in found.keys() | expected.keys() if found.get(key) != expected.get(key))
        return f"{name} {_difference(found.get(name), expected.get(name))}"
    return f"is {found!r}, expected {expected!r}"


def _require_all(reports: Mapping[str, Mapping[str, Any]]) -> None:
    numbers: dict[int, str] = {}
    counts = set()
    for name, report in reports.items():
        if report["shard"] is None:
            raise Unusable(f"{name} is no shard: it is a whole run, made without --shard")
        index, count = report["shard"]
        if index in numbers:
            raise Unusable(f"{numbers[index]} and {name} are both shard {index} of {count}")
        numbers[index] = name
        counts.add(count)
    if len(counts) > 1:
        raise Unusable(f"the run was divided differently: {', '.join(f'shards of {n}' for n in sorted(counts))}")
    (count,) = counts
    if missing := [index for index in range(1, count + 1) if index not in numbers]:
        raise Unusable(f"of {count} shards these are missing: {', '.join(map(str, missing))}")


def _require_partition(questions: int, names: Sequence[str]) -> None:
    """Shards that were divided by the same costs have each question once."""
    if len(names) != questions or len(set(names)) != questions:
        raise Unusable(
            f"the shards have {len(set(names))} of {questions} questions, some of them twice: they were divided by "
            "different costs; give the same --costs, or none, to each"
        )


def _known(parts: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Deviations that any shard could meet, met where one has met them."""
    found: dict[str, dict[str, Any]] = {}
    for part in parts:
        for entry in part["known"]:
            key = repr((entry["layer"], entry["check"] or "", entry["reason"]))
            met = entry["met"] or found.get(key, entry)["met"]
            found[key] = {**entry, "met": met}
    return sorted(found.values(), key=lambda entry: (entry["layer"], entry["reason"], entry["check"] or ""))


def _volatile(parts: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    return {
        "host": ", ".join(dict.fromkeys(part["host"] for part in parts)),
        "begun": min(part["begun"] for part in parts),
        "elapsed": sum(part["elapsed"] for part in parts),
    }
