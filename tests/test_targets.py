"""Targets: found by name, module, attribute or file; held to the protocol."""

import contextlib
import importlib
import importlib.abc
import io
import json
import math
import sys
import types
import warnings
from collections.abc import Callable
from dataclasses import fields, replace
from importlib.machinery import ModuleSpec
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import conformance.targets
from conformance import (
    Case,
    Declared,
    Deviation,
    Status,
    Target,
    Unavailable,
    Unsupported,
    Upstream,
    Values,
    examine,
    load,
)
from conformance.checks import worked
from conformance.run import run
from conformance.tally import Tally
from conformance.targets import UnknownTarget, names
from conformance.targets.torch import BY_CASE, KNOWN
from conformance.targets.torch._deviations import CPU, EVERYWHERE, scores_are_blank
from conformance.targets.torch._deviations_cuda import CUDA
from conformance.values import Literal, Special, TensorArgument
from oracle.formulas import formula
from oracle.formulas import names as names_of_formulas

CASE = Case("linear", "float32", {"input": Values((2, 3)), "weight": Values((4, 3)), "bias": None})
GRADIENT = Case("linear", "float32", CASE.tensors, upstream=Upstream(("input",)))


class Numpy(Target):
    """A target with one layer."""

    name = "numpy-linear"

    def linear(self, input: np.ndarray, weight: np.ndarray, bias: np.ndarray | None = None) -> np.ndarray:
        return input @ weight.T


class TransposedOutput(Numpy):
    """A wrong one."""

    def linear(self, input: np.ndarray, weight: np.ndarray, bias: np.ndarray | None = None) -> np.ndarray:
        return (input @ weight.T)[::-1]


