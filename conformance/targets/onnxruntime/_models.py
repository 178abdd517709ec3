"""Models of one operator, and the sessions that run them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from functools import lru_cache
from types import MappingProxyType
from typing import Any, TypeAlias

import numpy as np
import onnxruntime
from numpy.typing import NDArray
from onnx import TypeProto, helper, numpy_helper

from conformance.target import Unsupported, one_line

Array: TypeAlias = NDArray[Any]
Kind: TypeAlias = tuple[np.dtype[Any], tuple[int | None, ...]] | None  # type and sides of an input; None: absent

# The newest operator set for which the CPU has kernels of all operators: later ones have another Attention, which
# onnxruntime then takes apart into the operators that define it. The version of the IR is the one that came with it.
OPSET = 24
IR_VERSION = 12

# How onnxruntime says that there is no kernel, and kernels, while they are made or run, that they lack something.
_NOT_OFFERED = ("NOT_IMPLEMENTED", "does not support", "not supported")

# Which inputs of an operator are data, where that is not the first alone: the others are its weights.
_DATA = {
    "Attention": (0, 1, 2, 3),
    "Dropout": (0, 1, 2),
    "Gather": (1,),
    "GRU": (0, 5),
    "LSTM": (0, 5, 6),
    "RNN": (0, 5),
}

_constant_weights = ContextVar("constant_weights", default=False)


@contextmanager
def constant_weights() -> Iterator[None]:
    """Within it, weights are constants of the models, which kernels may pack beforehand."""
    token = _constant_weights.set(True)
    try:
        yield
    finally:
        _constant_weights.reset(token)


def run(operator: str, *inputs: Array | None, outputs: int = 1, **attributes: Any) -> list[Array]:
    """The outputs of a model of this operator; an input that is None is absent.

    Raises ``Unsupported``, with onnxruntime's words, where it has no kernel for these types or attributes.
    """
    return _run(_kept_session, operator, inputs, outputs, attributes)


def run_once(operator: str, *inputs: Array | None, outputs: int = 1, **attributes: Any) -> list[Array]:
    """The same in a session of its own: a generator of random numbers goes on from call to call of a session."""
    return _run(_session, operator, inputs, outputs, attributes)


def binary32(name: str, value: float, like: Array) -> float:
    """A number among the attributes, which are of binary32.

    Raises ``Unsupported`` where the arrays are of float64 and it is not a number of binary32.
    """
    if like.dtype == np.float64 and float(np.float32(value)) != value:
        raise Unsupported(f"attributes of ONNX are numbers of binary32, which {name} {value} is not")
    return value


def _run(
    session: Callable[..., onnxruntime.InferenceSession],
    operator: str,
    inputs: Sequence[Array | None],
    outputs: int,
    attributes: Mapping[str, Any],
) -> list[Array]:
    kinds = tuple(map(_kind, inputs))
    given = {name: x for name, x in zip(_names(kinds), inputs, strict=True) if x is not None}
    how = tuple(attributes.items())
    try:
        if _constant_weights.get():
            data = [f"input_{number}" for number in _DATA.get(operator, (0,))]
            weights = {name: given.pop(name) for name in list(given) if name not in data}
            found: list[Array] = _session(operator, kinds, outputs, how, weights).run(None, given)
        else:
            found = session(operator, kinds, outputs, how).run(None, given)
    except Exception as error:  # of many classes, which have no other in common
        if not any(words in str(error) for words in _NOT_OFFERED):
            raise
        raise Unsupported(one_line(error)) from error
    return found


def _kind(x: Array | None) -> Kind:
    """Sides are left open, but for a list of integers: the rank of what Resize returns is how many sizes there are."""
    if x is None:
        return None
    listed = x.ndim == 1 and x.dtype == np.int64
    return x.dtype, x.shape if listed else (None,) * x.ndim


def _names(kinds: Sequence[Kind]) -> list[str]:
    return ["" if kind is None else f"input_{number}" for number, kind in enumerate(kinds)]


def _session(
    operator: str,
    kinds: Sequence[Kind],
    outputs: int,
    attributes: Sequence[tuple[str, Any]],
    weights: Mapping[str, Array] = MappingProxyType({}),
) -> onnxruntime.InferenceSession:
    names = _names(kinds)
    given = [
        helper.make_tensor_value_info(name, helper.np_dtype_to_tensor_dtype(kind[0]), kind[1])
        for name, kind in zip(names, kinds, strict=True)
        if kind is not None and name not in weights
    ]
    constants = [numpy_helper.from_array(np.ascontiguousarray(x), name) for name, x in weights.items()]
    while not names[-1]:
        names.pop()  # making a LayerNormalization whose last input has no name ends the process
    results = [f"output_{number}" for number in range(outputs)]
    node = helper.make_node(operator, names, results, **dict(attributes))
    untyped = [helper.make_value_info(name, TypeProto()) for name in results]
    graph = helper.make_graph([node], operator, given, untyped, constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 4  # what goes wrong is raised
    return onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])


_kept_session = lru_cache(maxsize=512)(_session)
