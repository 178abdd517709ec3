"""Put a case to a target and read its answer."""

from __future__ import annotations

import time
import zlib
from collections.abc import Sequence
from typing import Any

from conformance.case import Case
from conformance.target import Target, Unsupported
from conformance.verdict import Actual, Status, Verdict

# Seconds spent inside targets since the process began; a run reports the share of time that is not its own.
spent = {"target": 0.0}


def ask(target: Target, case: Case) -> list[Actual] | Verdict:
    """The outputs of the target, or the verdict that settles the case already: unsupported, or failed with a reason."""
    function = target.layer(case.layer)
    if function is None:
        return Verdict(Status.UNSUPPORTED, reason=f"{target.name} has no {case.layer}")
    tensors = [_native(target, argument, case.format) for argument in case.arrays().values()]
    target.seed(zlib.crc32(repr(case).encode()))
    begin = time.perf_counter()
    try:
        result = function(*tensors, **case.parameters)
    except Unsupported as reason:
        return Verdict(Status.UNSUPPORTED, reason=str(reason))
    except Exception as error:
        return Verdict(Status.FAIL, float("inf"), f"raised {type(error).__name__}: {error}")
    finally:
        spent["target"] += time.perf_counter() - begin
    outputs = result if isinstance(result, (tuple, list)) else (result,)
    try:
        return [Actual(*target.read(output)) for output in outputs]
    except TypeError as error:
        return Verdict(Status.FAIL, float("inf"), str(error))


def _native(target: Target, argument: Any, format: str) -> Any:
    if argument is None:
        return None
    if isinstance(argument, Sequence):
        return tuple(target.array(array, format) for array in argument)
    return target.array(argument, format)
