"""A certificate as a page that people look at: one file of HTML, which loads nothing."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined, UndefinedError
from markupsafe import Markup

from conformance import described, histogram
from conformance.case import Case
from conformance.causes import failures, item_name
from conformance.certificate import (
    CONFORMS,
    FAILS,
    NOTHING,
    Document,
    Unusable,
    cases,
    count,
    recorded,
    standing,
    with_times,
)
from conformance.markdown import counted
from conformance.report import arithmetic, ratio_text, worst
from conformance.target import said
from conformance.traits import merged
from conformance.verdict import Status

_HERE = Path(__file__).parent

# A sign and a word for everything that colours say too.
_SIGNS = {
    Status.PASS: ("✓", "passes"),
    Status.FAIL: ("✗", "fails"),
    Status.CRASHED: ("!", "crashes"),
    Status.KNOWN: ("◆", "known deviation"),
    Status.UNDECIDED: ("?", "undecided"),
    Status.UNSUPPORTED: ("–", "unsupported"),
}
_LEVELS = {
    "complete": "all documented layers, values and derivatives, in all formats of the target",
    "partial": "the layers and formats below",
    "kernel": "one layer",
}
_SEALS = {CONFORMS: "✓", FAILS: "✗", NOTHING: "–"}

# Ratios such as those of many items, for the legend.
_EXAMPLE = [0.0] * 12 + [(k / 20) ** 2 for k in range(1, 20)]

Item = Mapping[str, Any]


@dataclass(frozen=True)
class Entry:
    """An item as it is shown. ``case`` has a line for each call of the one that failed, or had the largest error."""

    item: Item
    case: Sequence[str]

    @property
    def name(self) -> str:
        return item_name(self.item)

    @property
    def status(self) -> Status | None:
        return standing([self.item])

    @property
    def failures(self) -> list[Mapping[str, Any]]:
        return failures(self.item)

    @property
    def figure(self) -> str:
        """The largest error where there is one, else a word."""
        failure = self.item["failure"]
        if failure and failure["permitted"] is None:
            return "crash" if failure["status"] == Status.CRASHED else "fails"
        return _figure(worst(self.item)) if failure or self.judged else ""

    @property
    def judged(self) -> int:
        """How many cases have an error that was compared with the permitted one."""
        return sum(ratio is not None for ratio in self.item["ratios"])

    @property
    def words(self) -> str:
        """What the picture shows."""
        exact = sum(ratio == 0.0 for ratio in self.item["ratios"])
        parts = [f"{exact} exact"] if exact else []
        if rest := self.judged - exact:
            parts.append(f"{rest} up to {_figure(self.item['worst_ratio'])}")
        if self.beyond is not None:
            parts.append(f"a failure at {_figure(self.item['failure']['ratio'])}")
        return ", ".join(parts)

    @property
    def bars(self) -> str:
        return histogram.bars(None if ratio is None else float(ratio) for ratio in self.item["ratios"])

    @property
    def beyond(self) -> int | None:
        """Where the error of the failure is in the picture."""
        failure = self.item["failure"]
        return None if not failure or failure["permitted"] is None else histogram.place(float(failure["ratio"]))

    @property
    def unsupported(self) -> dict[str, int]:
        """Why cases were, with their number."""
        return {reason: n for reason, n in self.item["reasons"].items() if reason not in self.item["deviations"]}

    @property
    def judged_by(self) -> str:
        """The declared arithmetic in words."""
        units = self.item["judged_by"].get("units", {})
        accuracy = ", ".join(f"{name} {value:g}" for name, value in units.items())
        parts = arithmetic(self.item["judged_by"]), accuracy and f"units of rounding: {accuracy}"
        return "; ".join(filter(None, parts)) or "the plain one"


@dataclass(frozen=True)
class Layer:
    """The items of a layer, by check and format."""

    name: str
    entries: Sequence[Entry]

    @property
    def items(self) -> list[Item]:
        return [entry.item for entry in self.entries]

    @property
    def status(self) -> Status | None:
        return standing(self.items)

    @property
    def cases(self) -> int:
        return cases(self.items)

    @property
    def rows(self) -> dict[str, dict[str, Entry]]:
        found: dict[str, dict[str, Entry]] = {}
        for entry in self.entries:
            found.setdefault(entry.item["check"], {})[entry.item["format"]] = entry
        return found

    @property
    def coverage(self) -> dict[str, dict[str, int]]:
        """All that its cases are examples of; values in the order of the numbers in them."""
        found = merged(item["coverage"] for item in self.items)
        return {
            kind: {value: found[kind][value] for value in sorted(found[kind], key=_natural)} for kind in sorted(found)
        }

    @property
    def undecided(self) -> int:
        return count(self.items, Status.UNDECIDED)


def page(document: Document) -> str:
    """The whole page, the same text for the same document.

    Raises ``Unusable`` where the document is of another version of the suite, and lacks what is shown.
    """
    style, script = (Markup((_HERE / f"page.{kind}").read_text(encoding="utf-8")) for kind in ("css", "js"))
    try:
        report = with_times(document)
        entries = _entries(report)
        return _ENVIRONMENT.get_template("page.html").render(
            document=document,
            body=document["body"],
            report=report,
            seal=_SEALS[document["body"]["verdict"]],
            counts={status: count(report["items"], status) for status in _SIGNS},
            cases=cases(report["items"]),
            entries=entries,
            layers=_layers(entries.values()),
            unsupported=_unsupported(entries.values()),
            causes=_anchors(report["causes"]),
            style=style,
            script=script,
            policy=f"default-src 'none'; img-src data:; style-src {_hashed(style)}; script-src {_hashed(script)}",
        )
    except (KeyError, UndefinedError) as error:
        raise Unusable(f"the certificate is of another version of the suite: {said(error)}") from error


def _entries(report: Mapping[str, Any]) -> dict[str, Entry]:
    """The items by name, each with the case that failed or had the largest error.

    One that attained an error of zero is like any other, and not shown.
    """
    told = {kept.item: [*described.calls(kept.case)] for kept in reversed(recorded(report)) if kept.ratio}
    return {item_name(item): Entry(item, told.get(item_name(item), [])) for item in report["items"]}


def _anchors(causes: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """Where on the page the first cause of an item is, by the names of the items."""
    found: dict[str, str] = {}
    for number, cause in enumerate(causes, 1):
        for name in cause["items"]:
            found.setdefault(name, f"cause-{number}")
    return found


def _layers(entries: Iterable[Entry]) -> list[Layer]:
    found: dict[str, list[Entry]] = {}
    for entry in entries:
        found.setdefault(entry.item["layer"], []).append(entry)
    return [Layer(name, members) for name, members in found.items()]


def _unsupported(entries: Iterable[Entry]) -> dict[str, dict[str, int]]:
    """By reason, how many cases of which layer."""
    found: dict[str, dict[str, int]] = {}
    for entry in entries:
        for reason, number in entry.unsupported.items():
            layers = found.setdefault(reason, {})
            layers[entry.item["layer"]] = layers.get(entry.item["layer"], 0) + number
    return found


def _called(case: Mapping[str, Any]) -> list[str]:
    """A line for each call of a case."""
    return [*described.calls(Case.from_json(case))]


def _figure(ratio: float | str) -> str:
    """A ratio of errors, zero where nothing was rounded."""
    return ratio_text(float(ratio)) if float(ratio) else "0"


def _natural(value: str) -> list[tuple[int, str]]:
    """Sorts 9-16 before 17-32."""
    return [(int(part), "") if part.isdecimal() else (0, part) for part in re.split(r"(\d+)", value)]


def _hashed(text: str) -> str:
    """The text as a content security policy names it (CSP level 3, section 2.3.1), which lets no other in."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def _linked(link: str) -> bool:
    """Whether it leads to a page, and is no program."""
    return link.startswith(("https://", "http://"))


def _environment() -> Environment:
    made = Environment(
        loader=FileSystemLoader(_HERE),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.globals |= {"signs": _SIGNS, "histogram": histogram, "example": _EXAMPLE, "levels": _LEVELS}
    made.filters |= {"called": _called, "counted": counted, "figure": _figure}
    made.tests["linked"] = _linked
    return made


_ENVIRONMENT = _environment()
