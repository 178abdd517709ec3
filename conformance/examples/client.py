"""A program that answers for a few layers, in numpy: the other side of ``conformance.targets.command``.

    pytest --target="command:python conformance/examples/client.py"

It needs nothing of the suite: a library in another interpreter may begin with a copy of it.
"""

import json
import math
import sys
from collections.abc import Callable, Sequence
from typing import Any, BinaryIO

import numpy as np

Array = Any
FORMATS = {"float64": "<f8", "float32": "<f4", "int64": "<i8", "bool": "?"}


def linear(input: Array, weight: Array, bias: Array | None = None) -> Array:
    outs, _ = weight.shape
    if bias is not None and bias.shape != (outs,):
        raise ValueError(f"the bias has the shape {bias.shape}, expected {(outs,)}")
    return input @ weight.T if bias is None else input @ weight.T + bias


def linear_derivatives(upstream: Array, input: Array, weight: Array, bias: Array | None = None) -> list[Array]:
    rows, above = input.reshape(-1, input.shape[-1]), upstream.reshape(-1, upstream.shape[-1])
    return [upstream @ weight, above.T @ rows, above.sum(0)]


def relu(input: Array) -> Array:
    return np.maximum(input, 0)


def relu_derivatives(upstream: Array, input: Array) -> list[Array]:
    return [np.where(input > 0, upstream, 0).astype(input.dtype)]


LAYERS: dict[str, tuple[Callable[..., Array], Callable[..., list[Array]]]] = {
    "linear": (linear, linear_derivatives),
    "relu": (relu, relu_derivatives),
}


def answered(request: dict[str, Any], arrays: Sequence[Array]) -> tuple[dict[str, Any], list[Array]]:
    """The answer's header, and its arrays."""
    if request["ask"] == "describe":
        return {"layers": list(LAYERS), "formats": ["float64", "float32"], "derivatives": True}, []
    places = request["tensors"]
    tensors = [None if place is None else arrays[place] for place in places]
    function, derivatives = LAYERS[request["layer"]]
    if request["ask"] == "call":
        return {}, [function(*tensors, **request["parameters"])]
    (upstream,) = (arrays[place] for place in request["cotangents"])
    towards = dict(zip(places, derivatives(upstream, *tensors, **request["parameters"]), strict=False))
    return {}, [towards[place] for place in request["wanted"]]


def read(stream: BinaryIO, header: dict[str, Any]) -> Array:
    kind = np.dtype(FORMATS[header["format"]])
    return np.frombuffer(stream.read(math.prod(header["shape"]) * kind.itemsize), kind).reshape(header["shape"])


def main() -> None:
    requests, answers = sys.stdin.buffer, sys.stdout.buffer
    sys.stdout = sys.stderr  # what a layer prints is no answer
    for line in requests:
        request = json.loads(line)
        arrays = [read(requests, header) for header in request["arrays"]]
        try:
            found, results = answered(request, arrays)
            results = [np.asarray(result) for result in results]
            found["arrays"] = [{"format": result.dtype.name, "shape": result.shape} for result in results]
        except NotImplementedError as reason:
            found, results = {"unsupported": str(reason)}, []
        except Exception as error:
            found, results = {"error": f"{type(error).__name__}: {error}"}, []
        answers.write(json.dumps(found).encode() + b"\n" + b"".join(result.tobytes() for result in results))
        answers.flush()


if __name__ == "__main__":
    main()
