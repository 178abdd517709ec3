"""Every classic mistake of every layer is rejected."""

import pytest
from mistaken import Mistaken, asked, rejection

from conformance import Status, examine
from conformance.mistake import Mistake
from conformance.spec import names, spec

MISTAKES = [(layer, name) for layer in names() for name in spec(layer).mistakes]
MANY = (
    *("scaled_dot_product_attention", "multi_head_attention"),
    *("batch_norm", "layer_norm", "group_norm", "instance_norm"),
    *("conv2d", "conv_transpose2d"),
    *("rnn", "lstm", "gru"),
)


@pytest.mark.parametrize(("layer", "name"), MISTAKES, ids=[f"{layer}-{name}" for layer, name in MISTAKES])
def test_a_mistake_is_rejected(layer: str, name: str) -> None:
    assert rejection(layer, name) is not None, spec(layer).mistakes[name].sentence


@pytest.mark.parametrize("layer", names())
def test_a_layer_has_enough_mistakes(layer: str) -> None:
    assert len(spec(layer).mistakes) >= (10 if layer in MANY else 6)


@pytest.mark.parametrize("layer", names())
def test_a_layer_tells_its_mistakes_apart_in_words(layer: str) -> None:
    sentences = [mistake.sentence for mistake in spec(layer).mistakes.values()]
    assert len(set(sentences)) == len(sentences)


@pytest.mark.parametrize("layer", ["linear", "max_pool2d", "lstm", "dropout", "embedding"])
def test_a_target_that_makes_no_mistake_passes(layer: str) -> None:
    honest = Mistaken(layer, Mistake("nothing is wrong"))
    for kind in ("forward", "gradient"):
        assert not [case for case in asked(layer, kind, 20) if examine(honest, case, kind).status is Status.FAIL]
