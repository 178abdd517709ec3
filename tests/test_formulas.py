"""What holds for every formula: its defaults, and what it says of calls that do not fit."""

from __future__ import annotations

import inspect
import json
import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from fractions import Fraction
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from observing import tensors
from orders import orders

from conformance.case import Arguments, Case
from conformance.checks import refusal
from conformance.drawing import listed
from conformance.spec import Refusal, spec
from conformance.target import CONVENTIONS
from conformance.values import Values
from oracle import formulas
from oracle.evaluate import evaluate
from oracle.fast import Fast
from oracle.formulas import formula
from oracle.tensor import Tensor

# What the formulas say of a call that does not fit, by the tensor or parameter that is wrong, "#" for each number and
# "(…)" for each shape: read before it was written down.
WORDS: dict[str, dict[str, list[str]]] = json.loads(
    Path(__file__).with_name("words_of_refusals.json").read_text("utf-8")
)

RECURRENT = {"weights": (), "num_layers": 1, "bias": True, "batch_first": False, "bidirectional": False}
OBSERVED = {layer for layer in formulas.names() if spec(layer).observed}


def without_numbers(words: str) -> str:
    words = re.sub(r"-?\b\d+(\.\d+)?(e-?\d+)?\b|\binf\b", "#", words)
    return re.sub(r"\((#(, #)*,?)?\)", "(…)", words)


def evaluated(layer: str, arguments: Arguments, order: str | None = None, **policies: Any) -> dict[str, Tensor]:
    case = Case(layer, "float64", arguments.tensors, arguments.parameters)
    with Fast():
        outputs = evaluate(layer, tensors(case), {**case.parameters, **policies}, order)
        for output in outputs.values():
            output.elements()
    return outputs


@pytest.mark.parametrize("layer", [layer for layer in formulas.names() if refusal.applies(layer)])
def test_the_calls_that_a_target_must_refuse_are_refused_in_known_words(layer: str) -> None:
    refusals = spec(layer).refusals
    assert refusals is not None
    for call in listed(spec(layer).arguments, 10, f"{layer} refused by its formula"):
        founds = list(refusals(call))
        for valid in {repr(found.valid): found.valid for found in founds}.values():
            evaluated(layer, valid)
        for found in founds:
            assert found.wrong != found.valid, found.sentence
            with pytest.raises(ValueError, match=r".") as error:
                evaluated(layer, found.wrong)
            assert without_numbers(str(error.value)) in WORDS[layer][wrong(found)], found.sentence


def wrong(found: Refusal) -> str:
    """The tensor or parameter that a refusal is about, or what else its sentence begins with."""
    return found.sentence.split()[0]


def refused(layer: str, arguments: Arguments, order: str | None = None) -> str | None:
    """In which words, or not at all."""
    try:
        evaluated(layer, arguments, order)
    except ValueError as error:
        return str(error)
    return None


def misshapen(call: Arguments) -> Iterator[tuple[str, Arguments]]:
    """One of the tensors, by its name, with an axis more, without its first axis, or longer by one along an axis."""
    for name, recipe in call.tensors.items():
        if isinstance(recipe, Values) and recipe.shape:
            shape = recipe.shape
            longer = [(*shape[:axis], side + 1, *shape[axis + 1 :]) for axis, side in enumerate(shape)]
            for other in ((2, *shape), shape[1:], *longer):
                yield name, Arguments({**call.tensors, name: replace(recipe, shape=other)}, call.parameters)


@pytest.mark.parametrize("layer", sorted(set(formulas.names()) - OBSERVED))
def test_a_tensor_of_another_shape_fits_as_well_or_is_refused_in_known_words(layer: str) -> None:
    for call in listed(spec(layer).arguments, 4, f"{layer} with another shape"):
        for name, other in misshapen(call):
            said = refused(layer, other)
            assert said is None or without_numbers(said) in WORDS[layer][name], other
            if said is not None:
                assert {refused(layer, other, order) for order in orders(layer)} <= {said}


@pytest.mark.parametrize(
    ("layer", "convention"),
    [
        (layer, name)
        for layer in formulas.names()
        for name in sorted(inspect.signature(formula(layer)).parameters.keys() & CONVENTIONS)
    ],
)
def test_a_convention_that_nobody_has_is_refused_and_the_known_ones_are_named(layer: str, convention: str) -> None:
    (call,) = listed(spec(layer).arguments, 1, f"{layer} by another convention")
    with pytest.raises(ValueError, match=rf"^{convention} is 'another'; it must be '\w+'(, '\w+')* or '\w+'$"):
        evaluated(layer, call, **{convention: "another"})


# The outputs of formulas that have more than one.
OUTPUTS: dict[str, tuple[str, ...]] = {
    "adaptive_attention": ("output", "weights"),
    "additive_attention": ("output", "weights"),
    "co_attention": ("output", "other_output"),
    "dual_stream_attention": ("content", "query"),
    "embedding": ("output", "weight"),
    "feedback_attention": ("output", "weights"),
    "gru": ("output", "h_n"),
    "interactive_attention": ("output", "other_output"),
    "lstm": ("output", "h_n", "c_n"),
    "rnn": ("output", "h_n"),
    "tree_attention": ("output", "links"),
}
# Those of some calls.
OPTIONAL = {
    "batch_norm": ("running_mean", "running_var"),
    "instance_norm": ("running_mean", "running_var"),
    "max_pool2d": ("indices",),
    "multi_head_attention": ("weights",),
}


