"""What a run found: data for JSON, and text for a console of 80 columns."""

from __future__ import annotations

import math
import statistics
import textwrap
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from conformance.case import Case
from conformance.causes import Cause, causes, failures, in_order, item_name
from conformance.environment import environment, suite
from conformance.scope import Question, Scope
from conformance.tally import Nonconforming, Tally
from conformance.target import Deviation, Target
from conformance.verdict import Status, Verdict

_COLUMNS = 80
_INDENT = " " * 8
_STATUSES = {
    Status.PASS: "pass",
    Status.FAIL: "fail",
    Status.KNOWN: "known",
    Status.UNDECIDED: "undec",
    Status.UNSUPPORTED: "unsup",
    Status.CRASHED: "crash",
}


def item_data(layer: str, format: str, check: str, tally: Tally) -> dict[str, Any]:
    """One item of a run as plain data."""
    ratios = [None if ratio is None else _shown(ratio) for ratio in tally.ratios]
    found = failures_data(tally.failures)
    return {
        "layer": layer,
        "format": format,
        "check": check,
        "counts": dict(tally.counts),
        "worst_ratio": _finite(tally.worst),
        "worst_case": tally.worst_case and tally.worst_case.to_json(),
        "typical_ratio": _typical(ratios),
        "ratios": list(map(_finite, ratios)),
        "coverage": {kind: dict(sorted(values.items())) for kind, values in sorted(tally.coverage.items())},
        "drawn": tally.drawn,
        "seconds": dict(tally.seconds),
        "reasons": dict(tally.reasons),
        "deviations": sorted(tally.deviations),
        "judged_by": dict(tally.judged_by),
        "failure": found[0] if found else None,
        **({"other_failures": found[1:]} if found[1:] else {}),
    }


def _typical(ratios: Iterable[float | None]) -> float:
    """The median of those that are not zero: in half of all cases nothing is rounded."""
    return _shown(statistics.median([ratio for ratio in ratios if ratio] or [0.0]))


def _shown(ratio: float) -> float:
    """To three digits, as the summary shows it."""
    return float(f"{ratio:.3g}")


def failures_data(found: Iterable[Nonconforming]) -> list[dict[str, Any]]:
    """Failures as plain data."""
    return list(map(_failure_data, found))


def _failure_data(failure: Nonconforming) -> dict[str, Any]:
    verdict = failure.verdict
    return {
        "status": verdict.status.value,
        "case": failure.case and failure.case.to_json(),
        "reason": verdict.reason,
        "output": verdict.output,
        "index": list(verdict.index),
        "got": _finite(verdict.got),
        "true": _finite(verdict.true),
        "permitted": _finite(verdict.permitted),
        "ratio": _finite(verdict.ratio),
        "fault": verdict.fault,
        "diagnosis": failure.diagnosis,
        "mistakes": failure.mistakes,
        "traceback": failure.traceback,
        "script": failure.script,
    }


def restore(tally: Tally, data: Mapping[str, Any]) -> None:
    """Make the tally that of an item, from the plain data that ``item_data`` has made of it elsewhere."""
    case = data["worst_case"]
    tally.counts, tally.seconds, tally.reasons = data["counts"], data["seconds"], data["reasons"]
    tally.worst, tally.worst_case = float(data["worst_ratio"]), case and Case.from_json(case)
    tally.ratios = [None if ratio is None else float(ratio) for ratio in data["ratios"]]
    tally.coverage, tally.drawn = data["coverage"], data["drawn"]
    tally.deviations, tally.judged_by = set(data["deviations"]), data["judged_by"]
    tally.failures = restored(data["check"], failures(data))


def restored(kind: str, found: Iterable[Mapping[str, Any]]) -> list[Nonconforming]:
    """Failures of a check of this kind, from the plain data that ``failures_data`` has made of them elsewhere."""
    return [_restored(kind, failure) for failure in found]


def _restored(kind: str, data: Mapping[str, Any]) -> Nonconforming:
    got, true, permitted = (data[name] and float(data[name]) for name in ("got", "true", "permitted"))
    status, ratio, index = Status(data["status"]), float(data["ratio"]), tuple(data["index"])
    verdict = Verdict(status, ratio, data["reason"], data["output"], index, got, true, permitted, fault=data["fault"])
    failure = Nonconforming(kind, data["case"] and Case.from_json(data["case"]), verdict)
    failure.mistakes, failure.traceback, failure.script = data["mistakes"], data["traceback"], data["script"]
    return failure


def _finite(x: float | None) -> float | str | None:
    """JSON has no infinities."""
    return x if x is None or math.isfinite(x) else str(x)


