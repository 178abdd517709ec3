"""The tables of README's section Power, from what ``benchmarks.mutation --json`` has written.

    python -m benchmarks.power README.md FILE.json …

Parts of one measurement, such as halves of the layers, may lie in several files.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from statistics import median
from textwrap import wrap
from typing import Any, TypeAlias

from conformance.coverage import marked

Row: TypeAlias = Mapping[str, Any]
_WIDTH = 132  # of a line of the README


def power(reports: Iterable[Mapping[str, Any]]) -> str:
    """What the profiles and the rivals made of the implementations. Markdown."""
    broken: dict[str, list[Row]] = {}  # by profile
    honest: dict[tuple[str, int], list[Row]] = {}  # by profile and number of seeds
    for report in reports:
        for row in report["rows"]:
            if row["honest"]:
                honest.setdefault((report["profile"], report["seeds"]), []).append(row)
            else:
                broken.setdefault(report["profile"], []).append(row)
    lines = ["| rule | broken ones rejected | of those it applies to |", "| --- | --- | --- |"]
    for profile, rows in sorted(broken.items()):
        lines.append(f"| this suite, {profile} profile | {sum(map(_rejected, rows))} | {len(rows)} |")
    lines += _of_rivals(next(iter(broken.values()), []))
    for profile, rows in sorted(broken.items()):
        lines += ["", *_paragraph(_until_rejection(profile, rows))]
    for (profile, seeds), rows in sorted(honest.items()):
        accepted = len(rows) - sum(map(_rejected, rows))
        about = f"{accepted} of {len(rows)} honest implementations are accepted"
        many = f"each of {seeds} seeds" if seeds > 1 else "one seed"
        lines += ["", *_paragraph(f"In the {profile} profile {about} with {many}.")]
    return "\n".join(lines) + "\n"


def _rejected(row: Row) -> bool:
    return any(found["by"] for found in row["suite"])


def _of_rivals(rows: Sequence[Row]) -> Iterator[str]:
    """A row of the table for each, the strictest first."""
    counts = {}
    for name in rows[0]["rejected_by_rivals"] if rows else ():
        answers = [row["rejected_by_rivals"][name] for row in rows]
        counts[name] = sum(map(bool, answers)), sum(answer is not None for answer in answers)
    for name, (rejected, asked) in sorted(counts.items(), key=lambda item: -item[1][0] / max(item[1][1], 1)):
        yield f"| {name} | {rejected} | {asked} |"


def _until_rejection(profile: str, rows: Sequence[Row]) -> str:
    found = [each for row in rows for each in row["suite"] if each["by"]]
    cases, seconds = (median(each[name] for each in found) for name in ("cases", "seconds"))
    kept = [row["name"] for row in rows if not _rejected(row)]
    missed = f" It missed {', '.join(kept)}." if profile == "default" and kept else ""
    return f"The {profile} profile rejects at the median after {cases:g} cases and {seconds:.1f} s.{missed}"


def _paragraph(text: str) -> list[str]:
    return wrap(text, _WIDTH, break_long_words=False, break_on_hyphens=False)


if __name__ == "__main__":
    readme, *files = map(Path, sys.argv[1:])
    found = power(json.loads(file.read_text(encoding="utf-8")) for file in files)
    readme.write_text(marked(readme.read_text(encoding="utf-8"), "power", found), encoding="utf-8")
