"""Where tinygrad leaves the permitted error, and why."""

from __future__ import annotations

import math
from collections.abc import Iterator
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from conformance.case import Case
from conformance.target import Deviation
from conformance.targets._parameters import sides_by_ratio
from conformance.targets._sizes import transposed

_OP = "https://github.com/tinygrad/tinygrad/blob/master/tinygrad/mixin/op.py"
_SYMBOLIC = "https://github.com/tinygrad/tinygrad/blob/master/tinygrad/uop/symbolic.py"
_NN = "https://github.com/tinygrad/tinygrad/blob/master/tinygrad/nn/__init__.py"
_GRADIENT = "https://github.com/tinygrad/tinygrad/blob/master/tinygrad/mixin/gradient.py"


def _derives_of_equals(case: Case) -> bool:
    """Whether derivatives are asked for beside indices, and numbers of the input are equal."""
    input: Any = case.arrays()["input"]
    return case.upstream is not None and case.parameters["return_indices"] and len(np.unique(input)) < input.size


def _begins_with_nan(case: Case) -> bool:
    """Whether a NaN is the first pixel of a row of a window, which may begin in the padding."""
    input: Any = case.arrays()["input"]
    width, stride = input.shape[-1], (case.parameters["stride"] or case.parameters["kernel_size"])[1]
    dilation = case.parameters["dilation"][1]
    firsts = {max(begin, begin % dilation) for begin in range(-case.parameters["padding"][1], width, stride)}
    return any(np.isnan(input[..., first]).any() for first in firsts if first < width)


def _repeats(case: Case, *names: str) -> bool:
    """Whether one of these tensors is refused that has one element along an axis, or meets one."""
    for name in names:
        if case.slips(f"{name} is a single one"):
            return True
        if case.slips(f"{name} is one too"):
            axis = int((case.refusal or "").rpartition(" ")[2])
            return case.sides(name)[axis] == (2 if case.slips(f"{name} is one too long") else 0)
    return False


def _subtracts_itself(case: Case) -> bool:
    """Whether a maximum or mean of one number is subtracted, and the number or its weight is not finite."""
    sides = case.sides("input")
    of_channel = math.prod(sides[2:])
    if case.refusal is not None:
        return False
    if case.layer == "layer_norm":
        numbers = math.prod(case.parameters["normalized_shape"])
    elif case.layer == "instance_norm":
        numbers = of_channel
    elif case.layer == "group_norm":
        numbers = of_channel * sides[1] // case.parameters["num_groups"]
    elif case.layer == "batch_norm":
        numbers = of_channel * sides[0]
    else:
        numbers = math.prod(sides[case.parameters["dim"] :][:1])  # a single number may have no axes
    factors = [name for name in ("input", "weight") if case.tensors.get(name) is not None]
    return numbers == 1 and not all(map(case.is_finite, factors))


def _meets_no_pixel(case: Case) -> bool:
    """Whether the derivative towards a weight is asked for whose taps, along an axis, bring no pixel to the output."""
    given = case.parameters
    if case.upstream is None or "weight" not in case.upstream.wanted:
        return False

    def misses(axis: int) -> bool:
        size, taps = (case.sides(name)[-2:][axis] for name in ("input", "weight"))
        stride, padding, dilation = (given[name][axis] for name in ("stride", "padding", "dilation"))
        met = {i * stride + k * dilation - padding for i in range(size) for k in range(taps)}
        return met.isdisjoint(range(transposed(case, axis)))

    return misses(0) or misses(1)


def _weighs_nothing(case: Case) -> bool:
    """Whether old or new running statistics, which may be infinite or NaN, are multiplied by 0."""
    return bool(case.parameters["training"]) and case.parameters["momentum"] in (0.0, 1.0)


def _saturates_gates(case: Case) -> bool:
    """Whether the derivative is asked for where e^x, squared, overflows for a gate or a cell: more than may be met."""
    if case.upstream is None or case.refusal is not None:
        return False
    arrays: Any = case.arrays()
    matrices = [weight for weight in arrays["weights"] if weight.ndim == 2]
    biases = [weight for weight in arrays["weights"] if weight.ndim == 1]
    given = [np.abs(arrays[name]).max(initial=1.0) for name in ("input", "h_0") if arrays[name] is not None]
    rows = max(float(np.abs(weight).sum(axis=1).max()) for weight in matrices)
    gates = 2.0 * rows * max(given) + 2.0 * max((float(np.abs(bias).max()) for bias in biases), default=0.0)
    cells = 0.0 if arrays["c_0"] is None else float(np.abs(arrays["c_0"]).max(initial=0.0))
    steps = case.sides("input")[1 if case.parameters["batch_first"] else 0]
    return bool(max(gates, 2.0 * (cells + steps)) > math.log(np.finfo(case.format).max) / 2.0)


