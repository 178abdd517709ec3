"""The page of a certificate: what it shows, in which order, and that it needs nothing but itself."""

from __future__ import annotations

import base64
import hashlib
import json
import math
import random
import re
from collections.abc import Iterator
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path
from typing import Any
from xml.etree.ElementTree import Element, TreeBuilder

import jsonschema
import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

import conformance
from conformance import Case, Indices, Literal, Related, Values, described, histogram
from conformance.causes import item_name
from conformance.certificate import Unusable, digest, written
from conformance.cli import cli
from conformance.files import write_all
from conformance.page import page
from conformance.publishing import published
from conformance.verdict import Status, Verdict
from tests.paged import MET, document, everything, failing, item, passing

HERE = Path(conformance.__file__).parent

# Elements that have no end (HTML, section 13.1.2).
VOID = {"meta", "link", "img", "br", "hr", "input", "base"}


class _Parser(HTMLParser):
    """Reads HTML as a tree; each element that is begun is ended, within the one that it stands in."""

    def __init__(self) -> None:
        super().__init__()
        self.builder = TreeBuilder()
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.builder.start(tag, {name: value or "" for name, value in attrs})
        if tag in VOID:
            self.builder.end(tag)
        else:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.handle_endtag(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag, f"{tag} ends, at {self.getpos()}"
        self.builder.end(tag)

    def handle_data(self, data: str) -> None:
        if self.open:
            self.builder.data(data)


def parsed(text: str) -> Element:
    parser = _Parser()
    parser.feed(text)
    parser.close()
    assert not parser.open
    return parser.builder.close()


def shown(items: list[dict[str, Any]] | None = None, **changes: Any) -> Element:
    """The page of a run that found these items, or some of every outcome."""
    return parsed(page(document(everything() if items is None else items, **changes)))


def words(element: Element) -> str:
    """The text of an element and of those within it, with a space between any two."""
    return " ".join(" ".join(element.itertext()).split())


def named(root: Element, id: str) -> Element:
    """The only element of this id."""
    (found,) = (element for element in root.iter() if element.get("id") == id)
    return found


def section(root: Element, id: str) -> Element:
    """The section with the heading of this id."""
    (found,) = (element for element in root.iter("section") if element.get("aria-labelledby") == id)
    return found


def cell(root: Element, name: str) -> Element:
    """The cell of the matrix that leads to an item."""
    (found,) = (cell for cell in root.iter("td") for link in cell.findall("a") if link.get("href") == f"#{name}")
    return found


def programs(root: Element) -> Iterator[str]:
    """The texts of the programs that it offers."""
    for element in root.iter("div"):
        if element.get("class") == "program":
            yield "".join(next(element.iter("code")).itertext())


# What it shows


def test_the_certificates_of_these_tests_are_of_the_form_of_certificates() -> None:
    schema = json.loads((HERE / "certificate.schema.json").read_text(encoding="utf-8"))
    jsonschema.Draft202012Validator(schema).validate(document(everything()))


def test_the_verdict_comes_first() -> None:
    root = shown()
    heading = next(element for element in root.iter() if re.fullmatch("h[1-6]", element.tag))
    assert (heading.tag, words(heading)) == ("h1", "✗ kernels does not conform")
    assert root.findtext("head/title") == "kernels: does not conform"
    head = words(next(root.iter("header")))
    assert "3 items of 8 failed, for 2 causes:" in head
    assert "13 cases ✓ 6 pass ✗ 2 fail ! 1 crashed ◆ 1 known ? 1 undecided – 2 unsupported" in head


def test_a_target_that_conforms_is_told_what_that_means() -> None:
    head = words(next(shown([item("relu-float32-forward", passing())]).iter("header")))
    assert head.startswith(
        "Layer conformance ✓ kernels conforms kernels of ours Level kernel: one layer. Profile quick."
    )
    assert "No result is further from the truth than rounding can explain" in head
    assert "but for 1 known deviation." in head


def test_what_is_not_certifiable_says_why_in_the_head() -> None:
    head = words(next(shown(not_asked=["gru-float32-gradient"]).iter("header")))
    assert "– kernels not certifiable" in head
    assert "1 of 9 questions were not asked: gru-float32-gradient" in head


def test_it_says_what_was_judged_by_which_suite_where_and_when() -> None:
    facts = words(section(shown(), "what"))
    for fact in (
        "target kernels, loaded as kernels.py",
        "torch 2.13.0 device NVIDIA H100 processor a processor (x86_64)",
        "profile quick, 12 examples of each question seed the usual cases",
        "begun 2026-02-03 04:05 UTC , 12 s on a machine",
        "suite layer-conformance 1.2.3 libraries Python 3.11.7, numpy 2.0",
        f"sources sha256:{'5' * 64}",
        f"certificate sha256:{document(everything())['sha256']}",
    ):
        assert fact in facts


def test_a_seed_that_was_given_and_a_signature_are_told() -> None:
    found = document(everything(), seed=7)
    found["signature"] = {"algorithm": "ed25519", "public_key": "a key", "value": "a value"}
    facts = words(section(parsed(page(found)), "what"))
    assert "seed 7" in facts
    assert "signature ed25519 by the key a key ; conformance verify tells whether it holds" in facts


def test_every_item_has_a_cell_that_leads_to_what_is_told_of_it() -> None:
    root = shown()
    for each in everything():
        name = item_name(each)
        told = words(named(root, name))
        assert cell(root, name) is not None
        assert told.startswith(words(cell(root, name))[0]), "the same sign in both"
        assert all(f"{count} {status.lower()}" in told for status, count in each["counts"].items() if count)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("conv2d-float64-forward", "✓ passes 0.98"),
        ("conv2d-float32-forward", "◆ known deviation 0"),
        ("conv2d-float64-gradient", "? undecided 0.50"),
        ("conv2d-float32-gradient", "– unsupported"),
        ("gru-float64-forward", "✗ fails 3.00"),
        ("gru-float32-forward", "✗ fails 3e+02"),
        ("relu-float64-forward", "! crashes crash"),
    ],
)
def test_a_cell_says_in_signs_and_words_what_its_colour_says(name: str, text: str) -> None:
    assert words(cell(shown(), name)) == text


