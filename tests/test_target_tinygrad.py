"""The target tinygrad: its layers conform, and what it knows of tinygrad is so."""

import contextlib
import io

import pytest

from conformance import Case, Deviation, Status, Unavailable, Values, examine, load
from conformance.checking import lenient
from conformance.run import run

try:
    TINYGRAD = load("tinygrad")
except Unavailable as unavailable:
    pytest.skip(str(unavailable), allow_module_level=True)

from tinygrad import Tensor

from conformance.targets.tinygrad import LAYERS


@pytest.mark.parametrize("kind", ["forward", "gradient"])
@pytest.mark.parametrize("layer", [layer for layer in LAYERS if not layer.endswith(("uniform", "normal", "init"))])
def test_a_layer_conforms(layer: str, kind: str) -> None:
    with lenient():
        tally = run(TINYGRAD, layer, "float32", kind, 1)
    assert tally.failure is None, tally.failure


@pytest.mark.parametrize(
    "deviation", TINYGRAD.known, ids=lambda deviation: f"{deviation.layer}: {deviation.reason[:40]}"
)
def test_a_reproducer_prints_what_its_last_comment_says(deviation: Deviation) -> None:
    program, _, said = deviation.reproducer.rpartition("\n# ")
    with contextlib.redirect_stdout(io.StringIO()) as output:
        exec(program, {})
    assert output.getvalue().strip() == said


@pytest.mark.parametrize("format", TINYGRAD.formats)
def test_numbers_of_a_format_come_back_as_they_were(format: str) -> None:
    values = Values((2, 3), "gaussian").array(format)
    found, kind = TINYGRAD.read(TINYGRAD.array(values, format))
    assert kind == format
    assert (found == values).all()


def test_an_uneven_interpolation_by_a_factor_is_unsupported() -> None:
    parameters = {"size": None, "scale_factor": (1.5, 1.0), "recompute_scale_factor": None}
    case = Case("upsample_nearest", "float32", {"input": Values((1, 1, 3, 3))}, parameters)
    assert examine(TINYGRAD, case).status is Status.UNSUPPORTED


def test_what_dropout_draws_depends_on_the_seed_alone() -> None:
    dropout = TINYGRAD.layer("dropout")
    assert dropout is not None

    def drawn(seed: int) -> list[float]:
        TINYGRAD.seed(seed)
        (found,) = dropout(Tensor.ones(64).contiguous().realize(), p=0.5)
        return found.tolist()

    assert drawn(1) == drawn(1) != drawn(2)
