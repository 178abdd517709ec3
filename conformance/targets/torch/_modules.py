"""Modules of torch.nn with given parameters, for one call or kept alive over many."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call


def called(module: nn.Module, tensors: Mapping[str, Tensor | None]) -> Callable[..., Any]:
    """The module as a function that uses these very tensors as its parameters and buffers.

    They are not copied, so derivatives flow to them, and they may lie in memory as they like. The module itself is made
    on the meta device: what it would be initialised with is not wanted. Within a session, the module of its first call
    stands for it.
    """
    given = {name: tensor for name, tensor in tensors.items() if tensor is not None}
    if _session:
        return _session[-1].enlivened(module, given)
    if _compiling:
        module.forward = compiled(module.forward)
    return lambda *inputs, **options: functional_call(module, given, inputs, options)


def compiled(function: Callable[..., Any]) -> Callable[..., Any]:
    """The function as inductor compiles it: as one program, for shapes of any size from two."""
    found: Callable[..., Any] = torch.compile(function, fullgraph=True, dynamic=True)
    return found


@contextmanager
def compiling() -> Iterator[None]:
    """Within, the modules that are called are compiled."""
    _compiling.append(True)
    try:
        yield
    finally:
        _compiling.pop()


class Living:
    """A session: the layer's function, whose module is made at the first call and lives on.

    Later calls edit its parameters in place and set its mode; its buffers are its own.
    """

    def __init__(self, function: Callable[..., Any]) -> None:
        self._function = function
        self._tensors: dict[str, Any] = {}
        self._module: nn.Module | None = None
        self._given: dict[str, Tensor] = {}

    def call(self, tensors: Mapping[str, Any], parameters: Mapping[str, Any]) -> Any:
        self._tensors |= tensors
        with self._at_work():
            return self._function(*self._tensors.values(), **parameters)

    def reloaded(self) -> Living:
        found = Living(self._function)
        found._tensors, found._given = dict(self._tensors), dict(self._given)
        if self._module is not None:
            found._module = copy.deepcopy(self._module)
            for tensor in found._module.state_dict().values():
                tensor.zero_()  # the state must come from what is loaded
            found._module.load_state_dict(self._module.state_dict())
        return found

    def enlivened(self, module: nn.Module, given: dict[str, Tensor]) -> Callable[..., Any]:
        """The living module as a function. Buffers among ``given`` tell afterwards what it holds."""
        if self._module is None:
            format = next((tensor.dtype for tensor in given.values() if tensor.is_floating_point()), None)
            device = next((tensor.device for tensor in given.values()), "cpu")
            self._module = module.to_empty(device=device).to(format).requires_grad_(False)
            self._load(given)
        living = self._module.train(module.training)
        parameters, buffers = dict(living.named_parameters()), dict(living.named_buffers())
        self._load({name: given[name] for name in parameters if given[name] is not self._given[name]})
        self._given = given

        def function(*inputs: Any, **options: Any) -> Any:
            found = living(*inputs, **options)
            for name, buffer in buffers.items():
                given[name].copy_(buffer)
            return found

        return function

    def _load(self, tensors: Mapping[str, Tensor]) -> None:
        assert self._module is not None
        state = self._module.state_dict()
        for name, tensor in tensors.items():
            state[name].copy_(tensor)
        self._given |= tensors

    @contextmanager
    def _at_work(self) -> Iterator[None]:
        _session.append(self)
        try:
            yield
        finally:
            _session.pop()


# The session at work, where one is.
_session: list[Living] = []

# Whether modules are to be compiled: it holds something where they are.
_compiling: list[bool] = []
