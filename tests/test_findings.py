"""The page of findings."""

from pathlib import Path

from conformance import findings
from conformance.targets import load

PAGE = Path(__file__).parents[1] / "docs" / "findings.md"


def test_the_page_is_what_the_targets_know() -> None:
    assert PAGE.read_text(encoding="utf-8") == findings.page()


def test_every_known_deviation_is_listed_with_its_reproducer() -> None:
    text = findings.page()
    known = load("torch-cpu").known
    assert known
    for deviation in known:
        assert f"### {deviation.layer}" in text
        assert deviation.reproducer.rstrip() in text
        assert deviation.link in text


def test_libraries_that_are_not_installed_are_listed_too() -> None:
    headings = [line for line in findings.page().splitlines() if line.startswith("## ")]
    assert {"## torch", "## torch, on a CPU", "## torch, on CUDA", "## jax"} <= set(headings)
