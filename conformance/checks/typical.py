"""Long sums: over many of them errors must be of the size that rounding typically has, and of either sign.

Sums of several lengths are put to the target on Gaussian data, as outputs and as derivatives. From each sample, an
index of the first axis, one sum is taken, so that each has inputs of its own and their errors are independent.
"""

from __future__ import annotations

import numpy as np
from numpy.random import RandomState

from conformance.asking import ask, ask_gradients
from conformance.case import Case, Upstream
from conformance.drawing import number
from conformance.layouts import EXPANDED
from conformance.spec import OUTPUT, spec
from conformance.target import Declared, Target
from conformance.typical import judge
from conformance.values import Array
from conformance.verdict import Actual, Status, Verdict, misfit
from oracle.evaluate import evaluate, gradients
from oracle.tensor import Tensor, key
from oracle.terms import Sum, Terms

# How many terms, and how many sums. Fewer for derivatives, whose formula is first evaluated and then run backwards.
_OUTPUTS = ((16, 256), (64, 256), (255, 160), (256, 160), (1024, 128), (4096, 160))
_DERIVATIVES = ((128, 32),)


def applies(layer: str) -> bool:
    return bool(spec(layer).sums)


def cases(layer: str, format: str, target: Target, examples: int) -> list[Case]:
    start = number(f"{layer} {format}")
    found = asked(layer, format, target, start % 2**16)  # as large as seeds of tensors are
    step = max(100 // examples, 1)  # what one format leaves out another may ask
    return found[start % min(step, len(found)) :: step]


def asked(layer: str, format: str, target: Target, seed: int) -> list[Case]:
    """A case for every kind of sum and every length, on the numbers of this seed."""
    layouts = [layout for layout in target.layouts if layout != EXPANDED]  # it repeats a sample
    found = []
    for name, arguments in spec(layer).sums.items():
        for k, (length, samples) in enumerate(_OUTPUTS if name == OUTPUT else _DERIVATIVES):
            call = arguments(length, samples, seed)
            layout = layouts[k % len(layouts)]
            arranged = {tensor: layout for tensor, argument in call.tensors.items() if argument is not None}
            upstream = None if name == OUTPUT else Upstream((name,), "gaussian", seed)
            found.append(Case(layer, format, call.tensors, call.parameters, arranged, upstream))
    return found


def examine(target: Target, case: Case) -> Verdict:
    declared = target.declared_for(case)
    if declared.normwise:
        reason = f"{target.name} declares errors that are small against norms alone: no typical size is known of them"
        return Verdict(Status.UNSUPPORTED, reason=reason)
    if case.upstream is not None and declared.undeclared:
        return Verdict(Status.UNSUPPORTED, reason=declared.undeclared)
    found = _answered(target, case)
    if isinstance(found, Verdict):
        return found
    shape, sums = chosen(case, declared)
    if wrong := misfit(found, shape, case.format):
        return wrong
    values = np.array([found.values[place] for place in sums])
    return judge(values, list(sums.values()), declared, case.format)


def chosen(case: Case, declared: Declared) -> tuple[tuple[int, ...], dict[tuple[int, ...], Sum]]:
    """The shape of the result, and by its place in it one sum of each sample."""
    random = RandomState(0)
    with Terms():
        result = _result(case, declared)
        places = [(k, *map(random.randint, result.shape[1:])) for k in range(result.shape[0])]
        return result.shape, {place: result[key(place)] for place in places}


def _answered(target: Target, case: Case) -> Actual | Verdict:
    """The output or derivative that holds the sums."""
    if case.upstream is None:
        outputs = ask(target, case)
        if isinstance(outputs, Verdict):
            return outputs
        reason = "returned no output"
        return outputs[0] if outputs else Verdict(Status.FAIL, np.inf, reason, fault=reason)
    answer = ask_gradients(target, case, spec(case.layer).byproducts)
    if isinstance(answer, Verdict):
        return answer
    (derivative,) = answer[1]
    return derivative


def _result(case: Case, declared: Declared) -> Tensor:
    """The same from the formula, in the declared order of operations where it tells what is rounded to storage."""
    upstream = case.upstream
    stepwise = declared.compute != case.format
    if upstream is None:
        algorithm = declared.algorithm if stepwise else None
        return next(iter(evaluate(case.layer, case.arrays(), case.parameters, algorithm).values()))
    byproducts = spec(case.layer).byproducts

    def cotangent(output: int, shape: tuple[int, ...]) -> Array | None:
        return None if output in byproducts else upstream.cotangent(output, shape, case.format)

    how = (declared.backward or declared.algorithm, declared.scattered) if stepwise else (None, ())
    (found,) = gradients(case.layer, case.arrays(), case.parameters, upstream.wanted, cotangent, *how).values()
    return found
