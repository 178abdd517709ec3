"""What a run is asked for, and how the work is shared among several machines."""

from __future__ import annotations

import heapq
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from conformance import checks
from conformance.target import Target

# A layer, a format and a check.
Question = tuple[str, str, str]

# Seconds that questions take, or checks of layers in any format.
Costs = Mapping[Question | tuple[str, str], float]

_MEASURED = Path(__file__).with_name("costs.json")


@dataclass(frozen=True)
class Scope:
    """The layers, formats and cases that a run is asked for.

    ``load`` is the name that loads the target. ``shard`` is the number of this share of the work, from 1, and the
    number of shares; ``None`` for all of it.
    """

    load: str
    layers: Sequence[str]
    formats: Sequence[str]
    profile: str
    examples: int
    seed: int | str | None = None
    shard: tuple[int, int] | None = None

    def to_json(self) -> dict[str, Any]:
        """Plain data."""
        return asdict(self)

    def questions(self, target: Target) -> list[Question]:
        """All that the target can be asked of it, whatever the share."""
        return [
            (layer, format, check)
            for layer in self.layers
            if target.layer(layer) is not None
            for format in self.formats
            for check in checks.asked(layer)
        ]

    def lacking(self, target: Target) -> list[str]:
        """The layers that the target does not have."""
        return [layer for layer in self.layers if target.layer(layer) is None]


def measured() -> Costs:
    """Seconds that each check of each layer took, torch on a CPU, the mean of its formats."""
    table: dict[str, dict[str, float]] = json.loads(_MEASURED.read_text(encoding="utf-8"))
    return {(layer, check): seconds for layer, row in table.items() for check, seconds in row.items()}


def shared(questions: Sequence[Question], count: int, costs: Costs) -> list[list[Question]]:
    """The questions in ``count`` shares of about the same cost, each in the order of the whole.

    The dearest first, each goes to the share with the least to do (Graham 1969: no share takes more than 4/3 of the
    time that it would in the best division). A question whose
    cost is unknown is taken for an average one.
    """
    known = [cost for question in questions if (cost := _cost(question, costs)) is not None]
    usual = sum(known) / len(known) if known else 1.0
    priced = [(usual if (cost := _cost(question, costs)) is None else cost, question) for question in questions]
    loads = [(0.0, share) for share in range(count)]
    place: dict[Question, int] = {}
    for cost, question in sorted(priced, key=lambda pair: (-pair[0], pair[1])):
        load, share = heapq.heappop(loads)
        place[question] = share
        heapq.heappush(loads, (load + cost, share))
    return [[question for question in questions if place[question] == share] for share in range(count)]


def _cost(question: Question, costs: Costs) -> float | None:
    layer, _, check = question
    return costs.get(question, costs.get((layer, check)))
