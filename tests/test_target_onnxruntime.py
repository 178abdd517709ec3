"""The target onnxruntime: its layers conform, and what it knows of onnxruntime is so."""

import contextlib
import io

import numpy as np
import pytest

from conformance import Case, Deviation, Status, Target, Unavailable, Values, checks, examine, load
from conformance.checking import lenient
from conformance.run import run

try:
    ONNXRUNTIME, CONSTANT = load("onnxruntime"), load("onnxruntime-constant")
except Unavailable as unavailable:
    pytest.skip(str(unavailable), allow_module_level=True)

from conformance.targets.onnxruntime import LAYERS

KINDS = ("forward", "special", "refusal")


@pytest.mark.parametrize("target", [ONNXRUNTIME, CONSTANT], ids=lambda target: target.name)
@pytest.mark.parametrize("format", ONNXRUNTIME.formats)
@pytest.mark.parametrize(
    ("layer", "kind"), [(layer, kind) for layer in LAYERS for kind in KINDS if kind in checks.asked(layer)]
)
def test_a_layer_conforms(layer: str, kind: str, format: str, target: Target) -> None:
    with lenient():
        tally = run(target, layer, format, kind, 3)
    assert tally.failure is None, tally.failure


@pytest.mark.parametrize(
    "deviation", CONSTANT.known, ids=lambda deviation: f"{deviation.layer}: {deviation.reason[:40]}"
)
def test_a_reproducer_prints_what_its_last_comment_says(deviation: Deviation) -> None:
    program, _, said = deviation.reproducer.rpartition("\n# ")
    with contextlib.redirect_stdout(io.StringIO()) as output:
        exec(program, {})
    assert output.getvalue().strip() == said


def test_a_missing_kernel_is_unsupported_in_the_words_of_onnxruntime() -> None:
    pooled = Case(
        "avg_pool2d",
        "float64",
        {"input": Values((1, 1, 2, 2))},
        {"kernel_size": (2, 2), "stride": None, "padding": (0, 0)},
    )
    verdict = examine(ONNXRUNTIME, pooled)
    assert verdict.status is Status.UNSUPPORTED
    assert "Could not find an implementation for AveragePool" in verdict.reason


def test_a_number_that_is_none_of_binary32_is_no_attribute_of_float64() -> None:
    def verdict(eps: float) -> Status:
        tensors = {"input": Values((2, 3)), "weight": None, "bias": None}
        return examine(
            ONNXRUNTIME, Case("layer_norm", "float64", tensors, {"normalized_shape": (3,), "eps": eps})
        ).status

    assert verdict(0.5) is Status.PASS
    assert verdict(1e-5) is Status.UNSUPPORTED


def test_what_dropout_draws_depends_on_the_seed_alone() -> None:
    dropout = ONNXRUNTIME.layer("dropout")
    assert dropout is not None

    def drawn(seed: int) -> list[float]:
        ONNXRUNTIME.seed(seed)
        return dropout(np.ones(64, np.float32), p=0.5).tolist()

    assert drawn(1) == drawn(1) != drawn(2)
