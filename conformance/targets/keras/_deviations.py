"""Where Keras leaves the permitted error, and why: on every backend, or on one."""

from __future__ import annotations

from typing import Any

import numpy as np

from conformance.case import Case
from conformance.target import Deviation

_SOURCE = "https://github.com/keras-team/keras/blob/master/keras/src"


def _cancels(case: Case) -> bool:
    """Whether the mean of a group is larger than its deviation: E[x²] − E[x]² is then less than either by as much.

    A relation adds such a mean.
    """
    if case.relation is not None and case.relation.name == "shifted":
        return True
    input: Any = case.arrays()["input"]
    if case.refusal or not input.size or not case.parameters.get("training", True):
        return False
    rows = _grouped(case.layer, input, case.parameters)
    with np.errstate(all="ignore"):
        return not (rows.mean(axis=-1) ** 2 < rows.var(axis=-1) + case.parameters["eps"]).all()


def _grouped(layer: str, input: Any, parameters: Any) -> Any:
    """The elements that share statistics, as rows."""
    samples, channels = input.shape[:2]
    if layer == "batch_norm":
        return np.moveaxis(input, 1, 0).reshape(channels, -1)
    groups = parameters["num_groups"] if layer == "group_norm" else channels
    return input.reshape(samples, groups, -1)


def _sees_no_key_without_weights(case: Case) -> bool:
    """Whether masks of booleans leave a query without keys, and the weights are not asked for."""
    arrays: Any = case.arrays()
    if case.refusal or case.parameters["need_weights"]:
        return False
    samples, length, _ = arrays["query"].shape
    ignored = np.zeros((samples, 1, length, arrays["key"].shape[1]), bool)
    padding, mask = arrays["key_padding_mask"], arrays["attn_mask"]
    if padding is not None:
        ignored = ignored | (padding.astype(bool))[:, None, None, :]
    if mask is not None:
        ignored = ignored | (mask.astype(bool).reshape(samples, -1, *mask.shape[1:]) if mask.ndim == 3 else mask)
    return bool(ignored.all(axis=-1).any())


def _on(backend: str, program: str) -> str:
    return f"import os\nos.environ['KERAS_BACKEND'] = {backend!r}\n{program}"


EVERYWHERE: tuple[Deviation, ...] = (
    Deviation(
        "multi_head_attention",
        "a query that a mask leaves without keys gives zeros where the weights are asked for, and the mean of the "
        "values where they are not: layers/attention/multi_head_attention.py (_compute_attention)",
        "import keras\n"
        "one = keras.ops.ones((1, 1, 1))\n"
        "layer = keras.layers.MultiHeadAttention(1, 1, kernel_initializer='ones')\n"
        "for asked in (True, False):\n"
        "    found = layer(one, one, attention_mask=one == 0, return_attention_scores=asked)\n"
        "    print(float((found[0] if asked else found)[0, 0, 0]))\n"
        "# 0.0\n"
        "# 1.0",
        _sees_no_key_without_weights,
        f"{_SOURCE}/layers/attention/multi_head_attention.py",
    ),
    *(
        Deviation(
            layer,
            "initial states of another batch are not refused: a single sample is repeated: layers/rnn/rnn.py (call)",
            "import keras\n"
            "state = keras.ops.ones((3, 1))\n"
            f"layer = keras.layers.{kind}(1)\n"
            f"print(tuple(layer(keras.ops.ones((1, 1, 1)), initial_state=[state] * {states}).shape))\n"
            "# (3, 1)",
            lambda case: case.slips("h_0 is", "c_0 is"),
            f"{_SOURCE}/layers/rnn/rnn.py",
            check="refusal",
        )
        for layer, kind, states in (("rnn", "SimpleRNN", 1), ("lstm", "LSTM", 2), ("gru", "GRU", 1))
    ),
    Deviation(
        "embedding",
        "a negative index counts from the end: layers/core/embedding.py (call)",
        "import keras\n"
        "layer = keras.layers.Embedding(2, 1, embeddings_initializer='ones')\n"
        "print(layer(keras.ops.convert_to_tensor([-1])).shape[0])\n"
        "# 1",
        lambda case: case.slips("the index -1"),
        f"{_SOURCE}/layers/core/embedding.py",
        check="refusal",
    ),
    Deviation(
        "dot_product_attention",
        "queries of another batch than the keys are not refused: a single sample is repeated: "
        "layers/attention/attention.py (_calculate_scores)",
        "import keras\n"
        "query, keys = keras.ops.ones((1, 1, 1)), keras.ops.ones((2, 3, 1))\n"
        "print(tuple(keras.layers.Attention()([query, keys]).shape))\n"
        "# (2, 1, 1)",
        lambda case: case.slips("query is", "key is", "value is"),
        f"{_SOURCE}/layers/attention/attention.py",
        check="refusal",
    ),
)


