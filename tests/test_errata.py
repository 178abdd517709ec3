"""The page of errata is current."""

from pathlib import Path

from conformance.errata import page

PAGE = Path(__file__).parents[1] / "docs" / "errata.md"


def test_the_page_of_errata_is_what_the_fixtures_say() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(), "run: python -m conformance.errata > docs/errata.md"
