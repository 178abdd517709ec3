"""The conventions of mlx.nn and mlx.core."""

from __future__ import annotations

# A mask of booleans makes scores the lowest number: a query that sees no key weighs all alike (mlx/fast.cpp).
_MASKED = {"fully_masked": "mean", "behind_mask": "times_zero"}
POLICIES = {
    "relu": {"nan": "propagated"},
    "max_pool2d": {"nan": "propagated"},
    "dropout": {"behind_mask": "times_zero"},
    "dropout2d": {"behind_mask": "times_zero"},
    "scaled_dot_product_attention": {"causal_alignment": "bottom_right", **_MASKED},
    "multi_head_attention": _MASKED,
    "local_attention": {"behind_mask": "times_zero"},
}

CHOICES = {
    ("conv2d", "padding_mode"): ("zeros",),
    ("avg_pool2d", "count_include_pad"): (True,),
    ("max_pool2d", "return_indices"): (False,),
    ("gru", "reset_after"): (True,),
    ("upsample_bilinear", "align_corners"): (True, False),
    ("upsample_bilinear", "asymmetric"): (False,),
    ("upsample_nearest", "rounding"): ("floor",),
}

WRITING = {
    "images": "NHWC",
    "linear weight": "OI",
    "conv2d weight": "OHWI",
    "conv_transpose2d weight": "OHWI",
    "lstm gates": "ifgo",
    "gru gates": "rzn",
    "recurrent biases": "one, a second for n in a GRU",
    "eps": "variance + eps",
    "momentum": "new",
    "running variance": "unbiased",
    "fans": "−1, 0",
    "normal initialisers": "not truncated",
}