def test_a_wrong_shape_fails_without_a_figure() -> None:
    wrong = Verdict(Status.FAIL, math.inf, "shape (1,), expected ()", fault="shape")
    assert words(cell(shown([item("relu-float32-forward", wrong)]), "relu-float32-forward")) == "✗ fails fails"


def test_a_question_that_was_not_asked_has_a_cell_that_says_so() -> None:
    table = next(named(shown([item("relu-float32-forward", passing())]), "layer-relu").iter("table"))
    assert [words(cell) for cell in table.iter("td")] == ["not asked", "✓ passes 0.50"]


def test_a_picture_has_a_bar_for_each_kind_of_ratio_and_a_mark_for_the_failure() -> None:
    root = shown()
    picture = next(cell(root, "conv2d-float64-forward").iter("svg"))
    assert picture.get("aria-label") == "1 exact, 2 up to 0.98"
    (bars,) = picture.iter("path")
    assert bars.get("d") == histogram.bars([0.0, 0.25, 0.98])
    _, mark = next(cell(root, "gru-float64-forward").iter("svg")).iter("path")
    assert mark.get("class") == "over"
    assert not list(cell(root, "conv2d-float32-gradient").iter("svg")), "nothing was judged"


def test_an_item_tells_its_largest_error_the_case_and_the_arithmetic() -> None:
    told = words(named(shown(), "conv2d-float64-forward"))
    assert "largest error 0.98; the median of those above 0 is 0.61" in told
    assert "at conv2d: input 3×17 gaussian with nan; weight 2 ramp in offset; no bias; stride = (2, 3);" in told
    assert "judged by the plain one time 0.00 s" in told


