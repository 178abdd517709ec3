"""Where torch leaves the permitted error when it is compiled, and why."""

from __future__ import annotations

from conformance.target import Deviation

COMPILED: tuple[Deviation, ...] = tuple(
    Deviation(
        layer,
        "an image without a batch is not compiled for derivatives, where sizes are symbolic: inductor asks for the "
        "truth of a comparison of them",
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
    )
    for layer, sizes in (("conv2d", "4, 4"), ("conv_transpose2d", "6, 8"))
)
