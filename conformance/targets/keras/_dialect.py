"""The conventions of Keras, the same on every backend, but for max_pool2d, which is the backend's."""

from __future__ import annotations

# A mask is a large negative score: a query that sees no key weighs all alike, but for MultiHeadAttention where it is
# asked for its weights, which it then sets to zero; what is behind a mask has the weight 0.
POLICIES = {
    "relu": {"nan": "propagated"},
    "max_pool2d": {"nan": "propagated"},  # on TensorFlow it is ignored
    "dropout": {"behind_mask": "skipped"},
    "dropout2d": {"behind_mask": "skipped"},
    "scaled_dot_product_attention": {
        "causal_alignment": "top_left",
        "fully_masked": "mean",
        "behind_mask": "times_zero",
    },
    "multi_head_attention": {"fully_masked": "mean", "behind_mask": "times_zero"},
}

CHOICES = {
    ("conv2d", "padding_mode"): ("zeros",),
    ("avg_pool2d", "count_include_pad"): (True,),
    ("max_pool2d", "return_indices"): (False,),
    ("gru", "reset_after"): (True, False),
    ("upsample_bilinear", "align_corners"): (False,),
    ("upsample_bilinear", "asymmetric"): (False,),
    ("upsample_nearest", "rounding"): ("floor",),
}

WRITING = {
    "images": "NHWC or NCHW",
    "linear weight": "IO",
    "conv2d weight": "HWIO",
    "conv_transpose2d weight": "HWOI",
    "lstm gates": "ifgo",
    "gru gates": "zrn",
    "recurrent biases": "one, two in a GRU",
    "eps": "variance + eps",
    "momentum": "old",
    "running variance": "population",
    "fans": "−2, −1",
    "normal initialisers": "truncated or not",
}