def test_a_declared_arithmetic_is_told_with_its_accuracy() -> None:
    each = item("relu-float32-forward", passing())
    each["judged_by"] = {"units": {"exp": 4.0}, "flush": True, "algorithm": None}
    assert "judged by flush = True; units of rounding: exp 4 time" in words(
        named(shown([each]), "relu-float32-forward")
    )


def test_an_error_of_zero_is_not_blamed_on_a_case() -> None:
    told = words(named(shown([item("relu-float32-forward", passing(0.0))]), "relu-float32-forward"))
    assert "largest error 0 judged by" in told
    assert " at relu:" not in told


def test_failures_stand_by_their_cause_each_with_its_program() -> None:
    root, found = shown(), document(everything())["body"]["report"]
    for number, cause in enumerate(found["causes"], 1):
        told = named(root, f"cause-{number}")
        assert words(next(told.iter("h3"))) == f"{cause['layer']}: {cause['cause']}"
        failed = [each for each in found["items"] if item_name(each) in cause["items"]]
        scripts = [each["failure"]["script"] for each in failed if each["failure"]["script"]]
        assert sorted(programs(told)) == sorted(scripts)
        assert cause["representative"] in words(told)
    gru = words(named(root, "cause-1"))
    assert "output output element [1] got 1.5 true 1.0 permitted error 0.167 error / permitted 3" in gru
    assert next(programs(named(root, "cause-1"))).startswith("# the plainest"), "unfolded, before the others"


def test_a_failure_without_a_program_says_so_and_tells_where_it_was_raised() -> None:
    items = everything()
    items[-1]["failure"]["traceback"] = ['  File "kernels.py", line 3', "    1 / 0"]
    told = words(named(shown(items), "cause-2"))
    assert 'Where it was raised File "kernels.py", line 3 1 / 0' in told
    assert "There is no program: no case was put." in told


def test_where_nothing_failed_that_is_said() -> None:
    assert words(section(shown([item("relu-float32-forward", passing())]), "failures")) == "Failures No item failed."


def test_coverage_is_that_of_all_items_of_a_layer_in_the_order_of_numbers() -> None:
    several = [item(f"relu-{format}-forward", passing()) for format in ("float64", "float32")]
    several[0]["coverage"] = {"sides of input": {"17-32": 1, "9-16": 2, "2": 3}}
    several[1]["coverage"] = {"sides of input": {"9-16": 40}}
    told = named(shown(several), "coverage-relu")
    assert words(next(told.iter("td"))) == "2 3 9-16 42 17-32 1"
    assert words(next(told.iter("summary"))) == "relu 3 values"


def test_known_deviations_stand_with_reason_link_and_program_those_met_first() -> None:
    known = section(shown(), "known")
    assert [words(each) for each in known.iter() if each.tag in ("h3", "h4")] == [
        "Met in this run",
        "conv2d",
        "Not met",
        "gru",
    ]
    (link,) = known.iter("a")
    assert link.get("href") == "https://example.org/rows"
    assert list(programs(known)) == ["print(0)\n# 1\n"] * 2
    assert f"{MET.capitalize()}." in words(known)


def test_what_was_not_tested_is_listed() -> None:
    told = words(
        section(
            shown(not_asked=["relu-float32-forward"], offered_formats=["float64", "float32", "float16"]), "untested"
        )
    )
    for part in (
        "Layers that the target does not have lstm.",
        "Questions without a supported case conv2d-float32-gradient .",
        "Questions that were not asked relu-float32-forward.",
        "The target also offers float16.",
        "2 no kernel for two axes conv2d",
        "conv2d 1 of 8",
        "It does not prove that others would be.",
    ):
        assert part in told
    assert MET not in told, "a known deviation was tested"


