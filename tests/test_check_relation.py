"""Relations: a bug is planted for every relation of every layer, honest torch passes, a case can be replayed."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from functools import cache
from typing import Any

import numpy as np
import pytest
import torch
from planting import LAYERS, Bug, Function, Honest, Planted
from torch import Tensor

from conformance import Case, Declared, Literal, Related, Status, Values, Verdict, examine, load, target_of
from conformance.checks import relation as check
from conformance.drawing import listed
from conformance.layouts import PLAIN
from conformance.relation import Asker, Settled
from conformance.report import failure_text
from conformance.run import run
from conformance.spec import names, spec
from conformance.strategies import arranged
from conformance.tally import Nonconforming
from conformance.targets.torch import Torch
from oracle.formulas import names as formulas

RELATIONS = [(layer, name) for layer in names() for name in spec(layer).relations]


@cache
def cases(layer: str, name: str, format: str) -> list[Case]:
    return listed(check.of(layer, name, format, Torch("cpu")), 50, f"{layer} {name}")


def failures(layer: str, name: str, bug: Bug, format: str = "float32") -> Iterator[Verdict]:
    target = Planted(layer, bug)
    verdicts = (examine(target, case, "relation") for case in cases(layer, name, format))
    return (verdict for verdict in verdicts if verdict.status is Status.FAIL)


# Ways to spoil a layer


def spoilt(change: Callable[[Tensor], Tensor]) -> Bug:
    """Another first output."""

    def bug(honest: Function) -> Function:
        def planted(*tensors: Any, **parameters: Any) -> Any:
            found = honest(*tensors, **parameters)
            return (change(found[0]), *found[1:]) if isinstance(found, tuple) else change(found)

        return planted

    return bug


def tiled(axis: int, size: int = 64) -> Bug:
    """What is beyond the last whole tile is never written."""

    def change(output: Tensor) -> Tensor:
        whole = output.shape[axis] // size * size
        if whole == 0 or whole == output.shape[axis]:
            return output
        found = output.clone()
        found.narrow(axis, whole, output.shape[axis] - whole).fill_(-77.0)
        return found

    return spoilt(change)


def wrapped(axis: int, size: int = 64) -> Bug:
    """The index along an axis is kept modulo a size."""
    return spoilt(lambda output: output.index_select(axis, torch.arange(output.shape[axis]) % size))


def when(condition: Callable[..., bool], change: Callable[[Tensor], Tensor]) -> Bug:
    """Another first output where the parameters say so."""

    def bug(honest: Function) -> Function:
        def planted(*tensors: Any, **parameters: Any) -> Any:
            if not condition(*tensors, **parameters):
                return honest(*tensors, **parameters)
            return spoilt(change)(honest)(*tensors, **parameters)

        return planted

    return bug


def called(change: Callable[..., tuple[list[Any], dict[str, Any]]]) -> Bug:
    """Other arguments."""

    def bug(honest: Function) -> Function:
        def planted(*tensors: Any, **parameters: Any) -> Any:
            others, options = change(list(tensors), dict(parameters))
            return honest(*others, **options)

        return planted

    return bug


def replaced(function: Function) -> Bug:
    return lambda honest: function


def with_tensor(place: int, change: Callable[[Tensor], Tensor]) -> Bug:
    """Another tensor, where it is given."""

    def changed(tensors: list[Any], parameters: dict[str, Any]) -> tuple[list[Any], dict[str, Any]]:
        if len(tensors) > place and tensors[place] is not None:
            tensors[place] = change(tensors[place])
        return tensors, parameters

    return called(changed)


def first_repeated(place: int, groups: Callable[..., int]) -> Bug:
    """The first group's tensor for all."""

    def changed(tensors: list[Any], parameters: dict[str, Any]) -> tuple[list[Any], dict[str, Any]]:
        count = groups(*tensors, **parameters)
        whole = tensors[place]
        tensors[place] = torch.cat([whole[: whole.shape[0] // count]] * count)
        return tensors, parameters

    return called(changed)


def zeroed_end(axis: int, multiple: int) -> Callable[[Tensor], Tensor]:
    """Zeros beyond the last multiple along an axis, where there is one."""

    def change(tensor: Tensor) -> Tensor:
        whole = tensor.shape[axis] // multiple * multiple
        return (
            tensor
            if whole == 0
            else tensor * (torch.arange(tensor.shape[axis]) < whole).to(tensor.dtype).reshape(-1, *[1] * (-axis - 1))
        )

    return change


def last_lost(output: Tensor) -> Tensor:
    """The last element along the last axis is one too large."""
    found = output.clone()
    found[..., -1:] += 1.0
    return found


def scaled(factor: float) -> Callable[[Tensor], Tensor]:
    return lambda output: output * factor


def strided(*tensors: Tensor, **parameters: Any) -> bool:
    return max(parameters["stride"] or parameters["kernel_size"]) > 1


def padded(*tensors: Tensor, **parameters: Any) -> bool:
    return parameters["padding"] not in ((0, 0), "valid")


def by_factor(*tensors: Tensor, **parameters: Any) -> bool:
    return parameters["scale_factor"] is not None


def many_rows(input: Tensor, *rest: Any, **parameters: Any) -> bool:
    return input.shape[0] > 64


# Dense layers


def saturated(output: Tensor) -> Tensor:
    return output.clamp(-60.0, 60.0)


DENSE: dict[str, Bug] = {
    "batch in two": wrapped(0),
    "terms in two": called(lambda tensors, parameters: ([zeroed_end(-1, 16)(tensors[0]), *tensors[1:]], parameters)),
    "outputs in two": tiled(-1),
    "additive": spoilt(saturated),
    "weight transposed": when(many_rows, last_lost),
}

RESIDUAL: dict[str, Bug] = {"equal samples": wrapped(0), "nothing changed": spoilt(torch.relu)}


# Convolutions and pooling


def groups_of(*tensors: Any, **parameters: Any) -> int:
    return int(parameters["groups"])


CONVOLUTION: dict[str, Bug] = {
    "batch in two": tiled(0, 2),
    "height for width": tiled(-1),
    "stride": when(strided, last_lost),
    "groups in two": first_repeated(1, groups_of),
    "channels in two": with_tensor(0, zeroed_end(-3, 2)),
    "padding": when(padded, last_lost),
    "dilation": when(lambda *tensors, **parameters: max(parameters["dilation"]) > 1, last_lost),
    "one pixel": tiled(-1, 8),
    "adjoint": with_tensor(1, lambda weight: weight.flip(-1, -2)),
}

TRANSPOSED = {name: CONVOLUTION[name] for name in spec("conv_transpose2d").relations}

MAX_POOLING: dict[str, Bug] = {
    "batch in two": tiled(0, 2),
    "height for width": tiled(-1),
    "stride": when(strided, last_lost),
    "padding": when(padded, torch.relu),
    "indices": lambda honest: lambda *tensors, **parameters: _short_places(*honest(*tensors, **parameters)),
}


def _short_places(output: Tensor, places: Tensor) -> tuple[Tensor, Tensor]:
    """Places are kept in 8 bits."""
    return output, places % 256


def pads_not_counted(tensors: list[Any], parameters: dict[str, Any]) -> tuple[list[Any], dict[str, Any]]:
    return tensors, {**parameters, "count_include_pad": False}


AVERAGE_POOLING: dict[str, Bug] = {
    "batch in two": tiled(0, 2),
    "height for width": tiled(-1, 8),
    "stride": when(strided, last_lost),
    "padding": called(pads_not_counted),
    "sum of pixels": called(lambda tensors, parameters: (tensors, {**parameters, "divisor_override": None})),
}

# Interpolation

ENLARGED = when(lambda *tensors, **parameters: max(_factors(*tensors, **parameters)) > 4, last_lost)


def _factors(input: Tensor, *rest: Any, **parameters: Any) -> tuple[float, ...]:
    if parameters["scale_factor"] is not None:
        return tuple(parameters["scale_factor"])
    return tuple(out / side for out, side in zip(parameters["size"], input.shape[-2:], strict=True))


NEAREST: dict[str, Bug] = {
    "equal images": wrapped(0),
    "batch in two": tiled(0, 2),
    "height for width": tiled(-1),
    "pixels repeated": spoilt(lambda output: output.roll(1, -1)),
    "twice": ENLARGED,
    "size for factor": when(by_factor, last_lost),
}

BILINEAR: dict[str, Bug] = {
    "equal images": wrapped(0, 16),
    "height for width": tiled(-1),
    "size for factor": when(by_factor, last_lost),
    "corners": spoilt(scaled(1.001)),
}


# Elements and rows


def of_negatives(factor: float) -> Bug:
    """Negative numbers give something else."""

    def bug(honest: Function) -> Function:
        return lambda input, **parameters: torch.where(input < 0, honest(input * factor), honest(input))

    return bug


ELEMENTS: dict[str, dict[str, Bug]] = {
    "relu": {
        "equal elements": tiled(0),
        "both signs": spoilt(saturated),
        "twice": replaced(lambda input: torch.where(input > 0, input, 0.01 * input)),
    },
    "sigmoid": {"equal elements": tiled(0), "both signs": of_negatives(1.01)},
    "tanh": {"equal elements": tiled(0), "both signs": of_negatives(1.01), "sigmoid": with_tensor(0, scaled(1.01))},
}


def unshifted(input: Tensor, *, dim: int) -> Tensor:
    powers = input.exp()
    return powers / powers.sum(dim, keepdim=True)


def last_uncounted(input: Tensor, *, dim: int) -> Tensor:
    """The last score of more than two is not in the sum."""
    scores = input.movedim(dim, -1)
    counted = scores[..., :-1] if scores.shape[-1] > 2 else scores
    return (scores - counted.logsumexp(-1, keepdim=True)).exp().movedim(-1, dim)


SOFTMAX: dict[str, Bug] = {
    "equal rows": wrapped(0),
    "dimension": when(lambda input, *, dim: dim == 0, scaled(1.001)),
    "permuted": replaced(last_uncounted),
    "shifted": replaced(unshifted),
    "sum": spoilt(scaled(1.001)),
}

LOG_SOFTMAX: dict[str, Bug] = {
    **{name: SOFTMAX[name] for name in ("equal rows", "dimension")},
    "permuted": replaced(lambda input, *, dim: last_uncounted(input, dim=dim).log()),
    "shifted": replaced(lambda input, *, dim: unshifted(input, dim=dim).log()),
    "differences": spoilt(scaled(1.001)),
}


# Normalisations


def in_one_pass(input: Tensor, mean: Tensor, square: Tensor, eps: float) -> Tensor:
    return (input - mean) / (square - mean * mean + eps).clamp(min=1e-12).sqrt()


def with_statistics(axes: Callable[[Tensor], tuple[int, ...]], normalise: Function) -> Bug:
    """Normalised over these axes, without weight and bias; other outputs are honest."""

    def bug(honest: Function) -> Function:
        def planted(input: Tensor, *rest: Any, **parameters: Any) -> Any:
            found = honest(input, *rest, **parameters)
            mean = input.mean(axes(input), keepdim=True)
            square = (input * input).mean(axes(input), keepdim=True)
            normalised = normalise(input, mean, square, parameters["eps"])
            return (normalised, *found[1:]) if isinstance(found, tuple) else normalised

        return planted

    return bug


def outside_the_root(input: Tensor, mean: Tensor, square: Tensor, eps: float) -> Tensor:
    return (input - mean) / ((square - mean * mean).clamp(min=0.0).sqrt() + eps)


def invariances(axes: Callable[[Tensor], tuple[int, ...]]) -> dict[str, Bug]:
    return {
        "shifted": with_statistics(axes, in_one_pass),
        "scaled": with_statistics(axes, outside_the_root),
    }


def places(input: Tensor) -> tuple[int, ...]:
    return tuple(range(2, input.dim()))


def first_group(input: Tensor, *rest: Any, num_groups: int, eps: float) -> Tensor:
    """The statistics of the first group serve all."""
    part = input[:, : input.shape[1] // num_groups]
    axes = tuple(range(1, input.dim()))
    variance, mean = torch.var_mean(part, axes, correction=0, keepdim=True)
    return (input - mean) / (variance + eps).sqrt()


def fewer_groups(channels: int) -> Bug:
    """More statistics than groups are wrong by a little."""
    return when(lambda input, *rest, **options: _size(input, **options) == channels, scaled(1.001))


def _size(input: Tensor, *, num_groups: int, **rest: Any) -> int:
    return input.shape[1] // num_groups


NORMALISATION: dict[str, dict[str, Bug]] = {
    "layer_norm": {"equal samples": wrapped(0), **invariances(lambda input: (-1,))},
    "batch_norm": {
        "equal channels": wrapped(1),
        "equal samples": tiled(0),
        **invariances(lambda input: (0, *places(input))),
    },
    "instance_norm": {
        "equal channels": wrapped(1),
        "equal samples": wrapped(0),
        "batch norm": spoilt(scaled(1.001)),
        **invariances(places),
    },
    "group_norm": {
        "equal samples": wrapped(0),
        "groups as samples": replaced(first_group),
        "instance norm": fewer_groups(1),
        "layer norm": when(lambda input, *rest, num_groups, eps: num_groups == 1, scaled(1.001)),
        **invariances(lambda input: tuple(range(1, input.dim()))),
    },
}


# Recurrent layers


def forgetful(tensors: list[Any], parameters: dict[str, Any]) -> tuple[list[Any], dict[str, Any]]:
    """No state is carried over."""
    return [tensors[0], *[None] * (len(tensors) - 2), tensors[-1]], parameters


def backward_forgetful(tensors: list[Any], parameters: dict[str, Any]) -> tuple[list[Any], dict[str, Any]]:
    """The second direction begins without a state."""
    kept = torch.tensor([[1.0], [0.0]])
    if parameters["bidirectional"]:
        tensors[1:-1] = [
            s if s is None else (s.reshape(-1, 2, s[0].numel()) * kept.to(s.dtype)).reshape(s.shape)
            for s in tensors[1:-1]
        ]
    return tensors, parameters


def several_layers(*tensors: Any, **parameters: Any) -> bool:
    return parameters["num_layers"] > 1


RECURRENT: dict[str, Bug] = {
    "equal sequences": wrapped(1),
    "sequence in two": called(forgetful),
    "batch first": when(lambda *tensors, **parameters: parameters["batch_first"], scaled(0.99)),
    "backwards": called(backward_forgetful),
    "layers": when(several_layers, scaled(0.99)),
}


# Random layers


def dropped_by_sign(input: Tensor, *, p: float) -> Tensor:
    """What is dropped depends on the signs of the input."""
    torch.rand(1 + int((input < 0).any()))
    return torch.nn.functional.dropout(input.flatten(), p).reshape(input.shape)


def derived_by_output(honest: Function) -> Function:
    """The derivative takes the mask from the zeros of the output."""

    def planted(input: Tensor, *, p: float) -> Tensor:
        found = honest(input, p=p)
        if found.requires_grad:
            found.register_hook(lambda upstream: torch.where(found.detach() == 0, 0.0, upstream))
        return found

    return planted


def last_kept(honest: Function) -> Function:
    """The last element is never dropped."""

    def planted(input: Tensor, *, p: float) -> Tensor:
        found = honest(input, p=p).clone()
        if found.numel() and p < 1.0:
            found[(-1,) * found.dim()] = input[(-1,) * input.dim()] / (1.0 - p)
        return found

    return planted


RANDOM: dict[str, Bug] = {
    "nothing dropped": tiled(-1),
    "same derivative": derived_by_output,
    "any element": last_kept,
    "same mask": replaced(dropped_by_sign),
}


# Tables and codes


def shortened_each_time(honest: Function) -> Function:
    """A row is shortened for every time that it is looked up."""

    def planted(input: Tensor, weight: Tensor, **parameters: Any) -> Any:
        output, table = honest(input, weight, **parameters)
        if parameters["max_norm"] is None:
            return output, table
        counts = torch.bincount(input.flatten(), minlength=len(weight)).clamp(min=1)
        table = table * 0.9 ** (counts[:, None] - 1).to(table.dtype)
        return table[input], table

    return planted


def short_rows(honest: Function) -> Function:
    """Rows are numbered by 8 bits."""
    return lambda input, weight, **parameters: honest(input % min(len(weight), 256), weight, **parameters)


def relative_positions(input: Tensor) -> Tensor:
    """Positions are counted from the end."""
    return LAYERS["positional_encoding"](torch.zeros_like(input)).flip(-2) + input


EMBEDDING: dict[str, Bug] = {
    "equal lookups": tiled(0),
    "lookups in two": wrapped(0),
    "renumbered": short_rows,
    "twice": shortened_each_time,
}

POSITIONAL: dict[str, Bug] = {
    "equal samples": wrapped(0),
    "prefix": replaced(relative_positions),
    "added": with_tensor(0, scaled(1.01)),
}


# Attention


def heads_interleaved(honest: Function) -> Function:
    """Query head h is served by head h modulo their number."""

    def planted(query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None, **parameters: Any) -> Any:
        if not parameters.pop("enable_gqa"):
            return honest(query, key, value, mask, **parameters)
        sharing = query.shape[-3] // key.shape[-3]
        return honest(query, *(torch.cat([x] * sharing, dim=-3) for x in (key, value)), mask, **parameters)

    return planted


def looks_ahead(honest: Function) -> Function:
    """Causal is off by one."""

    def planted(query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None, *, is_causal: bool, **rest: Any) -> Any:
        if is_causal:
            mask = torch.ones(query.shape[-2], key.shape[-2]).tril(1).bool()
        return honest(query, key, value, mask, **rest)

    return planted


def end_unmasked(mask: Tensor) -> Tensor:
    """Only the first 2 columns of a mask are read."""
    found = mask.clone()
    found[..., 2:] = True
    return found


def softly(honest: Function) -> Function:
    """A mask subtracts 3."""

    def planted(query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None, **parameters: Any) -> Any:
        if mask is not None and mask.dtype == torch.bool:
            mask = torch.where(mask, 0.0, -3.0).to(query.dtype)
        return honest(query, key, value, mask, **parameters)

    return planted


def additive_ignored(honest: Function) -> Function:
    def planted(query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None, **parameters: Any) -> Any:
        return honest(query, key, value, None if mask is not None and mask.dtype != torch.bool else mask, **parameters)

    return planted


def scale_squared(tensors: list[Any], parameters: dict[str, Any]) -> tuple[list[Any], dict[str, Any]]:
    scale = parameters["scale"]
    return tensors, {**parameters, "scale": scale and scale * scale}


def keys_lost(*of_keys: int, axis: int = -2, multiple: int = 2) -> Bug:
    """Keys beyond the last multiple count as zeros."""

    def changed(tensors: list[Any], parameters: dict[str, Any]) -> tuple[list[Any], dict[str, Any]]:
        for place in of_keys:
            tensors[place] = zeroed_end(axis, multiple)(tensors[place])
        return tensors, parameters

    return called(changed)


def keys_of(*of_keys: int) -> dict[str, Bug]:
    return {
        "equal samples": wrapped(0, 16),
        "keys permuted": keys_lost(*of_keys),
        "keys doubled": keys_lost(*of_keys, multiple=4),
    }


def wider_window(tensors: list[Any], parameters: dict[str, Any]) -> tuple[list[Any], dict[str, Any]]:
    return tensors, {**parameters, "window": parameters["window"] + 1}


def any_key_beyond(honest: Function) -> Function:
    """The last query sees the last key."""

    def planted(query: Tensor, key: Tensor, value: Tensor, *, window: int) -> Tensor:
        output = honest(query, key, value, window=window).clone()
        output[..., -1, :] += value[..., -1, :]
        return output

    return planted


def not_the_first(honest: Function) -> Function:
    """The first position is its own result."""

    def planted(input: Tensor, *weights: Tensor) -> Tensor:
        output = honest(input, *weights).clone()
        output[..., :1, :] = (input @ weights[-1])[..., :1, :]
        return output

    return planted


def shifted_by_a_query(honest: Function) -> Function:
    """A query adds the bias once more."""

    def planted(*tensors: Any) -> Any:
        input, value, weight, bias, v, query, weight_query = tensors
        if query is not None:
            bias = torch.ones(len(weight), dtype=weight.dtype) if bias is None else bias + 1.0
        return honest(input, value, weight, bias, v, query, weight_query)

    return planted


def masks_of_the_first(tensors: list[Any], parameters: dict[str, Any]) -> tuple[list[Any], dict[str, Any]]:
    """The padding of the first sample hides keys of all."""
    if tensors[7] is not None:
        tensors[7] = tensors[7][:1].expand_as(tensors[7])
    return tensors, parameters


def scaled_in_place(honest: Function) -> Function:
    """The query is scaled where it stands, though it may be the key."""

    def planted(query: Tensor, key: Tensor, *rest: Any, **parameters: Any) -> Any:
        same = query.numel() > 0 and query.data_ptr() == key.data_ptr()
        return honest(query, 0.5 * key if same else key, *rest, **parameters)

    return planted


def some_keys_shifted(key: Tensor) -> Tensor:
    """Numbers above 4 are cut off."""
    return key.clamp(max=4.0)


def not_linear(output: Tensor) -> Tensor:
    return output + 0.01 * output * output


# By the law of all kinds of attention that finds it, for the places of keys and values among the tensors.
def kind(*of_keys: int) -> dict[str, Bug]:
    return {
        "equal samples": wrapped(0, 16),
        "equal values": spoilt(scaled(0.99)),
        "hull": spoilt(scaled(3.0)),
        "linear": spoilt(not_linear),
        "keys permuted": keys_lost(*of_keys),
        "equal queries": wrapped(-2),
        "keys shifted": with_tensor(of_keys[0], some_keys_shifted),
    }


def without_exempt(layer: str, bugs: dict[str, Bug]) -> dict[str, Bug]:
    return {name: bug for name, bug in bugs.items() if name not in spec(layer).exempt}


ATTENTION: dict[str, dict[str, Bug]] = {
    "dot_product_attention": {
        **kind(1, 2),
        **keys_of(1, 2),
        "equal queries": wrapped(-2),
        "equal values": spoilt(scaled(0.99)),
    },
    "scaled_dot_product_attention": {
        **kind(1, 2),
        **keys_of(1, 2),
        "of itself": scaled_in_place,
        "equal queries": wrapped(-2),
        "equal values": spoilt(scaled(0.99)),
        "masked keys permuted": with_tensor(3, end_unmasked),
        "keys behind the mask": with_tensor(3, end_unmasked),
        "masked keys replaced": softly,
        "mask added": additive_ignored,
        "causal": looks_ahead,
        "shared heads": heads_interleaved,
        "keys in two parts": keys_lost(1, 2),
        "scale": called(scale_squared),
    },
    "local_attention": {
        **without_exempt("local_attention", kind(1, 2)),
        "equal samples": wrapped(0, 16),
        "equal values": spoilt(scaled(0.99)),
        "keys beyond": any_key_beyond,
        "band": called(wider_window),
    },
    "global_attention": {
        **kind(1, 2),
        **keys_of(1, 2),
        "equal queries": wrapped(-2),
        "equal values": spoilt(scaled(0.99)),
        "projected": with_tensor(3, scaled(0.5)),
    },
    "cross_attention": {
        **keys_of(1),
        "equal queries": wrapped(-2),
        "projected": with_tensor(2, scaled(2.0)),
    },
    "self_attention": {
        "equal samples": wrapped(0, 16),
        "permuted": not_the_first,
        "cross attention": with_tensor(1, scaled(2.0)),
        "projected": with_tensor(1, scaled(2.0)),
    },
    "additive_attention": {
        **without_exempt("additive_attention", kind(0, 1)),
        **keys_of(0, 1),
        "no query": shifted_by_a_query,
    },
    "multi_head_attention": {
        **keys_of(1, 2),
        "of itself": scaled_in_place,
        "equal masked samples": called(masks_of_the_first),
        "equal queries": wrapped(1),
        "weights asked for": when(lambda *tensors, **parameters: parameters["need_weights"], scaled(1.01)),
        "keys ignored": with_tensor(7, lambda mask: mask & (torch.arange(mask.shape[1]) < 8)),
    },
}


# The places of keys and values among the tensors.
OF_KEYS = {
    "sparsemax_attention": (1, 2),
    "hard_attention": (1, 2),
    "linear_attention": (1, 2),
    "content_attention": (1, 2),
    "location_attention": (1,),
    "fine_grained_attention": (1, 2),
    "monotonic_attention": (1, 2),
    "structured_attention": (1, 2),
    "differential_attention": (1, 2, 4),
    "memory_attention": (1, 2),
}


def unseen_counts(honest: Function) -> Function:
    """What is not seen has a weight of a thousandth."""

    def planted(input: Tensor, *rest: Tensor, **parameters: Any) -> Tensor:
        return honest(input, *rest, **parameters) + 0.001 * input.sum((-2, -1), keepdim=True)

    return planted


def never_alone(tensors: list[Any], parameters: dict[str, Any]) -> tuple[list[Any], dict[str, Any]]:
    """A node without neighbours sees all."""
    adjacency = tensors[4]
    tensors[4] = adjacency | ~adjacency.any(-1, keepdim=True)
    return tensors, parameters


def first_node_itself(honest: Function) -> Function:
    """The first node is seen by none but itself."""

    def planted(*tensors: Tensor, **parameters: Any) -> Tensor:
        adjacency = tensors[4].clone()
        adjacency[..., 1:, 0] = False
        return honest(*tensors[:4], adjacency, **parameters)

    return planted


def sees_itself(honest: Function) -> Function:
    """The query stream has a hundredth of the content of its place."""

    def planted(content: Tensor, *rest: Tensor) -> tuple[Tensor, Tensor]:
        first, second = honest(content, *rest)
        return first, second + 0.01 * content.sum(-1, keepdim=True)

    return planted


def transposed_within(tensors: list[Any], parameters: dict[str, Any]) -> tuple[list[Any], dict[str, Any]]:
    """The first relation is read as that of who is seen."""
    tensors[4] = torch.cat([tensors[4][:1].mT, tensors[4][1:]])
    return tensors, parameters


def heads_reversed(honest: Function) -> Function:
    def planted(*tensors: Tensor, **parameters: Any) -> Tensor:
        heads = tensors[1].shape[1]
        return honest(*tensors, **parameters).unflatten(-1, (heads, -1)).flip(-2).flatten(-2)

    return planted


def context_counts(honest: Function) -> Function:
    """A hundredth of the context passes by."""

    def planted(input: Tensor, context: Tensor, *rest: Any, **parameters: Any) -> Tensor:
        return honest(input, context, *rest, **parameters) + 0.01 * context.sum(-2, keepdim=True)

    return planted


def sees_behind(tensors: list[Any], parameters: dict[str, Any]) -> tuple[list[Any], dict[str, Any]]:
    return tensors, {**parameters, "is_causal": False}


OF_NODES: dict[str, Bug] = {
    "equal samples": wrapped(0, 16),
    "nodes permuted": first_node_itself,
    "unseen": unseen_counts,
}
GRAPH: dict[str, Bug] = {**OF_NODES, "alone": called(never_alone)}
PAIRS: dict[str, Bug] = {
    "equal samples": wrapped(0, 16),
    "equal values": spoilt(scaled(0.99)),
    "hull": spoilt(scaled(3.0)),
    "keys permuted": keys_lost(0),
    "other permuted": keys_lost(1),
    "exchanged": with_tensor(4, scaled(0.5)),
}
KINDS_OF_ATTENTION = {layer: without_exempt(layer, kind(*places)) for layer, places in OF_KEYS.items()} | {
    "graph_attention": GRAPH,
    "dynamic_graph_attention": GRAPH,
    "relational_graph_attention": {
        **OF_NODES,
        "relations permuted": called(transposed_within),
        "one relation": with_tensor(3, scaled(0.5)),
        "heads alone": heads_reversed,
    },
    "co_attention": {**PAIRS, "alone": with_tensor(5, scaled(0.5))},
    "interactive_attention": {**PAIRS, "means": spoilt(scaled(0.99))},
    "adaptive_attention": {
        "equal samples": wrapped(0, 16),
        "equal values": spoilt(scaled(0.99)),
        "hull": spoilt(scaled(3.0)),
        "keys permuted": keys_lost(0),
        "one more region": with_tensor(1, scaled(0.5)),
    },
    "multi_step_attention": {
        **without_exempt("multi_step_attention", kind(2, 3)),
        "dot products": with_tensor(4, scaled(0.5)),
    },
    "feedback_attention": {
        **without_exempt("feedback_attention", kind(1, 2)),
        "no feedback": with_tensor(0, scaled(0.5)),
    },
    "tree_attention": {
        **without_exempt("tree_attention", kind(1, 2)),
        "all linked": with_tensor(5, scaled(0.5)),
        "reversed": with_tensor(4, zeroed_end(-2, 2)),
    },
    "multi_task_attention": {
        "equal tasks": wrapped(0, 16),
        "half open": spoilt(scaled(0.99)),
        "channels permuted": tiled(-3, 2),
        "pixels permuted": tiled(-1, 2),
    },
    "channel_attention": {
        "equal samples": wrapped(0, 16),
        "half open": spoilt(scaled(0.99)),
        "pixels permuted": tiled(-1, 2),
    },
    "spatial_attention": {
        "equal samples": wrapped(0, 16),
        "half open": spoilt(scaled(0.99)),
        "channels permuted": tiled(-3, 2),
    },
    "hierarchical_attention": {
        "equal samples": wrapped(0, 16),
        "equal values": spoilt(scaled(0.99)),
        "hull": spoilt(scaled(3.0)),
        "keys permuted": with_tensor(0, zeroed_end(-2, 2)),
        "one word": with_tensor(6, scaled(0.5)),
    },
    "dynamic_convolutional_attention": {
        "equal samples": wrapped(0, 16),
        "one tap": spoilt(scaled(0.99)),
        "means": spoilt(scaled(0.99)),
        "begun later": tiled(-2),
        "causal": called(sees_behind),
    },
    "global_local_attention": {
        **without_exempt("global_local_attention", kind(1, 2)),
        "mask": with_tensor(6, zeroed_end(-1, 2)),
        "none global": called(wider_window),
        "all global": with_tensor(3, scaled(0.5)),
    },
    "dual_stream_attention": {
        "equal samples": wrapped(0, 16),
        "moved": with_tensor(5, zeroed_end(-1, 2)),
        "itself unseen": sees_itself,
        "masks": with_tensor(3, scaled(2.0)),
    },
    "dual_attention": {
        "equal samples": wrapped(0, 16),
        "closed": spoilt(scaled(0.99)),
        "pixels permuted": tiled(-1, 2),
        "channels permuted": tiled(-3, 2),
        "pixels alone": with_tensor(1, scaled(2.0)),
        "channels alone": spoilt(scaled(0.99)),
    },
    "set_attention": {
        "equal samples": wrapped(0, 16),
        "keys permuted": keys_lost(1),
        "equal queries": wrapped(1),
        "nothing found": context_counts,
    },
    "spatially_adaptive_attention": {
        "equal samples": wrapped(0, 16),
        "linear": spoilt(not_linear),
        "unmoved": spoilt(scaled(0.99)),
        "mirrored": tiled(-1, 2),
        "turned": tiled(-1, 2),
    },
    "multi_scale_attention": {
        "equal samples": wrapped(0, 16),
        "equal values": spoilt(scaled(0.99)),
        "hull": spoilt(scaled(3.0)),
        "linear": spoilt(not_linear),
        "keys permuted": with_tensor(1, zeroed_end(-3, 2)),
        "keys shifted": with_tensor(1, some_keys_shifted),
    },
}

BUGS: dict[str, dict[str, Bug]] = {
    "linear": DENSE,
    "custom_linear": DENSE,
    "residual": RESIDUAL,
    "conv2d": CONVOLUTION,
    "conv_transpose2d": TRANSPOSED,
    "max_pool2d": MAX_POOLING,
    "avg_pool2d": AVERAGE_POOLING,
    "upsample_nearest": NEAREST,
    "upsample_nearest_exact": NEAREST,
    "upsample_bilinear": BILINEAR,
    **ELEMENTS,
    "softmax": SOFTMAX,
    "log_softmax": LOG_SOFTMAX,
    **NORMALISATION,
    "rnn": RECURRENT,
    "gru": RECURRENT,
    "lstm": RECURRENT,
    "dropout": RANDOM,
    "dropout2d": RANDOM,
    "embedding": EMBEDDING,
    "positional_encoding": POSITIONAL,
    **ATTENTION,
    **KINDS_OF_ATTENTION,
}


def test_every_layer_that_has_a_formula_has_two_relations_at_least() -> None:
    assert [layer for layer in formulas() if len(spec(layer).relations) < 2] == []


def test_a_bug_is_planted_for_every_relation() -> None:
    assert sorted((layer, name) for layer, bugs in BUGS.items() for name in bugs) == sorted(RELATIONS)


@pytest.mark.parametrize(("layer", "name"), RELATIONS)
def test_a_relation_finds_the_bug_planted_for_it(layer: str, name: str) -> None:
    verdict = next(failures(layer, name, BUGS[layer][name]), None)
    assert verdict is not None, "the bug was not found"
    assert verdict.reason.startswith(f"{name}: {spec(layer).relations[name].sentence}")


@pytest.mark.parametrize("format", ["float64", "float32"])
@pytest.mark.parametrize("layer", BUGS)
def test_honest_torch_passes(layer: str, format: str) -> None:
    tally = run(Honest(), layer, format, "relation", 100)
    assert tally.failure is None
    decided = tally.counts[Status.PASS]
    assert decided >= 0.9 * (tally.cases - tally.counts[Status.UNSUPPORTED])


LARGE_LINEAR = Case(
    "linear",
    "float32",
    {
        "input": Values((130, 3), "integers", 1),
        "weight": Values((2, 3), "integers", 2),
        "bias": Values((2,), "integers", 3),
    },
    relation=Related("batch in two", 69),
)


def asked(bug: Bug, case: Case = LARGE_LINEAR) -> Verdict:
    return examine(Planted(case.layer, bug), case, "relation")


def test_a_case_is_replayed_from_its_json() -> None:
    case = Case.from_json(json.loads(json.dumps(LARGE_LINEAR.to_json())))
    assert case == LARGE_LINEAR
    assert asked(wrapped(0), case) == asked(wrapped(0))


def test_a_failure_shows_the_element_both_values_and_the_code_that_repeats_it() -> None:
    verdict = asked(tiled(0))
    assert verdict.status is Status.FAIL
    assert (verdict.index, verdict.got, verdict.true, verdict.permitted) == ((64, 0), 8.0, -77.0, 0.0)
    text = failure_text(Nonconforming("relation", LARGE_LINEAR, verdict), "linear in float32", "torch-cpu")
    assert "batch in two: a batch gives what its two parts give, but 8.0 is not -77.0" in text
    assert "relation=Related(name='batch in two', number=69)" in text


def test_outputs_of_another_shape_or_format_or_number_fail() -> None:
    assert "output has the shape (70, 1), expected (70, 2)" in asked(spoilt(lambda y: y[:, :1])).reason
    assert "output has the format float64, expected float32" in asked(spoilt(Tensor.double)).reason
    assert "returned 2 outputs, expected 1: output" in asked(lambda honest: lambda *x: (honest(*x), x[0])).reason


def test_a_layer_that_a_relation_needs_and_the_target_lacks_is_unsupported() -> None:
    class Alone(Torch):
        def layer(self, name: str) -> Function | None:
            return super().layer(name) if name == "linear" else None

    verdict = examine(Alone("cpu"), other(LARGE_LINEAR, "weight transposed"), "relation")
    assert (verdict.status, verdict.reason) == (Status.UNSUPPORTED, "torch-cpu has no custom_linear")


def other(case: Case, name: str) -> Case:
    return Case(case.layer, case.format, case.tensors, relation=Related(name, 69))


class Promising(Torch):
    """torch, with another promise."""

    def __init__(self, declared: Declared) -> None:
        super().__init__("cpu")
        self._declared = declared

    def declared(self, layer: str, format: str) -> Declared:
        return self._declared


def test_sums_that_the_compute_format_does_not_hold_decide_nothing() -> None:
    long = Case(
        "linear",
        "float32",
        {
            "input": Values((2, 200), "integers", 1),
            "weight": Values((2, 200), "integers", 2),
            "bias": Values((2,), "integers", 3),
        },
        relation=Related("terms in two", 7),
    )
    verdict = examine(Promising(Declared("float16")), long, "relation")
    assert (verdict.status, verdict.reason) == (
        Status.UNDECIDED,
        "sums of integers up to 3204 are not exact in float16",
    )
    assert examine(Promising(Declared("float32")), long, "relation").status is Status.PASS


def test_sums_are_not_exact_where_errors_are_only_small_against_norms() -> None:
    verdict = examine(Promising(Declared("float32", normwise=True)), LARGE_LINEAR, "relation")
    assert verdict.status is Status.UNSUPPORTED


def asker(format: str) -> Asker:
    return Asker(Torch("cpu"), Case("linear", format, {}))


def test_integers_that_a_format_holds_are_not_rounded_and_larger_ones_once() -> None:
    lost = asker("bfloat16").rounding(np.array([255.0, 256.0, -300.0]))  # 257 is stored as 256
    assert lost[0] == 0.0
    assert lost[1:].tolist() == [256.0 / 255.0, 300.0 / 255.0]
    assert asker("bfloat16").rounding(np.array([1.0]), step=2.0**-8).tolist() == [1.0 / 255.0]


def test_each_of_two_layers_has_the_roundings_of_its_own_order() -> None:
    """custom_linear stores a product of 256 or more before it adds a bias, linear does not."""
    tensors = {
        "input": Values((2, 511), "integers", 537),
        "weight": Values((127, 511), "integers", 497),
        "bias": Values((127,), "integers", 1442),
    }
    case = Case("linear", "bfloat16", tensors, relation=Related("weight transposed", 0))
    assert examine(load("torch-cpu"), case, "relation").status is Status.PASS


def test_the_padding_of_an_adjoint_leaves_room_for_a_window() -> None:
    calls = spec("conv2d").relations["adjoint"].arguments
    for case in listed(arranged(calls, "conv2d", "float32", (PLAIN,)), 300, "adjoint"):
        assert isinstance(case.tensors["input"], Values)
        assert isinstance(case.tensors["weight"], Values)
        sides, kernel = case.tensors["input"].shape[-2:], case.tensors["weight"].shape[-2:]
        for side, taps, padding, step in zip(
            sides, kernel, case.parameters["padding"], case.parameters["dilation"], strict=True
        ):
            assert side + 2 * padding > step * (taps - 1)


def test_a_product_that_is_stored_before_its_bias_is_rounded_once_more() -> None:
    class Stepwise(Torch):
        def declared_for(self, case: Case) -> Declared:
            return Declared("float32", algorithm="stepwise")

    case = Case("linear", "bfloat16", {"bias": Literal((2,), (3, -4))})
    once, more = (Asker(target("cpu"), case).rounding(np.array([300.0])) for target in (Torch, Stepwise))
    unit = 2.0**-8
    product = 300.0 / (1.0 - unit) + 4.0  # the largest that 300 may come of
    assert (more - once).tolist() == pytest.approx([product * unit / (1.0 - unit)])


def test_in_float64_too_a_sum_may_be_divided_or_multiplied_by_the_reciprocal() -> None:
    def avg_pool2d(input: Tensor, *, kernel_size: tuple[int, int], **_: Any) -> Tensor:
        height, width = kernel_size
        sums = torch.nn.functional.avg_pool2d(input, kernel_size, divisor_override=1)
        return sums / width if height == 1 else sums * (1.0 / height)  # 49 / 49, and 49 times 1 / 49, which is less

    declared = {"declared": lambda *_: Declared("float64", algorithm="by_reciprocal")}
    target = target_of(avg_pool2d, layer="avg_pool2d", extends="torch-cpu", **declared)
    how = {"kernel_size": (1, 49), "stride": None, "padding": (0, 0), "ceil_mode": False, "count_include_pad": True}
    tensors = {"input": Literal((1, 1, 1, 49), (1.0,) * 49)}
    related = Related("height for width", 0)
    case = Case("avg_pool2d", "float64", tensors, {**how, "divisor_override": None}, relation=related)
    assert examine(target, case, "relation").status is Status.PASS


def test_a_quotient_is_rounded_whatever_its_size() -> None:
    unit = 2.0**-24
    share = (1.0 + unit) ** 2 - 1.0
    assert asker("float32").rounding(np.array([1.0]), divided=True).tolist() == [share / (1.0 - share)]


def test_sums_of_inexact_products_are_refused() -> None:
    asker("float32").require_exact(2**20, np.array([4.0]), np.array([3.0]))
    with pytest.raises(Settled):
        asker("float32").require_exact(2**21, np.array([4.0]), np.array([4.0]))


@pytest.mark.parametrize("layer", ["sigmoid", "softmax", "log_softmax", "positional_encoding", "layer_norm"])
def test_the_formula_itself_passes(layer: str) -> None:
    target = load("oracle-float32")
    for name in spec(layer).relations:
        for case in cases(layer, name, "float32")[:3]:
            assert examine(target, case, "relation").status in (Status.PASS, Status.UNDECIDED)
