"""What the libraries that compute convolutions with oneDNN have in common."""

from __future__ import annotations

from conformance.case import Case


def jumps_over(case: Case, width: int) -> bool:
    """Whether dilation and stride of a convolution leave no tap on any of these columns.

    In bfloat16 and channels last such a call ends the process.
    """
    padding, (_, step), (_, stride) = (case.parameters[name] for name in ("padding", "dilation", "stride"))
    if min(step, stride) < 2 or isinstance(padding, str) or case.parameters.get("padding_mode", "zeros") != "zeros":
        return False
    taps = case.sides("weight")[-1]
    begins = range(-padding[1], width + padding[1] - step * (taps - 1), stride)
    return not any(0 <= begin + step * tap < width for begin in begins for tap in range(taps))
