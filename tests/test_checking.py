"""A function of one's own held to a layer inside any test."""

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
import torch

from conformance import Declared, Deviation, Unsupported, check, conforms, target_of

pytest_plugins = "pytester"


def relu(input: np.ndarray) -> np.ndarray:
    return np.maximum(input, 0)


def leaky(input: Any) -> Any:
    return input * (input > 0) + 0.01 * input * (input < 0)


def layer_norm(
    input: torch.Tensor,
    weight: torch.Tensor | None = None,
    bias: torch.Tensor | None = None,
    *,
    normalized_shape: Sequence[int],
    eps: float,
) -> torch.Tensor:
    return torch.nn.functional.layer_norm(input, normalized_shape, weight, bias, eps)


def by_the_sample_deviation(
    input: torch.Tensor,
    weight: torch.Tensor | None = None,
    bias: torch.Tensor | None = None,
    *,
    normalized_shape: Sequence[int],
    eps: float,
) -> torch.Tensor:
    """The classic mistake: the variance is divided by n - 1."""
    over = tuple(range(-len(normalized_shape), 0))
    centred = input - input.mean(over, keepdim=True)
    variance = centred.square().sum(over, keepdim=True) / (math.prod(normalized_shape) - 1)
    normalised = centred / torch.sqrt(variance + eps)
    scaled = normalised if weight is None else normalised * weight
    return scaled if bias is None else scaled + bias


def failure(function: Callable[..., Any], **given: Any) -> str:
    """What ``check`` says of a function that does not conform."""
    with pytest.raises(AssertionError) as caught:
        check(function, **given)
    return str(caught.value)


# check


def test_a_function_over_numpy_arrays_is_held_to_its_layer() -> None:
    check(relu, layer="relu")
    assert failure(leaky, layer="relu").startswith("relu in float64 (forward) does not conform: the result is further")


def test_a_function_over_torch_tensors_is_held_to_its_values_and_its_derivatives() -> None:
    check(layer_norm, layer="layer_norm", formats=["float32", "bfloat16"], extends="torch-cpu")

    def without_derivative(input: torch.Tensor) -> torch.Tensor:
        return torch.relu(input.detach()) + 0 * input

    said = failure(without_derivative, layer="relu", extends="torch-cpu", checks=["forward", "gradient"])
    assert said.startswith("relu in float64 (gradient) does not conform: ")


def test_a_failure_reads_as_the_plugins_and_its_program_shows_it(capsys: pytest.CaptureFixture[str]) -> None:
    said = failure(by_the_sample_deviation, layer="layer_norm", formats=["float32"], extends="torch-cpu")
    assert "  diagnosis  equals: the variance is divided by n − 1\n" in said
    assert "'input': Values(shape=(1,), regime='ramp', seed=0)" in said, "the case is shrunk"
    _, _, program = said.partition("Run it again:\n")
    assert "examine(target_of(by_the_sample_deviation, layer='layer_norm', extends='torch-cpu'), case, " in program
    lines = [line.removeprefix("    ") for line in program.splitlines()]
    exec("\n".join(lines), {"by_the_sample_deviation": by_the_sample_deviation})
    assert capsys.readouterr().out.startswith("Verdict(status=<Status.FAIL: 'FAIL'>")


def test_what_a_file_may_define_may_be_given() -> None:
    class Boxed:
        def __init__(self, values: np.ndarray) -> None:
            self.values = values

    given: dict[str, Any] = {
        "array": lambda values, format: Boxed(values.astype(format)),
        "read": lambda box: (box.values.astype(np.float64), box.values.dtype.name),
        "layouts": ("contiguous",),
        "checks": ["forward", "large"],
    }
    check(lambda box: Boxed(np.maximum(box.values, 0)), layer="relu", **given)
    assert "got " in failure(lambda box: Boxed(leaky(box.values)), layer="relu", **given)

    def coarse(input: np.ndarray, weight: np.ndarray, bias: np.ndarray | None = None) -> np.ndarray:
        products = input.astype(np.float16).astype(np.float32) @ weight.astype(np.float16).astype(np.float32).T
        return products if bias is None else products + bias

    asked: dict[str, Any] = {"layer": "linear", "formats": ["float32"], "checks": ["forward"], "examples": 50}
    assert "does not conform" in failure(coarse, **asked)
    known = (Deviation("linear", "its products are those of half precision", "coarse(x, w)"),)
    check(coarse, **asked, known=known)
    check(relu, layer="relu", declared=lambda layer, format: Declared(format, reason="that of the format"))