def failures_text(found: Iterable[Nonconforming], item: str, target: str) -> str:
    """All failures of an item: the first as ``failure_text`` writes it, of the others what is wrong."""
    first, *others = found
    lines = [failure_text(first, item, target)]
    if others:
        lines += ["", "It fails in other ways too (--report=FILE.json holds their cases):", ""]
        lines += [f"  {failure.verdict.reason}" for failure in others]
    return "\n".join(lines)


def failure_text(failure: Nonconforming, item: str, target: str) -> str:
    """A failure as a person wants to read it: what, where, by how much, and how to see it again.

    ``target`` is Python that makes the target.
    """
    verdict = failure.verdict
    outcome = "was not judged" if verdict.status is Status.CRASHED else "does not conform"
    lines = [f"{item} {outcome}: {verdict.reason}"]
    facts = {
        "output": verdict.output or None,
        "element": list(verdict.index) if verdict.got is not None else None,
        "got": verdict.got,
        "true": verdict.true,
        "permitted": None if verdict.permitted is None else f"{verdict.permitted:.3g}",
        "worst": None if verdict.permitted is None else f"{verdict.ratio:.3g} (error / permitted)",
        "diagnosis": _diagnosis(failure),
    }
    known = [f"  {name:<9}  {fact}" for name, fact in facts.items() if fact is not None]
    lines += ["", *known] if known else []
    lines += ["", *failure.traceback] if failure.traceback else []
    if failure.case is not None:
        lines += ["", "Run it again:", "", *textwrap.indent(program(failure, target), "    ").splitlines()]
    return "\n".join(lines)


def _diagnosis(failure: Nonconforming) -> str | None:
    """The diagnosis; where the failure itself has no numbers, others have led to it."""
    if not failure.diagnosis:
        return None
    return f"{failure.diagnosis} (other answers show)" if failure.verdict.fault else failure.diagnosis


def program(failure: Nonconforming, target: str) -> str:
    """Python that puts the failing case to the target again and prints the verdict.

    ``target`` is what makes the target, such as ``load('torch-cpu')``.
    """
    case = failure.case
    assert case is not None, "there is no case to put"
    return "\n".join(
        [
            "from math import inf, nan",
            "from conformance import *",
            "case = Case(",
            f"    {case.layer!r}, {case.format!r},",
            "    {",
            *(f"        {name!r}: {recipe!r}," for name, recipe in case.tensors.items()),
            "    },",
            f"    {dict(case.parameters)!r},",
            *([f"    layouts={dict(case.layouts)!r},"] if case.layouts else []),
            *([f"    upstream={case.upstream!r},"] if case.upstream else []),
            *([f"    refusal={case.refusal!r},"] if case.refusal else []),
            *([f"    relation={case.relation!r},"] if case.relation else []),
            *(["    steps=(", *(f"        {step!r}," for step in case.steps), "    ),"] if case.steps else []),
            ")",
            f"print(examine({target}, case, {failure.kind!r}))",
        ]
    )


def report_data(
    target: Target, scope: Scope, share: Iterable[Question], items: Iterable[Mapping[str, Any]], complete: bool
) -> dict[str, Any]:
    """A whole run as plain data: what it was asked for, of whom, where, and what it found.

    ``share`` are the questions that it was to ask. A run that was cut short says so, and which it has not come to.
    """
    found = in_order(items)
    return {
        "suite": suite(),
        "environment": environment(target),
        "target": target.name,
        "description": target.description,
        "offered_formats": list(target.formats),
        "policies": {layer: dict(target.policies[layer]) for layer in scope.layers if layer in target.policies},
        **scope.to_json(),
        "interrupted": not complete,
        "items": found,
        "lacking": scope.lacking(target),
        "questions": len(scope.questions(target)),
        "not_asked": _not_asked(share, found),
        "causes": [cause.to_json() for cause in causes(found, target.formats)],
        "known": [
            {
                "layer": deviation.layer,
                "check": deviation.check,
                "reason": deviation.reason,
                "link": deviation.link,
                "reproducer": deviation.reproducer,
                "met": deviation.reason in met,
            }
            for deviation, met in sorted(
                _asked(found, target.known), key=lambda known: (known[0].layer, known[0].reason, known[0].check or "")
            )
        ],
    }


def _not_asked(share: Iterable[Question], items: Iterable[Mapping[str, Any]]) -> list[str]:
    """The questions without an answer, whatever left them out."""
    answered = {item_name(item) for item in items}
    return sorted(name for name in map("-".join, share) if name not in answered)


def _asked(
    items: Sequence[Mapping[str, Any]], known: Sequence[Deviation]
) -> Iterator[tuple[Deviation, frozenset[str]]]:
    """The known deviations that a run could meet, each with the reasons of those that its layer did meet."""
    for deviation in known:
        asked = [i for i in items if i["layer"] == deviation.layer and deviation.check in (None, i["check"])]
        if asked:
            yield deviation, frozenset(reason for item in asked for reason in item["deviations"])


