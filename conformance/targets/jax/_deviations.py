"""Where JAX and flax leave the permitted error, and why."""

from __future__ import annotations

from typing import Any

import numpy as np

from conformance.case import Case
from conformance.target import Deviation
from conformance.targets._programs import ends_its_process
from conformance.targets._scores import hides_all_keys, shuts_out_all_keys
from conformance.targets._xla import (
    YNN,
    mixes_channels,
    multiplies_large_columns,
    multiplies_many_filters,
    multiplies_vectors,
    widens_filters,
)

_NORMALIZATION = "https://github.com/google/flax/blob/main/flax/linen/normalization.py"
_STOCHASTIC = "https://github.com/google/flax/blob/main/flax/linen/stochastic.py"
_LINEAR = "https://github.com/google/flax/blob/main/flax/linen/linear.py"
_FUNCTIONS = "https://github.com/jax-ml/jax/blob/main/jax/_src/nn/functions.py"
_XLA = "https://github.com/openxla/xla/blob/main/xla"

_POOLS = (("max_pool2d", "max_pool"), ("avg_pool2d", "avg_pool"))
_ATTENTION = ("dot_product_attention", "scaled_dot_product_attention", "local_attention")


def _repeats_the_sample(case: Case) -> bool:
    """Whether a batch of one sample meets an initial state of two samples, or of none."""
    samples = case.sides("input")[0 if case.parameters["batch_first"] else 1]
    return samples == 1 and case.slips(*(f"h_0 is one too {how} along axis 1" for how in ("long", "short")))


def _looks_grouped(case: Case) -> bool:
    """Whether weights are derived and, along one axis, no padding is left and 2 pixels come of more by steps of 2.

    Along the other there are more pixels after the layer than before.
    """
    if case.upstream is None or "weight" not in case.upstream.wanted:
        return False
    sides, kernel = case.sides("input")[-2:], case.sides("weight")[2:]
    names = ("stride", "dilation", "padding", "output_padding")
    axes = [*zip(sides, kernel, *(case.parameters[name] for name in names), strict=True)]
    outputs = [(n - 1) * s + d * (k - 1) + 1 - 2 * p + extra for n, k, s, d, p, extra in axes]

    def grouped(axis: int) -> bool:
        n, k, *steps, p, extra = axes[axis]
        return n > 2 == outputs[axis] and steps == [2, 1] and (p, extra) == (k - 1, 0)

    return any(grouped(axis) and outputs[1 - axis] > sides[1 - axis] for axis in (0, 1))


def _pools_single_pixels(case: Case) -> bool:
    """Whether windows of one pixel are taken at every pixel."""
    windows, steps = case.parameters["kernel_size"], case.parameters["stride"]
    return {*windows, *(steps or windows)} == {1}


def _masks_beyond_float32(case: Case) -> bool:
    """Whether in float64 a mask of numbers takes more from all keys of a query than float32 holds."""
    mask: Any = case.arrays()["attn_mask"]
    added = case.format == "float64" and mask is not None and mask.dtype != bool
    return added and bool((mask < -float(np.finfo("float32").max)).all(axis=-1).any())


