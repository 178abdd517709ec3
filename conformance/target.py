"""The protocol of a target: an implementation under test.

A target is a ``Target`` subclass, or a plain module with functions named like the layers. A layer function takes its
tensors positionally, in the order of the formula, as the library's own arrays, and its parameters by keyword; it
returns an array, or a tuple of arrays where the layer has several outputs.
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import product
from types import ModuleType
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from conformance.layouts import LAYOUTS
from oracle.formats import FORMATS
from oracle.formulas import formula, names

if TYPE_CHECKING:
    from conformance.case import Case


# Parameters of formulas in which implementations differ and which no call passes: a target declares them.
CONVENTIONS = frozenset({"causal_alignment", "fully_masked", "behind_mask", "nan"})

# What a declaration of some looks like.
_POLICIES = {"relu": {"nan": "ignored"}}


# Arrays of numpy, in a program of its own.
PRELUDE = """import numpy as np


def array(values, format):
    return np.array(values, dtype=format)
"""


class Unsupported(Exception):
    """Raised by a layer function for parameters that the library does not offer; the message says which."""


class Unavailable(Exception):
    """Raised when a target cannot run here; the message says what is missing and how to get it."""


class Refused(Exception):
    """What a layer function has raised in another process, in words."""


class Died(Exception):
    """A process that computes has ended, or was ended because it took too long; the message says how.

    ``words`` are the last lines that it has printed.
    """

    def __init__(self, how: str, words: Sequence[str] = ()) -> None:
        super().__init__(how)
        self.words = list(words)


def one_line(text: object) -> str:
    """Its words in one line, the first 300 characters."""
    words = " ".join(str(text).split())
    return words if len(words) <= 300 else f"{words[:299]}…"


def said(error: BaseException) -> str:
    """An exception in one line: its type and what it says."""
    return one_line(f"{type(error).__name__}: {error}").removesuffix(":")


@dataclass(frozen=True)
class Declared:
    """The arithmetic that a target promises for one layer and format.

    ``compute`` names the format in which it computes; ``operands`` the format to which factors of products are rounded
    first; ``units`` the accuracy of elementary functions, in units of u, where it differs from the standard table;
    ``flush`` says that results which are subnormal in ``compute`` may become zero; ``algorithm`` names another order
    of operations that the formula's file offers, ``backward`` the one whose derivatives are computed, where that is
    another. Contributions to the derivatives towards the tensors ``scattered`` are added one by one to a stored number.
    ``undeclared`` says why nothing is promised for derivatives, which are then not judged. ``normwise``
    says that errors of products are small against the norms of their factors, but not element by element (Winograd's
    convolution, FFT, Strassen's product): long sums are then not held to a typical error.
    """

    compute: str
    operands: str | None = None
    units: Mapping[str, float] = field(default_factory=dict)
    flush: bool = False
    algorithm: str | None = None
    backward: str | None = None
    scattered: frozenset[str] = frozenset()
    undeclared: str = ""
    reason: str = ""
    normwise: bool = False


# 32 units of float32 are 1/256 of one of float16.
_ROUNDED_UNITS = dict.fromkeys(("exp", "log", "tanh", "power", "sqrt"), 1.0 + 2.0**-8)


def stepwise(declared: Declared, format: str) -> Declared:
    """The same for a narrow format, where every operation is computed in float32 and rounded to it."""
    return replace(declared, compute=format, units=_ROUNDED_UNITS, reason="every operation rounds to the format")


@dataclass(frozen=True)
class Deviation:
    """A known failure: the cases it concerns, why it happens, and where to read about it or reproduce it.

    ``reproducer`` is a program; the comment that ends it is what it prints. ``check`` names the only check that meets
    the failure, where others do not. ``lethal`` says that such a case ends the process, or spoils its later calls: it
    is not put to the target.
    """

    layer: str
    reason: str
    reproducer: str
    concerns: Callable[[Case], bool] = lambda case: True
    link: str = ""
    check: str | None = None
    lethal: bool = False


class Session(Protocol):
    """A layer that lives over several calls and keeps its parameters and its state."""

    def call(self, tensors: Mapping[str, Any], parameters: Mapping[str, Any]) -> Any:
        """The outputs that the layer function returns.

        ``tensors`` are those that differ from the last call: inputs, parameters to be edited in place before the call,
        and states, which a layer that keeps them itself takes only at the first call. The first call has all tensors.
        ``parameters`` are complete; some layers are told by them whether they are in training.
        """

    def reloaded(self) -> Session:
        """Another one with the same parameters and state, as saved and loaded, or copied."""


class Target:
    """The defaults: numpy arrays in float64 and float32, computed in their own format."""

    name = "target"
    loaded_as: str | None = None  # what ``load`` finds it by, in another process too
    description = ""
    formats: tuple[str, ...] = ("float64", "float32")
    layouts: tuple[str, ...] = tuple(LAYOUTS)  # those in which ``arranged`` can lay an array
    arrangements: Mapping[str, Callable[[Any], Any]] = LAYOUTS  # by which it does so
    prelude = PRELUDE  # what programs that show a failure begin with: ``array(values, format)``, maybe ``derivatives``
    environment: Mapping[str, str] = {}  # what its answers depend on: device, drivers, versions, settings
    policies: Mapping[str, Mapping[str, Any]] = {}  # by layer, which of the CONVENTIONS it follows
    known: tuple[Deviation, ...] = ()
    trusted = False  # whether its calls can be made in the process of a run, which they neither end nor stop
    deterministic = True  # whether the same call, with the same seed, always gives the same bits

    def array(self, values: NDArray[Any], format: str) -> Any:
        """The library's own array.

        ``values`` are binary64 numbers of ``format``, or int64, or bool, which keep their kind.
        """
        return values.astype(format) if values.dtype == np.float64 else values.copy()

    def arranged(self, array: Any, layout: str) -> Any:
        """The same numbers, laid out so in memory."""
        return self.arrangements[layout](array)

    def vjp(
        self,
        function: Callable[..., Any],
        leaves: Sequence[Any],
        cotangents: Callable[[Sequence[Any]], Sequence[Any]],
    ) -> tuple[Sequence[Any], Sequence[Any]]:
        """The outputs of ``function(*leaves)``, and the derivatives of Σ output · cotangent towards the leaves.

        A derivative is None where there is none. ``cotangents(outputs)`` gives an array for each output, None for one
        that does not count.
        """
        raise Unsupported(f"{self.name} takes no derivatives")

    def read(self, array: Any) -> tuple[NDArray[Any], str]:
        """The array's values (binary64, int64 or bool) and the name of its format.

        Raises ``TypeError`` for another type.
        """
        if not isinstance(array, (np.ndarray, np.generic)):
            raise TypeError(f"returned {type(array).__name__}, expected a numpy array")
        values = np.asarray(array)
        return (values.astype(np.float64) if values.dtype.kind == "f" else values), values.dtype.name

    def layer(self, name: str) -> Callable[..., Any] | None:
        """The function for a layer, or None where the library has none."""
        found: Callable[..., Any] | None = getattr(self, name, None)
        return found

    def definition(self, layer: str) -> tuple[ModuleType, str] | None:
        """The module that defines the function of a layer, and its name there; None where there is no such place."""
        function = self.layer(layer)
        module = sys.modules.get(getattr(function, "__module__", ""))
        name = getattr(function, "__name__", "")
        return (module, name) if module is not None and getattr(module, name, None) is function else None

    def declared(self, layer: str, format: str) -> Declared:
        """The promised arithmetic: by default the storage format itself, and float32 for narrower ones."""
        return Declared(compute=format if format in ("float64", "float32") else "float32")

    def declared_for(self, case: Case) -> Declared:
        """The same for one case, where the library computes in different ways by shapes, parameters or layouts."""
        return self.declared(case.layer, case.format)

    def seed(self, seed: int) -> None:
        """Make what is random in the next call depend on ``seed`` alone."""

    def session(self, layer: str) -> Session | None:
        """A layer that lives over several calls, such as a module, or None where the library has only functions."""
        return None

    def assign(self, array: Any, other: Any) -> None:
        """Write the numbers of ``other``, of the same shape and format, into ``array``, in place.

        Raises ``Unsupported`` where arrays cannot be edited.
        """
        if not isinstance(array, np.ndarray):
            raise Unsupported(f"{self.name} does not edit arrays in place")
        array[...] = other

    def memory(self, array: Any) -> bytes:
        """All bytes of the block of memory that the array lies in, those around it included."""
        while isinstance(array, np.ndarray) and isinstance(array.base, np.ndarray):
            array = array.base
        return array.tobytes() if isinstance(array, np.ndarray) else self.read(array)[0].tobytes()

    def overlaps(self, array: Any, other: Any) -> bool:
        """Whether the arrays have an element of memory in common; False where that cannot be told."""
        return isinstance(array, np.ndarray) and isinstance(other, np.ndarray) and np.shares_memory(array, other)

    def require_usable(self) -> None:
        """Raises where nothing can be computed in this process any more, as after a fault on a device.

        Asked after failures: the process then gives way to another.
        """

    def poison(self, arrays: Sequence[Any]) -> None:
        """Leave NaN in freed memory, in blocks of the sizes of these arrays: what is next allocated there and never
        written shows.
        """
        blocks = [np.full(array.nbytes, 0xFF, np.uint8) for array in arrays if isinstance(array, np.ndarray)]
        del blocks


def require_contract(target: Target) -> None:
    """Raises ``Unavailable`` for a target whose formats, policies or arrays are not what the suite takes."""
    _require_formats(target)
    _require_policies(target)
    _require_arrays(target)


def _require_formats(target: Target) -> None:
    """There is one at least, none is unknown here, and ``array`` is made for each."""
    known = f"known: {', '.join(FORMATS)}"
    if not target.formats:
        raise Unavailable(f"target {target.name!r} has no formats; {known}")
    for format in target.formats:
        if format not in FORMATS:
            raise Unavailable(f"target {target.name!r} has the unknown format {format!r}; {known}")
        if getattr(target.array, "__func__", None) is Target.array:
            try:
                target.array(np.zeros(1), format)
            except TypeError as error:
                needed = "its own array and read"
                raise Unavailable(f"target {target.name!r} in {format} needs {needed}: {said(error)}") from error


def _require_policies(target: Target) -> None:
    """Each is a convention that a formula has."""
    for layer, followed in target.policies.items():
        if layer not in names():
            form = f"they are by layer, such as {_POLICIES}"
            raise Unavailable(f"target {target.name!r} has policies of the unknown layer {layer!r}; {form}")
        own = sorted(CONVENTIONS & inspect.signature(formula(layer)).parameters.keys())
        if strange := sorted({*followed} - {*own}):
            known = f"known of it: {', '.join(own)}" if own else "it has none"
            raise Unavailable(f"target {target.name!r} has the unknown policy {strange[0]!r} of {layer}; {known}")


def _require_arrays(target: Target) -> None:
    """Numbers that ``array`` and ``read`` of others make and read keep their shape and format."""
    package = __name__.partition(".")[0]
    if all(getattr(each, "__module__", "").partition(".")[0] == package for each in (target.array, target.read)):
        return  # without a device that is not needed yet
    for format, shape in product(target.formats, ((), (0, 2), (2, 3))):
        numbers = np.ones(shape)
        where = f"target {target.name!r}: read(array(numbers, {format!r})) of numbers of the shape {shape}"
        try:
            found, name = target.read(target.array(numbers, format))
        except Exception as error:
            raise Unavailable(f"{where} raised {said(error)}") from error
        if (found.shape, name) != (shape, format):
            raise Unavailable(f"{where} gives the shape {found.shape} and the format {name!r}")
        if not np.array_equal(found, numbers):
            raise Unavailable(f"{where} gives other numbers")
