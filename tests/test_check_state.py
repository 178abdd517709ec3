"""The check of state and order: it finds states that go wrong, and passes what is honest."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pytest
import torch
from planting import UntilFound

from conformance import Case, Status, Target, Values, examine
from conformance.run import run
from conformance.spec import names, spec
from conformance.target import Session
from conformance.targets.torch import Torch
from conformance.verdict import Verdict

HONEST = Torch("cpu")


class Planted(Torch):
    """Honest torch, but for one layer, which gets the honest function and its arguments; without sessions."""

    def __init__(self, name: str, function: Callable[..., Any]) -> None:
        super().__init__("cpu")
        self._planted = name, function

    def layer(self, name: str) -> Callable[..., Any] | None:
        planted, function = self._planted
        honest = super().layer(name)
        return (lambda *tensors, **options: function(honest, *tensors, **options)) if name == planted else honest

    def session(self, layer: str) -> Session | None:
        return None


def found(target: Target, layer: str, examples: int = 200) -> Verdict:
    failure = run(target, layer, "float32", "state", examples, UntilFound()).failure
    return failure.verdict if failure else Verdict(Status.PASS)


def biased_variance(honest: Any, input: Any, mean: Any, var: Any, *rest: Any, **options: Any) -> Any:
    output, *running = honest(input, mean, var, *rest, **options)
    if running and options["training"] and options["momentum"] is not None and input.numel():
        biased = input.transpose(0, 1).flatten(1).var(1, correction=0)
        running[1] = (1 - options["momentum"]) * var + options["momentum"] * biased
    return output, *running


def reversed_momentum(honest: Any, *tensors: Any, momentum: Any, **options: Any) -> Any:
    return honest(*tensors, momentum=momentum if momentum is None else 1 - momentum, **options)


def updated_in_evaluation(honest: Any, input: Any, mean: Any, *rest: Any, training: bool, **options: Any) -> Any:
    output, *running = honest(input, mean, *rest, training=training, **options)
    return output, *(statistic if training else statistic * 0.9 for statistic in running)


def always_in_training(honest: Any, input: Any, *rest: Any, training: bool, **options: Any) -> Any:
    several = input.numel() > input.shape[1]
    return honest(input, *rest, training=training or several, **options)


def spoilt_by_no_samples(honest: Any, input: Any, *rest: Any, **options: Any) -> Any:
    output, *running = honest(input, *rest, **options)
    return output, *(statistic * (1.0 if input.numel() else torch.nan) for statistic in running)


def state_not_taken(honest: Any, input: Any, h_0: Any, weights: Any, **options: Any) -> Any:
    return honest(input, None, weights, **options)


def table_not_kept(honest: Any, input: Any, weight: Any, **options: Any) -> Any:
    return honest(input, weight, **options)[0], weight


def packed() -> Callable[..., Any]:
    """The weight is packed once for each array, whatever is written into that later."""
    known: dict[int, tuple[Any, Any]] = {}

    def linear(honest: Any, input: Any, weight: Any, bias: Any) -> Any:
        _, own = known.setdefault(id(weight), (weight, weight.clone()))
        return honest(input, own, bias)

    return linear


PLANTED = {
    "the running variance is biased": ("batch_norm", biased_variance),
    "the momentum is reversed": ("batch_norm", reversed_momentum),
    "statistics are updated in evaluation": ("batch_norm", updated_in_evaluation),
    "the mode is ignored": ("batch_norm", always_in_training),
    "an empty batch spoils the statistics": ("batch_norm", spoilt_by_no_samples),
    "the state is not taken": ("gru", state_not_taken),
    "the table is not kept": ("embedding", table_not_kept),
    "the weight is packed once": ("linear", packed()),
}


@pytest.mark.parametrize("name", PLANTED)
def test_a_planted_mistake_is_found(name: str) -> None:
    layer, function = PLANTED[name]
    verdict = found(Planted(layer, function), layer)
    assert verdict.status is Status.FAIL
    assert verdict.reason.startswith("call ")


class Wrong:
    """A session of torch with something wrong about it."""

    def __init__(self, session: Any) -> None:
        self.session = session

    def call(self, tensors: Mapping[str, Any], parameters: Mapping[str, Any]) -> Any:
        return self.session.call(tensors, parameters)

    def reloaded(self) -> Session:
        return type(self)(self.session.reloaded())


class Uncounted(Wrong):
    """Batches are not counted."""

    def call(self, tensors: Mapping[str, Any], parameters: Mapping[str, Any]) -> Any:
        outputs = super().call(tensors, parameters)
        for name, buffer in self.session._module.named_buffers():
            if name == "num_batches_tracked":
                buffer.zero_()
        return outputs


class Unedited(Wrong):
    """Parameters stay what they were at first."""

    def call(self, tensors: Mapping[str, Any], parameters: Mapping[str, Any]) -> Any:
        kept = {name: tensor for name, tensor in tensors.items() if name == "input" or not self.session._tensors}
        return super().call(kept, parameters)


class Stuck(Wrong):
    """The mode stays what it was at first."""

    mode: bool | None = None

    def call(self, tensors: Mapping[str, Any], parameters: Mapping[str, Any]) -> Any:
        self.mode = parameters["training"] if self.mode is None else self.mode
        return super().call(tensors, {**parameters, "training": self.mode})


class Forgetful(Wrong):
    """What is reloaded has lost its running statistics."""

    def reloaded(self) -> Session:
        session = super().reloaded()
        if session.session._module is not None:
            session.session._module.reset_running_stats()
        return session


SESSIONS = {
    "batches are not counted": ("batch_norm", Uncounted),
    "edited weights are not taken": ("linear", Unedited),
    "edited kernels are not taken": ("conv2d", Unedited),
    "the mode is stuck": ("batch_norm", Stuck),
    "reloading loses the statistics": ("batch_norm", Forgetful),
}


@pytest.mark.parametrize("name", SESSIONS)
def test_a_mistake_of_a_session_is_found(name: str) -> None:
    layer, kind = SESSIONS[name]

    class Target(Torch):
        def session(self, layer: str) -> Session | None:
            session = super().session(layer)
            return session and kind(session)

    verdict = found(Target("cpu"), layer, 400)
    assert verdict.status is Status.FAIL
    assert "by one layer kept alive" in verdict.reason


@pytest.mark.parametrize("layer", ["batch_norm", "instance_norm", "gru", "embedding", "linear", "dropout"])
@pytest.mark.parametrize("format", ["float64", "float32"])
def test_honest_torch_passes(layer: str, format: str) -> None:
    tally = run(HONEST, layer, format, "state", 40)
    assert tally.failure is None
    assert tally.counts[Status.PASS] > 0


class Numpy(Target):
    def relu(self, input: np.ndarray) -> np.ndarray:
        return np.maximum(input, 0)


class CachedById(Numpy):
    def __init__(self) -> None:
        self.kept: dict[int, tuple[Any, Any]] = {}

    def relu(self, input: np.ndarray) -> np.ndarray:
        return self.kept.setdefault(id(input), (input, np.maximum(input, 0)))[1].copy()


def test_a_result_kept_by_identity_is_found_without_sessions() -> None:
    assert found(Numpy(), "relu").status is Status.PASS
    assert found(CachedById(), "relu").status is Status.FAIL


def test_the_state_a_call_leaves_is_the_next_ones() -> None:
    statistics = {"running_mean": Values((2,)), "running_var": Values((2,), "positive")}
    options = {"momentum": None, "eps": 0.5}
    tensors = {"input": Values((3, 2), "integers"), **statistics, "weight": None, "bias": None}
    steps = tuple(
        Case("batch_norm", "float64", tensors, {**options, "training": training, "num_batches_tracked": count})
        for training, count in ((True, 1), (False, 2))
    )
    case = Case("batch_norm", "float64", tensors, {**options, "training": True, "num_batches_tracked": 0}, steps=steps)
    assert examine(HONEST, case, "state").status is Status.PASS
    assert examine(Planted("batch_norm", updated_in_evaluation), case, "state").reason.startswith("call 3: ")


def test_what_is_carried_is_named_by_its_tensor() -> None:
    carried = {layer for layer in names() if spec(layer).carried}
    assert carried == {"batch_norm", "instance_norm", "rnn", "lstm", "gru", "embedding"}
