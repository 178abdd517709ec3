"""The table of targets in the README, from what ``pytest --target=… --report=FILE.json`` has written.

python -m benchmarks.targets README.md FILE.json …
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from conformance.coverage import marked
from conformance.run import PROFILES

_HEAD = (
    "| target | profile | layers | cases | pass | known | undecided | unsupported | fail | worst | seconds |",
    "| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |",
)


def table(reports: Iterable[Mapping[str, Any]]) -> str:
    """A row for each report: verdicts on its cases, the worst error by the permitted one, seconds of work. Markdown."""
    return "\n".join([*_HEAD, *map(_row, reports)]) + "\n"


def _row(report: Mapping[str, Any]) -> str:
    items = report["items"]

    def counted(*statuses: str) -> int:
        return sum(item["counts"][status] for item in items for status in statuses)

    everything = sum(sum(item["counts"].values()) for item in items)
    worst = max((float(item["worst_ratio"]) for item in items), default=0.0)
    seconds = sum(sum(item["seconds"].values()) for item in items)
    verdicts = [counted(name) for name in ("PASS", "KNOWN", "UNDECIDED", "UNSUPPORTED")]
    about = f"{report['target']} ({report['description']})" if report["description"] else report["target"]
    examples = report["examples"]
    asked = report["profile"] if examples == PROFILES[report["profile"]] else f"{examples} examples"
    cells = [about, asked, len({item["layer"] for item in items}), everything, *verdicts]
    return f"| {' | '.join(map(str, [*cells, counted('FAIL', 'CRASHED'), f'{worst:.2f}', round(seconds)]))} |"


if __name__ == "__main__":
    readme, *files = map(Path, sys.argv[1:])
    found = table(json.loads(file.read_text(encoding="utf-8")) for file in files)
    readme.write_text(marked(readme.read_text(encoding="utf-8"), "targets", found), encoding="utf-8")