def test_a_corpus_is_told_with_what_was_left_out_of_it() -> None:
    each = item("relu-float32-forward", passing())
    each["corpus"] = {"cases": 2, "sha256": "7" * 64, "counts": {"PASS": 1}, "unread": ["no layer 'prelu'"]}
    root = shown([each], corpus={"cases": 2, "sha256": "7" * 64})
    assert f"corpus 2 cases kept by earlier runs, put first; sha256:{'7' * 64}" in words(section(root, "what"))
    told = words(named(root, "relu-float32-forward"))
    assert "corpus 2 cases kept by earlier runs; left out: no layer 'prelu'" in told


def test_conventions_are_told_with_the_items_of_their_layer() -> None:
    assert "Conventions: nan = propagated." in words(named(shown(), "items-relu"))


# How it is built


def test_headings_are_in_order_and_sections_are_named_by_theirs() -> None:
    root = shown()
    levels = [int(element.tag[1]) for element in root.iter() if re.fullmatch("h[1-6]", element.tag)]
    assert levels.count(1) == 1
    assert all(after - before <= 1 for before, after in pairwise(levels))
    for each in root.iter("section"):
        assert named(each, each.attrib["aria-labelledby"]).tag == "h2"


def test_links_within_the_page_lead_somewhere() -> None:
    root = shown()
    ids = [element.attrib["id"] for element in root.iter() if "id" in element.attrib]
    assert len(set(ids)) == len(ids)
    links = [element.attrib["href"] for element in root.iter() if element.get("href", "").startswith("#")]
    assert {link[1:] for link in links} <= set(ids)


def test_tables_have_captions_and_heads_with_a_scope_and_pictures_a_name() -> None:
    root = shown()
    for table in root.iter("table"):
        assert table[0].tag == "caption"
        assert all(head.get("scope") in ("col", "row") for head in table.iter("th"))
    for picture in root.iter("svg"):
        inner = "width" in picture.attrib
        assert inner or (picture.get("role") == "img" and picture.get("aria-label"))


def test_it_loads_nothing() -> None:
    found = document(everything())
    text = page(found)
    root = parsed(text)
    for element in root.iter():
        assert not {"src", "srcset", "data", "poster", "action", "style"} & element.attrib.keys()
        assert not any(name.startswith("on") for name in element.attrib)
        if element.tag in ("link", "use"):
            assert element.attrib["href"].startswith(("data:,", "#"))
    (style,), (script,) = root.iter("style"), root.iter("script")
    assert not re.search(r"url\(|@import|@font-face", style.text or "")
    assert not re.search(r"fetch|import|XMLHttp|https?:", script.text or "")
    policy = next(each for each in root.iter("meta") if each.get("http-equiv") == "Content-Security-Policy").attrib[
        "content"
    ]
    hashes = [
        base64.b64encode(hashlib.sha256((element.text or "").encode()).digest()).decode() for element in (style, script)
    ]
    assert policy == "default-src 'none'; img-src data:; style-src 'sha256-{}'; script-src 'sha256-{}'".format(*hashes)


def test_hostile_words_stay_words() -> None:
    hostile = "</code></script><script>alert(1)</script><img src=x onerror=alert(2)>\"'&"
    items = [item("relu-float32-forward", failing(), script=hostile)]
    items[0]["reasons"] = {hostile: 1}
    items[0]["failure"] |= {"reason": hostile, "diagnosis": hostile, "traceback": [hostile]}
    items[0]["coverage"] = {hostile: {hostile: 1}}
    known = {"layer": hostile, "check": hostile, "reason": hostile, "reproducer": hostile, "met": False}
    root = shown(
        items,
        target=hostile,
        load=hostile,
        description=hostile,
        lacking=[hostile],
        not_asked=[hostile],
        seed=hostile,
        known=[{**known, "link": f"https://example.org/{hostile}"}, {**known, "link": "javascript:alert(3)"}],
        causes=[
            {
                "layer": hostile,
                "cause": hostile,
                "items": ["relu-float32-forward"],
                "representative": "relu-float32-forward",
            }
        ],
    )
    assert len(list(root.iter("script"))) == 1
    assert not list(root.iter("img"))
    assert words(next(root.iter("h1"))) == f"– {hostile} not certifiable"
    assert hostile in programs(root)
    assert not [link for link in root.iter("a") if link.attrib["href"].startswith("javascript:")]