Write = Callable[..., str]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Writes a file and gives its name."""

    def write(source: str, name: str = "kernels.py") -> str:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(source)
        return str(path)

    return write


def offered(target: Target) -> list[str]:
    return [name for name in conformance.spec.names() if target.layer(name)]


# What a target is asked


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
                raise Unsupported("no layer\nwithout bias")
            return input @ weight.T + bias

    verdict = examine(Partial(), CASE)
    assert (verdict.status, verdict.reason) == (Status.UNSUPPORTED, "no layer without bias")


def test_a_known_deviation_covers_its_cases_and_its_check_and_no_others() -> None:
    class Deviating(TransposedOutput):
        known = (
            Deviation(
                "linear", "rows reversed", "linear(x, w)", lambda case: case.format == "float32", check="forward"
            ),
        )

    assert examine(Deviating(), CASE).status is Status.KNOWN
    assert examine(Deviating(), CASE, "worked").status is Status.FAIL
    assert examine(Deviating(), Case("linear", "float64", CASE.tensors)).status is Status.FAIL


def test_an_unknown_check_lists_the_known() -> None:
    with pytest.raises(KeyError, match=r"unknown check 'nosuch'; known: .*forward, gradient"):
        examine(Numpy(), CASE, "nosuch")


@pytest.mark.parametrize("error", [ZeroDivisionError("oh\nno"), SystemExit(3), pytest.skip.Exception("later")])
def test_whatever_a_layer_raises_fails_it(error: BaseException) -> None:
    class Raising(Numpy):
        def linear(self, *tensors: np.ndarray) -> np.ndarray:
            raise error

    verdict = examine(Raising(), CASE)
    assert verdict.status is Status.FAIL
    assert verdict.reason == f"raised {type(error).__name__}: {error}".replace("\n", " ")


def test_a_layer_that_returns_no_array_fails() -> None:
    class Careless(Numpy):
        def linear(self, *tensors: np.ndarray) -> Any:
            return [1.0]

    assert examine(Careless(), CASE).reason == "returned float, expected a numpy array"


@pytest.mark.parametrize("part", ["array", "arranged", "read", "seed", "declared"])
def test_what_the_rest_of_a_target_raises_is_a_crash_and_not_a_failure(part: str) -> None:
    class Broken(load("torch-cpu").__class__):  # type: ignore[misc]
        pass

    def broken(*arguments: Any) -> Any:
        raise RuntimeError(f"{part}\nis broken")

    setattr(Broken, part, broken)
    laid_out = Case("linear", "float32", CASE.tensors, {}, {"input": "transposed"}, GRADIENT.upstream)
    for case, check in [(laid_out, "forward"), (laid_out, "gradient")]:
        verdict = examine(Broken("cpu"), case, check)
        assert verdict.status is Status.CRASHED
        assert verdict.reason.startswith(f"RuntimeError: {part} is broken (test_targets.py, line ")
    tally = run(Broken("cpu"), "linear", "float32", "gradient", 30)
    assert [failure.verdict.status for failure in tally.failures] == [Status.CRASHED]
    assert tally.counts[Status.CRASHED] > 0


def test_conventions_and_deviations_that_raise_are_crashes() -> None:
    class Careless(TransposedOutput):
        known = (Deviation("linear", "", "", lambda case: case.nosuch),)  # type: ignore[attr-defined]

    class Unconventional(Numpy):
        @property
        def policies(self) -> Any:
            raise LookupError("no policy")

    assert examine(Careless(), CASE).status is Status.CRASHED
    assert examine(Unconventional(), CASE).reason.startswith("LookupError: no policy (")


def test_a_derivative_that_raises_fails_and_one_that_is_none_of_it_crashes() -> None:
    class Raising(Numpy):
        def vjp(self, *arguments: Any) -> Any:
            raise ArithmeticError("no backward")

    class Confused(Numpy):
        def vjp(self, function: Any, leaves: Any, cotangents: Any) -> Any:
            return None

    assert examine(Raising(), GRADIENT, "gradient").reason == "raised ArithmeticError: no backward"
    assert examine(Confused(), GRADIENT, "gradient").status is Status.CRASHED
    assert examine(Numpy(), GRADIENT, "gradient").status is Status.UNSUPPORTED


def test_a_target_that_answers_differently_when_asked_again_fails_by_its_first_answer() -> None:
    class Forgetful(Numpy):
        calls = 0

        def linear(self, input: np.ndarray, weight: np.ndarray, bias: np.ndarray | None = None) -> np.ndarray:
            self.calls += 1
            if self.calls == 1:
                raise RuntimeError("cold start")
            product = super().linear(input, weight)
            return product if bias is None else product + bias

    tally = run(Forgetful(), "linear", "float32", "forward", 10)
    assert tally.failure is not None
    assert tally.failure.verdict.reason == "raised RuntimeError: cold start"
    assert tally.counts == {**dict.fromkeys(Status, 0), Status.FAIL: 1, Status.PASS: 9}


def test_an_interrupted_run_keeps_its_tally() -> None:
    class Interrupted(Numpy):
        calls = 0

        def linear(self, input: np.ndarray, weight: np.ndarray, bias: np.ndarray | None = None) -> np.ndarray:
            self.calls += 1
            if self.calls > 3:
                raise KeyboardInterrupt
            return np.zeros((*input.shape[:-1], len(weight)), input.dtype) + np.nan

    class Known(Interrupted):
        known = (Deviation("linear", "nothing but NaN", ""),)

    tally = Tally()
    with pytest.raises(KeyboardInterrupt):
        run(Known(), "linear", "float32", "forward", 10, tally=tally)
    assert tally.counts[Status.KNOWN] == 3


# Files and modules


def test_an_attribute_of_a_file_may_be_the_target(write: Write) -> None:
    file = write(
        "from conformance import Target\n\nclass Mine(Target):\n    name = 'mine'\n"
        "    def linear(self, input, weight, bias=None):\n        return input @ weight.T\n"
    )
    target = load(f"{file}:Mine")
    assert target.name == "mine"
    assert examine(target, CASE).status is Status.PASS
    with pytest.raises(UnknownTarget, match="has no attribute 'Nosuch'"):
        load(f"{file}:Nosuch")


def test_a_file_may_take_all_but_the_layers_from_another_target(write: Write) -> None:
    source = """
