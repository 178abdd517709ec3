"""Where torch leaves the permitted error when it is compiled, and why."""

from __future__ import annotations

from conformance.target import Deviation

_DECOMPOSITIONS = "https://github.com/pytorch/pytorch/blob/main/torch/_decomp/decompositions.py"

COMPILED: tuple[Deviation, ...] = (
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
