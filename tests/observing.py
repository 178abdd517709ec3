"""What a formula is given beside the arguments of a call: the mask of a random layer."""

from __future__ import annotations

from typing import Any

from conformance.case import Case
from conformance.spec import spec


def tensors(case: Case) -> dict[str, Any]:
    """All tensors of a call by name."""
    return {**case.arrays(), **observed(case)}


def observed(case: Case) -> dict[str, Any]:
    """Those that outputs reveal, here of a call that drops nothing."""
    return dict(spec(case.layer).revealed(case, []) or {})