KNOWN: tuple[Deviation, ...] = (
    Deviation(
        "scaled_dot_product_attention",
        "in float64 too a mask is added in float32: where it takes more than 3.4e38 from all keys of a query, the "
        "result is NaN: _src/nn/functions.py (_dot_product_attention_core)",
        "import jax\n"
        "jax.config.update('jax_enable_x64', True)\n"
        "one = jax.numpy.ones((1, 1, 1, 1), 'float64')\n"
        "print(jax.nn.dot_product_attention(one, one, one, bias=-1e300 * one).item())\n"
        "# nan",
        _masks_beyond_float32,
        "https://github.com/jax-ml/jax/blob/main/jax/_src/nn/functions.py",
        check="special",
    ),
    *(
        Deviation(
            layer,
            "the shape of the initial state is not looked at: to one of more samples, or none, a batch of one sample "
            "is repeated: recurrent.py (RNN)",
            "import jax\n"
            "from flax import linen\n"
            f"layer = linen.RNN(linen.{cell}(1))\n"
            "one, states = jax.numpy.ones((1, 1, 1), 'float32'), jax.numpy.ones((2, 1), 'float32')\n"
            "variables = layer.init(jax.random.key(0), one)\n"
            "print(layer.apply(variables, one, initial_carry=states).shape)\n"
            "# (2, 1, 1)",
            _repeats_the_sample,
            "https://github.com/google/flax/blob/main/flax/linen/recurrent.py",
            check="refusal",
        )
        for layer, cell in (("rnn", "SimpleCell"), ("gru", "GRUCell"))
    ),
    *(
        Deviation(
            layer,
            "a rate below 0 or above 1 is not refused, and scales by a number that is no probability: "
            "stochastic.py (Dropout)",
            "import jax\n"
            "from flax import linen\n"
            "dropout = linen.Dropout(-1.0, deterministic=False)\n"
            "print(dropout.apply({}, jax.numpy.ones(2), rng=jax.random.key(0)))\n"
            "# [0.5 0.5]",
            lambda case: case.slips("p is"),
            _STOCHASTIC,
            check="refusal",
        )
        for layer in ("dropout", "dropout2d")
    ),
    Deviation(
        "embedding",
        "indices outside the table are not refused: jnp.take wraps them or fills in NaN, and a table of one row is "
        "repeated: linear.py (Embed)",
        "import jax\n"
        "from flax import linen\n"
        "table = {'params': {'embedding': jax.numpy.ones((1, 2))}}\n"
        "print(linen.Embed(1, 2).apply(table, jax.numpy.array([1])))\n"
        "# [[1. 1.]]",
        lambda case: "looked up" in (case.refusal or ""),
        _LINEAR,
        check="refusal",
    ),
    *(
        Deviation(
            layer,
            "a kernel larger than the padded input gives an empty result: lax.conv_general_dilated",
            "import jax\n"
            "from flax import linen\n"
            "layer = linen.Conv(1, (1, 2), padding='VALID', use_bias=False)\n"
            "kernel = {'params': {'kernel': jax.numpy.ones((1, 2, 1, 1))}}\n"
            "print(layer.apply(kernel, jax.numpy.ones((1, 1, 1, 1))).shape)\n"
            "# (1, 1, 0, 1)",
            lambda case: case.slips(
                "the kernel is larger than the padded input", "padding takes away more than the whole output"
            ),
            "https://github.com/jax-ml/jax/blob/main/jax/_src/lax/convolution.py",
            check="refusal",
        )
        for layer in ("conv2d", "conv_transpose2d")
    ),
    Deviation(
        "conv2d",
        "derivatives of a convolution of each channel on its own, and in float64 such a convolution of few pixels, are "
        "those of all channels, mostly zeros: the memory grows with the square of the channels, and may not be had: "
        "convolution_group_converter.cc",
        "import jax\n"
        "from flax import linen\n"
        "def derivative(images, weight):\n"
        "    layer = linen.Conv(1024, (1, 1), feature_group_count=1024, use_bias=False)\n"
        "    return jax.grad(lambda w: layer.apply({'params': {'kernel': w}}, images).sum())(weight)\n"
        "compiled = jax.jit(derivative).lower(*(jax.numpy.ones((1, 1, 1, 1024)),) * 2).compile()\n"
        "print(compiled.memory_analysis().temp_size_in_bytes >= 4 * 1024**2)  # for 4096 bytes of weights\n"
        "# True",
        widens_filters,
        f"{_XLA}/service/convolution_group_converter.cc",
        lethal=True,
    ),
    Deviation(
        "conv2d",
        "in float64 a convolution of few channels, each on its own, is one of all channels, mostly zeros: infinities "
        "and NaN spread to other channels: convolution_group_converter.cc",
        "import jax\n"
        "jax.config.update('jax_enable_x64', True)\n"
        "from flax import linen\n"
        "layer = linen.Conv(2, (1, 1), feature_group_count=2, use_bias=False)\n"
        "weight = jax.numpy.ones((1, 1, 1, 2), 'float64')\n"
        "images = jax.numpy.array([[[[float('nan'), 1.0]]]])\n"
        "print(layer.apply({'params': {'kernel': weight}}, images).ravel())\n"
        "# [nan nan]",
        mixes_channels,
        f"{_XLA}/service/convolution_group_converter.cc",
        check="special",
    ),
    *(
        Deviation(
            layer,
            "a negative padding is not refused: it cuts off pixels, or adds some: linear.py (Conv, ConvTranspose)",
            "import jax\n"
            "from flax import linen\n"
            "layer = linen.Conv(1, (1, 1), padding=((0, 0), (-1, -1)), use_bias=False)\n"
            "kernel = {'params': {'kernel': jax.numpy.ones((1, 1, 1, 1))}}\n"
            "print(layer.apply(kernel, jax.numpy.ones((1, 1, 4, 1))).shape)\n"
            "# (1, 1, 2, 1)",
            lambda case: case.slips("padding is negative"),
            _LINEAR,
            check="refusal",
        )
        for layer in ("conv2d", "conv_transpose2d")
    ),
    *(
        Deviation(
            layer,
            "nothing is written, and results are what the memory held, where one number is multiplied by more than "
            "32768 filters, for pixels of one column: ynn_fusion of XLA",
            "import jax\n"
            "from flax import linen\n"
            f"layer = linen.{name}(40000, (1, 1), use_bias=False)\n"
            "kernel = {'params': {'kernel': jax.numpy.ones((1, 1, 1, 40000))}}\n"
            "results = []\n"
            "for number in range(1, 9):\n"
            "    before = [jax.numpy.full((40000,), number) for _ in range(4)]\n"
            "    del before\n"
            "    results.append((layer.apply(kernel, jax.numpy.ones((1, 1, 1, 1))) == 1).all())\n"
            "print(all(results))\n"
            "# False",
            multiplies_many_filters,
            YNN,
        )
        for layer, name in (("conv2d", "Conv"), ("conv_transpose2d", "ConvTranspose"))
    ),
    Deviation(
        "conv_transpose2d",
        "a convolution of pixels among zeros, of which some meet the weights, whose infinities and NaN then spread: "
        "linear.py (ConvTranspose)",
        "import jax\n"
        "from flax import linen\n"
        "layer = linen.ConvTranspose(1, (1, 3), padding=((0, 0), (2, 2)), use_bias=False)\n"
        "images, weight = jax.numpy.ones((1, 1, 1, 3), 'float32'), jax.numpy.ones((1, 3, 3, 1), 'float32')\n"
        "weight = weight.at[0, 0, 0, 0].set(jax.numpy.nan)\n"
        "print(layer.apply({'params': {'kernel': weight}}, images).ravel())\n"
        "# [nan nan nan]",
        lambda case: not case.is_finite("weight"),
        _LINEAR,
        check="special",
    ),
    Deviation(
        "conv_transpose2d",
        "the derivative of weights does not compile, and aborts, where along an axis the convolution is taken for one "
        "of groups because two sides are 2: algebraic_simplifier.cc (SwapConvOperands)",
        ends_its_process(
            "import jax\n"
            "from flax import linen\n"
            "layer = linen.ConvTranspose(1, (1, 4), (1, 2), padding=((0, 1), (0, 0)), use_bias=False)\n"
            "images, weight = jax.numpy.ones((1, 3, 3, 1)), jax.numpy.ones((1, 4, 1, 1))\n"
            "f = lambda weight: layer.apply({'params': {'kernel': weight}}, images).sum()\n"
            "jax.jit(jax.grad(f))(weight)"
        ),
        _looks_grouped,
        f"{_XLA}/hlo/transforms/simplifiers/algebraic_simplifier.cc",
        lethal=True,
    ),
    Deviation(
        "batch_norm",
        "the shapes of running statistics are not looked at: a single one is repeated: normalization.py (BatchNorm)",
        "import jax\n"
        "from flax import linen\n"
        "layer = linen.BatchNorm(True, use_bias=False, use_scale=False)\n"
        "statistics = {'mean': jax.numpy.zeros(1), 'var': jax.numpy.ones(1)}\n"
        "print(layer.apply({'batch_stats': statistics}, jax.numpy.ones((1, 2))).shape)\n"
        "# (1, 2)",
        lambda case: case.slips("running_mean is", "running_var is"),
        _NORMALIZATION,
        check="refusal",
    ),
    Deviation(
        "instance_norm",
        "statistics of a single position are not refused: normalization.py (InstanceNorm)",
        "import jax\n"
        "from flax import linen\n"
        "layer = linen.InstanceNorm(use_bias=False, use_scale=False)\n"
        "print(layer.apply({}, jax.numpy.ones((1, 1, 1))))\n"
        "# [[[0.]]]",
        lambda case: case.slips("input statistics of one position"),
        _NORMALIZATION,
        check="refusal",
    ),
    Deviation(
        "avg_pool2d",
        "with count_include_pad=False the pixels are counted in jnp.ones of the default format, "
        "to which the average is promoted: pooling.py (avg_pool)",
        "import jax\n"
        "jax.config.update('jax_enable_x64', True)\n"
        "from flax import linen\n"
        "images = jax.numpy.ones((1, 2, 2, 1), 'float32')\n"
        "print(linen.avg_pool(images, (2, 2), count_include_pad=False).dtype)\n"
        "# float64",
        lambda case: not case.parameters["count_include_pad"] and case.format != "float64" and case.refusal is None,
        "https://github.com/google/flax/blob/main/flax/linen/pooling.py",
    ),
    *(
        Deviation(
            layer,
            "in float16, compiled by jax.jit, the precision is asked for that a CPU does not have: the fallback sees "
            "errors of tracing alone: nn/functions.py (_dot_product_attention_core)",
            "import jax\n"
            "one = jax.numpy.ones((1, 1, 1, 1), 'float16')\n"
            "try:\n"
            "    jax.jit(jax.nn.dot_product_attention)(one, one, one)\n"
            "except ValueError as error:\n"
            "    print(error)\n"
            "# The precision 'F16_F16_F32' is not supported by dot_general on CPU",
            lambda case: case.format == "float16" and case.refusal is None,
            _FUNCTIONS,
        )
        for layer in _ATTENTION
    ),
    *(
        Deviation(
            layer,
            "in bfloat16, compiled by jax.jit, the product of two vectors, or of a number and a vector, is asked for "
            "with a precision that XLA cannot emit: nn/functions.py (_dot_product_attention_core)",
            "import jax\n"
            "one = jax.numpy.ones((1, 1, 1, 1), 'bfloat16')\n"
            "try:\n"
            "    jax.jit(jax.nn.dot_product_attention)(one, one, one)\n"
            "except jax.errors.JaxRuntimeError as error:\n"
            "    print(error)\n"
            "# INVALID_ARGUMENT: Algorithm not supported by the ElementalIrEmitter: ALG_DOT_BF16_BF16_F32",
            multiplies_vectors,
            _FUNCTIONS,
        )
        for layer in _ATTENTION
    ),
    *(
        Deviation(
            layer,
            "in bfloat16, compiled by jax.jit, a large product of a matrix of one column and one of one row aborts: "
            "backends/cpu/ynn_emitter.cc (DefineBitcastOp)",
            ends_its_process(
                "import jax\n"
                "one = jax.numpy.ones((1, 64, 1, 1), 'bfloat16')\n"
                "jax.jit(jax.nn.dot_product_attention)(one, one, one).block_until_ready()"
            ),
            multiplies_large_columns,
            YNN,
            lethal=True,
        )
        for layer in _ATTENTION
    ),
    Deviation(
        "local_attention",
        "a query whose window holds no key weighs all alike: nn/functions.py (_apply_masks)",
        "import jax\n"
        "one = jax.numpy.ones((1, 2, 1, 1))\n"
        "print(jax.nn.dot_product_attention(one, one[:, :1], one[:, :1], local_window_size=0)[:, 1])\n"
        "# [[[1.]]]",
        lambda case: (
            case.refusal is None and case.sides("query")[-2] > case.sides("key")[-2] + case.parameters["window"]
        ),
        _FUNCTIONS,
    ),
    Deviation(
        "scaled_dot_product_attention",
        "a query that a mask of booleans leaves without keys weighs all alike, one that a mask of numbers does so is "
        "NaN: nn/functions.py (_dot_product_attention_core)",
        "import jax\n"
        "one = jax.numpy.ones((1, 1, 1, 1))\n"
        "print(jax.nn.dot_product_attention(one, one, one, bias=-jax.numpy.inf * one))\n"
        "# [[[[nan]]]]",
        shuts_out_all_keys,
        _FUNCTIONS,
    ),
    Deviation(
        "scaled_dot_product_attention",
        "a query that a mask leaves without keys weighs all alike, those behind the mask included: "
        "nn/functions.py (_apply_masks)",
        "import jax\n"
        "one = jax.numpy.ones((1, 1, 1, 1))\n"
        "print(jax.nn.dot_product_attention(one, one, one, mask=one == 0))\n"
        "# [[[[1.]]]]",
        hides_all_keys,
        _FUNCTIONS,
        check="relation",
    ),
    Deviation(
        "multi_head_attention",
        "a query that masks leave without keys weighs all alike, those behind the mask included: attention.py "
        "(dot_product_attention_weights)",
        "import jax\n"
        "from flax import linen\n"
        "one = jax.numpy.ones((1, 1, 1, 1))\n"
        "print(linen.dot_product_attention(one, one, one, mask=one == 0))\n"
        "# [[[[1.]]]]",
        hides_all_keys,
        "https://github.com/google/flax/blob/main/flax/linen/attention.py",
        check="relation",
    ),
    Deviation(
        "upsample_bilinear",
        "a product with a matrix of weights, mostly zeros: an infinity or NaN makes all pixels of its rows and columns "
        "NaN: image/scale.py (_scale_and_translate)",
        "import jax\n"
        "pixels = jax.numpy.array([jax.numpy.nan, 1.0])\n"
        "print(jax.image.resize(pixels, (4,), 'linear'))\n"
        "# [nan nan nan nan]",
        lambda case: not case.is_finite("input"),
        "https://github.com/jax-ml/jax/blob/main/jax/_src/image/scale.py",
        check="special",
    ),
    *(
        Deviation(
            layer,
            "a size of 0, or a negative one, gives an empty result: image/scale.py (resize)",
            f"import jax\nprint(jax.image.resize(jax.numpy.ones(1), (0,), {method!r}).shape)\n# (0,)",
            lambda case: case.slips("size is", "scale_factor is"),
            "https://github.com/jax-ml/jax/blob/main/jax/_src/image/scale.py",
            check="refusal",
        )
        for layer, method in (("upsample_bilinear", "linear"), ("upsample_nearest_exact", "nearest"))
    ),
    *(
        Deviation(
            layer,
            f"a window that is larger than the padded image gives an empty result: pooling.py ({pool})",
            "import jax\n"
            "from flax import linen\n"
            f"print(linen.{pool}(jax.numpy.ones((1, 1, 1, 1)), (1, 2)).shape)\n"
            "# (1, 1, 0, 1)",
            lambda case: case.slips("the window is larger than the padded input"),
            "https://github.com/google/flax/blob/main/flax/linen/pooling.py",
            check="refusal",
        )
        for layer, pool in _POOLS
    ),
    *(
        Deviation(
            layer,
            f"padding may be more than half of the kernel: windows hold padding alone: pooling.py ({pool})",
            "import jax\n"
            "from flax import linen\n"
            f"print(linen.{pool}(jax.numpy.ones((1, 1, 1, 1)), (1, 1), padding=((0, 0), (1, 1))).shape)\n"
            "# (1, 1, 3, 1)",
            lambda case: case.slips("padding is more than half of the kernel"),
            "https://github.com/google/flax/blob/main/flax/linen/pooling.py",
            check="refusal",
        )
        for layer, pool in _POOLS
    ),
    *(
        Deviation(
            layer,
            f"a negative padding is not refused: it cuts off pixels: pooling.py ({pool})",
            "import jax\n"
            "from flax import linen\n"
            f"print(linen.{pool}(jax.numpy.ones((1, 1, 4, 1)), (1, 2), padding=((0, 0), (-1, -1))).shape)\n"
            "# (1, 1, 1, 1)",
            lambda case: case.slips("padding is negative"),
            "https://github.com/google/flax/blob/main/flax/linen/pooling.py",
            check="refusal",
        )
        for layer, pool in _POOLS
    ),
    *(
        Deviation(
            layer,
            "a negative padding of windows of one pixel aborts: algebraic_simplifier.cc",
            ends_its_process(
                "import jax\n"
                "from flax import linen\n"
                f"linen.{pool}(jax.numpy.ones((1, 1, 4, 1)), (1, 1), padding=((0, 0), (-1, -1)))"
            ),
            lambda case: case.slips("padding is negative") and _pools_single_pixels(case),
            f"{_XLA}/hlo/transforms/simplifiers/algebraic_simplifier.cc",
            check="refusal",
            lethal=True,
        )
        for layer, pool in _POOLS
    ),
)