extends = "torch-cpu"

def linear(input, weight, bias=None):
    return input @ weight.T if bias is None else input @ weight.T + bias
"""
    target = load(write(source))
    base = load("torch-cpu")
    assert offered(target) == ["linear"]
    for name, value in vars(Target).items():
        if not callable(value) and name[0] != "_" and name not in ("name", "loaded_as", "known", "trusted"):
            assert getattr(target, name) == getattr(base, name), name
    assert target.declared("linear", "float32") == base.declared("linear", "float32")
    for check in ("forward", "gradient"):
        tally = run(target, "linear", "float32", check, 20)
        assert tally.counts[Status.PASS] == 20


def test_what_belongs_to_the_layers_of_another_target_is_not_taken_with_it(write: Write) -> None:
    target = load(
        write('extends = "torch-cpu"\n\ndef linear(input, weight, bias=None):\n    return input @ weight.T\n')
    )
    assert (target.known, target.session("linear")) == ((), None)
    strided = Case("linear", "bfloat16", {**CASE.tensors, "input": Values((2, 3, 3))}, {}, {"input": "stepped"})
    assert target.declared_for(strided).algorithm == load("torch-cpu").declared_for(strided).algorithm == "stepwise"


def test_an_arithmetic_of_its_own_is_that_of_every_case(write: Write) -> None:
    source = """
from conformance import Declared

extends = "torch-cpu"

def declared(layer, format):
    return Declared("float32", reason="mine")
"""
    target = load(write(source + "\ndef linear(input, weight, bias=None):\n    return input @ weight.T\n"))
    assert target.declared_for(CASE).reason == "mine"
    by_case = source + "\ndef declared_for(case):\n    return Declared(case.format, reason='by case')\n"
    assert load(write(by_case)).declared_for(CASE).reason == "by case"


def test_what_a_file_defines_goes_before_what_it_extends(write: Write) -> None:
    source = """
from conformance import Declared
from numpy import array

extends = "torch-cpu"
formats = ("float32",)

def declared(layer, format):
    return Declared("float32", reason="mine")

def linear(input, weight, bias=None):
    return input @ weight.T
"""
    target = load(write(source))
    assert target.formats == ("float32",)
    assert target.declared("linear", "float32").reason == "mine"
    assert isinstance(target.array(np.zeros(1), "float32"), torch.Tensor), "an imported name is not a definition"


def test_files_may_extend_files_but_not_themselves(write: Write) -> None:
    base = write('extends = "torch-cpu"\nformats = ("float32",)\n', "base.py")
    assert load(write(f"extends = {base!r}\n\ndef relu(input):\n    return input\n")).formats == ("float32",)
    first = write(f"extends = {base!r}\n", "first.py")
    write(f"extends = {first!r}\n", "base.py")
    with pytest.raises(UnknownTarget, match=r"first.py' extends itself: .*first.py → .*base.py → .*first.py"):
        load(first)


def test_anything_callable_is_an_offer_unless_it_was_imported_from_elsewhere(write: Write) -> None:
    source = """
import functools
import torch
from math import erf
from numpy import tanh
from torch.nn.functional import *
from .inside import linear, sigmoid as sigmoid
from offers.inside import softmax

relu = functools.partial(torch.clamp, min=0)
layer_norm = torch.nn.functional.layer_norm
dropout = torch.nn.Dropout(0.5)
residual = erf

@torch.jit.script
def conv2d(input):
    return input

