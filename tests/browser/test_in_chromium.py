"""The page of a certificate in a browser: on a phone, on a desktop, in print, by keyboard, in either scheme."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import pytest
from selenium.webdriver import ActionChains, Chrome
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.wait import WebDriverWait

from conformance.page import page
from tests.paged import PROGRAM, document, everything, failing, item, passing

# What the tab key stops at.
STOPS = "a[href], button, summary, pre"

# Relative luminance and contrast (WCAG 2.2, section 3): of all text that is seen, those with less than AA asks for.
FAINT = """
const channel = (c) => (c /= 255) <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4;
const luminance = (color) => {
  const [r, g, b] = color.match(/[\\d.]+/g).map(Number);
  return 0.2126 * channel(r) + 0.7152 * channel(g) + 0.0722 * channel(b);
};
const ground = (at) => {
  for (; at; at = at.parentElement) {
    const color = getComputedStyle(at).backgroundColor;
    if (!/, 0\\)$/.test(color)) return color;
  }
};
const contrast = (one, other) => {
  const [low, high] = [luminance(one), luminance(other)].sort((x, y) => x - y);
  return (high + 0.05) / (low + 0.05);
};
const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
const faint = [];
let seen = 0;
while (walker.nextNode()) {
  const at = walker.currentNode.parentElement;
  if (!walker.currentNode.data.trim() || !at.checkVisibility() || at.closest(".unseen, script")) continue;
  seen += 1;
  const style = getComputedStyle(at), size = parseFloat(style.fontSize);
  const asked = size >= 24 || (size >= 18.66 && style.fontWeight >= 700) ? 3 : 4.5;
  const found = contrast(style.color, ground(at));
  if (found < asked) faint.push(`${walker.currentNode.data.trim()}: ${found.toFixed(2)}`);
}
for (const bars of document.querySelectorAll(".bars, .over")) {
  const at = bars.closest("td, article, figure");
  const found = contrast(getComputedStyle(bars.closest("svg")).color, ground(at));
  if (at.checkVisibility() && found < 3) faint.push(`a picture of ${at.textContent.trim()}: ${found.toFixed(2)}`);
}
return [seen, faint];
"""

UNFOLD = "for (const each of document.querySelectorAll('details')) each.open = true"


def opened(browser: Chrome, place: Path, text: str | None = None) -> None:
    """Show the page, by default one of items of every outcome."""
    place.write_text(page(document(everything())) if text is None else text, encoding="utf-8")
    browser.get(place.as_uri())


def sized(browser: Chrome, width: int, scheme: str = "light", media: str = "") -> None:
    size = {"width": width, "height": 800, "deviceScaleFactor": 1, "mobile": width < 500}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    features = [{"name": "prefers-color-scheme", "value": scheme}]
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": media, "features": features})


def found(browser: Chrome, script: str, *arguments: object) -> Any:
    return browser.execute_script(f"return {script}", *arguments)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [320, 390, 1280])
def test_it_never_scrolls_sideways(browser: Chrome, place: Path, width: int, scheme: str) -> None:
    long = "a_layer_of_a_name_that_is_longer_than_any_phone_is_wide_and_has_no_place_to_break"
    items = [*everything(), item(f"{long}-float32-forward", passing(), failing(), script="x" * 500)]
    opened(browser, place, page(document(items, target=long, description=long * 3)))
    sized(browser, width, scheme)
    assert found(browser, "innerWidth") == width
    for unfold in ("", UNFOLD):
        browser.execute_script(unfold)
        assert found(browser, "document.documentElement.scrollWidth") <= width


def test_the_matrix_of_four_formats_fits_the_smallest_phone(browser: Chrome, place: Path) -> None:
    formats = ["float64", "float32", "bfloat16", "float16"]
    items = [item(f"relu-{format}-gradient", passing(0.99)) for format in formats]
    opened(browser, place, page(document(items, formats=formats, offered_formats=formats)))
    sized(browser, 320)
    for box in browser.find_elements(By.CSS_SELECTOR, ".cards .box"):
        assert found(browser, "arguments[0].scrollWidth <= arguments[0].clientWidth", box)
    for cell in browser.find_elements(By.CSS_SELECTOR, ".matrix th, .matrix td"):
        assert found(browser, "arguments[0].scrollWidth <= arguments[0].clientWidth", cell), cell.text


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_all_text_and_pictures_stand_out_from_what_is_behind_them(browser: Chrome, place: Path, scheme: str) -> None:
    opened(browser, place)
    sized(browser, 1280, scheme)
    browser.execute_script(UNFOLD)
    seen, faint = browser.execute_script(FAINT)
    assert seen > 300
    assert faint == []


def test_the_schemes_differ(browser: Chrome, place: Path) -> None:
    opened(browser, place)
    grounds = set()
    for scheme in ("light", "dark"):
        sized(browser, 1280, scheme)
        grounds.add(found(browser, "getComputedStyle(document.body).backgroundColor"))
    assert len(grounds) == 2


@pytest.mark.parametrize("width", [320, 1280])
def test_the_tab_key_reaches_everything_in_order_and_shows_where_it_is(
    browser: Chrome, place: Path, width: int
) -> None:
    opened(browser, place)
    sized(browser, width)
    stops = f"[...document.querySelectorAll({STOPS!r})].filter((each) => each.checkVisibility())"
    expected = browser.execute_script(f"window.stops = {stops}; return window.stops.length")
    assert expected > 40
    reached: list[int] = []
    while len(reached) < expected:
        ActionChains(browser).send_keys(Keys.TAB).perform()
        place_of, outline = found(
            browser,
            "[window.stops.indexOf(document.activeElement), getComputedStyle(document.activeElement).outlineStyle]",
        )
        assert outline != "none"
        if place_of >= 0:  # a browser may stop at boxes that scroll too
            reached.append(place_of)
    assert reached == list(range(expected))


def test_the_first_tab_offers_to_skip_to_the_layers(browser: Chrome, place: Path) -> None:
    opened(browser, place)
    ActionChains(browser).send_keys(Keys.TAB).perform()
    assert found(browser, "document.activeElement.textContent") == "Skip to the layers"
    assert found(browser, "document.activeElement.getBoundingClientRect().left") >= 0


def test_a_cell_leads_to_its_item_which_is_unfolded(browser: Chrome, place: Path) -> None:
    opened(browser, place)
    item = browser.find_element(By.ID, "gru-float64-forward")
    assert not item.is_displayed()
    browser.execute_script(
        "arguments[0].click()", browser.find_element(By.CSS_SELECTOR, "td [href='#gru-float64-forward']")
    )
    WebDriverWait(browser, 10).until(lambda _: item.is_displayed())
    assert found(browser, "arguments[0].getBoundingClientRect().top < innerHeight", item)


def test_an_address_with_an_item_opens_it(browser: Chrome, place: Path) -> None:
    opened(browser, place)
    browser.get(f"{place.as_uri()}#coverage-gru")
    WebDriverWait(browser, 10).until(
        lambda _: browser.find_element(By.CSS_SELECTOR, "#coverage-gru table").is_displayed()
    )


def test_where_the_browser_does_not_unfold_the_page_does(browser: Chrome, place: Path) -> None:
    opened(browser, place)
    browser.execute_script("history.replaceState(null, '', '#gru-float64-forward')")  # which is no navigation
    item = browser.find_element(By.ID, "gru-float64-forward")
    assert not item.is_displayed()
    browser.execute_script("dispatchEvent(new HashChangeEvent('hashchange'))")
    assert item.is_displayed()
    assert found(browser, "arguments[0].getBoundingClientRect().top < innerHeight", item)


def test_a_program_is_copied_by_its_button(browser: Chrome, place: Path) -> None:
    opened(browser, place)
    browser.execute_cdp_cmd(
        "Browser.grantPermissions", {"permissions": ["clipboardReadWrite", "clipboardSanitizedWrite"]}
    )
    button = browser.find_element(By.CSS_SELECTOR, "#cause-1 button")
    button.click()
    WebDriverWait(browser, 10).until(lambda _: button.text == "Copied")
    assert browser.find_element(By.ID, "said").get_property("textContent") == "Copied"
    assert (
        browser.execute_async_script("navigator.clipboard.readText().then(arguments[0])")
        == f"# the plainest\n{PROGRAM}"
    )


def test_without_a_clipboard_the_program_is_selected(browser: Chrome, place: Path) -> None:
    opened(browser, place)
    browser.execute_script("Object.defineProperty(navigator, 'clipboard', {value: undefined})")
    button = browser.find_element(By.CSS_SELECTOR, "#cause-1 button")
    button.click()
    WebDriverWait(browser, 10).until(lambda _: button.text == "Selected")
    assert found(browser, "getSelection().toString()").strip() == f"# the plainest\n{PROGRAM}".strip()


def test_without_script_there_are_no_buttons_and_the_program_is_there(browser: Chrome, place: Path) -> None:
    browser.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": True})
    opened(browser, place)
    assert not browser.find_element(By.CSS_SELECTOR, "#cause-1 button").is_displayed()
    program = browser.find_element(By.CSS_SELECTOR, "#cause-1 pre")
    assert program.is_displayed()
    assert "# the plainest" in program.text
    assert program.value_of_css_property("user-select") != "none"


def test_links_buttons_and_pictures_have_names(browser: Chrome, place: Path) -> None:
    opened(browser, place)
    browser.execute_script(UNFOLD)
    nodes = browser.execute_cdp_cmd("Accessibility.getFullAXTree", {})["nodes"]
    named: dict[str, list[str]] = {}
    for node in nodes:
        named.setdefault(node.get("role", {}).get("value"), []).append(node.get("name", {}).get("value", ""))
    for role in ("link", "button", "image", "table", "region"):
        assert named[role]
        assert all(named[role]), f"a {role} has no name"


def test_nothing_is_loaded_and_nothing_goes_wrong(browser: Chrome, place: Path) -> None:
    opened(browser, place)
    assert found(browser, "performance.getEntriesByType('resource').length") == 0
    assert browser.get_log("browser") == []


def test_no_other_script_is_let_in(browser: Chrome, place: Path) -> None:
    intruder = "<script>window.intruder = true</script>"
    opened(browser, place, page(document(everything())).replace("<main>", f"<main>{intruder}"))
    assert intruder in place.read_text(encoding="utf-8")
    assert found(browser, "window.intruder") is None


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_in_print_it_is_light_and_its_programs_are_whole(browser: Chrome, place: Path, scheme: str) -> None:
    opened(browser, place)
    sized(browser, 794, scheme, "print")
    assert found(browser, "getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert not browser.find_element(By.CSS_SELECTOR, "#cause-1 button").is_displayed()
    program = browser.find_element(By.CSS_SELECTOR, "#cause-1 pre")
    assert found(browser, "arguments[0].scrollHeight <= arguments[0].clientHeight", program)
    assert found(browser, "arguments[0].scrollWidth <= arguments[0].clientWidth", program)


def test_it_is_printed_to_a_pdf(browser: Chrome, place: Path) -> None:
    opened(browser, place)
    printed = base64.b64decode(browser.execute_cdp_cmd("Page.printToPDF", {"printBackground": True})["data"])
    assert printed.startswith(b"%PDF-")
    assert printed.count(b"/Type /Page\n") > 1