def _axes(case: Case) -> Iterator[tuple[int, int]]:
    """The sizes of an image before and after its interpolation, along each axis."""
    size, factor, recomputed = (case.parameters[name] for name in ("size", "scale_factor", "recompute_scale_factor"))
    sides = case.sides("input")[-2:]
    return zip(sides, sides_by_ratio(sides, size, factor, recomputed, "of which no case is judged"), strict=True)


def _keeps_a_side(case: Case) -> bool:
    """Whether the derivative is asked for and a side of more than one pixel keeps its size."""
    return case.upstream is not None and any(size == output > 1 for size, output in _axes(case))


def _rounds_places(case: Case) -> bool:
    """Whether places that are computed in float32 lie in other pixels than those computed in float64."""
    if case.format != "float64" or case.refusal is not None:
        return False
    half = 0.5 if case.layer == "upsample_nearest_exact" else 0.0

    def pixels(size: int, output: int, kind: Any) -> NDArray[Any]:
        found: NDArray[Any] = np.floor(kind(size / output) * (np.arange(output).astype(kind) + kind(half)))
        return found

    return any((pixels(*axis, np.float32) != pixels(*axis, np.float64)).any() for axis in _axes(case))


def _rounds_weights(case: Case) -> bool:
    """Whether the weights of pixels are no numbers of float32, in which they are computed: no multiples of 2^-k.

    For derivatives parts of them, the numerator and 1 over the denominator, are multiplied one after the other.
    """
    if case.format != "float64" or case.refusal is not None:
        return False
    less = int(case.parameters["align_corners"])
    ratios = [(size - less, output - less) for size, output in _axes(case) if output > less]
    if case.upstream is None:
        return any(_is_inexact(Fraction(*ratio).denominator) for ratio in ratios)
    return any(_is_inexact(divisor) for _, divisor in ratios)


def _is_inexact(divisor: int) -> bool:
    return bool(divisor & (divisor - 1))


def _overflows_undivided(case: Case) -> bool:
    """Whether a difference of pixels times the numerator of a weight, which is less than 2 H', may overflow."""
    if case.format != "float32" or case.refusal is not None:
        return False
    input: Any = case.arrays()["input"]
    most = np.abs(input[np.isfinite(input)]).max(initial=0.0)
    return any(2.0 * most * 2 * output > np.finfo(np.float32).max for _, output in _axes(case))


