"""The layers of PyTorch as torch.compile makes them: by inductor, into C++ for the CPU."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from typing import Any

from torch import _dynamo, _inductor
from torch._inductor.cpp_builder import get_cpp_compiler
from torch._inductor.exc import InvalidCxxCompiler

from conformance.target import Unavailable, Unsupported
from conformance.targets.torch import LAYERS, OF_MODULES, Torch
from conformance.targets.torch._modules import compiled, compiling

# torch.compile leaves recurrent layers to their eager kernels; what modules draw when they are made is no program.
_EAGER = frozenset({"rnn", "lstm", "gru", "default_initialisation"})

# After so many calls all programs are thrown away: each serves some shapes, and a call looks for its own one by one.
_KEPT = 200


class Compiled(Torch):
    """Each layer as one program for shapes of any size. Sides of 0 and 1, formats and parameters have their own."""

    def __init__(self) -> None:
        super().__init__("compile")
        try:
            get_cpp_compiler()
        except InvalidCxxCompiler as error:
            raise Unavailable("target 'torch-compile' needs a C++ compiler: install g++") from error
        self._calls = 0
        _dynamo.config.recompile_limit = _KEPT
        _dynamo.config.force_parameter_static_shapes = False  # a module is made for each call, of any shape
        _dynamo.config.force_nn_module_property_static_shapes = False
        _inductor.config.compile_threads = 1  # a program has a file or two: processes for more would only take time

    def layer(self, name: str) -> Callable[..., Any] | None:
        function = LAYERS.get(name)
        if function is None or name in _EAGER:
            return None
        of_modules = name in OF_MODULES
        program = function if of_modules else compiled(function)

        def called(*tensors: Any, **parameters: Any) -> Any:
            try:
                with compiling() if of_modules else nullcontext():
                    return program(*tensors, **parameters)
            except _dynamo.exc.TorchDynamoException as error:
                function(*tensors, **parameters)  # where the layer itself refuses the call, it says so in its own words
                if isinstance(error, _dynamo.exc.Unsupported):
                    raise Unsupported(f"it is not one program: {str(error).splitlines()[0]}") from error
                raise

        return called

    def seed(self, seed: int) -> None:
        super().seed(seed)
        self._calls += 1
        if self._calls % _KEPT == 0:
            _dynamo.reset()

    def session(self, layer: str) -> None:
        return None
