"""The files of a certificate: the document, a page, a summary, a badge, and a program for every failure."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any
from xml.sax.saxutils import escape

from conformance.causes import failures, item_name
from conformance.certificate import CONFORMS, FAILS, Document, cases, written
from conformance.markdown import summary
from conformance.page import page

NAME = "certificate.json"

# What the badge says on the left, and the colours of the verdicts: those names and shades are shields.io's.
_LABEL = "conformance"
_COLOURS = {CONFORMS: ("brightgreen", "#4c1"), FAILS: ("red", "#e05d44")}
_GREY = ("lightgrey", "#9f9f9f")


def published(document: Document) -> dict[str, str]:
    """The texts of the files by name."""
    body = document["body"]
    programs = {
        f"reproducers/{item_name(item)}{f'-{number}' if number else ''}.py": failure["script"]
        for item in body["report"]["items"]
        for number, failure in enumerate(failures(item))
        if failure["script"]
    }
    return {
        NAME: written(document),
        "page.html": page(document),
        "summary.md": summary(document),
        "badge.json": json.dumps(endpoint(body), indent=1) + "\n",
        "badge.svg": badge(body),
        **programs,
    }


def endpoint(body: Mapping[str, Any]) -> dict[str, Any]:
    """The badge for shields.io (Endpoint Badge, schema version 1)."""
    colour, _ = _COLOURS.get(body["verdict"], _GREY)
    return {"schemaVersion": 1, "label": _LABEL, "message": message(body), "color": colour}


def message(body: Mapping[str, Any]) -> str:
    """The verdict in a few words, with what it is about."""
    scope = body["level"] if body["verdict"] == CONFORMS else f"{cases(body['report']['items'])} cases"
    return f"{body['verdict']} ({scope})"


def badge(body: Mapping[str, Any]) -> str:
    """The same as a picture (SVG), with its words for those who cannot see it."""
    _, shade = _COLOURS.get(body["verdict"], _GREY)
    words = message(body)
    left, right = _width(_LABEL), _width(words)
    whole = left + right
    title = escape(f"{_LABEL}: {words}")
    return f"""<svg xmlns="http://www.w3.org/2000/svg" width="{whole}" height="20" role="img" aria-label="{title}">
<title>{title}</title>
<rect width="{left}" height="20" fill="#555"/>
<rect x="{left}" width="{right}" height="20" fill="{shade}"/>
<g fill="#fff" text-anchor="middle" font-family="Verdana,DejaVu Sans,sans-serif" font-size="11">
<text x="{left / 2:g}" y="14">{escape(_LABEL)}</text>
<text x="{left + right / 2:g}" y="14">{escape(words)}</text>
</g>
</svg>
"""


def _width(words: str) -> int:
    """Pixels: a letter of Verdana at 11 pixels is 7 wide on average, and there are 5 on either side."""
    return 7 * len(words) + 10
