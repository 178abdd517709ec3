"""The example in Triton conforms, and the classic mistakes of its kernels are found and named."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

from conformance.checking import lenient
from conformance.run import run
from conformance.targets import load
from conformance.verdict import Status

# not imported here: the example says before whether the interpreter is wanted
pytestmark = pytest.mark.skipif(importlib.util.find_spec("triton") is None, reason="triton is not installed")

EXAMPLE = Path(__file__).parents[1] / "conformance" / "examples" / "triton_kernels.py"


@pytest.mark.parametrize("layer", ["layer_norm", "softmax"])
@pytest.mark.parametrize("format", ["float32", "float16"])
@pytest.mark.parametrize("check", ["forward", "gradient", "special", "purity"])
def test_the_example_conforms(layer: str, format: str, check: str) -> None:
    with lenient():  # numpy, in which the interpreter computes, warns of infinities
        tally = run(load(str(EXAMPLE)), layer, format, check, 10)
    assert tally.failure is None, tally.failure
    assert tally.counts[Status.PASS] >= 2


@pytest.mark.parametrize(
    ("layer", "check", "written", "wrong", "diagnosis"),
    [
        (
            "layer_norm",
            "forward",
            "tl.where(inside, value - centre, 0.0)",
            "value - centre",
            "equals: the variance counts the zeros that pad a row to a power of two",
        ),
        ("softmax", "forward", 'other=-float("inf")', "other=0.0", ""),
        ("softmax", "forward", "value - tl.max(value, 0)", "value", "equals: the largest element is not subtracted"),
        ("softmax", "gradient", "above - tl.sum(share * above, 0)", "above", ""),
        ("layer_norm", "gradient", "tl.store(gains + place, above * normal", "tl.store(gains + place, above", ""),
    ],
)
def test_a_classic_mistake_of_a_kernel_is_rejected_and_named_where_it_is_known(
    tmp_path: Path, layer: str, check: str, written: str, wrong: str, diagnosis: str
) -> None:
    source = EXAMPLE.read_text()
    assert source.count(written) == 1
    path = tmp_path / "kernels.py"
    path.write_text(source.replace(written, wrong))
    with lenient():
        failure = run(load(str(path)), layer, "float32", check, 100).failure
    assert failure is not None
    assert failure.verdict.status is Status.FAIL
    assert failure.diagnosis.startswith(diagnosis)
