"""The target mlx: its layers conform, and what it knows of MLX is so."""

import contextlib
import io

import pytest

from conformance import Case, Deviation, Status, Unavailable, Values, checks, examine, load
from conformance.checking import lenient
from conformance.run import run

try:
    MLX = load("mlx")
except Unavailable as unavailable:
    pytest.skip(str(unavailable), allow_module_level=True)

import mlx.core as mx

from conformance.targets.mlx import LAYERS

KINDS = ("forward", "gradient", "special")


@pytest.mark.parametrize("format", MLX.formats)
@pytest.mark.parametrize(
    ("layer", "kind"), [(layer, kind) for layer in LAYERS for kind in KINDS if kind in checks.asked(layer)]
)
def test_a_layer_conforms(layer: str, kind: str, format: str) -> None:
    with lenient():
        tally = run(MLX, layer, format, kind, 3)
    assert tally.failure is None, tally.failure


@pytest.mark.parametrize("deviation", MLX.known, ids=lambda deviation: f"{deviation.layer}: {deviation.reason[:40]}")
def test_a_reproducer_prints_what_its_last_comment_says(deviation: Deviation) -> None:
    program, _, said = deviation.reproducer.rpartition("\n# ")
    with contextlib.redirect_stdout(io.StringIO()) as output:
        exec(program, {})
    assert output.getvalue().strip() == said


@pytest.mark.parametrize("layout", MLX.layouts)
def test_a_layout_keeps_the_numbers(layout: str) -> None:
    array = mx.broadcast_to(mx.arange(12).reshape(1, 3, 4), (2, 3, 4))
    assert mx.array_equal(MLX.arranged(array, layout), array)


def test_a_softmax_that_ends_the_process_is_not_put_to_it() -> None:
    case = Case("softmax", "float32", {"input": Values((1, 3))}, {"dim": 0})
    assert examine(MLX, case).status is Status.KNOWN


def test_the_last_query_sees_the_last_key() -> None:
    tensors = {name: Values((1, 1, rows, 2)) for name, rows in (("query", 2), ("key", 4), ("value", 4))}
    parameters = {"is_causal": True, "scale": 1.0}
    case = Case("scaled_dot_product_attention", "float32", {**tensors, "attn_mask": None}, parameters)
    assert examine(MLX, case).status is Status.PASS


def test_what_dropout_draws_depends_on_the_seed_alone() -> None:
    dropout = MLX.layer("dropout")
    assert dropout is not None

    def drawn(seed: int) -> list[float]:
        MLX.seed(seed)
        return dropout(mx.ones(64), p=0.5).tolist()

    assert drawn(1) == drawn(1) != drawn(2)
