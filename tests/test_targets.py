"""Targets: found by name, module, attribute or file; held to the protocol."""

from pathlib import Path

import numpy as np
import pytest
import torch

from conformance import Case, Deviation, Status, Target, Unavailable, Unsupported, Values, examine, load
from conformance.targets import UnknownTarget, names

CASE = Case("linear", "float32", {"input": Values((2, 3)), "weight": Values((4, 3)), "bias": None})


class Numpy(Target):
    """A target with one layer."""

    name = "numpy-linear"

    def linear(self, input: np.ndarray, weight: np.ndarray, bias: np.ndarray | None = None) -> np.ndarray:
        return input @ weight.T


class TransposedOutput(Numpy):
    """A wrong one."""

    def linear(self, input: np.ndarray, weight: np.ndarray, bias: np.ndarray | None = None) -> np.ndarray:
        return (input @ weight.T)[::-1]


def test_a_target_class_is_judged() -> None:
    assert examine(Numpy(), CASE).status is Status.PASS
    assert examine(TransposedOutput(), CASE).status is Status.FAIL


def test_a_layer_that_a_target_lacks_is_unsupported() -> None:
    verdict = examine(Numpy(), Case("relu", "float32", {"input": Values((2,))}))
    assert verdict.status is Status.UNSUPPORTED
    assert verdict.reason == "numpy-linear has no relu"


def test_parameters_that_a_library_lacks_are_unsupported() -> None:
    class Partial(Numpy):
        def linear(self, input: np.ndarray, weight: np.ndarray, bias: np.ndarray | None = None) -> np.ndarray:
            if bias is None:
                raise Unsupported("no layer without bias")
            return input @ weight.T + bias

    verdict = examine(Partial(), CASE)
    assert (verdict.status, verdict.reason) == (Status.UNSUPPORTED, "no layer without bias")


def test_a_known_deviation_covers_its_cases_and_no_others() -> None:
    class Deviating(TransposedOutput):
        known = (Deviation("linear", "rows reversed", "linear(x, w)", lambda case: case.format == "float32"),)

    assert examine(Deviating(), CASE).status is Status.KNOWN
    other = Case("linear", "float64", CASE.tensors)
    assert examine(Deviating(), other).status is Status.FAIL


def test_an_attribute_of_a_file_may_be_the_target(tmp_path: Path) -> None:
    file = tmp_path / "mine.py"
    file.write_text(
        "from conformance import Target\n\nclass Mine(Target):\n    name = 'mine'\n"
        "    def linear(self, input, weight, bias=None):\n        return input @ weight.T\n"
    )
    target = load(f"{file}:Mine")
    assert target.name == "mine"
    assert examine(target, CASE).status is Status.PASS


def test_a_file_may_take_arrays_from_another_target(tmp_path: Path) -> None:
    file = tmp_path / "kernels.py"
    file.write_text('extends = "torch-cpu"\n\ndef linear(input, weight, bias=None):\n    return input @ weight.T\n')
    target = load(str(file))
    assert examine(target, CASE).status is Status.PASS
    assert target.layer("relu") is None
    assert target.declared("linear", "float32") == load("torch-cpu").declared("linear", "float32")


def test_imported_names_are_not_layers(tmp_path: Path) -> None:
    file = tmp_path / "kernels.py"
    file.write_text("from numpy import tanh\n\ndef linear(input, weight, bias=None):\n    return input @ weight.T\n")
    assert load(str(file)).layer("tanh") is None


def test_an_attribute_that_is_missing_is_named(tmp_path: Path) -> None:
    file = tmp_path / "kernels.py"
    file.write_text("")
    with pytest.raises(UnknownTarget, match="has no attribute 'mine'"):
        load(f"{file}:mine")


def test_an_unknown_target_lists_the_known() -> None:
    assert {"torch-cpu", "torch-cuda", "oracle-float32"} <= set(names())
    with pytest.raises(UnknownTarget, match="torch-cuda"):
        load("torch-tpu")


def test_a_missing_device_says_what_is_needed() -> None:
    if torch.cuda.is_available():
        assert load("torch-cuda").name == "torch-cuda"
    else:
        with pytest.raises(Unavailable, match="needs a CUDA device"):
            load("torch-cuda")
