"""The conventions of PyTorch, most of which are those of the suite."""

from __future__ import annotations

POLICIES = {
    "relu": {"nan": "propagated"},
    "max_pool2d": {"nan": "propagated"},
    "dropout": {"behind_mask": "times_zero"},
    "dropout2d": {"behind_mask": "times_zero"},
    "scaled_dot_product_attention": {
        "causal_alignment": "top_left",
        "fully_masked": "zero",
        "behind_mask": "times_zero",
    },
    "multi_head_attention": {"fully_masked": "nan", "behind_mask": "times_zero"},
    "local_attention": {"behind_mask": "times_zero"},
}

CHOICES = {
    ("conv2d", "padding_mode"): ("zeros", "reflect", "replicate", "circular"),
    ("avg_pool2d", "count_include_pad"): (True, False),
    ("max_pool2d", "return_indices"): (True, False),
    ("gru", "reset_after"): (True,),
    ("upsample_bilinear", "align_corners"): (True, False),
    ("upsample_bilinear", "asymmetric"): (False,),
    ("upsample_nearest", "rounding"): ("floor",),
}

WRITING = {
    "images": "NCHW",
    "linear weight": "OI",
    "conv2d weight": "OIHW",
    "conv_transpose2d weight": "IOHW",
    "lstm gates": "ifgo",
    "gru gates": "rzn",
    "recurrent biases": "two",
    "eps": "variance + eps",
    "momentum": "new",
    "running variance": "unbiased",
    "fans": "1, 0",
    "normal initialisers": "not truncated",
}
