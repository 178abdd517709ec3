"""The arithmetic in which Keras computes on each backend."""

from __future__ import annotations

from dataclasses import replace

from conformance.case import Case
from conformance.target import Declared, Target, stepwise
from conformance.targets._parameters import BIASES

# Keras adds a bias to a product that has been stored.
_STEPWISE = dict.fromkeys(
    (
        "linear",
        "custom_linear",
        "residual",
        "conv2d",
        "conv_transpose2d",
        "additive_attention",
        "multi_head_attention",
    ),
    "stepwise",
)
_NORMALISATIONS = ("batch_norm", "layer_norm", "group_norm", "instance_norm")

# Keras normalises with one slope and one offset: ops/nn.py (_layer_normalization), layers/normalization/
# group_normalization.py, backend/{jax,tensorflow}/nn.py (batch_normalization). On PyTorch the mean is subtracted first,
# and layer_norm is PyTorch's own, as tf.image.resize is TensorFlow's. XLA multiplies by the reciprocal of a constant:
# hlo/transforms/simplifiers/algebraic_simplifier.cc.
ALGORITHMS: dict[str, dict[str, str]] = {
    "jax": {
        **_STEPWISE,
        **dict.fromkeys(_NORMALISATIONS, "affine_by_reciprocal"),
        "avg_pool2d": "by_reciprocal",
    },
    "torch": {
        **_STEPWISE,
        **{"batch_norm": "sloped", "group_norm": "affine", "instance_norm": "affine"},
        **dict.fromkeys(("rnn", "lstm"), "one_bias"),
    },
    "tensorflow": {**_STEPWISE, **dict.fromkeys(_NORMALISATIONS, "affine"), "upsample_bilinear": "lerped"},
}

# On JAX contributions to the derivative of a table are added to stored numbers (xla/service/scatter_expander.cc), and
# sums, of which derivatives of a bias are some, are sums of stored numbers.
_SCATTERED_ON_JAX = {**BIASES, "embedding": ("weight",)}

# In half precision these compute in float32 and round what they store; any other layer is operations on stored numbers.
# On TensorFlow so do interpolations, and averages in bfloat16, which are oneDNN's: Eigen's and XLA's are sums of stored
# numbers (core/kernels/avgpooling_op.cc).
_ROUNDED_ONCE = frozenset(
    [
        *_STEPWISE.keys() - {"additive_attention", "multi_head_attention"},
        *_NORMALISATIONS,
        *("relu", "max_pool2d", "embedding", "dropout", "dropout2d", "zeros_init"),
        *("xavier_uniform", "xavier_normal", "kaiming_uniform", "kaiming_normal"),
    ]
)
_INTERPOLATIONS = ("upsample_nearest", "upsample_nearest_exact", "upsample_bilinear")

_FLUSHES = {
    "jax": "XLA's CPU executables run with subnormals flushed to zero",
    "tensorflow": "the threads of kernels run with subnormals flushed to zero: core/platform/denormal.cc",
}

_TRANSPOSED = "which operations of the derivatives of normalisations XLA rounds to half precision is not specified"


def declared(backend: str, arrays: Target, layer: str, format: str) -> Declared:
    """What Keras promises for a layer on a backend, whose own target has these arrays."""
    algorithm = ALGORITHMS[backend].get(layer)
    if backend == "torch":  # the kernels are PyTorch's own, in Keras' order
        found = arrays.declared(layer, format)
        if algorithm is None or found.algorithm == "by_columns":  # which stores more than Keras does
            return found
        return replace(found, algorithm=algorithm, backward=None)
    found = replace(Target().declared(layer, format), algorithm=algorithm, flush=True, reason=_FLUSHES[backend])
    once = layer in _ROUNDED_ONCE
    if backend == "jax":
        backward = "factored" if layer == "tanh" else None  # jax/_src/lax/lax.py (tanh_p)
        found = replace(found, backward=backward, scattered=frozenset(_SCATTERED_ON_JAX.get(layer, ())))
    else:
        own = arrays.declared(layer, format)
        copied = layer == "upsample_nearest"  # whose pixels Keras repeats, as no kernel does
        found = replace(found, backward=own.backward, scattered=frozenset() if copied else own.scattered)
        once = once or layer in _INTERPOLATIONS or (layer, format) == ("avg_pool2d", "bfloat16")
    if format in ("float64", "float32"):
        return found
    if once:
        transposed = backend == "jax" and layer in _NORMALISATIONS
        return replace(found, undeclared=_TRANSPOSED) if transposed else found
    return _stepwise(found, format)


def _stepwise(found: Declared, format: str) -> Declared:
    """Subnormals of float16 are normal numbers of float32, in which every operation is computed."""
    return stepwise(replace(found, flush=format == "bfloat16"), format)


def declared_for(backend: str, found: Declared, case: Case) -> Declared:
    """What is declared for a layer, for one case of it.

    On PyTorch a GRU has one bias if its reset gate comes before the product, as other layers have always.

    On TensorFlow the derivatives of a convolution, one of which is a transposed convolution, are Eigen's products of
    matrices in float16, of stored numbers: core/kernels/conv_grad_input_ops.h and conv_grad_filter_ops.cc. A bias that
    is a single number is added by tf.add, of which the derivative is a sum of stored numbers, any other by
    tf.nn.bias_add, of which it is none: backend/tensorflow/numpy.py (add).
    """
    if backend == "torch" and case.layer == "gru" and not case.parameters["reset_after"]:
        return replace(found, algorithm="one_bias", backward=None)
    if (backend, case.format) != ("tensorflow", "float16"):
        return found
    if case.layer == "conv_transpose2d" or (case.layer == "conv2d" and case.upstream is not None):
        return _stepwise(found, "float16")
    single = frozenset(name for name in BIASES.get(case.layer, ()) if case.sides(name) == (1,))
    return replace(found, scattered=found.scattered | single)
