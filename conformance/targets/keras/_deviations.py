"""Where Keras leaves the permitted error, and why: on every backend, or on one."""

from __future__ import annotations

from typing import Any

import numpy as np

from conformance.case import Case
from conformance.target import Deviation
from conformance.targets._programs import ends_its_process
from conformance.targets._scores import (
    hides_all_keys,
    magnitudes,
    scores_of_heads,
    scores_with_masks,
    shuts_out_all_keys,
)
from conformance.targets._sizes import convolved, transposed
from conformance.targets._xla import (
    YNN,
    mixes_channels,
    multiplies_large_columns,
    multiplies_many_filters,
    multiplies_vectors,
    widens_filters,
)

_SOURCE = "https://github.com/keras-team/keras/blob/master/keras/src"

# What oneDNN computes in TensorFlow.
_OF_ONEDNN = ("float32", "bfloat16")

_GROUPS = "https://github.com/openxla/xla/blob/main/xla/service/convolution_group_converter.cc"
_ATTENTION = "backend/tensorflow/nn.py"


def _cancels(case: Case) -> bool:
    """Whether the mean of a group is larger than its deviation: E[x²] − E[x]² is then less than either by as much.

    A relation adds such a mean.
    """
    if case.relates("shifted"):
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


def _shows_what_masks_hide(case: Case) -> bool:
    """Whether keys behind a mask of booleans may have weight in float16 on PyTorch.

    They do where their scores are not less than those of the keys before it by what the exponential makes zero, after
    0.7 · 65500 is taken from them, or where a query has no other keys.
    """
    masks: Any = [x for name, x in case.arrays().items() if "mask" in name and x is not None]
    of_booleans = bool(masks) and all(mask.dtype == bool for mask in masks)
    if case.format != "float16" or case.parameters.get("need_weights") or not of_booleans:
        return False
    sizes, hidden = scores_with_masks(case)
    behind = np.where(hidden, sizes, 0.0).max(axis=-1, initial=0.0)
    before = np.where(hidden, 0.0, sizes).max(axis=-1, initial=0.0)
    taken, silent = float(np.float16(0.7 * 65500.0)), -float(np.log(np.finfo("float32").smallest_subnormal))
    return bool((hidden.all(axis=-1) | hidden.any(axis=-1) & (behind + before > taken - silent)).any())


def _scores_below_masks(case: Case) -> bool:
    """Whether keys are hidden by booleans, and the others of their query may score less than these then do."""
    arrays: Any = case.arrays()
    query, key, mask = arrays["query"], arrays["key"], arrays["attn_mask"]
    if not (case.parameters["is_causal"] or (mask is not None and mask.dtype == bool)):
        return False
    lowest = float(np.finfo("float16").max) if case.format == "float16" else 0.7 * 3.38953e38
    return not query.shape[-1] * abs(query).max(initial=0.0) * abs(key).max(initial=0.0) < lowest


def _may_be_taken_for_last(case: Case) -> bool:
    """Whether the bias of a convolution is of as many filters, more than one, as there are columns.

    A relation has other sizes too. What a transposed convolution adds is cut off later.
    """
    (filters,) = case.sides("bias") or (1,)
    if filters == 1 or case.refusal is not None:
        return False
    if case.layer == "conv_transpose2d":
        columns = transposed(case, 1) + 2 * case.parameters["padding"][1]
    else:
        columns = convolved(case, 1)
    return case.relation is not None or columns == filters


def _repeats_samples(case: Case) -> bool:
    """Whether queries, keys and values are of several numbers of samples, of which one is 1."""
    counts = {case.sides(name)[:1] for name in ("query", "key", "value")}
    return len(counts) > 1 and (1,) in counts and case.refusal is not None and case.refusal.endswith("along axis 0")


