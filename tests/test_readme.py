"""What the README says of the suite is true."""

import re
from pathlib import Path

import pytest

from conformance import Status
from conformance.coverage import questions, table
from conformance.run import PROFILES

README = (Path(__file__).parents[1] / "README.md").read_text(encoding="utf-8")


def block(name: str) -> str:
    """What stands between the comments that mark a generated part."""
    found = re.search(rf"<!-- {name} -->\n(.*?)<!-- /{name} -->", README, re.DOTALL)
    assert found is not None, f"the README has no part {name!r}"
    return found[1]


def test_the_table_of_layers_is_current() -> None:
    assert block("layers") == table(), "run: python -m conformance.coverage README.md"


def test_the_table_of_checks_is_current() -> None:
    assert block("checks") == questions(), "run: python -m conformance.coverage README.md"


@pytest.mark.parametrize("status", list(Status))
def test_every_outcome_is_explained(status: Status) -> None:
    name = {Status.UNDECIDED: "undec", Status.UNSUPPORTED: "unsup", Status.CRASHED: "crash"}.get(status, status.lower())
    assert f"\n| {name} | " in README


@pytest.mark.parametrize("profile", sorted(PROFILES))
def test_every_profile_is_named(profile: str) -> None:
    assert f"`{profile}`" in README


def test_the_numbers_of_examples_are_current() -> None:
    assert "{quick}, {default} or {thorough} examples".format(**PROFILES) in README


def test_the_sample_output_fits_80_columns() -> None:
    assert max(map(len, block("output").splitlines())) <= 80
