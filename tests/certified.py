"""Small certificates to test with."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import conformance

SPECS = str(Path(conformance.__file__).parent)

HONEST = """
import numpy as np

formats = ("float32",)
trusted = True

def relu(input):
    return np.maximum(input, 0)

def sigmoid(input):
    return (1 / (1 + np.exp(-input.astype(np.float64)))).astype(input.dtype)
"""
# Of another size, by which Python tells that bytecode is old where files are written within a second.
WRONG = HONEST.replace("np.maximum(input, 0)", "np.maximum(input, 0.5)")


def certify(
    pytester: pytest.Pytester, source: str, *arguments: str, into: str = "out", code: int = 0, **options: Any
) -> pytest.RunResult:
    """Write a certificate of a target with this source into a folder, by a run that ends with this code."""
    target = pytester.makepyfile(kernels=source)
    quick = ["--max-examples=4", f"--certificate={into}"]
    given = ["-p", "no:cacheprovider", SPECS, f"--target={target}", "--layer=relu", *quick, *arguments]
    done = pytester.runpytest_inprocess(*given, **options)
    assert done.ret == code, done.stdout.str() + done.stderr.str()
    return done


def document(pytester: pytest.Pytester, into: str = "out") -> dict[str, Any]:
    """The certificate in a folder."""
    found: dict[str, Any] = json.loads((pytester.path / into / "certificate.json").read_text(encoding="utf-8"))
    return found
