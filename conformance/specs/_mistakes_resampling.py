"""Classic mistakes of interpolations."""

from __future__ import annotations

from conformance.mistake import (
    HALF,
    Arguments,
    called,
    flipped,
    instead,
    last_dropped,
    misread,
    no_derivative,
    tail_dropped,
    times_derivative,
)
from oracle.formulas.upsample_nearest import upsample_nearest
from oracle.formulas.upsample_nearest_exact import upsample_nearest_exact


def _sizes(given: Arguments) -> Arguments:
    """The parameters that all interpolations have."""
    return {name: given[name] for name in ("input", "size", "scale_factor", "recompute_scale_factor")}


def _recomputed(given: Arguments) -> Arguments:
    """The ratio of the sizes where that of the factors is asked for, and the other way round."""
    return {} if given["scale_factor"] is None else {"recompute_scale_factor": not given["recompute_scale_factor"]}


def _swapped(given: Arguments) -> Arguments:
    return {name: given[name] and given[name][::-1] for name in ("size", "scale_factor")}


def _turned(given: Arguments) -> Arguments:
    *outer, vertical, horizontal = range(given["input"].rank)
    return {"input": misread(given["input"], *outer, horizontal, vertical)}


_COMMON = {
    "ratio": called("recompute_scale_factor is inverted", _recomputed),
    "sides_swapped": called("size and scale_factor are read as (horizontal, vertical)", _swapped),
    "turned": called(
        "the image is read as (W, H)",
        _turned,
    ),
    "last_row": last_dropped(-2, "the last row of the output"),
    "tail": tail_dropped(-1, "columns of the output"),
    "no_derivative": no_derivative("input"),
    "derivative_twice": times_derivative(2.0, "input"),
}

UPSAMPLE_BILINEAR = {
    "corners_inverted": called(
        "align_corners is inverted, as the document describes it",
        lambda given: {} if given["asymmetric"] else {"align_corners": not given["align_corners"]},
    ),
    "corners_ignored": called("align_corners is ignored", lambda given: {"align_corners": False}),
    "asymmetric": called(
        "the place is i / s, as in the document, without half pixels",
        lambda given: {"asymmetric": True, "align_corners": False},
        convention=True,
    ),
    "half_pixels": called(
        "the place is (i + 1/2) / s − 1/2 whatever is asked",
        lambda given: {"asymmetric": False, "align_corners": False},
    ),
    "nearest": instead("the nearest pixel is taken", lambda **given: upsample_nearest(**_sizes(given))),
    "half": HALF,
    **_COMMON,
}

UPSAMPLE_NEAREST = {
    "half_up": called(
        "the place i / s is rounded to the nearest, as in the document",
        lambda given: {"rounding": "half_up"},
        convention=True,
    ),
    "rounded_down": called("the place i / s is always rounded down", lambda given: {"rounding": "floor"}),
    "centres": instead(
        "pixels are compared by their centres", lambda **given: upsample_nearest_exact(**_sizes(given)), convention=True
    ),
    "from_the_end": called(
        "pixels are counted from the other end", lambda given: {"input": flipped(given["input"], -1)}
    ),
    **_COMMON,
}

UPSAMPLE_NEAREST_EXACT = {
    "begins": instead(
        "the place is ⌊i / s⌋, without half pixels", lambda **given: upsample_nearest(**_sizes(given)), convention=True
    ),
    "half_up": instead(
        "the place i / s is rounded to the nearest, as in the document",
        lambda **given: upsample_nearest(**_sizes(given), rounding="half_up"),
        convention=True,
    ),
    "from_the_end": called(
        "pixels are counted from the other end", lambda given: {"input": flipped(given["input"], -1)}
    ),
    **_COMMON,
}