def _rounds_scale(case: Case) -> bool:
    """Whether the scale of an attention in float64 is no number of float32."""
    width = case.sides("weight_q" if "weight_q" in case.tensors else "query")[-1]
    width, scale = width // case.parameters.get("num_heads", 1), case.parameters.get("scale")
    factor = width**-0.5 if scale is None else scale
    return case.format == "float64" and float(np.float32(factor)) != factor


def _is_related_to_rounded_scale(case: Case) -> bool:
    """Whether a relation compares with an attention of such a scale."""
    return case.relates("projected") and _rounds_scale(case)


@np.errstate(all="ignore")
def _has_special_scores(case: Case) -> bool:
    """Whether scores of additive_attention may be infinite or NaN: tanh is neither, but of NaN."""
    arrays = magnitudes(case)
    keys = arrays["input"] @ arrays["weight"].T
    asked = 0.0 if arrays["query"] is None else arrays["query"] @ arrays["weight_query"].T
    added = [x for x in (arrays["bias"], asked) if x is not None]
    return not all(np.isfinite(x).all() for x in (keys, *added, arrays["v"].sum()))


@np.errstate(all="ignore")
def _has_special_weights(case: Case) -> bool:
    """Whether multi_head_attention is asked for weights, of scores that may be infinite or NaN."""
    return bool(case.parameters["need_weights"]) and not np.isfinite(scores_of_heads(case)[0]).all()


def _hides_blank_scores(case: Case) -> bool:
    """Whether masks hide all keys of a query, none of whose scores is certainly finite, in a fused attention."""
    if case.parameters.get("need_weights"):
        return False
    scores, ignored = scores_with_masks(case)
    return bool((~np.isfinite(scores) & ignored).all(axis=-1).any())


