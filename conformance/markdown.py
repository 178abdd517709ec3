"""A certificate in Markdown, for the page of a job: the verdict first, then what failed and what was not asked."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from conformance.certificate import Document, cases, count, standing
from conformance.verdict import FAILING, Status

_MARKS: Mapping[Status | None, str] = {
    Status.FAIL: "fails",
    Status.CRASHED: "crashes",
    Status.KNOWN: "known deviation",
    Status.PASS: "passes",
}

Item = Mapping[str, Any]


def summary(document: Document) -> str:
    """The whole page."""
    body, report = document["body"], document["body"]["report"]
    about = f" ({report['description']})" if report["description"] else ""
    lines = [
        f"# {report['target']}{about}: {body['verdict']}",
        "",
        *(f"- {obstacle}" for obstacle in body["obstacles"]),
        f"- level: {body['level']}; {len(report['layers']) - len(report['lacking'])} layers in "
        f"{', '.join(report['formats'])}; profile {report['profile']}",
        f"- {counted(report['items'])}",
        f"- suite {report['suite']['version']}, sources {report['suite']['sources'][:19]}; "
        f"document sha256:{document['sha256'][:12]}",
        "",
        *_section("Why items failed", _causes(report)),
        *_section("Layers", _matrix(report)),
        *_section("Known deviations that were met", _deviations(report)),
        *_section("Not judged", _unjudged(body)),
    ]
    return "\n".join(lines)


def _section(title: str, lines: Iterator[str]) -> list[str]:
    """Nothing, where there are no lines."""
    found = list(lines)
    return [f"## {title}", "", *found, ""] if found else []


def counted(items: Sequence[Item]) -> str:
    """How many cases there were, and what came of them."""
    counts = {status: count(items, status) for status in Status}
    number = cases(items)
    return f"{number} case{'' if number == 1 else 's'}: " + ", ".join(
        f"{count} {status.lower()}" for status, count in counts.items() if count
    )


def _causes(report: Mapping[str, Any]) -> Iterator[str]:
    for cause in report["causes"]:
        yield f"- **{cause['layer']}**: {cause['cause']} ({len(cause['items'])} failed; `{cause['representative']}`)"


def _matrix(report: Mapping[str, Any]) -> Iterator[str]:
    """A row for every layer, a column for every format: the worst status of all checks, and the largest error."""
    rows: dict[str, dict[str, list[Item]]] = {}
    for item in report["items"]:
        rows.setdefault(item["layer"], {}).setdefault(item["format"], []).append(item)
    if rows:
        yield f"| layer | {' | '.join(report['formats'])} |"
        yield f"| --- |{' --- |' * len(report['formats'])}"
    for layer, row in rows.items():
        yield f"| {layer} | {' | '.join(_cell(row.get(format, [])) for format in report['formats'])} |"


def _cell(items: Sequence[Item]) -> str:
    status = standing(items)
    if status not in _MARKS:
        return "not judged"
    worst = max(float(item["worst_ratio"]) for item in items)
    return _MARKS[status] if status in FAILING else f"{_MARKS[status]}, {worst:.2f}"


def _deviations(report: Mapping[str, Any]) -> Iterator[str]:
    for deviation in report["known"]:
        if deviation["met"]:
            yield f"- {deviation['layer']}: {deviation['reason']}"


def _unjudged(body: Mapping[str, Any]) -> Iterator[str]:
    lacking = body["report"]["lacking"]
    if lacking:
        yield f"- the target has no {', '.join(lacking)}"
    if body["unjudged"]:
        yield f"- it supports no case of {', '.join(body['unjudged'])}"
