"""Whether a certificate says what it should: its form, its conclusions, and a sample of its cases."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

from conformance.certificate import Document, Unusable, concluded, recorded
from conformance.environment import suite
from conformance.replay import Again, replayed
from conformance.target import Target

_SCHEMA = Path(__file__).with_name("certificate.schema.json")
_NEEDED = "the schema is checked by the module jsonschema: pip install 'layer-conformance[certificates]'"


def schema() -> dict[str, Any]:
    """The published JSON Schema of certificates."""
    found: dict[str, Any] = json.loads(_SCHEMA.read_text(encoding="utf-8"))
    return found


def require_form(document: Document) -> None:
    """Raises ``Unusable`` for a document that the schema does not allow, or where jsonschema is missing."""
    try:
        import jsonschema
    except ModuleNotFoundError as error:
        raise Unusable(_NEEDED) from error
    errors = jsonschema.Draft202012Validator(schema()).iter_errors(document)
    if worst := jsonschema.exceptions.best_match(errors):
        place = "/".join(map(str, worst.absolute_path)) or "the document"
        raise Unusable(f"the schema does not allow {place}: {worst.message}")


def require_conclusions(document: Document) -> None:
    """Raises ``Unusable`` where verdict, level or obstacles do not follow from the report."""
    expected = concluded(document["body"]["report"])
    for name, found in document["body"].items():
        if found != expected[name]:
            raise Unusable(f"its {name} is {found!r}, but from its report follows {expected[name]!r}")


def other_suite(document: Document) -> str:
    """What is said where the certificate was made by another version of the suite; nothing where it was not."""
    made, here = document["body"]["report"]["suite"], suite()
    if made == here:
        return ""
    return f"made by {made['version']} ({made['sources'][:19]}), checked by {here['version']} ({here['sources'][:19]})"


def sampled(document: Document, target: Target, count: int, seed: int, timeout: float) -> list[Again]:
    """The verdicts now on so many of its cases, or all of them, chosen at random."""
    cases = recorded(document["body"]["report"])
    chosen = random.Random(seed).sample(cases, min(count, len(cases)))
    return list(replayed(target, chosen, timeout))
