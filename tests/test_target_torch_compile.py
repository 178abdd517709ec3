"""The target torch-compile: its layers are compiled, and the programs conform."""

from __future__ import annotations

import pytest

from conformance import Case, Status, Unavailable, Upstream, Values, examine, load
from conformance.checking import lenient
from conformance.run import run

try:
    COMPILED = load("torch-compile")
except Unavailable as unavailable:
    pytest.skip(str(unavailable), allow_module_level=True)

import torch
from torch._dynamo.utils import counters

from conformance.target import Deviation
from conformance.targets.torch._deviations_compile import COMPILED as KNOWN


@pytest.mark.parametrize("layer", ["layer_norm", "residual", "softmax", "upsample_bilinear"])
@pytest.mark.parametrize("kind", ["forward", "gradient"])
def test_a_layer_conforms(layer: str, kind: str) -> None:
    with lenient():
        tally = run(COMPILED, layer, "bfloat16", kind, 2)
    assert tally.failure is None, tally.failure
    assert tally.counts[Status.PASS]


@pytest.mark.parametrize("name", ["linear", "softmax"])
def test_one_program_serves_all_sizes_of_a_function_or_a_module(name: str) -> None:
    layer = COMPILED.layer(name)
    assert layer is not None
    torch._dynamo.reset()
    counters.clear()
    with lenient():
        for rows, columns in ((2, 3), (5, 7), (9, 4)):
            rest = (torch.ones(6, columns), torch.ones(6)) if name == "linear" else ()
            layer(torch.ones(rows, columns), *rest)
    assert counters["stats"]["unique_graphs"] == 1


def test_what_the_layer_itself_refuses_is_refused_in_its_own_words() -> None:
    sizes = {"size": (3, 3), "scale_factor": None, "recompute_scale_factor": None, "align_corners": False}
    case = Case("upsample_bilinear", "float32", {"input": Values((1, 1, 2, 2))}, {**sizes, "asymmetric": True})
    with lenient():
        verdict = examine(COMPILED, case)
    assert verdict.status is Status.UNSUPPORTED
    assert "not asymmetrically" in verdict.reason


def test_what_torch_compile_leaves_to_eager_kernels_is_not_offered() -> None:
    assert all(COMPILED.layer(name) is None for name in ("rnn", "lstm", "gru"))


@pytest.mark.parametrize("deviation", KNOWN, ids=lambda deviation: deviation.layer)
def test_a_reproducer_prints_what_its_last_comments_say(
    deviation: Deviation, capsys: pytest.CaptureFixture[str]
) -> None:
    said = [line.removeprefix("# ") for line in deviation.reproducer.splitlines() if line.startswith("# ")]
    with lenient():
        exec(deviation.reproducer, {})
    assert capsys.readouterr().out.splitlines() == said


def test_derivatives_of_an_image_without_a_batch_are_known_to_fail() -> None:
    tensors = {"input": Values((1, 1, 2)), "weight": Values((1, 1, 1, 2)), "bias": None}
    parameters = {"stride": (1, 1), "padding": (0, 0), "dilation": (1, 1), "groups": 1, "padding_mode": "zeros"}
    case = Case("conv2d", "float32", tensors, parameters, upstream=Upstream(("input",)))
    with lenient():
        assert examine(COMPILED, case, "gradient").status is Status.KNOWN
