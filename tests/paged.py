"""Certificates of no run, which have something of everything that a page shows."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

from conformance import Case, Special, Status, Upstream, Values, Verdict
from conformance.causes import causes, in_order
from conformance.certificate import Document, certificate
from conformance.report import item_data
from conformance.tally import Nonconforming, Tally

FORMATS = ["float64", "float32"]

VOLATILE = {"host": "a machine", "begun": "2026-02-03T04:05:06+00:00", "elapsed": 12.5}

MET = "rows of one element are copied"

PROGRAM = "from math import nan\n\nprint(relu(nan) < 1)  # as wide as a program that is pasted: " + "x" * 60 + "\n"


def passing(ratio: float = 0.5) -> Verdict:
    """A verdict with an error of that share of the permitted one."""
    return Verdict(Status.PASS, ratio)


def failing(ratio: float = 3.0) -> Verdict:
    """One with an error of so many permitted ones."""
    reason = "the result is further from the truth than rounding can explain"
    return Verdict(Status.FAIL, ratio, reason, "output", (1,), got=1.5, true=1.0, permitted=0.5 / ratio)


def item(name: str, *verdicts: Verdict, script: str = PROGRAM) -> dict[str, Any]:
    """The item of this name with these verdicts. The last may be its failure, of which ``script`` is the program."""
    layer, format, check = name.split("-")
    tensors = {
        "input": Special(Values((3, 17), "gaussian"), (0, 0), (1, 1), "nan"),
        "weight": Values((2,)),
        "bias": None,
    }
    case = Case(layer, format, tensors, {"stride": (2, 3)}, {"weight": "offset"}, Upstream(("input",)))
    tally = Tally()
    for verdict in verdicts:
        tally.add(case, verdict)
        if verdict.status in (Status.FAIL, Status.CRASHED):
            tally.failures.append(Nonconforming(check, case, verdict))
            tally.failures[0].script = script
        if verdict.status is Status.KNOWN:
            tally.deviations.add(verdict.reason)
    return item_data(layer, format, check, tally)


def everything() -> list[dict[str, Any]]:
    """Items of every outcome."""
    lacking = Verdict(Status.UNSUPPORTED, reason="no kernel for two axes")
    crash = Verdict(Status.CRASHED, math.inf, "the process ended", fault="the process ended")
    return [
        item("conv2d-float64-forward", passing(0.0), passing(0.25), passing(0.98)),
        item("conv2d-float32-forward", passing(0.0), Verdict(Status.KNOWN, 2.0, MET)),
        item(
            "conv2d-float64-gradient", Verdict(Status.UNDECIDED, 0.5, reason="the permitted error exceeds the signal")
        ),
        item("conv2d-float32-gradient", lacking, lacking),
        item("gru-float64-forward", passing(), failing(), script=f"# the plainest\n{PROGRAM}"),
        item("gru-float32-forward", failing(300.0), script=f"# in float32\n{PROGRAM}"),
        item("gru-float64-gradient", passing()),
        item("relu-float64-forward", crash, script=""),
    ]


def document(items: Iterable[dict[str, Any]], **changes: Any) -> Document:
    """The certificate of a run that found these items, with changes to the report."""
    found = in_order(items)
    layers = list(dict.fromkeys(item["layer"] for item in found))
    deviation = {"link": "https://example.org/rows", "reproducer": "print(0)\n# 1\n", "check": None}
    report = {
        "suite": {"name": "layer-conformance", "version": "1.2.3", "sources": f"sha256:{'5' * 64}"},
        "environment": {
            "system": "Linux-6",
            "machine": "x86_64",
            "processor": "a processor",
            "python": "3.11.7",
            "libraries": {"numpy": "2.0"},
            "target": {"torch": "2.13.0", "device": "NVIDIA H100"},
        },
        "target": "kernels",
        "load": "kernels.py",
        "description": "kernels of ours",
        "offered_formats": FORMATS,
        "policies": {"relu": {"nan": "propagated"}},
        "layers": [*layers, "lstm"],
        "formats": FORMATS,
        "profile": "quick",
        "examples": 12,
        "seed": None,
        "shard": None,
        "interrupted": False,
        "items": found,
        "lacking": ["lstm"],
        "questions": len(found),
        "not_asked": [],
        "causes": [cause.to_json() for cause in causes(found, FORMATS)],
        "known": [
            {"layer": "conv2d", "reason": MET, "met": True, **deviation},
            {"layer": "gru", "reason": "gates are rounded", "met": False, **deviation, "link": ""},
        ],
    }
    return certificate({**report, **changes}, VOLATILE)
