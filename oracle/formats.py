"""Floating-point formats: precision, range, rounding.

A format is one row of the table at the end of this file. Values travel as Python floats (binary64); ``round`` maps
one to the nearest number of the format, ties to even, overflowing to infinity, as IEEE 754-2019 section 4.3.1 says.
"""

import math
from dataclasses import dataclass
from functools import cached_property


@dataclass(frozen=True)
class Format:
    """A binary floating-point format with ``precision`` significand bits, the implicit one included."""

    name: str
    precision: int
    emin: int
    emax: int

    @cached_property
    def unit(self) -> float:
        """Unit roundoff u = 2^-precision: the relative error of one rounding to nearest."""
        return math.ldexp(1.0, -self.precision)

    @cached_property
    def largest(self) -> float:
        """The largest finite number."""
        return math.ldexp(2.0 - 2.0 * self.unit, self.emax)

    @cached_property
    def overflow(self) -> float:
        """The least magnitude that rounds to infinity: half a step above the largest number."""
        return math.ldexp(2.0 - self.unit, self.emax) if self.precision < 53 else math.inf

    @cached_property
    def smallest_normal(self) -> float:
        """The smallest positive normal number."""
        return math.ldexp(1.0, self.emin)

    @cached_property
    def smallest(self) -> float:
        """The smallest positive (subnormal) number, the step of the format below ``smallest_normal``."""
        return math.ldexp(1.0, self.emin + 1 - self.precision)

    def round(self, x: float) -> float:
        """The number of the format nearest to ``x``, ties to even; infinities and NaN stay."""
        if self.precision == 53 or not math.isfinite(x):
            return x
        if abs(x) >= 2.0 * self.largest:
            return math.copysign(math.inf, x)
        step = self._step(x)
        rounded = math.ldexp(round(math.ldexp(x, -step)), step)
        if abs(rounded) > self.largest:
            return math.copysign(math.inf, x)
        return math.copysign(rounded, x)

    def represents(self, x: float) -> bool:
        """Whether ``x`` is a number of the format."""
        if self.precision == 53 or not math.isfinite(x):
            return x == x
        return abs(x) <= self.largest and math.ldexp(x, -self._step(x)).is_integer()

    def _step(self, x: float) -> int:
        """The exponent of the step between the numbers around ``x``."""
        return max(math.frexp(x)[1], self.emin + 1) - self.precision


# Parameters from IEEE 754-2019 table 3.5 (binary16, binary32, binary64); bfloat16 is binary32 with 8 significand bits
# (Intel, BFLOAT16 Hardware Numerics Definition, 2018); tf32 is binary32 with 11 (NVIDIA A100 whitepaper, 2020).
float64 = Format("float64", 53, -1022, 1023)
float32 = Format("float32", 24, -126, 127)
tf32 = Format("tf32", 11, -126, 127)
bfloat16 = Format("bfloat16", 8, -126, 127)
float16 = Format("float16", 11, -14, 15)

FORMATS = {format.name: format for format in (float64, float32, tf32, bfloat16, float16)}
