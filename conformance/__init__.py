"""A property-based conformance suite for neural-network layers."""

from conformance.case import Arguments, Case, Related, Upstream
from conformance.checking import check, conforms, target_of
from conformance.run import examine
from conformance.target import Declared, Deviation, Target, Unavailable, Unsupported
from conformance.targets import load
from conformance.values import Indices, Literal, Special, Values
from conformance.verdict import Status, Verdict

__version__ = "0.1.0"

__all__ = [
    "Arguments",
    "Case",
    "Declared",
    "Deviation",
    "Indices",
    "Literal",
    "Related",
    "Special",
    "Status",
    "Target",
    "Unavailable",
    "Unsupported",
    "Upstream",
    "Values",
    "Verdict",
    "check",
    "conforms",
    "examine",
    "load",
    "target_of",
]
