"""Where torch leaves the permitted error when it is compiled, and why."""

from __future__ import annotations

import math

from conformance.case import Case
from conformance.target import Deviation

_DECOMPOSITIONS = "https://github.com/pytorch/pytorch/blob/main/torch/_decomp/decompositions.py"


def _factors_out(case: Case) -> bool:
    """Whether √3 (g √(2 / (fan_in + fan_out))), the bound, is another number of binary64 where √3 g comes first."""
    gain: float = case.parameters["gain"]
    units, inputs, *kernel = case.sides("tensor")
    root = math.sqrt(2.0 / ((units + inputs) * math.prod(kernel)))
    return math.sqrt(3.0) * (gain * root) != (math.sqrt(3.0) * gain) * root


COMPILED: tuple[Deviation, ...] = (
    Deviation(
        "xavier_uniform",
        "a gain raises where sizes are symbolic: the program is kept for the bound of the distribution, which the "
        "check computes in another order, and may then not find: init.py (_no_grad_uniform_)",
        "import torch\n"
        "draw = torch.compile(torch.nn.init.xavier_uniform_, dynamic=True)\n"
        "try:\n"
        "    draw(torch.empty(7, 3), 2.0**0.5)\n"
        "except AssertionError as error:\n"
        "    print(str(error)[:46])\n"
        "# Guard failed on the same frame it was created.",
        lambda case: len(case.sides("tensor")) > 1 and _factors_out(case),
        "https://github.com/pytorch/pytorch/blob/main/torch/_dynamo/guards.py",
    ),
    Deviation(
        "dropout",
        "a probability that is NaN is not refused: nn.Dropout asks whether it is below 0 or above 1, the decomposition "
        "nothing: decompositions.py (dropout)",
        "import torch\nprint(torch.compile(torch.nn.Dropout(float('nan')))(torch.ones(1)))\n# tensor([nan])",
        lambda case: case.slips("p is NaN"),
        _DECOMPOSITIONS,
        check="refusal",
    ),
    *(
        Deviation(
            layer,
            "an image without a batch is not compiled for derivatives, where sizes are symbolic: inductor asks for the "
            "truth of a comparison of them: ir.py (get_stride_order)",
            "import torch\n"
            f"layer = torch.compile(torch.nn.functional.{layer}, dynamic=True)\n"
            "weight = torch.ones(2, 2, 2, 3, requires_grad=True)\n"
            "for sides in ((1, 2, 5, 6), (2, 5, 6)):\n"
            "    try:\n"
            "        print(tuple(layer(torch.ones(sides), weight).shape))\n"
            "    except Exception as error:\n"
            "        print(type(error).__name__)\n"
            f"# (1, 2, {sizes})\n"
            "# InductorError",
            lambda case: case.upstream is not None and len(case.sides("input")) == 3,
            "https://github.com/pytorch/pytorch/issues/185510",
        )
        for layer, sizes in (("conv2d", "4, 4"), ("conv_transpose2d", "6, 8"))
    ),
    *(
        Deviation(
            layer,
            "a factor that leaves nothing of an axis gives an empty result: decompositions.py "
            "(upsample_compute_output_size)",
            "import torch\n"
            "layer = torch.compile(torch.nn.functional.interpolate)\n"
            f"print(layer(torch.ones(1, 1, 2, 2), scale_factor=(0.25, 1.0), mode='{mode}').shape)\n"
            "# torch.Size([1, 1, 0, 2])",
            lambda case: case.slips("scale_factor leaves nothing") and not case.parameters["recompute_scale_factor"],
            "https://github.com/pytorch/pytorch/issues/197095",
            check="refusal",
        )
        for layer, mode in (
            ("upsample_nearest", "nearest"),
            ("upsample_nearest_exact", "nearest-exact"),
            ("upsample_bilinear", "bilinear"),
        )
    ),
    Deviation(
        "scaled_dot_product_attention",
        "a mask of four dimensions gives results of four dimensions where the query has three: it is added to the "
        "scores out of place, not in place as where nothing is compiled: attention.cpp "
        "(_scaled_dot_product_attention_math)",
        "import torch\n"
        "attention = torch.nn.functional.scaled_dot_product_attention\n"
        "x, mask = torch.ones(3, 1, 2), torch.ones(2, 3, 1, 1) > 0\n"
        "for layer in (attention, torch.compile(attention)):\n"
        "    try:\n"
        "        print(tuple(layer(x, x, x, mask).shape))\n"
        "    except RuntimeError as error:\n"
        "        print(error)\n"
        "# output with shape [3, 1, 1] doesn't match the broadcast shape [2, 3, 1, 1]\n"
        "# (2, 3, 1, 2)",
        lambda case: case.slips("attn_mask has more dimensions") and len(case.sides("query")) == 3,
        "https://github.com/pytorch/pytorch/blob/main/aten/src/ATen/native/transformers/attention.cpp",
        check="refusal",
    ),
)
