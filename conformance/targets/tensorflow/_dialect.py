"""The conventions of tf.nn and of the operations of tf.raw_ops."""

from __future__ import annotations

# max_pool_with_argmax compares by <, which is false of NaN, as max_pool2d does: core/kernels/maxpooling_op.cc.
POLICIES = {
    "relu": {"nan": "propagated"},
    "max_pool2d": {"nan": "ignored"},
    "dropout": {"behind_mask": "skipped"},
    "dropout2d": {"behind_mask": "skipped"},
}

CHOICES = {
    ("conv2d", "padding_mode"): ("zeros",),
    ("avg_pool2d", "count_include_pad"): (True,),
    ("max_pool2d", "return_indices"): (True, False),
    ("gru", "reset_after"): (False,),
    ("upsample_bilinear", "align_corners"): (True, False),
    ("upsample_bilinear", "asymmetric"): (True, False),
    ("upsample_nearest", "rounding"): ("floor",),
}

WRITING = {
    "images": "NHWC",
    "linear weight": "IO or OI",
    "conv2d weight": "HWIO",
    "conv_transpose2d weight": "HWOI",
    "lstm gates": "ifgo",
    "gru gates": "rzn",
    "recurrent biases": "one",
    "eps": "variance + eps",
    "momentum": "not kept",
    "running variance": "not kept",
    "fans": "−2, −1",
    "normal initialisers": "truncated or not",
}
