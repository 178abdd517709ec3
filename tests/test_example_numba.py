"""The example in numba conforms, and mistakes of its kernels are found, a row that runs over its end among them."""

from __future__ import annotations

from pathlib import Path

import pytest

from conformance.checking import lenient
from conformance.run import run
from conformance.targets import load
from conformance.verdict import Status

pytest.importorskip("numba")

EXAMPLE = Path(__file__).parents[1] / "conformance" / "examples" / "numba_kernels.py"


@pytest.mark.parametrize("layer", ["layer_norm", "softmax"])
@pytest.mark.parametrize("format", ["float64", "float32"])
@pytest.mark.parametrize("check", ["forward", "gradient", "special", "purity", "refusal"])
def test_the_example_conforms(layer: str, format: str, check: str) -> None:
    with lenient():
        tally = run(load(str(EXAMPLE)), layer, format, check, 10)
    assert tally.failure is None, tally.failure
    assert tally.counts[Status.PASS] >= 2


BEYOND = """largest = -math.inf
        if row + 1 < x.shape[0]:
            x[row, x.shape[1]] = 0.0
"""


@pytest.mark.parametrize(
    ("layer", "check", "written", "wrong"),
    [
        ("softmax", "purity", "largest = -math.inf\n", BEYOND),
        ("softmax", "gradient", "(upstream[row, j] - common)", "upstream[row, j]"),
        ("layer_norm", "forward", "mean /= size", "mean /= size - 1"),
        ("layer_norm", "gradient", "dbias[j] += ", "dbias[j] = "),
    ],
)
def test_a_mistake_in_a_kernel_is_rejected(tmp_path: Path, layer: str, check: str, written: str, wrong: str) -> None:
    source = EXAMPLE.read_text()
    assert source.count(written) == 1
    path = tmp_path / "kernels.py"
    path.write_text(source.replace(written, wrong))
    with lenient():
        failure = run(load(str(path)), layer, "float64", check, 100).failure
    assert failure is not None
    assert failure.verdict.status is Status.FAIL