def _aligns_one(case: Case) -> bool:
    """Whether a side of one pixel is aligned at its corners."""
    aligned = case.refusal is None and case.parameters["align_corners"]
    return aligned and any(output == 1 for _, output in _axes(case))


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
        _NN,
        check="refusal",
    ),
    Deviation(
        "max_pool2d",
        "a NaN wins where it is the first pixel of a window, and its index is one too many; first in another row, "
        "it may take that row with it; elsewhere it is ignored: op.py (max_pool2d)",
        "from tinygrad import Tensor\n"
        "nan = float('nan')\n"
        "for image in ([[nan, 2.0], [3.0, 0.0]], [[1.0, nan], [3.0, 0.0]]):\n"
        "    y, indices = Tensor([[image]]).max_pool2d((2, 2), return_indices=True)\n"
        "    print(y.item(), indices.item(), end=' ')\n"
        "rows = [[0.0] * 4] * 3 + [[1.0] * 4, [nan, 3.0, 3.0, 3.0]]\n"
        "print(Tensor([[rows]]).max_pool2d((2, 4), stride=(4, 1), padding=(1, 0)).flatten().tolist())\n"
        "# nan 4 3.0 2 [0.0, 1.0]",
        _begins_with_nan,
        _OP,
        check="special",
    ),
    *(
        Deviation(
            layer,
            "a bias of one element is repeated, and a single column or channel to the bias: op.py (linear, conv2d)",
            "from tinygrad import Tensor\n"
            "print(Tensor([[1.0]]).linear(Tensor([[1.0, 1.0]]), Tensor([1.0])).tolist())\n"
            "# [[2.0, 2.0]]",
            lambda case: _repeats(case, "bias", "bias_1", "bias_2"),
            _OP,
            check="refusal",
        )
        for layer in ("linear", "custom_linear", "residual", "conv2d", "conv_transpose2d")
    ),
    *(
        Deviation(
            layer,
            "a parameter of one element is repeated, and a single channel to the parameter: nn/__init__.py",
            "from tinygrad import Tensor, nn\n"
            "layer = nn.LayerNorm(2)\n"
            "layer.weight = Tensor([1.0])\n"
            "print(layer(Tensor([[1.0, 1.0]])).tolist())\n"
            "# [[0.0, 0.0]]",
            lambda case: _repeats(case, "weight", "bias"),
            _NN,
            check="refusal",
        )
        for layer in ("layer_norm", "group_norm", "instance_norm")
    ),
    *(
        Deviation(
            layer,
            "a batch without samples raises ZeroDivisionError: it is reshaped with a side of -1, which is a quotient "
            "by nothing: mixin/movement.py (reshape)",
            "from tinygrad import Tensor, nn\n"
            "try:\n"
            f"    nn.{module}(Tensor.ones(0, 2, 3))\n"
            "except ZeroDivisionError as error:\n"
            "    print(error)\n"
            "# integer division or modulo by zero",
            lambda case: case.sides("input")[0] == 0,
            "https://github.com/tinygrad/tinygrad/blob/master/tinygrad/mixin/movement.py",
        )
        for layer, module in (("group_norm", "GroupNorm(1, 2)"), ("instance_norm", "InstanceNorm(2)"))
    ),
    Deviation(
        "instance_norm",
        "statistics of a single position are not refused: nn/__init__.py (InstanceNorm)",
        "from tinygrad import Tensor, nn\n"
        "print(nn.InstanceNorm(1, affine=False)(Tensor.ones(1, 1, 1)).tolist())\n"
        "# [[[0.0]]]",
        lambda case: case.slips("input statistics of one position"),
        _NN,
        check="refusal",
    ),
    Deviation(
        "batch_norm",
        "a running statistic of one element is repeated, and a single channel to the statistic: nn/__init__.py",
        "from tinygrad import Tensor, nn\n"
        "layer = nn.BatchNorm(2)\n"
        "layer.running_var = Tensor([1.0])\n"
        "print(layer(Tensor.ones(1, 2)).shape)\n"
        "# (1, 2)",
        lambda case: _repeats(case, "running_mean", "running_var"),
        _NN,
        check="refusal",
    ),
    Deviation(
        "batch_norm",
        "in evaluation an input of one axis is not refused: nn/__init__.py (BatchNorm)",
        "from tinygrad import Tensor, nn\nprint(nn.BatchNorm(1)(Tensor.ones(3)).shape)\n# (1, 3)",
        lambda case: case.slips("input has too few dimensions"),
        _NN,
        check="refusal",
    ),
    Deviation(
        "batch_norm",
        "running statistics that no samples feed become NaN: nn/__init__.py (BatchNorm)",
        "from tinygrad import Context, Tensor, nn\n"
        "layer = nn.BatchNorm(2)\n"
        "with Context(TRAINING=1):\n"
        "    layer(Tensor.ones(0, 2))\n"
        "print(layer.running_mean.tolist())\n"
        "# [nan, nan]",
        lambda case: case.parameters["training"] and 0 in case.sides("input"),
        _NN,
    ),
    Deviation(
        "batch_norm",
        "a product with a momentum, or its complement, of 0 is 0, that with an infinity or NaN too: it is left out of "
        "the kernel: uop/symbolic.py",
        "from tinygrad import Tensor\nprint((0.0 * Tensor([float('nan')])).tolist())\n# [0.0]",
        _weighs_nothing,
        "https://github.com/tinygrad/tinygrad/blob/master/tinygrad/uop/symbolic.py",
        check="special",
    ),
    Deviation(
        "conv_transpose2d",
        "where no pixel meets the output, the derivative towards the weight is what the memory of a sum held: its loop "
        "is left out of the kernel, and with it the zero that it begins with: codegen/",
        "import os, subprocess, sys\n"
        "program = '''\n"
        "from tinygrad import Tensor\n"
        "x, weight = Tensor([[[[1.0, 2.0]]], [[[3.0, 4.0]]]]), Tensor([[[[1.0]] * 5]]).contiguous()\n"
        "y = x.conv_transpose2d(weight, stride=(1, 2), padding=(0, 1))\n"
        "y.gradient(weight, gradient=Tensor.ones(*y.shape).contiguous())[0].realize()\n"
        "'''\n"
        "shown = {**os.environ, 'DEBUG': '4'}\n"
        "kernels = subprocess.run([sys.executable, '-c', program], capture_output=True, text=True, env=shown).stdout\n"
        "print('float buf0[5];' in kernels, '(buf0+0)) = ' in kernels)  # declared, but never written\n"
        "# True False",
        _meets_no_pixel,
        "https://github.com/tinygrad/tinygrad/tree/master/tinygrad/codegen",
    ),
    Deviation(
        "group_norm",
        "the groups need not divide the channels, but the numbers of a sample: nn/__init__.py (GroupNorm)",
        "from tinygrad import Tensor, nn\n"
        "print(nn.GroupNorm(3, 2, affine=False)(Tensor.ones(1, 2, 1, 3)).shape)\n"
        "# (1, 2, 1, 3)",
        lambda case: case.slips("the channels do not divide into so many groups"),
        _NN,
        check="refusal",
    ),
    Deviation(
        "lstm",
        "derivatives of a sigmoid times a tanh are NaN where the square of e^x overflows: of either by itself they are "
        "finite: uop/symbolic.py",
        "from tinygrad import Tensor\n"
        "x = Tensor([-80.0])\n"
        "for y in (x.sigmoid(), x.tanh(), x.sigmoid() * x.tanh()):\n"
        "    print(y.sum().gradient(x)[0].item() == 0.0, end=' ')\n"
        "# False True False",
        _saturates_gates,
        "https://github.com/tinygrad/tinygrad/blob/master/tinygrad/uop/symbolic.py",
    ),
    Deviation(
        "lstm",
        "states of one sample are repeated, or one sample to the states, and a single row of weights or biases: "
        "nn/__init__.py (LSTMCell)",
        "from tinygrad import Tensor, nn\n"
        "state = Tensor.ones(1, 1)\n"
        "print(nn.LSTMCell(1, 1)(Tensor.ones(2, 1), (state, state))[0].shape)\n"
        "# (2, 1)",
        lambda case: (
            _repeats(case, "h_0", "c_0")
            or case.slips(*(f"{name} has a single row" for name in ("W_ih", "W_hh", "b_ih", "b_hh")))
        ),
        _NN,
        check="refusal",
    ),
    *(
        Deviation(
            layer,
            "a negative padding is not refused: it cuts off pixels or adds some; nor is a dilation of 0 or less: op.py",
            "from tinygrad import Tensor\n"
            "x, weight = Tensor.ones(1, 1, 1, 4), Tensor.ones(1, 1, 1, 2)\n"
            "print(x.conv2d(weight, padding=(0, -1)).shape, [x.conv2d(weight, dilation=d).shape[3] for d in (0, -1)])\n"
            "# (1, 1, 1, 1) [4, 5]",
            lambda case: case.slips("padding is negative", "dilation is"),
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
    *(
        Deviation(
            layer,
            "windows of a kernel of 0, which hold no pixel, are not refused: op.py",
            "from tinygrad import Tensor\n"
            f"print(Tensor.ones(1, 1, 1, 1).{layer}((1, 0), stride=1).flatten().tolist())\n"
            f"# [{nothing}, {nothing}]",
            lambda case: case.slips("kernel_size is 0"),
            _OP,
            check="refusal",
        )
        for layer, nothing in (("max_pool2d", "-inf"), ("avg_pool2d", "nan"))
    ),
    Deviation(
        "conv_transpose2d",
        "a stride of 0 or less is taken for 1: op.py (conv_transpose2d)",
        "from tinygrad import Tensor\n"
        "x, weight = Tensor.ones(1, 1, 1, 4), Tensor.ones(1, 1, 1, 2)\n"
        "print(*(x.conv_transpose2d(weight, stride=(1, s)).shape for s in (0, -2)))\n"
        "# (1, 1, 1, 5) (1, 1, 1, 5)",
        lambda case: case.slips("stride is"),
        _OP,
        check="refusal",
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
    *(
        Deviation(
            layer,
            "along a side that keeps its size the derivative is taken from places that are no integers, and does not "
            "compile: op.py (interpolate)",
            "from tinygrad import Tensor\n"
            "x = Tensor([1.0, 2.0])\n"
            f"y = x.interpolate((2,), {mode!r})\n"
            "try:\n"
            "    print(y.gradient(x, gradient=Tensor([1.0, 1.0]))[0].tolist())\n"
            "except RuntimeError as error:\n"
            "    print(str(error)[:23])\n"
            "# UOp verification failed",
            _keeps_a_side,
            _OP,
        )
        for layer, mode in (("upsample_nearest", "nearest"), ("upsample_nearest_exact", "nearest-exact"))
    ),
    Deviation(
        "upsample_bilinear",
        "weights are computed in float32, whatever the format: op.py (interpolate)",
        "from tinygrad import Tensor, dtypes\n"
        "x = Tensor([0.0, 1.0], dtype=dtypes.float64)\n"
        "print(x.interpolate((5,), 'linear').tolist()[1])\n"
        "# 0.10000000149011612",
        _rounds_weights,
        _OP,
    ),
    *(
        Deviation(
            layer,
            "places are computed in float32, whatever the format: op.py (interpolate)",
            "from tinygrad import Tensor, dtypes\n"
            f"x = Tensor(list(range({size})), dtype=dtypes.float64)\n"
            f"print(x.interpolate(({output},), {mode!r}).tolist()[{place}])  # the place is {exact}\n"
            f"# {found}",
            _rounds_places,
            _OP,
        )
        for layer, mode, size, output, place, exact, found in (
            ("upsample_nearest", "nearest", 26, 22, 11, "11 · 26 / 22 = 13", "12.0"),
            ("upsample_nearest_exact", "nearest-exact", 6, 37, 18, "18.5 · 6 / 37 = 3", "2.0"),
        )
    ),
    *(
        Deviation(
            layer,
            "the maximum or mean of one number is the number itself, and x - x becomes 0 before x is known, "
            "though it may be infinite or NaN: symbolic.py",
            "from tinygrad import Tensor\nprint(Tensor([float('nan')]).softmax(0).tolist())\n# [1.0]",
            concerns,
            _SYMBOLIC,
        )
        for layer, concerns in (
            ("scaled_dot_product_attention", lambda case: case.sides("key")[-2] == 1),
            *dict.fromkeys(
                ("softmax", "log_softmax", "layer_norm", "instance_norm", "group_norm", "batch_norm"),
                _subtracts_itself,
            ).items(),
        )
    ),
    Deviation(
        "conv_transpose2d",
        "a convolution of pixels among zeros, of which some meet the weights, whose infinities and NaN then spread: "
        "op.py (conv_transpose2d)",
        "from tinygrad import Tensor\n"
        "weight = Tensor([[[[1.0, 1.0, 1.0, 1.0], [1.0, 1.0, 1.0, float('nan')]]]])\n"
        "print(Tensor([[[[1.0]]]]).conv_transpose2d(weight).flatten().tolist())\n"
        "# [1.0, 1.0, 1.0, nan, 1.0, 1.0, 1.0, nan]",
        lambda case: not case.is_finite("weight"),
        _OP,
        check="special",
    ),
    Deviation(
        "upsample_bilinear",
        "a constant divisor is moved behind all factors: the numerator of a weight times a difference of pixels may "
        "overflow before it is divided: symbolic.py",
        "from tinygrad import Tensor\nprint(Tensor([0.0, 1.0, 3e38]).interpolate((9,), 'linear').tolist()[5])\n# inf",
        _overflows_undivided,
        _SYMBOLIC,
        check="special",
    ),
    Deviation(
        "upsample_bilinear",
        "with align_corners the only pixel of a side lies at 0 / 0: NaN: op.py (interpolate)",
        "from tinygrad import Tensor\n"
        "print(Tensor([1.0, 2.0]).interpolate((1,), 'linear', align_corners=True).tolist())\n"
        "# [nan]",
        lambda case: case.refusal is None
        and case.parameters["align_corners"]
        and any(output == 1 for _, output in _axes(case)),
        _OP,
    ),
    Deviation(
        "upsample_bilinear",
        "a size of 0 gives an empty result: op.py (interpolate)",
        "from tinygrad import Tensor\nprint(Tensor.ones(1, 1, 1, 1).interpolate((1, 0)).shape)\n# (1, 1, 1, 0)",
        lambda case: case.slips("size is 0", "scale_factor is 0", "scale_factor leaves nothing"),
        _OP,
        check="refusal",
    ),
    *(
        Deviation(
            layer,
            "a size of -1 gives an empty result: op.py (interpolate)",
            "from tinygrad import Tensor\n"
            f"print(Tensor.ones(1, 1, 1, 1).interpolate((-1, 1), {mode!r}).shape)\n"
            "# (1, 1, 0, 1)",
            lambda case: case.slips("size is negative") and -1 in case.parameters["size"],
            _OP,
            check="refusal",
        )
        for layer, mode in (
            ("upsample_bilinear", "linear"),
            ("upsample_nearest", "nearest"),
            ("upsample_nearest_exact", "nearest-exact"),
        )
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