__all__ = ["gelu", "gru"]
gru = "not a function"
"""
    write(source, "offers/__init__.py")
    inside = "from operator import matmul as linear\ndef sigmoid(input): ...\ndef softmax(input): ...\n"
    folder = Path(write(inside, "offers/inside.py")).parents[1]
    with pytest.MonkeyPatch.context() as patch, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch.jit is deprecated
        patch.syspath_prepend(folder)
        target = load("offers")
        found = offered(target)
        assert found == ["conv2d", "dropout", "layer_norm", "linear", "relu", "residual", "sigmoid", "softmax"]
        write(source.replace('"gelu"', '"tanh", "log_softmax"'), "offers_too/__init__.py")
        write(inside, "offers_too/inside.py")
        assert {"tanh", "log_softmax"} <= set(offered(load("offers_too")))


def test_a_module_without_source_offers_whatever_it_has(monkeypatch: pytest.MonkeyPatch) -> None:
    compiled = types.ModuleType("compiled_kernels")
    compiled.relu = abs  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "compiled_kernels", compiled)
    assert offered(load("compiled_kernels")) == ["relu"]


def test_a_file_may_import_its_neighbours_and_be_called_like_a_module_of_python(write: Write) -> None:
    write("from helper_of_json import relu_\n\ndef relu(input):\n    return relu_(input)\n", "json.py")
    write("import json\n\ndef relu_(input):\n    assert json\n    return input * (input > 0)\n", "helper_of_json.py")
    path = list(sys.path)
    target = load(write((Path(write("", "x")).parent / "json.py").read_text(), "json.py"))
    assert offered(target) == ["relu"]
    assert importlib.import_module("json") is json
    assert sys.path == path
    function: Any = target.layer("relu")
    assert sys.modules[function.__module__].relu is function


def test_arrays_that_a_file_makes_are_contiguous_unless_it_arranges_them(write: Write) -> None:
    own = "def array(values, format):\n    return values.astype(format)\n"
    assert load(write(own)).layouts == ("contiguous",)
    assert load(write(own + "layouts = ('contiguous', 'stepped')\n", "named.py")).layouts == ("contiguous", "stepped")
    arranged = own + "def arranged(array, layout):\n    return array\n"
    assert load(write(arranged, "arranged.py")).layouts == load(write("", "plain.py")).layouts


# Targets that are no use


@pytest.mark.parametrize(
    ("source", "message"),
    [
        (
            "raise ImportError('libcudnn.so.9:\\ncannot open')",
            "does not load: ImportError: libcudnn.so.9: cannot open$",
        ),
        ("from numpy import nosuch", r"does not load: ImportError: cannot import name 'nosuch' from 'numpy' \(.*\)$"),
        ("import numpy.nosuch", "does not load: ModuleNotFoundError: No module named 'numpy.nosuch'$"),
        ("import sys; sys.exit('no licence')", "does not load: SystemExit: no licence$"),
        ("def relu(:", r"does not load: SyntaxError: invalid syntax \(kernels.py, line 1\)$"),
        ("formats = ('float8',)", "the unknown format 'float8'; known: float64, float32, tf32, bfloat16, float16$"),
        ("formats = ('bfloat16',)", r"in bfloat16 needs its own array and read: TypeError: .*bfloat16.*$"),
        ("formats = ()", "has no formats; known: float64"),
        (
            "policies = {'nan': 'ignored'}",
            r"of the unknown layer 'nan'; they are by layer, such as \{'relu': \{'nan': ",
        ),
        ("policies = {'relu': {'NaN': 'ignored'}}", "unknown policy 'NaN' of relu; known of it: nan$"),
        ("policies = {'linear': {'nan': 'ignored'}}", "unknown policy 'nan' of linear; it has none$"),
        (
            "import numpy as np\ndef array(values, format): return np.ascontiguousarray(values, format)",
            r"read\(array\(numbers, 'float64'\)\) of numbers of the shape \(\) gives the shape \(1,\) and",
        ),
        (
            "def array(values, format): return values",
            r"'float32'\)\) of numbers of the shape \(\) gives the shape \(\) and the format 'float64'$",
        ),
        (
            "def array(values, format): return 2 * values.astype(format)",
            r"'float64'\)\) of numbers of the shape \(\) gives other numbers$",
        ),
        (
            "def array(values, format): return values.device(format)",
            r"'float64'\)\) of numbers of the shape \(\) raised TypeError: 'str' object is not callable$",
        ),
        ("extends = 3", "does not load: AttributeError"),
    ],
)
def test_a_file_that_is_no_use_says_so_in_one_line(write: Write, source: str, message: str) -> None:
    with pytest.raises(Unavailable, match=message) as caught:
        load(write(source))
    assert "\n" not in str(caught.value)
    assert "pip install" not in str(caught.value)


@pytest.mark.parametrize("source", ["import xmlrpc.client", "from xmlrpc import client"])
def test_a_file_that_hides_the_library_it_imports_is_told_so(tmp_path: Path, source: str) -> None:
    path = tmp_path / "xmlrpc.py"
    path.write_text(source)
    message = "^target 'xmlrpc.py' does not load: .* found under the name 'xmlrpc': give the file another name$"
    with pytest.raises(Unavailable, match=message):
        load(str(path))
    assert "xmlrpc" not in sys.modules


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("def __init__(self): raise OSError('no\\nGPU')", "does not load: OSError: no GPU$"),
        ("def __init__(self, device): ...", "does not load: TypeError: .* missing 1 required positional argument"),
    ],
)
def test_a_class_that_cannot_be_made_says_why(write: Write, body: str, message: str) -> None:
    file = write(f"from conformance import Target\n\nclass Mine(Target):\n    {body}\n")
    with pytest.raises(Unavailable, match=message):
        load(f"{file}:Mine")


def test_an_entry_point_that_does_not_load_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    entries = [EntryPoint(name, value, "conformance.targets") for name, value in [("a", "json:no"), ("b", "nosuch_at")]]
    monkeypatch.setattr(conformance.targets, "entry_points", lambda group: entries)
    with pytest.raises(Unavailable, match=r"target 'a' does not load: AttributeError: .*'no'"):
        load("a")
    with pytest.raises(Unavailable, match="target 'b' does not load: ModuleNotFoundError: No module named 'nosuch_at'"):
        load("b")


def test_an_installed_package_registers_its_targets(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    write("def relu(input):\n    return input * (input > 0)\n", "quick_kernels/__init__.py")
    write("Metadata-Version: 2.1\nName: quick-kernels\nVersion: 1.0\n", "quick_kernels-1.0.dist-info/METADATA")
    entries = "[conformance.targets]\nquick = quick_kernels\ntorch-quick = quick_kernels\ntorch-cpu = quick_kernels\n"
    folder = Path(write(entries, "quick_kernels-1.0.dist-info/entry_points.txt")).parents[1]
    monkeypatch.syspath_prepend(folder)
    for name in ("quick", "torch-quick"):
        assert name in names()
        assert offered(load(name)) == ["relu"]
    assert load("torch-cpu").layer("linear"), "a target of the suite keeps its name"


def test_a_package_that_raises_is_no_unknown_module(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    write("raise OSError('libcudart')", "badpkg/__init__.py")
    folder = Path(write("", "badpkg/sub.py")).parents[1]
    monkeypatch.syspath_prepend(folder)
    with pytest.raises(Unavailable, match=r"target 'badpkg.sub' does not load: OSError: libcudart$"):
        load("badpkg.sub")


@pytest.mark.parametrize("name", ["", "nosuch", "torch-tpu", "json.nosuch", "..", "a/b", "json:", "no such", ":x"])
def test_an_unknown_target_lists_the_known(name: str) -> None:
    if name == "json:":
        assert offered(load(name)) == []
        return
    with pytest.raises(UnknownTarget, match=r"unknown target .*; known: .*torch-cpu, torch-cuda.*path/to/file.py"):
        load(name)


class Refusing(importlib.abc.MetaPathFinder):
    """Raises where torch is imported."""

    def __init__(self, error: Exception) -> None:
        self.error = error

    def find_spec(self, name: str, path: Any, target: Any = None) -> ModuleSpec | None:
        if name == "torch":
            raise self.error
        return None


@pytest.mark.parametrize(
    ("error", "known", "message"),
    [
        (
            ModuleNotFoundError("No module named 'torch'", name="torch"),
            "torch (does not load: ModuleNotFoundError: No module named 'torch')",
            "needs the module 'torch': No module named 'torch'; install it, for example: pip install torch",
        ),
        (
            OSError("libcudart:\nno such file"),
            "torch (does not load: OSError: libcudart: no such file)",
            "target 'torch-cpu' does not load: OSError: libcudart: no such file",
        ),
    ],
)
def test_a_library_that_does_not_import_is_listed_with_its_reason(
    monkeypatch: pytest.MonkeyPatch, error: Exception, known: str, message: str
) -> None:
    for module in [name for name in sys.modules if name == "torch" or name.startswith("conformance.targets.torch")]:
        monkeypatch.delitem(sys.modules, module)
    monkeypatch.setattr(sys, "meta_path", [Refusing(error), *sys.meta_path])
    assert known in names()
    with pytest.raises(UnknownTarget):
        load("nosuch")
    with pytest.raises(Unavailable) as caught:
        load("torch-cpu")
    assert message in str(caught.value)


def test_a_missing_device_says_what_is_needed() -> None:
    if torch.cuda.is_available():
        assert load("torch-cuda").name == "torch-cuda"
    else:
        with pytest.raises(Unavailable, match="needs a CUDA device"):
            load("torch-cuda")


@pytest.fixture
def torch_cuda(monkeypatch: pytest.MonkeyPatch) -> Target:
    """The target without a device, as far as it can say what it knows."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda: "a device that is not there")
    return load("torch-cuda")


