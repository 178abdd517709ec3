"""The arithmetic in which Keras computes on each backend."""

from __future__ import annotations

from conformance.target import Declared

# Keras adds a bias to a product that has been stored; it normalises by one slope and one offset, but with what PyTorch
# has of its own.
_EVERYWHERE = {
    "linear": "stepwise",
    "custom_linear": "stepwise",
    "residual": "stepwise",
    "additive_attention": "stepwise",
    "multi_head_attention": "stepwise",
}
_FOLDED = {"batch_norm": "folded", "group_norm": "folded", "instance_norm": "folded"}
ALGORITHMS: dict[str, dict[str, str]] = {
    "jax": {**_EVERYWHERE, **_FOLDED},
    "torch": {
        **_EVERYWHERE,
        **_FOLDED,
        "batch_norm": "sloped",
        "softmax": "vectorised",
        "log_softmax": "vectorised",
        "layer_norm": "folded",
    },
    "tensorflow": {**_EVERYWHERE, **_FOLDED},
}


def declared(backend: str, layer: str, format: str) -> Declared:
    """What Keras promises for a layer on a backend."""
    compute = format if format == "float64" else "float32"
    return Declared(compute, flush=backend == "jax", algorithm=ALGORITHMS[backend].get(layer))
