"""What judging a case costs beside drawing it, in float32, forward, on torch-cpu: medians of milliseconds.

    python -m benchmarks.judging [LAYER …]

Judging is everything but the target's own time: the case's numbers, the oracle, the verdict.
"""

from __future__ import annotations

import sys
import time
from statistics import median

from conformance import examine, load
from conformance.asking import spent
from conformance.case import Case
from conformance.checks import check
from conformance.drawing import drawn
from conformance.spec import names

_EXAMPLES = 100


def measured(layer: str) -> tuple[float, float, float]:
    """The medians of drawing, of the target, and of judging, in milliseconds."""
    target = load("torch-cpu")
    times: list[tuple[float, float, float]] = []
    last = time.perf_counter()

    def judge(case: Case) -> None:
        nonlocal last
        begin, before = time.perf_counter(), spent["target"]
        examine(target, case)
        end, called = time.perf_counter(), spent["target"] - before
        times.append((begin - last, called, end - begin - called))
        last = time.perf_counter()

    drawn(check("forward").cases(layer, "float32", target, _EXAMPLES), judge, _EXAMPLES, layer)
    drawing, target_, judging = (1e3 * median(column) for column in zip(*times, strict=True))
    return drawing, target_, judging


def main() -> None:
    print(f"{'layer':30}{'drawing':>9}{'target':>9}{'judging':>9}{'ratio':>8}")
    ratios = []
    for layer in sys.argv[1:] or names():
        if load("torch-cpu").layer(layer) is None:
            continue
        drawing, called, judging = measured(layer)
        ratios.append(judging / drawing)
        print(f"{layer:30}{drawing:9.2f}{called:9.2f}{judging:9.2f}{ratios[-1]:8.2f}")
    print(f"median ratio {median(ratios):.2f}")


if __name__ == "__main__":
    main()