def _empty_pooling(backend: str) -> Deviation:
    return Deviation(
        "avg_pool2d",
        "a window larger than the input gives an empty result: layers/pooling/base_pooling.py",
        _on(
            backend,
            "import keras\n"
            "print(tuple(keras.layers.AveragePooling2D(3)(keras.ops.ones((1, 2, 2, 1))).shape))\n"
            "# (1, 0, 0, 1)",
        ),
        lambda case: case.slips("the window is larger than the padded input"),
        f"{_SOURCE}/layers/pooling/base_pooling.py",
        check="refusal",
    )


JAX: tuple[Deviation, ...] = (
    _empty_pooling("jax"),
    Deviation(
        "embedding",
        "on JAX an index beyond the table gives NaN: layers/core/embedding.py (call)",
        _on(
            "jax",
            "import keras\n"
            "layer = keras.layers.Embedding(2, 1, embeddings_initializer='ones')\n"
            "print(layer(keras.ops.convert_to_tensor([5])))\n"
            "# [[nan]]",
        ),
        lambda case: "looked up" in (case.refusal or ""),
        f"{_SOURCE}/layers/core/embedding.py",
        check="refusal",
    ),
)

TORCH: tuple[Deviation, ...] = (
    Deviation(
        "multi_head_attention",
        "on PyTorch keys of another batch than the queries are not refused: a single sample is repeated: "
        "backend/torch/nn.py (dot_product_attention)",
        _on(
            "torch",
            "import keras\n"
            "query, keys = keras.ops.ones((1, 1, 1)), keras.ops.ones((2, 1, 1))\n"
            "print(tuple(keras.layers.MultiHeadAttention(1, 1)(query, keys, keys).shape))\n"
            "# (2, 1, 1)",
        ),
        lambda case: case.slips("query is", "key is", "value is"),
        f"{_SOURCE}/backend/torch/nn.py",
        check="refusal",
    ),
    *(
        Deviation(
            layer,
            "on PyTorch the variance is E[x²] − E[x]², which is less accurate the larger the mean is, and may "
            "be negative: backend/torch/nn.py (moments)",
            _on(
                "torch",
                "import keras\n"
                "# their variance is 1/4\n"
                "numbers = keras.ops.convert_to_tensor([[4096.0, 4097.0]], 'float32')\n"
                "print(keras.ops.moments(numbers, axes=[1])[1].item())\n"
                "# 0.0",
            ),
            _cancels,
            "https://github.com/keras-team/keras/pull/18795",
        )
        for layer in ("batch_norm", "group_norm", "instance_norm")
    ),
)

TENSORFLOW: tuple[Deviation, ...] = (_empty_pooling("tensorflow"),)

BY_BACKEND = {
    "jax": (*EVERYWHERE, *JAX),
    "torch": (*EVERYWHERE, *TORCH),
    "tensorflow": (*EVERYWHERE, *TENSORFLOW),
}
