"""The fixtures keep to their schema, so that any language can read them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from fractions import Fraction
from typing import Any

import pytest

from conformance import golden

STATEMENT = {"id", "section", "lines", "title", "kinds", "explanation"}
# Per table: the keys that every entry has beside those of a statement, and those that it may have.
TABLES: dict[str, tuple[set[str], set[str]]] = {
    "example": ({"reading"}, set()),
    "shape": ({"inputs", "outputs"}, {"module", "arguments", "parameters", "printed", "printed_parameters"}),
    "formula": ({"correct"}, set()),
    "snippet": ({"isolated", "notebook"}, {"outputs"}),
}
READING = {"name", "expected"}, {"layer", "derivation", "inputs", "parameters", "output", "printed"}
KINDS = {
    "arithmetic",
    "shape",
    "formula",
    "inconsistent-inputs",
    "does-not-run",
    "under-determined",
    "terminology",
}
LAST_LINE = 1893

Entry = Mapping[str, Any]
ENTRIES: list[tuple[str, str, Entry]] = [
    (layer, table, entry)
    for layer in golden.names()
    for table in TABLES
    for entry in golden.fixture(layer).get(table, ())
]
READINGS: list[tuple[str, Entry]] = [
    (entry["id"], reading) for _, table, entry in ENTRIES if table == "example" for reading in entry["reading"]
]


def described(value: object) -> str | None:
    return str(value.get("id", value.get("name"))) if isinstance(value, Mapping) else None


@pytest.mark.parametrize("layer", golden.names())
def test_a_fixture_names_its_layer_and_has_known_tables_only(layer: str) -> None:
    fixture = golden.fixture(layer)
    assert fixture["layer"] == layer
    assert fixture.keys() - {"layer"} <= TABLES.keys()


@pytest.mark.parametrize(("layer", "table", "entry"), ENTRIES, ids=described)
def test_a_statement_has_the_keys_of_its_table(layer: str, table: str, entry: Entry) -> None:
    required, optional = TABLES[table]
    assert STATEMENT | required <= entry.keys() <= STATEMENT | required | optional
    assert ("module" in entry) == ("arguments" in entry)
    assert "parameters" in entry or "printed_parameters" not in entry
    assert all(entry[key].strip() for key in ("section", "title", "explanation"))


@pytest.mark.parametrize(("layer", "table", "entry"), ENTRIES, ids=described)
def test_a_statement_is_identified_located_and_judged(layer: str, table: str, entry: Entry) -> None:
    assert entry["id"].startswith(layer.replace("_", "-") + "-")
    first, last = entry["lines"]
    assert 1 <= first <= last <= LAST_LINE
    assert set(entry["kinds"]) <= KINDS
    assert len(set(entry["kinds"])) == len(entry["kinds"])


def test_identifiers_are_unique_over_all_fixtures() -> None:
    repeated = {identity for identity, times in Counter(entry["id"] for _, _, entry in ENTRIES).items() if times > 1}
    assert not repeated


@pytest.mark.parametrize("layer", golden.names())
@pytest.mark.parametrize("table", TABLES)
def test_the_entries_of_a_table_stand_in_the_order_of_the_document(layer: str, table: str) -> None:
    beginnings = [entry["lines"][0] for entry in golden.fixture(layer).get(table, ())]
    assert beginnings == sorted(beginnings)


@pytest.mark.parametrize(("example", "reading"), READINGS, ids=described)
def test_a_reading_is_computed_by_a_layer_or_else_says_how(example: str, reading: Entry) -> None:
    required, optional = READING
    assert required <= reading.keys() <= required | optional
    assert ("layer" in reading) != ("derivation" in reading)
    if "layer" in reading:
        assert reading["layer"] in golden.names()
        assert {"inputs", "output"} <= reading.keys()


@pytest.mark.parametrize(("example", "reading"), READINGS, ids=described)
def test_the_tensors_of_a_reading_are_rectangular_and_numbers(example: str, reading: Entry) -> None:
    for nested in tensors(reading):
        for value in golden.literal(nested).values:
            assert isinstance(value, bool) or number(str(value)), value
    if "printed" in reading:
        expected, printed = golden.literal(reading["expected"]), golden.literal(reading["printed"])
        assert printed.shape == expected.shape
        assert all(value == "" or number(str(value)) for value in printed.values)


def tensors(reading: Entry) -> Iterator[Any]:
    yield reading["expected"]
    for name, value in reading.get("inputs", {}).items():
        yield from value if name == "weights" else [value]


def number(text: str) -> bool:
    if text in ("inf", "-inf", "nan"):
        return True
    try:
        Fraction(text)
    except ValueError:
        return False
    return True


def test_the_readings_of_an_example_have_different_names() -> None:
    repeated = {reading for reading, times in Counter((e, r["name"]) for e, r in READINGS).items() if times > 1}
    assert not repeated


@pytest.mark.parametrize(("layer", "table", "entry"), ENTRIES, ids=described)
def test_shapes_are_lists_of_sides_and_counts_are_whole(layer: str, table: str, entry: Entry) -> None:
    if table in ("shape", "snippet"):
        for shape in [shape for key in ("inputs", "outputs", "printed") for shape in entry.get(key, ())]:
            assert all(type(side) is int and side > 0 for side in shape)
        assert all(type(entry.get(key, 0)) is int for key in ("parameters", "printed_parameters"))


@pytest.mark.parametrize("entry", [entry for _, table, entry in ENTRIES if table == "snippet"], ids=described)
def test_a_snippet_that_runs_nowhere_produces_nothing(entry: Entry) -> None:
    if "runs" not in (entry["isolated"], entry["notebook"]):
        assert "outputs" not in entry
    assert (entry["isolated"] == "runs") == ("does-not-run" not in entry["kinds"])
