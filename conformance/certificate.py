"""Certificates: what a run found, with what it is worth, in a form that anyone can check.

A certificate is a JSON document. Its ``body`` holds the verdict, the level, and the report of the run
(``conformance.report``); it depends on nothing but what was asked of whom, so that equal runs give equal bytes.
``sha256`` is that of the body in canonical form. When and where the run was and how long it took is ``volatile``.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from conformance import spec
from conformance.case import Case
from conformance.causes import failures, item_name
from conformance.kept import Kept
from conformance.scope import Costs
from conformance.target import said
from conformance.verdict import Status

FORM = 1  # of the document; another one is not read

Document = dict[str, Any]

CONFORMS, FAILS, NOTHING = "conforms", "does not conform", "not certifiable"

# What is said of several cases together: the first of these that one of them has.
_WEIGHT = (Status.FAIL, Status.CRASHED, Status.KNOWN, Status.PASS, Status.UNDECIDED, Status.UNSUPPORTED)

# What a level complete has answers to, for every layer that has them.
_CORE = ("forward", "gradient")


class Unusable(Exception):
    """A file that is no certificate, or one that cannot be used so; the message says why."""


def certificate(report: Mapping[str, Any], volatile: Mapping[str, Any]) -> Document:
    """The document of a run. ``volatile`` says when and where it was; the times of its items go there too."""
    plain = json.loads(json.dumps(report))
    seconds = {item_name(item): item.pop("seconds") for item in plain["items"]}
    body = concluded(plain)
    return {"certificate": FORM, "body": body, "sha256": digest(body), "volatile": {**volatile, "seconds": seconds}}


def concluded(report: Mapping[str, Any]) -> dict[str, Any]:
    """The body of a certificate: the report, without times, and what follows from it."""
    obstacles = _obstacles(report)
    failed = any(item["failure"] for item in report["items"])
    return {
        "verdict": NOTHING if obstacles else FAILS if failed else CONFORMS,
        "obstacles": obstacles,
        "level": _level(report),
        "unjudged": _unjudged(report),
        "report": report,
    }


def canonical(body: Mapping[str, Any]) -> bytes:
    """The body as bytes: no spaces, UTF-8, numbers as Python writes them, keys in the order of the document.

    That order is the same in equal runs. It is not the alphabet's: the tensors of a case are in that of the formula.
    """
    return json.dumps(body, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode()


def digest(body: Mapping[str, Any]) -> str:
    """The hash of the body in canonical form."""
    return hashlib.sha256(canonical(body)).hexdigest()


def written(document: Document) -> str:
    """The document as its file holds it."""
    return json.dumps(document, indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def opened(path: Path) -> Document:
    """The certificate in a file. Raises ``Unusable`` where there is none, where it is cut off, or was changed."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise Unusable(f"{path} cannot be read: {getattr(error, 'strerror', None) or error}") from error
    try:
        document = json.loads(text)
    except json.JSONDecodeError as error:
        raise Unusable(f"{path} is no whole JSON document, as a file that was cut off: {error}") from error
    if not isinstance(document, dict) or "certificate" not in document:
        raise Unusable(f"{path} is no certificate; pytest --certificate=DIR writes DIR/certificate.json")
    if document["certificate"] != FORM:
        raise Unusable(f"{path} is a certificate of form {document['certificate']!r}; this suite reads form {FORM}")
    body, hash = document.get("body"), document.get("sha256")
    if not isinstance(body, dict) or digest(body) != hash:
        raise Unusable(f"{path} was changed after it was written: the hash of its body is not its sha256 {hash!r}")
    return document


def with_times(document: Document) -> dict[str, Any]:
    """The report in a certificate, its items with the seconds that they took. Raises ``Unusable`` without these."""
    report: dict[str, Any] = document["body"]["report"]
    try:
        seconds = document["volatile"]["seconds"]
        items = [{**item, "seconds": seconds[item_name(item)]} for item in report["items"]]
    except (KeyError, TypeError) as error:
        raise Unusable(f"its volatile part does not say what its items took: {said(error)}") from error
    return {**report, "items": items}


def costs(document: Document) -> Costs:
    """What the questions of a run have cost. Raises ``Unusable`` where it does not say."""
    items = with_times(document)["items"]
    return {(item["layer"], item["format"], item["check"]): sum(item["seconds"].values()) for item in items}


def recorded(report: Mapping[str, Any], only_failed: bool = False) -> list[Kept]:
    """The cases that a report holds, the failed ones first. Raises ``Unusable`` for one that this suite cannot read."""
    items, by = report["items"], report["suite"]["sources"]
    found = [_kept(item, failure, "case", "ratio", by) for item in items for failure in failures(item)]
    if not only_failed:
        found += [_kept(item, item, "worst_case", "worst_ratio", by) for item in items]
    return [kept for kept in found if kept is not None]


def _kept(item: Mapping[str, Any], at: Mapping[str, Any], case: str, ratio: str, made_by: str) -> Kept | None:
    if at[case] is None:
        return None
    try:
        found = Case.from_json(at[case])
    except (KeyError, TypeError) as error:
        raise Unusable(f"the case of {item_name(item)} is of another version of the suite: {said(error)}") from error
    return Kept(item["check"], found, at.get("status", Status.PASS), float(at[ratio]), made_by)


def _obstacles(report: Mapping[str, Any]) -> list[str]:
    """Why the run certifies nothing, if anything is missing."""
    missing, asked = report["not_asked"], len(report["items"])
    found = ["the run was interrupted"] if report["interrupted"] else []
    if report["shard"]:
        found.append("this is shard {} of {}: conformance merge joins them".format(*report["shard"]))
    if missing:
        found.append(f"{len(missing)} of {len(missing) + asked} questions were not asked: {_listed(missing)}")
    if not any(_judged(item) for item in report["items"]):
        found.append("nothing was judged")
    return found


def _listed(names: Sequence[str]) -> str:
    """The first three of them."""
    return ", ".join(names[:3]) + (" …" if len(names) > 3 else "")


def _level(report: Mapping[str, Any]) -> str:
    """*complete*: all documented layers, values and derivatives, in all formats of the target; *kernel*: one layer."""
    layers = [layer for layer in report["layers"] if layer not in report["lacking"]]
    if len(layers) == 1:
        return "kernel"
    everything = set(layers) == set(spec.names()) and set(report["formats"]) == set(report["offered_formats"])
    core = [name for name in _unjudged(report) if name.endswith(_CORE)]
    return "complete" if everything and not core and not report["not_asked"] else "partial"


def _unjudged(report: Mapping[str, Any]) -> list[str]:
    """The questions that the target supports in no case."""
    return sorted(item_name(item) for item in report["items"] if not _judged(item))


def _judged(item: Mapping[str, Any]) -> bool:
    return any(count for status, count in item["counts"].items() if status != Status.UNSUPPORTED)


def cases(items: Iterable[Mapping[str, Any]]) -> int:
    """How many cases there were."""
    return sum(sum(item["counts"].values()) for item in items)


def count(items: Iterable[Mapping[str, Any]], status: str) -> int:
    """How many of their cases had this status."""
    return sum(item["counts"][status] for item in items)


def standing(items: Iterable[Mapping[str, Any]]) -> Status | None:
    """What came of all their cases together, the gravest first; ``None`` where there were none."""
    found = {Status(status) for item in items for status, count in item["counts"].items() if count}
    return next((status for status in _WEIGHT if status in found), None)
