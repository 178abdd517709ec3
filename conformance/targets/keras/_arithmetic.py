"""The arithmetic in which Keras computes on each backend."""

from __future__ import annotations

from dataclasses import replace

from conformance.target import Declared, Target, stepwise

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
# and layer_norm is PyTorch's own.
ALGORITHMS: dict[str, dict[str, str]] = {
    "jax": {**_STEPWISE, **dict.fromkeys(_NORMALISATIONS, "affine_by_reciprocal")},
    "torch": {**_STEPWISE, "batch_norm": "sloped", "group_norm": "affine", "instance_norm": "affine"},
    "tensorflow": {**_STEPWISE, **dict.fromkeys(_NORMALISATIONS, "affine")},
}

# In half precision these compute in float32 and round what they store; on JAX and TensorFlow any other layer is
# operations on stored numbers.
_ROUNDED_ONCE = frozenset(
    [
        *_STEPWISE.keys() - {"additive_attention", "multi_head_attention"},
        *_NORMALISATIONS,
        *("relu", "embedding", "avg_pool2d", "upsample_nearest", "upsample_nearest_exact", "upsample_bilinear"),
        *("dropout", "dropout2d", "zeros_init"),
        *("xavier_uniform", "xavier_normal", "kaiming_uniform", "kaiming_normal"),
    ]
)

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
        return found if algorithm is None else replace(found, algorithm=algorithm, backward=None)
    found = replace(Target().declared(layer, format), algorithm=algorithm, flush=True, reason=_FLUSHES[backend])
    if backend == "tensorflow" and layer != "upsample_nearest":  # whose pixels Keras repeats, as no kernel does
        found = replace(found, scattered=arrays.declared(layer, format).scattered)
    if format in ("float64", "float32"):
        return found
    if layer in _ROUNDED_ONCE:
        transposed = backend == "jax" and layer in _NORMALISATIONS
        return replace(found, undeclared=_TRANSPOSED) if transposed else found
    # subnormals of float16 are normal numbers of float32, in which every operation is computed
    return stepwise(replace(found, flush=format == "bfloat16"), format)
