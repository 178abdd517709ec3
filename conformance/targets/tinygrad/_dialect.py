"""The conventions of tinygrad, most of which are those of PyTorch."""

from __future__ import annotations

# What is compared with NaN is not greater. Masks add minus infinity to scores; dropout chooses.
POLICIES = {
    "relu": {"nan": "ignored"},
    "max_pool2d": {"nan": "ignored"},
    "dropout": {"behind_mask": "skipped"},
    "scaled_dot_product_attention": {
        "causal_alignment": "top_left",
        "fully_masked": "nan",
        "behind_mask": "times_zero",
    },
}

CHOICES = {
    ("conv2d", "padding_mode"): ("zeros",),
    ("avg_pool2d", "count_include_pad"): (True, False),
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
    "recurrent biases": "two",
    "eps": "variance + eps",
    "momentum": "new",
    "running variance": "unbiased",
    "fans": "1, 0",
    "normal initialisers": "not truncated",
}
