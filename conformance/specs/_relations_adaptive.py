"""Relations of adaptive attention: the sentinel is one more region."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from conformance.relation import Asker, Equation, Relation, matched
from conformance.specs._laws_attention import LAWS
from conformance.specs._relations import FEW, Drawn, repeats, with_axis
from conformance.specs._relations_attention import gentle, permuted, related
from conformance.values import Array

_REGIONS = {"input": 0, "sentinel": 0, "query": 0}


def _equal_regions(ask: Asker) -> list[Equation]:
    """The sentinel too."""
    many, input = ask.batch(_REGIONS, [0]), ask.tensors["input"]
    first = input[..., 0, :]
    changes = {"input": np.broadcast_to(input[..., :1, :], input.shape), "sentinel": first}
    return [Equation("output", many(**changes)[0], many.spread(first), many.bounds(**changes)[0])]


def _between_regions(ask: Asker) -> list[Equation]:
    many, joined = ask.batch(_REGIONS, [0]), _with_sentinel(ask)
    least, most = (many.spread(end(joined, axis=-2)) for end in (np.min, np.max))
    (found,) = many()
    return [Equation("output", found, np.clip(found, least, most), many.bounds()[0])]


def _with_sentinel(ask: Asker) -> Array:
    return np.concatenate([ask.tensors["input"], ask.tensors["sentinel"][..., None, :]], axis=-2)


def _one_more_region(ask: Asker) -> list[Equation]:
    """The sentinel, projected as the regions are."""
    many, tensors, joined = ask.batch(_REGIONS, [0, 0]), ask.tensors, _with_sentinel(ask)
    changes = {"weight_sentinel": tensors["weight_input"]}
    given = {"input": joined, "value": joined, "weight": tensors["weight_input"], "bias": None, "v": tensors["v"]}
    plain = ask.other("additive_attention", {**given, **{name: tensors[name] for name in ("query", "weight_query")}})
    right = plain(
        **{name: many.spread(array) for name, array in plain.tensors.items() if name in ("input", "value", "query")}
    )
    permitted = [a + many.spread(b) for a, b in zip(many.bounds(**changes), plain.bounds(), strict=True)]
    return matched(many(**changes), right, permitted)


def of_adaptive_attention(arguments: Drawn) -> Mapping[str, Relation]:
    """The relations of ``adaptive_attention``."""
    samples = with_axis(gentle(arguments(FEW)), *_REGIONS)
    return {
        "equal samples": repeats(samples, _REGIONS, (0, 0)),
        "equal values": related(LAWS["equal values"], samples, _equal_regions, _REGIONS),
        "hull": related(LAWS["hull"], samples, _between_regions, _REGIONS),
        "keys permuted": related(LAWS["keys permuted"], samples, permuted(_REGIONS, ["input"]), _REGIONS),
        "one more region": related(
            "a sentinel that is projected alike is one more region", samples, _one_more_region, _REGIONS
        ),
    }