def test_what_is_known_of_one_device_excuses_no_other(torch_cuda: Target) -> None:
    everywhere, on_cpu, on_cuda = map(set, (EVERYWHERE, CPU, CUDA))
    assert set(torch_cuda.known) == everywhere | on_cuda
    assert set(load("torch-cpu").known) == everywhere | on_cpu
    assert not on_cpu & on_cuda


def test_arithmetic_is_declared_by_device(torch_cuda: Target) -> None:
    ours, theirs = load("torch-cpu"), torch_cuda
    assert (ours.declared("rnn", "float32").operands, theirs.declared("rnn", "float32").operands) == (None, "tf32")
    assert ours.declared("tanh", "bfloat16").backward is None
    assert theirs.declared("tanh", "bfloat16").backward == "stepwise"
    for target in (ours, theirs):
        for layer in names_of_formulas():
            for format in target.formats:
                declared = target.declared(layer, format)
                for algorithm in (declared.algorithm, declared.backward):
                    assert callable(formula(layer, algorithm))


@pytest.mark.parametrize(
    ("format", "weight", "training", "algorithm"),
    [
        ("float32", Values((2,)), True, "folded_recurrent"),
        ("float32", Values((2,)), False, "weighted"),
        ("float32", None, True, "weighted"),
        ("float16", Values((2,)), True, "weighted"),
    ],
)
def test_cudnn_folds_what_it_serves(
    torch_cuda: Target, format: str, weight: Values | None, training: bool, algorithm: str
) -> None:
    tensors = {"input": Values((3, 2, 4)), "running_mean": None, "running_var": None, "weight": weight, "bias": weight}
    assert torch_cuda.declared_for(Case("batch_norm", format, tensors, {"training": training})).algorithm == algorithm


