"""The conventions of JAX and flax."""

from __future__ import annotations

# Masks of attention are large negative scores: a query that sees no key weighs all alike; what is behind a mask has the
# weight 0.
POLICIES = {
    "relu": {"nan": "propagated"},
    "max_pool2d": {"nan": "propagated"},
    "dropout": {"behind_mask": "skipped"},
    "dropout2d": {"behind_mask": "skipped"},
    "scaled_dot_product_attention": {
        "causal_alignment": "top_left",
        "fully_masked": "mean",
        "behind_mask": "times_zero",
    },
    "multi_head_attention": {"fully_masked": "mean", "behind_mask": "times_zero"},
    "local_attention": {"behind_mask": "times_zero"},
}

CHOICES = {
    ("conv2d", "padding_mode"): ("zeros",),
    ("avg_pool2d", "count_include_pad"): (True, False),
    ("max_pool2d", "return_indices"): (False,),
    ("gru", "reset_after"): (True,),
    ("upsample_bilinear", "align_corners"): (False,),
    ("upsample_bilinear", "asymmetric"): (False,),
}

WRITING = {
    "images": "NHWC",
    "linear weight": "IO",
    "conv2d weight": "HWIO",
    "conv_transpose2d weight": "HWIO or HWOI",
    "lstm gates": "ifgo",
    "gru gates": "rzn",
    "recurrent biases": "one, a second for n in a GRU",
    "eps": "variance + eps",
    "momentum": "old",
    "running variance": "population",
    "fans": "−2, −1",
    "normal initialisers": "truncated or not",
}
