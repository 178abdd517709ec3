"""The target tensorflow: its layers conform, and what it knows of TensorFlow is so."""

import contextlib
import io

import pytest

from conformance import Case, Deviation, Status, Unavailable, Upstream, Values, checks, examine, load
from conformance.checking import lenient
from conformance.run import run

try:
    TENSORFLOW = load("tensorflow")
except Unavailable as unavailable:
    pytest.skip(str(unavailable), allow_module_level=True)

import tensorflow as tf

from conformance.targets.tensorflow import LAYERS

KINDS = ("forward", "gradient", "refusal")


@pytest.mark.parametrize("format", TENSORFLOW.formats)
@pytest.mark.parametrize(
    ("layer", "kind"), [(layer, kind) for layer in LAYERS for kind in KINDS if kind in checks.asked(layer)]
)
def test_a_layer_conforms(layer: str, kind: str, format: str) -> None:
    with lenient():
        tally = run(TENSORFLOW, layer, format, kind, 3)
    assert tally.failure is None, tally.failure


@pytest.mark.parametrize(
    "deviation", TENSORFLOW.known, ids=lambda deviation: f"{deviation.layer}: {deviation.reason[:40]}"
)
def test_a_reproducer_prints_what_its_last_comment_says(deviation: Deviation) -> None:
    program, _, said = deviation.reproducer.rpartition("\n# ")
    with contextlib.redirect_stdout(io.StringIO()) as output:
        exec(program, {})
    assert output.getvalue().strip() == said


def test_a_derivative_that_is_missing_is_unsupported_in_the_words_of_tensorflow() -> None:
    convolution = Case(
        "conv2d",
        "float32",
        {"input": Values((1, 2, 2, 2)), "weight": Values((2, 1, 1, 1)), "bias": None},
        {"stride": (1, 1), "padding": (1, 1), "dilation": (1, 1), "groups": 2, "padding_mode": "zeros"},
        upstream=Upstream(("input",)),
    )
    verdict = examine(TENSORFLOW, convolution, "gradient")
    assert verdict.status is Status.UNSUPPORTED
    assert "grouped convolutions are not supported on CPU" in verdict.reason


@pytest.mark.parametrize(
    ("layer", "format", "padding", "compute"),
    [
        ("conv_transpose2d", "bfloat16", (1, 0), "bfloat16"),
        ("conv_transpose2d", "bfloat16", (0, 0), "float32"),
        ("conv_transpose2d", "float16", (0, 0), "float16"),
        ("conv2d", "float16", (1, 1), "float32"),
    ],
)
def test_convolutions_backwards_add_what_is_stored(
    layer: str, format: str, padding: tuple[int, int], compute: str
) -> None:
    assert TENSORFLOW.declared_for(Case(layer, format, {}, {"padding": padding})).compute == compute


def test_the_derivatives_of_log_softmax_are_made_of_what_it_returns() -> None:
    scores, cotangent = (tf.constant(x, tf.float16) for x in ([1.0, 0.0, 0.0, -2.0], [3.0, 0.0, 1.0, 0.0]))
    with tf.GradientTape() as tape:
        tape.watch(scores)
        found = tf.nn.log_softmax(scores)
    derived = tape.gradient(found, scores, cotangent).numpy().tolist()
    assert derived == (cotangent - 4.0 * tf.exp(found)).numpy().tolist()
    assert derived != (cotangent - 4.0 * tf.nn.softmax(scores)).numpy().tolist()
    assert {TENSORFLOW.declared("log_softmax", format).backward for format in TENSORFLOW.formats} == {"kept"}


def test_what_dropout_draws_depends_on_the_seed_alone() -> None:
    dropout = TENSORFLOW.layer("dropout")
    assert dropout is not None

    def drawn(seed: int) -> list[float]:
        TENSORFLOW.seed(seed)
        return dropout(tf.ones(64), p=0.5).numpy().tolist()

    assert drawn(1) == drawn(1) != drawn(2)
