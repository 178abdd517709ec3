"""Relations of blocks: attention, what is added to it, normalised and transformed."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from conformance.relation import Asker, Equation, Relation
from conformance.specs._laws_attention import LAWS
from conformance.specs._relations import FEW, Drawn, repeats
from conformance.specs._relations_attention import OTHER, gentle, permuted, related

_SETS = {"input": 0, "context": 0}
_NORMALISED = "what is found is projected, added to the elements and normalised"
SETS_EXEMPT = dict.fromkeys(("equal values", "hull", "linear", "keys shifted"), _NORMALISED)


def _nothing_found(ask: Asker) -> list[Equation]:
    """Whatever the context is."""
    many, tensors = ask.batch(_SETS, [0]), ask.tensors
    shut = {"out_proj_weight": np.zeros_like(tensors["out_proj_weight"])}
    other = np.full_like(tensors["context"], OTHER)
    permitted = 2.0 * many.bounds(**shut)[0]
    return [Equation("output", many(**shut, context=other)[0], many(**shut)[0], permitted)]


def of_set_attention(arguments: Drawn) -> Mapping[str, Relation]:
    """The relations of ``set_attention``."""
    few = gentle(arguments(FEW // 4))
    return {
        "equal samples": repeats(few, _SETS),
        "keys permuted": related(LAWS["keys permuted"], few, permuted(_SETS, ["context"]), _SETS),
        "equal queries": repeats(few, {"input": 1}, (1,)),
        "nothing found": related("what is projected to nothing does not matter", few, _nothing_found, _SETS),
    }
