"""The conventions of ONNX's operators in onnxruntime."""

from __future__ import annotations

POLICIES = {
    "relu": {"nan": "propagated"},
    "max_pool2d": {"nan": "propagated"},
    "dropout": {"behind_mask": "times_zero"},
    "scaled_dot_product_attention": {
        "causal_alignment": "top_left",
        "fully_masked": "zero",
        "behind_mask": "times_zero",
    },
}

CHOICES = {
    ("conv2d", "padding_mode"): ("zeros",),
    ("avg_pool2d", "count_include_pad"): (True, False),
    ("max_pool2d", "return_indices"): (True, False),
    ("gru", "reset_after"): (True, False),
    ("upsample_bilinear", "align_corners"): (True, False),
    ("upsample_bilinear", "asymmetric"): (True, False),
    ("upsample_nearest", "rounding"): ("floor", "half_up"),
}

WRITING = {
    "images": "NCHW",
    "linear weight": "IO or OI",
    "conv2d weight": "OIHW",
    "conv_transpose2d weight": "IOHW",
    "lstm gates": "iofg",
    "gru gates": "zrn",
    "recurrent biases": "two",
    "eps": "variance + eps",
    "momentum": "old",
    "running variance": "population",
}