def test_one_document_has_one_page() -> None:
    assert page(document(everything())) == page(document(everything()))


def test_a_document_that_lacks_what_is_shown_is_of_another_version() -> None:
    found = document(everything())
    del found["body"]["report"]["policies"]
    with pytest.raises(Unusable, match=r"is of another version of the suite: .*policies"):
        page(found)


def test_the_page_of_all_layers_in_the_default_profile_is_below_three_megabytes() -> None:
    drawn = random.Random(0)
    names = [f"layer_{k}-{format}-check_{j}" for k in range(42) for format in ("float64", "float32") for j in range(17)]
    items = [
        {**item(name, passing(0.99)), "ratios": [drawn.random() * drawn.randint(0, 1) for _ in range(100)]}
        for name in names
    ]
    assert len(items) > 1400
    assert len(page(document(items)).encode()) < 3e6


# Where it comes from


def test_the_folder_of_a_certificate_has_the_page_and_the_command_prints_it(tmp_path: Path) -> None:
    found = document(everything())
    write_all(tmp_path, published(found))
    assert (tmp_path / "page.html").read_text(encoding="utf-8") == page(found)
    printed = CliRunner().invoke(cli, ["page", str(tmp_path)])
    assert (printed.exit_code, printed.output) == (0, page(found))


def test_the_command_refuses_a_certificate_of_another_version(tmp_path: Path) -> None:
    found = document(everything())
    del found["body"]["report"]["policies"]
    found["sha256"] = digest(found["body"])
    path = tmp_path / "certificate.json"
    path.write_text(written(found), encoding="utf-8")
    refused = CliRunner().invoke(cli, ["page", str(path)])
    assert refused.exit_code == 4
    assert "is of another version of the suite: " in refused.output


# Its parts


@given(st.floats(0.0), st.floats(0.0))
def test_a_larger_ratio_is_never_drawn_to_the_left(one: float, other: float) -> None:
    assert histogram.place(min(one, other)) <= histogram.place(max(one, other))


def test_the_bound_divides_what_conforms_from_what_does_not() -> None:
    exact, least, most = map(histogram.place, (0.0, 5e-324, 1.0))
    assert exact < least < most < histogram.BOUND
    assert histogram.place(math.nextafter(1.0, 2.0)) - histogram.MARK / 2 == histogram.BOUND
    assert histogram.place(math.inf) == histogram.place(math.nan) == histogram.WIDTH - histogram.MARK / 2


def test_bars_are_as_high_as_the_root_of_their_number() -> None:
    heights = [int(height) for height in re.findall(r"v-(\d+)", histogram.bars([None, *[0.0] * 4, 0.5, 0.51]))]
    assert heights == [14, 10]
    assert histogram.bars([0.0] * 10000 + [1.0]).endswith("v-1"), "one among many is seen"
    assert histogram.bars([None]) == ""


def test_a_case_is_told_call_by_call() -> None:
    step = Case("relu", "float32", {"input": Literal((1,), ("1/2",))}, refusal="input is empty")
    tensors = {"ids": Indices((2, 3), 5), "weights": (Values(()), Values((4,), "wide"))}
    case = Case(
        "embedding", "float32", tensors, {"max_norm": 1.0}, {"ids": "offset"}, steps=(step,), relation=Related("scaled")
    )
    assert [*described.calls(case)] == [
        "embedding: ids 2×3 indices below 5 in offset; weights (scalar ramp, 4 wide); max_norm = 1.0; relation: scaled",
        "relu: input 1 literal; to be refused: input is empty",
    ]
