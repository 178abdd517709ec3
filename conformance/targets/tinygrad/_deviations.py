"""Where tinygrad leaves the permitted error, and why."""

from __future__ import annotations

from typing import Any

import numpy as np

from conformance.case import Case
from conformance.target import Deviation

_GRADIENT = "https://github.com/tinygrad/tinygrad/blob/master/tinygrad/mixin/gradient.py"


def _derives_of_equals(case: Case) -> bool:
    """Whether derivatives are asked for, and numbers of the input are equal."""
    input: Any = case.arrays()["input"]
    return case.upstream is not None and len(np.unique(input)) < input.size


KNOWN: tuple[Deviation, ...] = (
    Deviation(
        "max_pool2d",
        "all pixels that attain the maximum share its derivative, though the indices name one of them: gradient.py "
        "(reduce_gradient)",
        "from tinygrad import Tensor\n"
        "x = Tensor([[[[1.0, 1.0]]]])\n"
        "y, indices = x.max_pool2d((1, 2), return_indices=True)\n"
        "print(indices.flatten().tolist(), y.gradient(x, gradient=Tensor([[[[1.0]]]]))[0].flatten().tolist())\n"
        "# [0] [0.5, 0.5]",
        _derives_of_equals,
        _GRADIENT,
    ),
    *(
        Deviation(
            layer,
            "relu of NaN is 0: elementwise.py (relu)",
            "from tinygrad import Tensor\nprint(Tensor([float('nan')]).relu().tolist())\n# [0.0]",
            lambda case: not all(case.is_finite(name) for name in case.names),
            "https://github.com/tinygrad/tinygrad/blob/master/tinygrad/mixin/elementwise.py",
            check="special",
        )
        for layer in ("relu", "residual")
    ),
)
