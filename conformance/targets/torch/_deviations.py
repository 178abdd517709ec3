"""Where torch leaves the permitted error, and why."""

from conformance.target import Deviation

KNOWN: tuple[Deviation, ...] = ()