@pytest.mark.parametrize("layer", formulas.names())
def test_outputs_have_their_names(layer: str) -> None:
    always = OUTPUTS.get(layer, ("output",))
    for call in listed(spec(layer).arguments, 6, f"{layer} for its outputs"):
        assert tuple(evaluated(layer, call)) in (always, always + OPTIONAL.get(layer, ()))


# What a formula takes for what is left out: torch's defaults where torch has the layer.
DEFAULTS: dict[str, dict[str, Any]] = {
    "avg_pool2d": {"padding": (0, 0), "ceil_mode": False, "count_include_pad": True},
    "batch_norm": {"training": False, "momentum": 0.1, "eps": 1e-05, "num_batches_tracked": 0},
    "conv2d": {"stride": (1, 1), "padding": (0, 0), "dilation": (1, 1), "groups": 1, "padding_mode": "zeros"},
    "conv_transpose2d": {
        **{"stride": (1, 1), "padding": (0, 0), "output_padding": (0, 0)},
        **{"groups": 1, "dilation": (1, 1)},
    },
    "dropout": {"p": 0.5, "behind_mask": "times_zero"},
    "dropout2d": {"p": 0.5, "behind_mask": "times_zero"},
    "dual_stream_attention": {"fully_masked": "zero", "behind_mask": "skipped"},
    "dynamic_convolutional_attention": {"is_causal": False},
    "dynamic_graph_attention": {"behind_mask": "skipped"},
    "embedding": {"norm_type": 2.0},
    "global_local_attention": {"behind_mask": "skipped"},
    "graph_attention": {"behind_mask": "skipped"},
    "group_norm": {"eps": 1e-05},
    "gru": {**RECURRENT, "reset_after": True},
    "instance_norm": {"use_input_stats": True, "momentum": 0.1, "eps": 1e-05},
    "layer_norm": {"eps": 1e-05},
    "linear_attention": {"is_causal": False, "eps": Fraction(1, 10**6)},
    "local_attention": {"behind_mask": "skipped"},
    "log_softmax": {"dim": -1},
    "lstm": {**RECURRENT, "proj_size": 0},
    "max_pool2d": {
        **{"padding": (0, 0), "dilation": (1, 1), "ceil_mode": False},
        **{"return_indices": False, "nan": "propagated"},
    },
    "memory_attention": {"hops": 1},
    "multi_head_attention": {
        **{"need_weights": True, "average_attn_weights": True},
        **{"fully_masked": "nan", "behind_mask": "skipped"},
    },
    "multi_task_attention": {"eps": 1e-05},
    "relational_graph_attention": {"behind_mask": "skipped"},
    "relu": {"nan": "propagated"},
    "rnn": {**RECURRENT, "nonlinearity": "tanh"},
    "scaled_dot_product_attention": {
        **{"is_causal": False, "enable_gqa": False},
        **{"causal_alignment": "top_left", "fully_masked": "zero", "behind_mask": "skipped"},
    },
    "softmax": {"dim": -1},
    "spatially_adaptive_attention": {"align_corners": False},
    "upsample_bilinear": {"align_corners": False, "asymmetric": False},
    "upsample_nearest": {"rounding": "floor"},
}


def defaults(function: Callable[..., Any]) -> dict[str, Any]:
    """Of the parameters that may be left out, and are then not absent."""
    parameters = inspect.signature(function).parameters.values()
    return {p.name: p.default for p in parameters if p.default not in (inspect.Parameter.empty, None)}


@pytest.mark.parametrize("layer", formulas.names())
def test_the_defaults_of_a_formula_are_these(layer: str) -> None:
    assert defaults(formula(layer)) == DEFAULTS.get(layer, {})


def written(layer: str) -> list[str]:
    """The function that the orders are made of, where it takes the same arguments."""
    found = getattr(import_module(f"oracle.formulas.{layer}"), "written", None)
    required = inspect.signature(found).parameters.values() if found else ()
    needs = {parameter.name for parameter in required if parameter.default is parameter.empty}
    return ["written"] if found and needs <= set(inspect.signature(formula(layer)).parameters) else []


def outcome(layer: str, arguments: Arguments, order: str | None) -> list[str]:
    """The elements of all outputs, or the words in which the call is refused."""
    try:
        found = evaluated(layer, arguments, order)
    except ValueError as error:
        return [str(error)]
    return [repr(element) for output in found.values() for element in output.elements()]


@pytest.mark.parametrize(
    ("layer", "order"),
    [(layer, order) for layer in sorted(DEFAULTS) for order in (None, *orders(layer), *written(layer))],
)
def test_what_is_left_out_has_its_default(layer: str, order: str | None) -> None:
    for call in listed(spec(layer).arguments, 12, f"{layer} with a default"):
        for name, default in DEFAULTS[layer].items():
            if name not in call.tensors:
                rest = {other: value for other, value in call.parameters.items() if other != name}
                absent, given = (Arguments(call.tensors, parameters) for parameters in (rest, {**rest, name: default}))
                assert outcome(layer, absent, order) == outcome(layer, given, order), name