def summary_lines(items: Iterable[Mapping[str, Any]]) -> list[str]:
    """The table of a run: a row for every layer and format, all checks together."""
    groups: dict[tuple[str, str], list[Mapping[str, Any]]] = {}
    for item in items:
        groups.setdefault((item["layer"], item["format"]), []).append(item)
    width = max((len(layer) for layer, _ in groups), default=5)
    everything = [item for group in groups.values() for item in group]
    return [
        f"{'layer':{width}} {'format':8}" + "".join(f" {title:>5}" for title in _STATUSES.values()) + "  worst",
        *(
            f"{layer:{width}} {format:8}{_numbers(group)}{_worst(group):>7}"
            for (layer, format), group in sorted(groups.items())
        ),
        # a sum may be wider than its column: it takes the place of the format
        f"{'total':{width}}{_numbers(everything):>{9 + 6 * len(_STATUSES)}}",
    ]


def _numbers(items: Iterable[Mapping[str, Any]]) -> str:
    return "".join(f" {sum(item['counts'][status] for item in items):>5}" for status in _STATUSES)


def _worst(items: Iterable[Mapping[str, Any]]) -> str:
    return ratio_text(max(map(worst, items)))


def worst(item: Mapping[str, Any]) -> float:
    """The largest error divided by the permitted error: that of the failure, where there is one."""
    return float(item["failure"]["ratio"] if item["failure"] else item["worst_ratio"])


def ratio_text(ratio: float) -> str:
    """A ratio of errors in six columns."""
    return f"{ratio:.2f}" if ratio < 100 else f"{ratio:.0e}"


def cause_lines(found: Iterable[Cause]) -> list[str]:
    """Why items failed: for every cause how often and which, and the name of the one that shows it best."""
    lines = []
    for cause in found:
        checks = ", ".join(sorted({item["check"] for item in cause.items}))
        formats = ", ".join(dict.fromkeys(item["format"] for item in cause.items))
        words = f"{cause.layer}: {cause.words}"
        lines += textwrap.wrap(words, _COLUMNS, subsequent_indent=_INDENT, max_lines=3, placeholder=" …")
        lines += _wrapped(f"{_INDENT}{_counted(len(cause.items))}: {checks} ({formats})")
        lines += [f"{_INDENT}plainest: -k {item_name(cause.representative)}"]
    return lines


def _counted(failures: int) -> str:
    return "1 failure" if failures == 1 else f"{failures} failures"


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


def note_lines(items: Sequence[Mapping[str, Any]], known: Sequence[Deviation]) -> list[str]:
    """Why cases were unsupported or known to fail, which known deviations were not met, what a corpus holds that cannot
    be read, and which layers were judged by another arithmetic than the plain one.
    """
    links = {deviation.reason: f" ({deviation.link})" for deviation in known if deviation.link}
    counts: dict[str, int] = {}
    judged_by: dict[str, dict[str, list[str]]] = {}
    for item in items:
        for reason, count in item["reasons"].items():
            counts[reason] = counts.get(reason, 0) + count
        if by := arithmetic(item["judged_by"]):
            formats = judged_by.setdefault(by, {}).setdefault(item["layer"], [])
            formats += [item["format"]] if item["format"] not in formats else []
    notes = [
        *(f"{count:>6} cases: {reason}{links.get(reason, '')}" for reason, count in sorted(counts.items())),
        *(
            f"known deviation of {deviation.layer} not met in this run: {deviation.reason}"
            for deviation, met in _asked(items, known)
            if deviation.reason not in met
        ),
        *(f"left out of the corpus: {why}" for item in items for why in item.get("corpus", {}).get("unread", ())),
        *(
            f"judged by {by}: " + ", ".join(f"{layer} ({', '.join(formats)})" for layer, formats in layers.items())
            for by, layers in sorted(judged_by.items())
        ),
    ]
    return [line for note in notes for line in _wrapped(note)]


def lacking_lines(target: str, layers: Sequence[str]) -> list[str]:
    """Which layers the target does not have, if any."""
    return _wrapped(f"{target} has no {', '.join(layers)}") if layers else []


def arithmetic(judged_by: Mapping[str, Any]) -> str:
    """In words, but for the accuracy of elementary functions, which the JSON report holds."""
    return ", ".join(f"{name} = {value}" for name, value in judged_by.items() if name != "units" and value)


def _wrapped(note: str) -> list[str]:
    return textwrap.wrap(note, _COLUMNS, subsequent_indent=_INDENT, break_long_words=False, break_on_hyphens=False)