def _repeats_in_place(case: Case) -> bool:
    """Whether along every axis there is a single pixel, or one for each."""
    sides, factors = case.sides("input")[-2:], case.parameters["scale_factor"]
    return factors is not None and all(1 in pair for pair in zip(sides, factors, strict=True))


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
        lambda case: case.parameters["need_weights"] and hides_all_keys(case),
        f"{_SOURCE}/layers/attention/multi_head_attention.py",
    ),
    Deviation(
        "multi_head_attention",
        "a mask with a single query or key is repeated, where batches and heads alone are documented to be: "
        "layers/attention/multi_head_attention.py (call)",
        "import keras\n"
        "two = keras.ops.ones((1, 2, 1))\n"
        "layer = keras.layers.MultiHeadAttention(1, 1)\n"
        "print(tuple(layer(two, two, attention_mask=keras.ops.ones((1, 1, 2), 'bool')).shape))\n"
        "# (1, 2, 1)",
        lambda case: case.slips("attn_mask is a single one"),
        f"{_SOURCE}/layers/attention/multi_head_attention.py",
        check="refusal",
    ),
    Deviation(
        "multi_head_attention",
        "queries, keys or values of a single sample are repeated for the others, as by operations of arrays: "
        "layers/attention/multi_head_attention.py (_compute_attention)",
        "import keras\n"
        "layer = keras.layers.MultiHeadAttention(1, 1)\n"
        "one, two = keras.ops.ones((1, 1, 1)), keras.ops.ones((2, 1, 1))\n"
        "print(tuple(layer(two, one, return_attention_scores=True)[0].shape))\n"
        "# (2, 1, 1)",
        _repeats_samples,
        f"{_SOURCE}/layers/attention/multi_head_attention.py",
        check="refusal",
    ),
    *(
        Deviation(
            layer,
            "a query that a mask of booleans leaves without keys weighs all alike, those behind the mask included: "
            "backend/*/nn.py (dot_product_attention)",
            "import keras\n"
            "one = keras.ops.ones((1, 1, 1, 1))\n"
            "print(float(keras.ops.dot_product_attention(one, one, one, mask=one == 0)[0, 0, 0, 0]))\n"
            "# 1.0",
            hides_all_keys,
            f"{_SOURCE}/backend",
            check="relation",
        )
        for layer in ("scaled_dot_product_attention", "multi_head_attention")
    ),
    Deviation(
        "instance_norm",
        "statistics of a single position are not refused: layers/normalization/group_normalization.py",
        "import keras\n"
        "layer = keras.layers.GroupNormalization(-1, axis=1)\n"
        "print(float(layer(keras.ops.ones((1, 1, 1)))[0, 0, 0]))\n"
        "# 0.0",
        lambda case: case.slips("input statistics of one position"),
        f"{_SOURCE}/layers/normalization/group_normalization.py",
        check="refusal",
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


def _empty_pooling(backend: str) -> tuple[Deviation, ...]:
    return tuple(
        Deviation(
            layer,
            "a window larger than the input gives an empty result: layers/pooling/base_pooling.py",
            _on(
                backend,
                "import keras\n"
                f"layer = keras.layers.{name}(3, dtype='float16')\n"
                "print(tuple(layer(keras.ops.ones((1, 2, 2, 1), 'float16')).shape))\n"
                "# (1, 0, 0, 1)",
            ),
            lambda case: case.slips("the window is larger than the padded input"),
            f"{_SOURCE}/layers/pooling/base_pooling.py",
            check="refusal",
        )
        for layer, name in (("avg_pool2d", "AveragePooling2D"), ("max_pool2d", "MaxPooling2D"))
    )


def _shut_out(backend: str, found: str) -> Deviation:
    return Deviation(
        "scaled_dot_product_attention",
        "a query that a mask of booleans leaves without keys weighs all alike, one that a mask of numbers does so "
        f"gives {found}: backend/{backend}/nn.py (dot_product_attention)",
        _on(
            backend,
            "import keras\n"
            "one = keras.ops.ones((1, 1, 1, 1))\n"
            "print(float(keras.ops.dot_product_attention(one, one, one, bias=-float('inf') * one)[0, 0, 0, 0]))\n"
            f"# {'nan' if found == 'NaN' else '0.0'}",
        ),
        shuts_out_all_keys,
        f"{_SOURCE}/backend/{backend}/nn.py",
    )


def _below_masks(backend: str) -> Deviation:
    return Deviation(
        "scaled_dot_product_attention",
        "a mask of booleans sets scores to −0.7 · 3.4e38: where those of the other keys are −inf, the keys behind it "
        f"have all the weight: backend/{backend}/nn.py (dot_product_attention)",
        _on(
            backend,
            "import keras\n"
            "keys = keras.ops.convert_to_tensor([[[[-float('inf')]], [[1.0]]]])\n"
            "values = keras.ops.convert_to_tensor([[[[2.0]], [[3.0]]]])\n"
            "mask = keras.ops.convert_to_tensor([[[[True, False]]]])\n"
            "found = keras.ops.dot_product_attention(values[:, :1], keys, values, mask=mask)\n"
            "print(float(found[0, 0, 0, 0]))\n"
            "# 3.0",
        ),
        _scores_below_masks,
        f"{_SOURCE}/backend/{backend}/nn.py",
        check="special",
    )


JAX: tuple[Deviation, ...] = (
    _below_masks("jax"),
    *_empty_pooling("jax"),
    _shut_out("jax", "NaN"),
    Deviation(
        "gru",
        "on JAX, in half precision, a layer without biases raises where the reset gate comes after the product: its "
        "state turns into float32: layers/rnn/gru.py (call)",
        _on(
            "jax",
            "import keras\n"
            "layer = keras.layers.GRU(1, use_bias=False, recurrent_initializer='ones', dtype='float16')\n"
            "try:\n"
            "    layer(keras.ops.ones((1, 1, 1), 'float16'))\n"
            "except TypeError as error:\n"
            "    print('differ' in str(error))\n"
            "# True",
        ),
        lambda case: (
            case.format in ("bfloat16", "float16")
            and case.refusal is None
            and case.parameters["reset_after"]
            and not case.parameters["bias"]
        ),
        f"{_SOURCE}/layers/rnn/gru.py",
    ),
    *(
        Deviation(
            layer,
            "on JAX, in bfloat16, compiled, the product of two vectors, or of a number and a vector, is asked for with "
            "a precision that XLA cannot emit: nn/functions.py of jax (_dot_product_attention_core)",
            _on(
                "jax",
                "import jax, keras\n"
                "one = keras.ops.ones((1, 1, 1, 1), 'bfloat16')\n"
                "try:\n"
                "    jax.jit(keras.ops.dot_product_attention)(one, one, one)\n"
                "except jax.errors.JaxRuntimeError as error:\n"
                "    print(error)\n"
                "# INVALID_ARGUMENT: Algorithm not supported by the ElementalIrEmitter: ALG_DOT_BF16_BF16_F32",
            ),
            lambda case: not case.parameters.get("need_weights") and multiplies_vectors(case),
            f"{_SOURCE}/backend/jax/nn.py",
        )
        for layer in ("scaled_dot_product_attention", "multi_head_attention")
    ),
    *(
        Deviation(
            layer,
            "on JAX, in bfloat16, compiled, a large product of a matrix of one column and one of one row aborts: "
            "backends/cpu/ynn_emitter.cc of XLA (DefineBitcastOp)",
            _on(
                "jax",
                ends_its_process(
                    "import jax, keras\n"
                    "one = keras.ops.ones((1, 64, 1, 1), 'bfloat16')\n"
                    "jax.jit(keras.ops.dot_product_attention)(one, one, one).block_until_ready()"
                ),
            ),
            lambda case: not case.parameters.get("need_weights") and multiplies_large_columns(case),
            YNN,
            lethal=True,
        )
        for layer in ("scaled_dot_product_attention", "multi_head_attention")
    ),
    Deviation(
        "conv2d",
        "on JAX derivatives of a convolution of each channel on its own are those of all channels, mostly zeros: the "
        "memory grows with the square of the channels, and may not be had: convolution_group_converter.cc of XLA",
        _on(
            "jax",
            "import jax, keras\n"
            "def derivative(images, weight):\n"
            "    return jax.grad(lambda w: keras.ops.depthwise_conv(images, w).sum())(weight)\n"
            "given = keras.ops.ones((1, 1, 1, 1024)), keras.ops.ones((1, 1, 1024, 1))\n"
            "compiled = jax.jit(derivative).lower(*given).compile()\n"
            "print(compiled.memory_analysis().temp_size_in_bytes >= 4 * 1024**2)  # for 4096 bytes of weights\n"
            "# True",
        ),
        widens_filters,
        _GROUPS,
        lethal=True,
    ),
    *(
        Deviation(
            layer,
            "on JAX nothing is written, and results are what the memory held, where one number is multiplied by more "
            "than 32768 filters, for pixels of one column: ynn_fusion of XLA",
            _on(
                "jax",
                "import keras\n"
                f"layer = keras.layers.{name}(40000, 1, use_bias=False, kernel_initializer='ones')\n"
                "results = []\n"
                "for number in range(1, 9):\n"
                "    before = [keras.ops.full((40000,), number) for _ in range(4)]\n"
                "    del before\n"
                "    results.append(keras.ops.all(layer(keras.ops.ones((1, 1, 1, 1))) == 1))\n"
                "print(all(results))\n"
                "# False",
            ),
            multiplies_many_filters,
            YNN,
        )
        for layer, name in (("conv2d", "Conv2D"), ("conv_transpose2d", "Conv2DTranspose"))
    ),
    Deviation(
        "conv_transpose2d",
        "on JAX a convolution of pixels among zeros, of which some meet the weights, whose infinities and NaN then "
        "spread: backend/jax/nn.py (conv_transpose)",
        _on(
            "jax",
            "import keras\n"
            "kernel = keras.ops.convert_to_tensor([[[[float('nan')]], [[1.0]], [[1.0]]]])\n"
            "print(keras.ops.conv_transpose(keras.ops.ones((1, 1, 3, 1)), kernel).ravel())\n"
            "# [nan nan nan nan nan]",
        ),
        lambda case: not case.is_finite("weight"),
        f"{_SOURCE}/backend/jax/nn.py",
        check="special",
    ),
    Deviation(
        "upsample_bilinear",
        "on JAX a product with a matrix of weights, mostly zeros: an infinity or NaN makes all pixels of its rows and "
        "columns NaN: backend/jax/image.py (resize)",
        _on(
            "jax",
            "import keras\n"
            "image = keras.ops.convert_to_tensor([[[float('nan')], [1.0]]])\n"
            "print(keras.ops.image.resize(image, (1, 4)).ravel())\n"
            "# [nan nan nan nan]",
        ),
        lambda case: not case.is_finite("input"),
        f"{_SOURCE}/backend/jax/image.py",
        check="special",
    ),
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
    _shut_out("torch", "zeros"),
    *(
        Deviation(
            layer,
            "on PyTorch a mask of booleans takes 0.7 · 65500 from scores in float16, which are computed in float32: "
            "keys behind it have weight where they score higher than others by more, and a query without others weighs "
            "them by their scores: backend/torch/nn.py (_get_large_negative)",
            _on(
                "torch",
                "import keras\n"
                "keys = keras.ops.convert_to_tensor([[[[300.0]], [[0.0]]]], 'float16')\n"
                "query, values = keys[:, :1], keys / 300\n"
                "# the second key alone is to be seen, whose value is 0\n"
                "mask = keras.ops.convert_to_tensor([[[[False, True]]]])\n"
                "print(keras.ops.dot_product_attention(query, keys, values, mask=mask).item())\n"
                "# 1.0",
            ),
            _shows_what_masks_hide,
            f"{_SOURCE}/backend/torch/nn.py",
        )
        for layer in ("scaled_dot_product_attention", "multi_head_attention")
    ),
    *(
        Deviation(
            layer,
            "on PyTorch the derivatives of a query that a mask of booleans leaves without keys are those of weights of "
            "1: what the mask adds to the scores swallows the logarithm of the sum of their exponentials: "
            "backend/torch/nn.py (dot_product_attention)",
            _on(
                "torch",
                "import keras\n"
                "one, values = keras.ops.ones((1, 1, 1, 1)), keras.ops.ones((1, 2, 1, 1)).requires_grad_()\n"
                "mask = keras.ops.zeros((1, 1, 1, 2), 'bool')\n"
                "found = keras.ops.dot_product_attention(one, keras.ops.ones((1, 2, 1, 1)), values, mask=mask)\n"
                "found.backward()\n"
                "print(found.item(), values.grad.flatten().tolist())  # the mean, which depends on each by 1/2\n"
                "# 1.0 [1.0, 1.0]",
            ),
            lambda case: case.upstream is not None and not case.parameters.get("need_weights") and hides_all_keys(case),
            f"{_SOURCE}/backend/torch/nn.py",
        )
        for layer in ("scaled_dot_product_attention", "multi_head_attention")
    ),
    *(
        Deviation(
            layer,
            "on PyTorch a query that a mask of booleans leaves without keys gives zeros, not their mean, where its "
            "scores are all −inf: cpu_flash_attention, and backend/torch/nn.py (dot_product_attention)",
            _on(
                "torch",
                "import keras\n"
                "one = keras.ops.ones((1, 1, 1, 1))\n"
                "for query in (one, -float('inf') * one):\n"
                "    print(keras.ops.dot_product_attention(query, one, one, mask=one == 0).item())\n"
                "# 1.0\n"
                "# 0.0",
            ),
            _hides_blank_scores,
            f"{_SOURCE}/backend/torch/nn.py",
            check="special",
        )
        for layer in ("scaled_dot_product_attention", "multi_head_attention")
    ),
    Deviation(
        "scaled_dot_product_attention",
        "on PyTorch values of another number than the keys are not refused: those beyond are not looked at, those that "
        "lack are read behind the end, or are zeros: backend/torch/nn.py (dot_product_attention)",
        _on(
            "torch",
            "import keras\n"
            "one, three = keras.ops.ones((1, 1, 1, 1)), keras.ops.ones((1, 3, 1, 1))\n"
            "print(keras.ops.dot_product_attention(one, one, three).item())\n"
            "# 1.0",
        ),
        lambda case: case.slips("value is"),
        f"{_SOURCE}/backend/torch/nn.py",
        check="refusal",
    ),
    *(
        Deviation(
            layer,
            "with p = 0 the result is the input itself, so that on PyTorch editing one edits the other: "
            f"layers/regularization/{file} (call)",
            _on(
                "torch",
                "import keras\n"
                "x = keras.ops.ones((1, 1, 1, 1))\n"
                f"keras.layers.{kind}(0.0)(x, training=True).add_(1)\n"
                "print(x.item())\n"
                "# 2.0",
            ),
            lambda case: case.parameters["p"] == 0.0,
            f"{_SOURCE}/layers/regularization/{file}",
            check="purity",
        )
        for layer, kind, file in (
            ("dropout", "Dropout", "dropout.py"),
            ("dropout2d", "SpatialDropout2D", "spatial_dropout.py"),
        )
    ),
    Deviation(
        "upsample_nearest",
        "on PyTorch the result shares memory with the input, where along every axis one pixel is repeated, or each "
        "once: backend/torch/numpy.py (repeat)",
        _on(
            "torch",
            "import keras\n"
            "pixel = keras.ops.ones((1, 1, 1, 1))\n"
            "print(keras.layers.UpSampling2D((1, 2))(pixel).data_ptr() == pixel.data_ptr())\n"
            "# True",
        ),
        _repeats_in_place,
        f"{_SOURCE}/backend/torch/numpy.py",
        check="purity",
    ),
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

TENSORFLOW: tuple[Deviation, ...] = (
    Deviation(
        "multi_head_attention",
        "on TensorFlow biases of as many heads of width 1 as there are queries or keys are added along these: "
        "backend/tensorflow/numpy.py (add), which takes a column for the bias of channels that come first",
        _on(
            "tensorflow",
            "import keras\n"
            "column = keras.ops.convert_to_tensor([[0.0], [1.0]])\n"
            "print(keras.ops.add(keras.ops.zeros((1, 2, 2, 1)), column).numpy().flatten().tolist())\n"
            "# [0.0, 0.0, 1.0, 1.0]",
        ),
        lambda case: (
            case.tensors["in_proj_bias"] is not None
            and case.sides("query")[-1] == case.parameters["num_heads"] > 1
            and case.parameters["num_heads"] in (case.sides("query")[1], case.sides("key")[1])
        ),
        f"{_SOURCE}/backend/tensorflow/numpy.py",
    ),
    *(
        Deviation(
            layer,
            "on TensorFlow a sum of two batches without samples raises where the second has one side longer than 1, "
            "and is taken for a bias: backend/tensorflow/numpy.py (add)",
            _on(
                "tensorflow",
                "import keras\n"
                "nothing = keras.ops.zeros((0, 2))\n"
                "try:\n"
                "    keras.ops.add(nothing, nothing)\n"
                "except Exception as error:\n"
                "    print(type(error).__name__)\n"
                "# InvalidArgumentError",
            ),
            concerns,
            f"{_SOURCE}/backend/tensorflow/numpy.py",
        )
        for layer, concerns in (
            ("residual", lambda case: 0 in case.sides("input") and sum(side > 1 for side in case.sides("input")) == 1),
            ("lstm", lambda case: 0 in case.sides("input")),
        )
    ),
    Deviation(
        "conv2d",
        "on TensorFlow derivatives of a convolution of each channel on its own, and in float64 that itself, are those "
        "of all channels, mostly zeros: the memory grows with the square of the channels, and may not be had: "
        "backend/tensorflow/nn.py (_conv_xla), convolution_group_converter.cc of XLA",
        _on(
            "tensorflow",
            "import keras\n"
            "import tensorflow as tf\n"
            "@tf.function(jit_compile=True)\n"
            "def derivative(images, kernel):\n"
            "    with tf.GradientTape() as tape:\n"
            "        tape.watch(kernel)\n"
            "        y = keras.ops.conv(images, kernel, data_format='channels_last')\n"
            "    return tape.gradient(y, kernel)\n"
            "thousand = tf.ones((1, 1, 1, 1000))\n"
            "program = derivative.experimental_get_compiler_ir(thousand, thousand)('optimized_hlo')\n"
            "print('f32[1,1,1000,1000]' in program)\n"
            "# True",
        ),
        widens_filters,
        _GROUPS,
        lethal=True,
    ),
    Deviation(
        "conv2d",
        "on TensorFlow, in float64, a convolution of few channels, each on its own, is one of all channels, mostly "
        "zeros: infinities and NaN spread to other channels: convolution_group_converter.cc of XLA",
        _on(
            "tensorflow",
            "import keras\n"
            "layer = keras.layers.Conv2D(2, 1, groups=2, dtype='float64', kernel_initializer='ones')\n"
            "print(layer(keras.ops.convert_to_tensor([[[[float('nan'), 1.0]]]], 'float64')).numpy().ravel())\n"
            "# [nan nan]",
        ),
        mixes_channels,
        _GROUPS,
        check="special",
    ),
    _below_masks("tensorflow"),
    *_empty_pooling("tensorflow"),
    Deviation(
        "max_pool2d",
        "on TensorFlow, in float32 and bfloat16, a window larger than the input ends the process, if it does not "
        "raise: kernels/mkl/mkl_maxpooling_op.cc",
        _on(
            "tensorflow",
            ends_its_process("import keras\nkeras.layers.MaxPooling2D(3, 1)(keras.ops.ones((1, 2, 2, 1)))"),
        ),
        lambda case: case.format in _OF_ONEDNN and case.slips("the window is larger than the padded input"),
        "https://github.com/tensorflow/tensorflow/issues/125509",
        check="refusal",
        lethal=True,
    ),
    _shut_out("tensorflow", "NaN"),
    *(
        Deviation(
            layer,
            "on TensorFlow a score that is infinite or NaN makes NaN of its own weight alone, and zeros of the others "
            "in float32 and bfloat16, where oneDNN computes the softmax: kernels/mkl/mkl_softmax_op.cc",
            _on(
                "tensorflow",
                "import keras\n"
                "print(keras.ops.softmax(keras.ops.convert_to_tensor([1.0, float('nan')])).numpy())\n"
                "# [ 0. nan]",
            ),
            concerns,
            "https://github.com/tensorflow/tensorflow/blob/master/tensorflow/core/kernels/mkl/mkl_softmax_op.cc",
            check="special",
        )
        for layer, concerns in (
            ("additive_attention", lambda case: case.format in _OF_ONEDNN and _has_special_scores(case)),
            ("multi_head_attention", lambda case: case.format in _OF_ONEDNN and _has_special_weights(case)),
        )
    ),
    Deviation(
        "upsample_bilinear",
        "on TensorFlow images in float64 are interpolated in float32: tf.image.resize gives float32, which is cast: "
        "ops/image.py (_resize)",
        _on(
            "tensorflow",
            "import keras\n"
            "image = keras.ops.convert_to_tensor([[[0.1]]], 'float64')\n"
            "print(keras.ops.image.resize(image, (1, 1)).numpy().item())\n"
            "# 0.10000000149011612",
        ),
        lambda case: case.format == "float64" and case.refusal is None,
        f"{_SOURCE}/ops/image.py",
    ),
    Deviation(
        "upsample_bilinear",
        "on TensorFlow infinities become the largest number in bfloat16 and float16: tf.image.resize gives float32, "
        "for which the cast saturates: ops/image.py (_resize)",
        _on(
            "tensorflow",
            "import keras\n"
            "image = keras.ops.convert_to_tensor([[[float('inf')]]], 'float16')\n"
            "print(keras.ops.image.resize(image, (1, 1)).numpy().item())\n"
            "# 65504.0",
        ),
        lambda case: case.format in ("bfloat16", "float16") and not case.is_finite("input"),
        f"{_SOURCE}/ops/image.py",
        check="special",
    ),
    *(
        Deviation(
            layer,
            "on TensorFlow the scale is rounded to float32, in float64 too: tf.cast makes a tensor of it first: "
            f"{file} ({function})",
            _on(
                "tensorflow",
                "import keras\n"
                "keys = keras.ops.convert_to_tensor([[[[0.0]], [[1.0]]]], 'float64')\n"
                "query, scale = keys[:, 1:], keras.ops.convert_to_tensor(0.3, 'float64')\n"
                "found = keras.ops.dot_product_attention(query, keys, keys, scale=0.3)\n"
                "exact = keras.ops.dot_product_attention(query * scale, keys, keys, scale=1.0)\n"
                "print(f'{(found / exact - 1).numpy().item():.0e}')\n"
                "# 5e-09",
            ),
            concerns,
            f"{_SOURCE}/{file}",
        )
        for layer, file, function, concerns in (
            ("scaled_dot_product_attention", _ATTENTION, "_dot_product_attention_xla", _rounds_scale),
            ("multi_head_attention", "layers/attention/multi_head_attention.py", "_compute_attention", _rounds_scale),
            # which are related to scaled_dot_product_attention
            ("cross_attention", _ATTENTION, "_dot_product_attention_xla", _is_related_to_rounded_scale),
            ("self_attention", _ATTENTION, "_dot_product_attention_xla", _is_related_to_rounded_scale),
        )
    ),
    Deviation(
        "scaled_dot_product_attention",
        "on TensorFlow one head of keys and values does not serve several of queries, as two or more do: "
        "backend/tensorflow/nn.py (dot_product_attention)",
        _on(
            "tensorflow",
            "import keras\n"
            "one, two = keras.ops.ones((1, 1, 1, 1)), keras.ops.ones((1, 1, 2, 1))\n"
            "try:\n"
            "    keras.ops.dot_product_attention(two, one, one)\n"
            "except Exception as error:\n"
            "    print(type(error).__name__)\n"
            "# InvalidArgumentError",
        ),
        lambda case: case.sides("key")[-3:-2] == (1,) != case.sides("query")[-3:-2],
        f"{_SOURCE}/backend/tensorflow/nn.py",
    ),
)

TENSORFLOW_FIRST: tuple[Deviation, ...] = tuple(
    Deviation(
        layer,
        "on TensorFlow, where channels come first, the bias is added to columns if there are as many as filters: "
        "backend/tensorflow/numpy.py (add), which takes it for one of channels that come last",
        _on(
            "tensorflow",
            "import keras\n"
            "import numpy as np\n"
            f"layer = keras.layers.{name}(2, 1, data_format='channels_first', kernel_initializer='zeros')\n"
            "layer.build((1, 1, 1, 2))\n"
            "layer.bias.assign([0.0, 1.0])\n"
            "print(layer(np.zeros((1, 1, 1, 2))).numpy().ravel())  # of two filters, with two pixels each\n"
            "# [0. 1. 0. 1.]",
        ),
        _may_be_taken_for_last,
        f"{_SOURCE}/backend/tensorflow/numpy.py",
    )
    for layer, name in (("conv2d", "Conv2D"), ("conv_transpose2d", "Conv2DTranspose"))
)

BY_BACKEND = {
    "jax": (*EVERYWHERE, *JAX),
    "torch": (*EVERYWHERE, *TORCH),
    "tensorflow": (*EVERYWHERE, *TENSORFLOW),
}

# Of variants whose channels come first, beside the others.
FIRST_BY_BACKEND = {"tensorflow": TENSORFLOW_FIRST}
