"""What a run found: data for JSON, and text for a console of 80 columns."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

from conformance.run import Nonconforming, Tally
from conformance.target import Deviation, Target
from conformance.verdict import Status

_WIDTHS = (6, 6, 5, 6, 6, 6)
_STATUSES = (Status.PASS, Status.FAIL, Status.KNOWN, Status.UNDECIDED, Status.UNSUPPORTED)


def item_data(layer: str, format: str, check: str, tally: Tally) -> dict[str, Any]:
    """One item of a run as plain data."""
    failure = tally.failure
    return {
        "layer": layer,
        "format": format,
        "check": check,
        "counts": dict(tally.counts),
        "worst_ratio": _finite(tally.worst),
        "worst_case": tally.worst_case.to_json() if tally.worst_case else None,
        "seconds": dict(tally.seconds),
        "reasons": dict(tally.reasons),
        "deviations": sorted(tally.deviations),
        "failure": failure
        and {
            "case": failure.case.to_json(),
            "reason": failure.verdict.reason,
            "output": failure.verdict.output,
            "index": list(failure.verdict.index),
            "got": _finite(failure.verdict.got),
            "true": _finite(failure.verdict.true),
            "permitted": _finite(failure.verdict.permitted),
            "ratio": _finite(failure.verdict.ratio),
        },
    }


def _finite(x: float) -> float | str:
    """JSON has no infinities."""
    return float(x) if math.isfinite(x) else str(float(x))


def failure_text(failure: Nonconforming) -> str:
    """A failure as a person wants to read it: what, where, by how much, and how to see it again."""
    verdict, case = failure.verdict, failure.case
    lines = [f"{case.layer} in {case.format} does not conform ({failure.kind}): {verdict.reason}"]
    if verdict.output:
        lines += ["", f"  output     {verdict.output}"]
    if verdict.index or math.isfinite(verdict.ratio):
        lines += [
            f"  element    {list(verdict.index)}",
            f"  got        {verdict.got!r}",
            f"  true       {verdict.true!r}",
            f"  permitted  {verdict.permitted:.3g} (error / permitted = {verdict.ratio:.3g})",
        ]
    lines += ["", "Run it again:", "", "    from conformance import *", *_code(failure)]
    return "\n".join(lines)


def _code(failure: Nonconforming) -> list[str]:
    case = failure.case
    tensors = [f"            {name!r}: {recipe!r}," for name, recipe in case.tensors.items()]
    return [
        "    case = Case(",
        f"        {case.layer!r}, {case.format!r},",
        "        {",
        *tensors,
        "        },",
        f"        {dict(case.parameters)!r},",
        *([f"        layouts={dict(case.layouts)!r},"] if case.layouts else []),
        *([f"        upstream={case.upstream!r},"] if case.upstream else []),
        "    )",
        f"    print(examine(load({failure.target!r}), case, {failure.kind!r}))",
    ]


def report_data(target: Target, profile: str, items: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """A whole run as plain data."""
    return {
        "target": target.name,
        "description": target.description,
        "profile": profile,
        "items": sorted(items, key=lambda item: (item["layer"], item["format"], item["check"])),
    }


def summary_lines(items: Iterable[Mapping[str, Any]]) -> list[str]:
    """The table of a run: a row for every layer and format, all checks together."""
    groups: dict[tuple[str, str], list[Mapping[str, Any]]] = {}
    for item in items:
        groups.setdefault((item["layer"], item["format"]), []).append(item)
    width = max((len(layer) for layer, _ in groups), default=5)
    lines = [f"{'layer':{width}} {'format':8} cases  pass fail known undec unsup   worst"]
    everything = [item for group in groups.values() for item in group]
    for (layer, format), group in sorted(groups.items()):
        lines.append(f"{layer:{width}} {format:8}{_numbers(group)}{_worst(group):>8}")
    lines.append(f"{'total':{width}} {'':8}{_numbers(everything)}")
    return lines


def _numbers(items: Iterable[Mapping[str, Any]]) -> str:
    counts = [sum(item["counts"][status] for item in items) for status in _STATUSES]
    return "".join(f"{n:>{width}}" for n, width in zip((sum(counts), *counts), _WIDTHS, strict=True))


def _worst(items: Iterable[Mapping[str, Any]]) -> str:
    ratio = max(float(item["failure"]["ratio"] if item["failure"] else item["worst_ratio"]) for item in items)
    return f"{ratio:.2f}" if ratio < 100 else f"{ratio:.1e}"


def time_lines(items: Iterable[Mapping[str, Any]]) -> list[str]:
    """How many cases were judged, and how the time was spent."""
    seconds = {part: sum(item["seconds"][part] for item in items) for part in ("draw", "judge", "target")}
    cases = sum(sum(item["counts"].values()) for item in items)
    whole = sum(seconds.values()) or 1.0
    share = {part: f"{100 * value / whole:.0f} %" for part, value in seconds.items()}
    return [
        f"{cases} cases in {whole:.1f} s of work, {cases / whole:.0f} per second:",
        f"drawing {share['draw']}, oracle and verdict {share['judge']}, target {share['target']}",
    ]


def note_lines(items: Iterable[Mapping[str, Any]], known: Iterable[Deviation]) -> list[str]:
    """Why cases were unsupported or known to fail, and which known deviations were not met."""
    notes: dict[str, int] = {}
    tested: set[str] = set()
    met: set[str] = set()
    for item in items:
        tested.add(item["layer"])
        met.update(item["deviations"])
        for reason, count in item["reasons"].items():
            notes[reason] = notes.get(reason, 0) + count
    stale = [deviation for deviation in known if deviation.layer in tested and deviation.reason not in met]
    return [f"{count:>6} cases: {reason}" for reason, count in sorted(notes.items())] + [
        f"known deviation of {deviation.layer} not met in this run: {deviation.reason}" for deviation in stale
    ]
