"""A case that one run keeps for others, as JSON of our own: it outlives versions of the suite and of Hypothesis."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from conformance.case import Case, json_number
from conformance.environment import sources
from conformance.verdict import FAILING, Status

FORM = 1  # of the JSON; another one is not read


@dataclass(frozen=True)
class Kept:
    """A case that failed, or had the largest error of its item, with the outcome it had.

    ``made_by`` is the hash of the suite that judged it.
    """

    check: str
    case: Case
    status: str
    ratio: float
    made_by: str

    @property
    def item(self) -> str:
        """The name of its item."""
        return "-".join((self.case.layer, self.case.format, self.check))

    @property
    def failed(self) -> bool:
        return self.status in FAILING

    @property
    def foreign(self) -> bool:
        """Whether another version of the suite has judged it, whose cases need not mean anything to this one."""
        return self.made_by != sources()

    @property
    def key(self) -> str:
        """The same for the same case, wherever and whenever it is found; another one for any other case."""
        return digest([self])[:16]  # 64 bits: a billion cases have one chance in forty that any two agree

    @property
    def name(self) -> str:
        """What it is kept for, and its key."""
        return f"{'failed' if self.failed else 'largest'}-{self.key}"

    def to_json(self) -> dict[str, Any]:
        """Plain data."""
        return {
            "kept": FORM,
            "made_by": self.made_by,
            "check": self.check,
            "status": str(self.status),
            "ratio": json_number(self.ratio),
            "case": self.case.to_json(),
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Kept:
        """What ``to_json`` has packed. Raises ``ValueError`` for another form, ``KeyError`` where a part is missing."""
        if data["kept"] != FORM:
            raise ValueError(f"it has the form {data['kept']!r}; this suite reads form {FORM}")
        case = Case.from_json(data["case"])
        return cls(data["check"], case, Status(data["status"]), float(data["ratio"]), data["made_by"])


def digest(cases: Sequence[Kept]) -> str:
    """The hash of what is asked, whatever came of it."""
    asked = [[kept.check, kept.case.to_json()] for kept in cases]
    return hashlib.sha256(json.dumps(asked, allow_nan=False).encode()).hexdigest()