@pytest.mark.parametrize(
    ("layouts", "lost"),
    [
        ({"input": "channels_last", "weight": "offset"}, True),
        ({"input": "channels_last", "running_var": "transposed"}, True),  # of one axis: what is offset
        ({"input": "channels_last", "weight": "stepped"}, False),  # is copied
        ({"input": "channels_last"}, False),
        ({"weight": "offset"}, False),
    ],
)
def test_cudnn_reads_four_channels_at_once_from_places_of_four(layouts: dict[str, str], lost: bool) -> None:
    (deviation,) = [deviation for deviation in CUDA if deviation.lethal and deviation.layer == "batch_norm"]
    tensors = {"input": Values((2, 8, 2, 2))} | dict.fromkeys(("running_mean", "running_var", "weight"), Values((8,)))
    case = Case("batch_norm", "float32", tensors, {"training": True}, layouts)
    assert deviation.concerns(case) is lost
    three = {"input": Values((2, 3, 2, 2))} | dict.fromkeys(("running_mean", "running_var", "weight"), Values((3,)))
    assert not deviation.concerns(replace(case, tensors=three))


@pytest.mark.parametrize(
    ("format", "padding", "unwritten"), [("bfloat16", 3, True), ("bfloat16", 0, False), ("float32", 3, False)]
)
def test_taps_that_meet_no_pixel_are_known_to_be_unwritten(format: str, padding: int, unwritten: bool) -> None:
    (deviation,) = [deviation for deviation in CPU if "taps that meet no pixel" in deviation.reason]
    tensors = {"input": Values((2, 2, 1, 1)), "weight": Values((2, 3, 7, 7)), "bias": None}
    both = dict.fromkeys(("stride", "dilation"), (1, 1))
    parameters = {**both, "padding": (padding, padding), "output_padding": (0, 0), "groups": 1}
    case = Case("conv_transpose2d", format, tensors, parameters, upstream=Upstream(("weight",)))
    assert deviation.concerns(case) is unwritten


