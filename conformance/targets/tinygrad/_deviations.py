"""Where tinygrad leaves the permitted error, and why."""

from __future__ import annotations

from typing import Any

import numpy as np

from conformance.case import Case
from conformance.target import Deviation

_OP = "https://github.com/tinygrad/tinygrad/blob/master/tinygrad/mixin/op.py"
_GRADIENT = "https://github.com/tinygrad/tinygrad/blob/master/tinygrad/mixin/gradient.py"


def _derives_of_equals(case: Case) -> bool:
    """Whether derivatives are asked for, and numbers of the input are equal."""
    input: Any = case.arrays()["input"]
    return case.upstream is not None and len(np.unique(input)) < input.size


def _begins_with_nan(case: Case) -> bool:
    """Whether a NaN is the first pixel of a window that begins inside the image."""
    input: Any = case.arrays()["input"]
    strides = case.parameters["stride"] or case.parameters["kernel_size"]
    begins = (slice(-p % s, None, s) for p, s in zip(case.parameters["padding"], strides, strict=True))
    return bool(np.isnan(input[..., *begins]).any())


KNOWN: tuple[Deviation, ...] = (
    Deviation(
        "max_pool2d",
        "all pixels that attain the maximum share its derivative, though the indices name one of them: gradient.py "
        "(reduce_gradient)",
        "from tinygrad import Tensor\n"
        "x = Tensor([[[[1.0, 1.0]]]])\n"
        "y, indices = x.max_pool2d((1, 2), return_indices=True)\n"
        "print(indices.flatten().tolist(), y.gradient(x, gradient=Tensor([[[[1.0]]]]))[0].flatten().tolist())\n"
        "# [0] [0.5, 0.5]",
        _derives_of_equals,
        _GRADIENT,
    ),
    Deviation(
        "residual",
        "relu of NaN is 0: elementwise.py (relu)",
        "from tinygrad import Tensor\nprint(Tensor([float('nan')]).relu().tolist())\n# [0.0]",
        lambda case: not all(case.is_finite(name) for name in case.names),
        "https://github.com/tinygrad/tinygrad/blob/master/tinygrad/mixin/elementwise.py",
        check="special",
    ),
    Deviation(
        "embedding",
        "an index outside the table, or a negative one, gives zeros: nn/__init__.py (_embedding_fwd)",
        "from tinygrad import Tensor, nn\n"
        "layer = nn.Embedding(1, 1)\n"
        "layer.weight = Tensor([[1.0]])\n"
        "print(layer(Tensor([1, -1])).flatten().tolist())\n"
        "# [0.0, 0.0]",
        lambda case: "looked up" in (case.refusal or ""),
        "https://github.com/tinygrad/tinygrad/blob/master/tinygrad/nn/__init__.py",
        check="refusal",
    ),
    Deviation(
        "max_pool2d",
        "a NaN wins where it is the first pixel of a window, and its index is one too many; elsewhere it is ignored: "
        "op.py (max_pool2d)",
        "from tinygrad import Tensor\n"
        "nan = float('nan')\n"
        "for image in ([[nan, 2.0], [3.0, 0.0]], [[1.0, nan], [3.0, 0.0]]):\n"
        "    y, indices = Tensor([[image]]).max_pool2d((2, 2), return_indices=True)\n"
        "    print(y.item(), indices.item(), end=' ')\n"
        "# nan 4 3.0 2",
        _begins_with_nan,
        _OP,
    ),
    *(
        Deviation(
            layer,
            "a bias of one element is repeated: op.py (linear, conv2d)",
            "from tinygrad import Tensor\n"
            "print(Tensor([[1.0]]).linear(Tensor([[1.0, 1.0]]), Tensor([1.0])).tolist())\n"
            "# [[2.0, 2.0]]",
            lambda case: case.slips("bias is a single one", "bias_1 is a single one", "bias_2 is a single one"),
            _OP,
            check="refusal",
        )
        for layer in ("linear", "custom_linear", "residual", "conv2d", "conv_transpose2d")
    ),
    *(
        Deviation(
            layer,
            "a parameter of one element is repeated: nn/__init__.py",
            "from tinygrad import Tensor, nn\n"
            "layer = nn.LayerNorm(2)\n"
            "layer.weight = Tensor([1.0])\n"
            "print(layer(Tensor([[1.0, 1.0]])).tolist())\n"
            "# [[0.0, 0.0]]",
            lambda case: case.slips("weight is a single one", "bias is a single one"),
            "https://github.com/tinygrad/tinygrad/blob/master/tinygrad/nn/__init__.py",
            check="refusal",
        )
        for layer in ("layer_norm", "group_norm", "instance_norm")
    ),
    *(
        Deviation(
            layer,
            "a negative padding is not refused: it cuts off pixels, or adds some; nor is a dilation of 0: op.py",
            "from tinygrad import Tensor\n"
            "x, weight = Tensor.ones(1, 1, 1, 4), Tensor.ones(1, 1, 1, 2)\n"
            "print(x.conv2d(weight, padding=(0, -1)).shape, x.conv2d(weight, dilation=(1, 0)).shape)\n"
            "# (1, 1, 1, 1) (1, 1, 1, 4)",
            lambda case: case.slips("padding is negative", "dilation is 0"),
            _OP,
            check="refusal",
        )
        for layer in ("conv2d", "conv_transpose2d", "max_pool2d", "avg_pool2d")
    ),
    *(
        Deviation(
            layer,
            "padding may be more than half of the kernel: op.py",
            "from tinygrad import Tensor\n"
            "print(Tensor.ones(1, 1, 1, 1).avg_pool2d((1, 1), padding=(0, 1)).shape)\n"
            "# (1, 1, 1, 3)",
            lambda case: case.slips("padding is more than half of the kernel"),
            _OP,
            check="refusal",
        )
        for layer in ("max_pool2d", "avg_pool2d")
    ),
    Deviation(
        "conv_transpose2d",
        "an output padding may be negative, or as large as stride and dilation: op.py (conv_transpose2d)",
        "from tinygrad import Tensor\n"
        "print(Tensor.ones(1, 1, 1, 1).conv_transpose2d(Tensor.ones(1, 1, 1, 1), output_padding=(0, 3)).shape)\n"
        "# (1, 1, 1, 4)",
        lambda case: case.slips("output_padding"),
        _OP,
        check="refusal",
    ),
    Deviation(
        "upsample_bilinear",
        "a size of 0 gives an empty result: op.py (interpolate)",
        "from tinygrad import Tensor\nprint(Tensor.ones(1, 1, 1, 1).interpolate((1, 0)).shape)\n# (1, 1, 1, 0)",
        lambda case: case.slips("size is 0", "scale_factor is 0", "scale_factor leaves nothing"),
        _OP,
        check="refusal",
    ),
    Deviation(
        "scaled_dot_product_attention",
        "a mask of more dimensions than the scores gives a result of more dimensions: rand.py "
        "(scaled_dot_product_attention)",
        "from tinygrad import Tensor\n"
        "one = Tensor([[1.0]])\n"
        "print(one.scaled_dot_product_attention(one, one, attn_mask=Tensor([[[1.0]]])).shape)\n"
        "# (1, 1, 1)",
        lambda case: case.slips("attn_mask has more dimensions"),
        "https://github.com/tinygrad/tinygrad/blob/master/tinygrad/mixin/rand.py",
        check="refusal",
    ),
)
