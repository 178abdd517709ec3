"""The page of kinds of attention, and what it says of the layers."""

from pathlib import Path

import pytest

from conformance.attention import Row, layers, page, rows
from conformance.spec import names, spec
from conformance.specs._laws_attention import LAWS

PAGE = Path(__file__).parents[1] / "docs" / "attention.md"


def test_the_page_is_what_the_rows_and_the_specs_say() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(), "run: python -m conformance.attention > docs/attention.md"


def test_the_table_has_fifty_rows_of_different_names() -> None:
    assert len({row.name for row in rows()}) == len(rows()) == 50
    assert (rows()[0].line, rows()[-1].line) == (1344, 1393)


@pytest.mark.parametrize("row", rows(), ids=lambda row: row.name)
def test_a_row_says_what_it_is(row: Row) -> None:
    assert row.source
    assert bool(row.composition) == (row.kind == "composition")
    assert bool(row.reason) == (row.kind == "none")
    if row.kind in ("formula", "several"):
        assert bool(row.formula) != bool(row.layers)


def test_a_row_has_layers_and_proofs_that_exist() -> None:
    assert set(layers()) <= set(names())
    for row in rows():
        for proof in row.proofs:
            layer, relation = proof.split(": ")
            assert relation in spec(layer).relations


@pytest.mark.parametrize("layer", layers())
def test_a_law_is_asked_or_does_not_hold_for_a_reason(layer: str) -> None:
    asked, exempt = set(spec(layer).relations), set(spec(layer).exempt)
    assert exempt <= set(LAWS)
    assert set(LAWS) - asked == exempt