@pytest.mark.parametrize(("lowest", "zero"), [("-largest", True), ("-smallest", False)])
def test_a_mask_of_the_lowest_number_leaves_no_key_on_cuda(lowest: str, zero: bool) -> None:
    found = [deviation for deviation in CUDA if "near the lowest number" in deviation.reason]
    assert {deviation.layer for deviation in found} == {"scaled_dot_product_attention", "multi_head_attention"}
    mask = Special(Values((1, 2), "additive_mask"), (0, 0), (1, 2), lowest)
    tensors: dict[str, TensorArgument] = {name: Values((2, 4)) for name in ("query", "key", "value")}
    case = Case("scaled_dot_product_attention", "float32", {**tensors, "attn_mask": mask}, {"is_causal": False})
    assert found[0].concerns(case) is zero


@pytest.mark.parametrize(
    ("outs", "rows", "scattered"), [(256, 2, {"input"}), (2, 256, {"weight"}), (256, 256, {"input", "weight"})]
)
def test_derivatives_over_many_terms_may_be_split_on_cuda(
    torch_cuda: Target, outs: int, rows: int, scattered: set[str]
) -> None:
    tensors = {"input": Values((rows, 3)), "weight": Values((outs, 3)), "bias": None}
    assert torch_cuda.declared_for(Case("linear", "bfloat16", tensors)).scattered == scattered


@pytest.mark.parametrize(
    ("indices", "twice"), [(((0, 1), (2, 0)), True), (((0, 0), (1, 1)), False), (((3, 1, 3, 1),), False)]
)
def test_rows_may_be_shortened_twice_where_rows_of_indices_repeat_them(indices: Any, twice: bool) -> None:
    (deviation,) = [deviation for deviation in CUDA if "shortened twice" in deviation.reason]
    array = np.array(indices)
    looked_up = Literal(array.shape, tuple(array.ravel().tolist()))
    case = Case("embedding", "float32", {"input": looked_up, "weight": Values((4, 2))}, {"max_norm": 1.0})
    assert deviation.concerns(case) is twice


def test_a_projection_of_attention_may_be_derived_in_parts_on_cuda_in_half_precision(torch_cuda: Target) -> None:
    declared = {
        format: torch_cuda.declared_for(Case("multi_head_attention", format, {})) for format in ("float32", "float16")
    }
    assert declared["float32"].scattered == set()
    assert {"query", "out_proj_weight"} <= declared["float16"].scattered
    assert declared["float16"].backward == "productwise_in_parts"


