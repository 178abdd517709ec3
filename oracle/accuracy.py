"""How far from the truth an implementation's elementary functions may be, where a target declares nothing.

In units u = 2^-precision of the compute format, relative to the result: 1 ulp is at most 2 u. The single-precision
limits of the OpenCL C specification 3.0, section 7.4 ("Relative error as ULPs", full profile) serve as the portable
standard: every conforming device keeps them. ``sqrt`` is correctly rounded wherever IEEE 754 arithmetic is. A target
that promises more (or less) overrides a row.
"""

UNITS: dict[str, float] = {
    "sqrt": 1.0,  # IEEE 754-2019 section 5.4.1: correctly rounded
    "exp": 6.0,  # OpenCL: 3 ulp
    "log": 6.0,  # OpenCL: 3 ulp
    "power": 32.0,  # OpenCL, pow: 16 ulp
    "tanh": 10.0,  # OpenCL: 5 ulp
    "erf": 32.0,  # OpenCL: 16 ulp
    "sin": 8.0,  # OpenCL: 4 ulp
    "cos": 8.0,  # OpenCL: 4 ulp
}
