"""Where tinygrad leaves the permitted error, and why."""

from __future__ import annotations

from conformance.target import Deviation

KNOWN: tuple[Deviation, ...] = ()
