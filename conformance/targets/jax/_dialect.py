"""The conventions of JAX and flax."""

from __future__ import annotations

# Masks of attention are large negative scores: a query that sees no key weighs all alike; what is behind a mask has the
# weight 0.
POLICIES = {
    "relu": {"nan": "propagated"},
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
    ("gru", "reset_after"): (True,),
    ("upsample_bilinear", "align_corners"): (False,),
    ("upsample_bilinear", "asymmetric"): (False,),
}

WRITING = {
    "images": "NHWC",
    "linear weight": "IO",
    "conv2d weight": "HWIO",
    "conv_transpose2d weight": "HWIO, or HWOI with transpose_kernel",
    "lstm gates": "ifgo",
    "gru gates": "rzn",
    "recurrent biases": "one; in a GRU a second one for the new state",
    "eps": "added to the variance",
    "momentum": "the share of the old statistic",
    "running variance": "population",
    "fans": "in: axis −2, out: axis −1, times the kernel's positions",
    "normal initialisers": "truncated at two deviations, or normal with variance_scaling",
}