@pytest.mark.parametrize(("layout", "refused"), [("contiguous", False), ("stepped", False), ("transposed", True)])
def test_cudnn_refuses_weights_that_are_no_column(layout: str, refused: bool) -> None:
    (deviation,) = [deviation for deviation in CUDA if deviation.layer == "rnn" and "weight" in deviation.reason]
    weights = tuple(map(Values, ((2, 3), (2, 2), (2,), (2,))))
    case = Case(
        "rnn", "float32", {"input": Values((1, 2, 3)), "h_0": None, "weights": weights}, layouts={"weights": layout}
    )
    assert deviation.concerns(case) is refused


@pytest.mark.parametrize("deviation", KNOWN["cpu"], ids=lambda deviation: f"{deviation.layer}: {deviation.reason[:40]}")
def test_a_reproducer_prints_what_its_last_comment_says(deviation: Deviation) -> None:
    reproduce(deviation)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("deviation", CUDA, ids=lambda deviation: f"{deviation.layer}: {deviation.reason[:40]}")
def test_a_reproducer_on_cuda_prints_what_its_last_comment_says(deviation: Deviation) -> None:
    reproduce(deviation)


def reproduce(deviation: Deviation) -> None:
    """Run the program: it prints what the comment that ends it says."""
    lines = deviation.reproducer.splitlines()
    said: list[str] = []
    while lines and lines[-1].startswith("# "):
        said.insert(0, lines.pop().removeprefix("# "))
    with contextlib.redirect_stdout(io.StringIO()) as output:
        exec(deviation.reproducer, {})
    assert output.getvalue(), "a reproducer shows the failure"
    # what is read behind the end of a tensor is never the same: such a one says nothing of it
    assert not said or output.getvalue().splitlines() == said


@pytest.mark.parametrize(("format", "blank"), [("float32", False), ("float16", True)])
def test_scores_are_blank_where_what_they_are_made_of_overflows_when_it_is_stored(format: str, blank: bool) -> None:
    sides = (1, 2, 3)
    tensors = {
        **{name: Values(sides) for name in ("query", "key", "value")},
        "in_proj_weight": Literal((9, 3), (65504.0, *[1.0] * 26)),
        "in_proj_bias": None,
        "out_proj_weight": Values((3, 3)),
        "out_proj_bias": None,
        "key_padding_mask": None,
        "attn_mask": None,
    }
    case = Case("multi_head_attention", format, tensors, {"num_heads": 1, "need_weights": False})
    assert scores_are_blank(case) == blank


def test_a_gate_of_which_onednn_makes_zero_conforms() -> None:
    gates = ("-10", "-60", "-1", "-87")  # a cell of -3.5e-5 behind an output gate of 1.6e-38

    def zeros(*shape: int) -> Literal:
        return Literal(shape, (0.0,) * math.prod(shape))

    weights = zeros(20, 1), zeros(20, 5), Literal((20,), tuple(gate for gate in gates for _ in range(5))), zeros(20)
    case = Case(
        "lstm",
        "float32",
        {"input": zeros(1, 1, 1), "h_0": zeros(1, 1, 5), "c_0": zeros(1, 1, 5), "weights": weights},
        {"num_layers": 1, "bias": True, "batch_first": False, "bidirectional": False, "proj_size": 0},
    )
    assert examine(load("torch-cpu"), case).status is Status.PASS


@pytest.mark.parametrize("device", ["cpu", "cuda"])
def test_an_arithmetic_by_the_case_is_there_for_the_documents_examples_too(device: str) -> None:
    target = load("torch-cpu")
    asked = [layer for layer in BY_CASE[device] if worked.applies(layer)]
    assert asked
    for layer in asked:
        for case in worked.cases(layer, "float32", target, 1):
            assert BY_CASE[device][layer](case).keys() <= {field.name for field in fields(Declared)}