def test_a_function_that_refuses_all_it_is_asked_has_not_conformed() -> None:
    def unwilling(input: np.ndarray) -> np.ndarray:
        raise Unsupported("not today")

    assert failure(unwilling, layer="relu", checks=["forward"]) == "relu: nothing was judged: not today"
    assert "takes no derivatives" in failure(relu, layer="relu", checks=["gradient"])


def test_what_a_function_warns_of_is_no_failure() -> None:
    def warning(input: np.ndarray) -> np.ndarray:
        return np.log(np.exp(np.maximum(input, 0) * 0)) + np.maximum(input, 0)

    check(warning, layer="relu", formats=["float64"], checks=["forward"])


@pytest.mark.parametrize(
    ("error", "given", "message"),
    [
        (ValueError, {"layer": "liner"}, r"^unknown layer 'liner'; known: .*layer_norm, linear"),
        (ValueError, {"layer": "relu", "formats": ["float31"]}, r"^unknown format 'float31'; known: float64, float32"),
        (
            ValueError,
            {"layer": "relu", "formats": ["tf32"], "extends": "torch-cpu"},
            r"^unknown format 'tf32'; the target torch-cpu has: float64, float32, bfloat16, float16$",
        ),
        (ValueError, {"layer": "relu", "formats": ["bfloat16"]}, "in bfloat16 needs its own array and read"),
        (ValueError, {"layer": "relu", "formats": []}, "has no formats; known: float64"),
        (
            ValueError,
            {"layer": "relu", "checks": ["values"]},
            r"^unknown check 'values'; known: empty, forward, gradient",
        ),
        (
            TypeError,
            {"layer": "relu", "layout": ("offset",)},
            r"^a target has no 'layout'; it may have: arranged",
        ),
    ],
)
def test_a_slip_in_the_arguments_lists_what_is_known(error: type[Exception], given: Any, message: str) -> None:
    for ask in (lambda: check(relu, **given), lambda: conforms(**given)(relu)):
        with pytest.raises(error, match=message):
            ask()


def test_a_function_does_not_inherit_what_belongs_to_the_layers_of_another_target() -> None:
    target = target_of(layer_norm, layer="layer_norm", extends="torch-cpu")
    assert target.known == ()
    assert target.session("layer_norm") is None
    assert target.declared("layer_norm", "bfloat16").algorithm == "folded"


# conforms

ITEMS = """
import numpy as np
from conformance import Unsupported, conforms


@conforms(layer="relu", formats=["float32"])
def test_relu(input):
    return np.maximum(input, 0)


@conforms(layer="tanh", formats=["float32"], checks=["worked", "forward"])
def test_tanh(input):
    return input


@conforms(layer="sigmoid", checks=["forward"])
def test_sigmoid(input):
    raise Unsupported("no exp")
"""


def test_a_decorated_function_is_an_item_for_every_format_and_check(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(ITEMS)
    done = pytester.runpytest_inprocess("-p", "no:cacheprovider", "-v", "-rs")
    found = dict(line.split("::")[1].split()[:2] for line in done.outlines if "::" in line and "[" in line)
    assert found["test_relu[float32-forward]"] == "PASSED"
    assert found["test_relu[float32-purity]"] == "PASSED"
    assert found["test_relu[float32-gradient]"] == "SKIPPED"
    assert found["test_tanh[float32-forward]"] == found["test_tanh[float32-worked]"] == "FAILED"
    assert found["test_sigmoid[float64-forward]"] == "SKIPPED"
    assert not {name for name in found if name.startswith("test_tanh") and "special" in name}
    done.stdout.fnmatch_lines(["*no exp*"])
    done.stdout.fnmatch_lines(["tanh in float32 (forward) does not conform: *", "*Run it again:*"])
    done.stdout.no_fnmatch_line("*checking.py*in*")


def test_a_decorated_function_can_be_asked_again() -> None:
    decorated = conforms(layer="relu")(leaky)
    target = target_of(decorated, layer="relu")
    assert target.layer("relu") is leaky
