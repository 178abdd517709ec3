"""Every shape and every parameter count of the fixtures is the one that torch and the oracle's plain integers give."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Iterator, Mapping
from math import prod
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from conformance import golden
from oracle import counts, sizes

Entry = Mapping[str, Any]
ENTRIES: list[Entry] = [entry for layer in golden.names() for entry in golden.fixture(layer).get("shape", ())]
MODULES = [entry for entry in ENTRIES if "module" in entry]


def shapes_of(outputs: Iterable[Any]) -> Iterator[list[int]]:
    for output in outputs:
        if isinstance(output, Tensor):
            yield list(output.shape)
        else:
            yield from shapes_of(output)


def module(entry: Entry) -> nn.Module:
    built = getattr(nn, entry["module"])(**torch_arguments(entry))
    assert isinstance(built, nn.Module)
    return built


def torch_arguments(entry: Entry) -> dict[str, Any]:
    return {name: tuple(value) if isinstance(value, list) else value for name, value in entry["arguments"].items()}


def call(entry: Entry) -> tuple[Any, ...]:
    inputs = [torch.zeros(shape) for shape in entry["inputs"]]
    match entry["module"]:
        case "interpolate":
            return (nn.functional.interpolate(*inputs, **entry["arguments"]),)
        case "Embedding":
            return (module(entry)(inputs[0].long()),)
        case "LSTM":
            input, *states = inputs
            return (module(entry)(input, tuple(states)),)
        case _:
            return (module(entry)(*inputs),)


def by_id(entry: Entry) -> str:
    return str(entry["id"])


@pytest.mark.filterwarnings("ignore:LSTM with projections is not supported with oneDNN")
@pytest.mark.parametrize("entry", MODULES, ids=by_id)
def test_torch_gives_these_shapes(entry: Entry) -> None:
    assert list(shapes_of(call(entry))) == entry["outputs"]


@pytest.mark.parametrize("entry", [entry for entry in MODULES if "parameters" in entry], ids=by_id)
def test_torch_has_this_many_parameters(entry: Entry) -> None:
    assert sum(parameter.numel() for parameter in module(entry).parameters()) == entry["parameters"]


@pytest.mark.parametrize("entry", ENTRIES, ids=by_id)
def test_a_statement_is_called_wrong_exactly_where_it_differs(entry: Entry) -> None:
    # Of several outputs the document may state the first ones only.
    pairs = [*zip(entry.get("printed", ()), entry["outputs"], strict=False)]
    if "printed_parameters" in entry:
        pairs.append((entry["printed_parameters"], entry["parameters"]))
    assert not pairs or any(printed != right for printed, right in pairs) == bool(entry["kinds"])


def data(example: str, reading: str) -> Callable[[], list[Tensor]]:
    """The input of a worked number."""
    (found,) = (
        stated["inputs"]["input"]
        for layer in golden.names()
        for entry in golden.fixture(layer).get("example", ())
        for stated in entry["reading"]
        if (entry["id"], stated["name"]) == (example, reading)
    )
    return lambda: [torch.zeros(golden.literal(found).shape)]


def running_statistics(input: Tensor) -> list[Tensor]:
    norm = nn.BatchNorm1d(input.shape[1])
    norm(input)
    assert norm.running_mean is not None
    assert norm.running_var is not None
    return [norm.running_mean, norm.running_var]


def affine(input: Tensor) -> list[Tensor]:
    weight, bias = torch.zeros(3, 2), torch.zeros(2)
    assert weight.numel() + bias.numel() == 8
    return [input @ weight + bias]


# Shapes of data and of plain tensor operations, which no module stands for.
OPERATIONS: dict[str, Callable[..., Iterable[Tensor]]] = {
    "batch-norm-example-data": data(
        "batch-norm-example-result", "per matrix, which is layer normalisation over the last two dimensions, ε = 0"
    ),
    "batch-norm-example-statistics": running_statistics,
    "custom-linear-count": affine,
    "group-norm-example-data": data(
        "group-norm-example-result", "three channels as printed, one group, no γ and β, ε = 0"
    ),
    "group-norm-example-statistics": lambda input: torch.native_group_norm(input, None, None, 2, 6, 16, 2, 0.0)[1:],
    "multi-head-attention-example-data": data("multi-head-attention-projected-queries", "X Wᵀ"),
    "multi-head-attention-split-shape": lambda input: torch.chunk(input, 2, dim=1),
    "multi-head-attention-stack-shape": lambda first, second: [torch.cat([first, second], dim=-1)],
    "multi-head-attention-product-shape": lambda weights, input: [weights * input],
    "multi-head-attention-sum-shape": lambda product: [product.sum(1)],
}


@pytest.mark.parametrize("entry", [entry for entry in ENTRIES if "module" not in entry], ids=by_id)
def test_the_operation_gives_these_shapes(entry: Entry) -> None:
    outputs = OPERATIONS[entry["id"]](*map(torch.zeros, entry["inputs"]))
    assert list(shapes_of(outputs)) == entry["outputs"]


def test_exactly_the_statements_without_a_module_have_an_operation() -> None:
    assert set(OPERATIONS) == {entry["id"] for entry in ENTRIES if "module" not in entry}


def pair(value: int | list[int]) -> list[int]:
    return value if isinstance(value, list) else [value, value]


def oracle_size(entry: Entry, size: int, axis: int) -> int:
    """The size along one spatial axis, from plain integers."""

    def argument(name: str, default: int) -> int:
        return pair(entry["arguments"].get(name, default))[axis]

    if entry["module"] == "interpolate":
        return sizes.interpolation(size, entry["arguments"]["scale_factor"])
    kernel, stride, dilation = argument("kernel_size", 0), argument("stride", 1), argument("dilation", 1)
    if entry["arguments"].get("padding") == "same":
        return sizes.convolution(size, kernel, stride, sizes.same_padding(kernel, dilation), dilation)
    padding = argument("padding", 0)
    match entry["module"]:
        case "ConvTranspose2d":
            return sizes.transposed_convolution(size, kernel, stride, padding, 0, dilation)
        case "MaxPool2d" | "AvgPool2d":
            return sizes.pooling(size, kernel, stride, padding, dilation, False)
        case _:
            return sizes.convolution(size, kernel, stride, (padding, padding), dilation)


SPATIAL = ("Conv1d", "Conv2d", "ConvTranspose2d", "MaxPool2d", "AvgPool2d", "interpolate")


@pytest.mark.parametrize("entry", [entry for entry in MODULES if entry["module"] in SPATIAL], ids=by_id)
def test_the_oracle_gives_these_sizes(entry: Entry) -> None:
    (input,), (output,) = entry["inputs"], entry["outputs"]
    assert [oracle_size(entry, size, axis) for axis, size in enumerate(input[2:])] == output[2:]


# The layers that learn.
COUNTED: dict[str, Callable[..., int]] = {
    "Linear": counts.linear,
    "Conv1d": counts.convolution,
    "Conv2d": counts.convolution,
    "ConvTranspose2d": counts.convolution,
    "RNN": counts.rnn,
    "LSTM": counts.lstm,
    "GRU": counts.gru,
    "Embedding": counts.embedding,
    "BatchNorm1d": counts.batch_norm,
    "BatchNorm2d": counts.batch_norm,
    "InstanceNorm1d": counts.instance_norm,
    "InstanceNorm2d": counts.instance_norm,
    "GroupNorm": counts.group_norm,
    "LayerNorm": counts.layer_norm,
    "MultiheadAttention": counts.multi_head_attention,
}


def oracle_count(entry: Entry) -> int:
    """The number of parameters, from plain integers."""
    if entry["module"] not in COUNTED:
        return 0
    count = COUNTED[entry["module"]]
    arguments = {
        name: entry["arguments"][name] for name in inspect.signature(count).parameters.keys() & entry["arguments"]
    }
    if entry["module"] in SPATIAL:
        arguments["kernel_size"] = pair(arguments["kernel_size"])[: len(entry["inputs"][0]) - 2]
    if entry["module"] == "LayerNorm":
        arguments["normalized_shape"] = [arguments["normalized_shape"]]
    return count(**arguments)


@pytest.mark.parametrize("entry", [entry for entry in MODULES if "parameters" in entry], ids=by_id)
def test_the_oracle_gives_these_counts(entry: Entry) -> None:
    assert oracle_count(entry) == entry["parameters"]


# What the document's numbers and formulas of parameters come to.
PRINTED_PARAMETERS = {
    "batch-norm-example-parameters": 4 + 4,
    "batch-norm-example-parameters-channels-last": 4 + 4,
    "conv2d-parameter-count-plain": 3 * 3 * 3 * 16 + 16,
    "conv2d-parameter-count-groups": 4 * 3 * 3 * 8 + 8,
    "conv2d-parameter-count-without-bias": 3 * 3 * 3 * 16 + 16,
    "group-norm-example-parameters": 2 + 2,
    "instance-norm-example-parameters": 4 + 4,
    "instance-norm-snippet-shape": 64 + 64,
    "layer-norm-example-data": 3 + 3,
}


def test_the_printed_counts_are_what_the_printed_formulas_come_to() -> None:
    assert {
        entry["id"]: entry["printed_parameters"] for entry in ENTRIES if "printed_parameters" in entry
    } == PRINTED_PARAMETERS


def test_the_worked_examples_print_another_number_of_elements_than_they_announce() -> None:
    numbers = {entry["id"]: (prod(entry["outputs"][0]), prod(entry.get("printed", [[]])[0])) for entry in ENTRIES}
    assert numbers["batch-norm-example-data"] == (36, 24)
    assert numbers["group-norm-example-data"] == (96, 192)


# What the explanations say torch refuses.
REFUSED: dict[str, tuple[type[Exception], Callable[[], object]]] = {
    "batch-norm-example-parameters": (
        RuntimeError,
        lambda: nn.functional.batch_norm(torch.zeros(3, 3, 4), None, None, torch.ones(4), torch.ones(4), True),
    ),
    "group-norm-example-data": (ValueError, lambda: nn.GroupNorm(2, 3)),
    "group-norm-example-parameters": (
        RuntimeError,
        lambda: nn.functional.group_norm(torch.zeros(2, 6, 4, 4), 2, torch.ones(2), torch.ones(2)),
    ),
    "instance-norm-example-parameters": (
        RuntimeError,
        lambda: nn.functional.instance_norm(torch.zeros(2, 3, 4), None, None, torch.ones(4), torch.ones(4)),
    ),
    "multi-head-attention-projection-shape": (RuntimeError, lambda: torch.zeros(2, 5) @ torch.zeros(3, 4, 5)),
    "multi-head-attention-product-shape": (RuntimeError, lambda: torch.zeros(4, 4, 2) * torch.zeros(4, 3)),
}


@pytest.mark.parametrize("statement", REFUSED)
def test_torch_refuses_the_shapes_that_do_not_fit(statement: str) -> None:
    assert statement in map(by_id, ENTRIES)
    error, attempt = REFUSED[statement]
    with pytest.raises(error):
        attempt()
