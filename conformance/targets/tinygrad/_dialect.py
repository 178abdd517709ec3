"""The conventions of tinygrad, most of which are those of PyTorch."""

from __future__ import annotations

# NaN is not greater than any number: relu gives 0, a maximum keeps what it has. Masks add minus infinity to scores;
# dropout chooses.
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
    ("max_pool2d", "return_indices"): (True, False),
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
    "fans": "1, 0; 0 without kernel",
    "normal initialisers": "not truncated",
}
