"""The report in a real browser: one session of headless Chromium for the whole file."""

import json
import shutil
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from augstudy.core.store import StudyFolder
from augstudy.show.base import load
from augstudy.show.figures.base import draw
from augstudy.show.report.page import compare, write

from ..synthetic import LINES, records_of, study_index, write_curves, write_pictures, write_study
from .test_page import CLAIMS

webdriver = pytest.importorskip("selenium.webdriver", reason="selenium is not installed: pip install -e '.[dev]'")
CHROMIUM, DRIVER = Path("/usr/bin/chromium"), shutil.which("chromedriver")
pytestmark = pytest.mark.skipif(
    not CHROMIUM.exists() or DRIVER is None,
    reason="there is no /usr/bin/chromium with its chromedriver: apt-get install chromium chromium-driver",
)
FLAGS = (
    *("headless", "no-sandbox", "disable-gpu", "disable-quic", "no-first-run", "disable-background-networking"),
    *("disable-component-update", "disable-sync", "disable-dev-shm-usage"),
)
HOSTILE = "<script>document.title = 'taken'</script>"


@pytest.fixture(scope="module")
def pages(tmp_path_factory) -> dict[str, Path]:
    """A report with every kind of content and a hostile label, and a comparison."""
    lines = (*LINES[:3], (HOSTILE, "moco", "full"))
    index = study_index(lines, (0, 1, 2)) | {"claims": CLAIMS[:1]}
    folder = write_study(StudyFolder(tmp_path_factory.mktemp("browser") / "synthetic"), index, records_of(index))
    write_pictures(folder, index)
    write_curves(folder, index)
    results = load(folder)
    draw(results, ["layer_curves", "filters"])
    return {"study": write(results), "comparison": compare([results, results], folder.path / "comparison.html")}


@pytest.fixture(scope="module")
def browser(tmp_path_factory) -> Iterator["webdriver.Chrome"]:
    options = webdriver.ChromeOptions()
    options.binary_location = str(CHROMIUM)
    for flag in (*FLAGS, f"user-data-dir={tmp_path_factory.mktemp('profile')}"):
        options.add_argument(f"--{flag}")
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(executable_path=DRIVER))
    yield driver
    with suppress(OSError):
        driver.quit()


@pytest.fixture(params=["study", "comparison"])
def opened(request, pages, browser):
    """The browser with a page in it, 1280 px wide."""
    browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
    for log in ("browser", "performance"):
        browser.get_log(log)  # what is left of the page before
    browser.get(pages[request.param].as_uri())
    return browser


def requests_of(browser) -> list[str]:
    """The addresses that the page asked for."""
    events = [json.loads(entry["message"])["message"] for entry in browser.get_log("performance")]
    return [e["params"]["request"]["url"] for e in events if e["method"] == "Network.requestWillBeSent"]


def column(browser, table: int, place: int) -> list[str]:
    """The words of a column, without the intervals below the means."""
    script = (
        "return [...document.querySelectorAll('table.grid')[arguments[0]].tBodies[0].rows]"
        ".map(row => row.cells[arguments[1]].firstChild.textContent)"
    )
    return browser.execute_script(script, table, place)


def test_no_error_no_request_and_no_markup_from_labels(opened):
    assert opened.get_log("browser") == []
    assert [url for url in requests_of(opened) if not url.startswith(("file:", "data:"))] == []
    assert opened.title != "taken"
    assert HOSTILE in opened.execute_script("return document.body.textContent")
    assert opened.execute_script("return document.scripts.length") == 1


def test_every_picture_is_shown_and_has_a_text_in_its_place(opened):
    pictures = opened.execute_script("return [...document.images].map(i => [i.alt, i.complete && i.naturalWidth])")
    assert pictures
    assert all(alt and width for alt, width in pictures)
    assert opened.execute_script(
        "return [...document.querySelectorAll('svg')].every(s => s.getAttribute('aria-label'))"
    )


@pytest.mark.parametrize("width", [390, 1280])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_page_does_not_scroll_sideways_and_follows_the_scheme(opened, width, scheme):
    size = {"width": width, "height": 844, "deviceScaleFactor": 1, "mobile": width == 390}
    opened.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    media = {"features": [{"name": "prefers-color-scheme", "value": scheme}]}
    opened.execute_cdp_cmd("Emulation.setEmulatedMedia", media)
    assert opened.execute_script("return document.documentElement.scrollWidth") <= width
    paper = opened.execute_script("return getComputedStyle(document.body).backgroundColor")
    assert (paper == "rgb(255, 255, 255)") == (scheme == "light")
    plate = opened.execute_script("return getComputedStyle(document.querySelector('.plate')).backgroundColor")
    assert plate == "rgb(255, 255, 255)"  # figures are drawn for white


def test_headings_sort_by_mouse_and_by_keyboard(opened):
    means = column(opened, 0, 2)
    [heading] = opened.execute_script("return [document.querySelectorAll('table.grid')[0].tHead.rows[0].cells[2]]")
    button = heading.find_element("tag name", "button")
    number = [float(text.split(" ")[0]) for text in means]
    opened.execute_script("arguments[0].click()", button)
    assert [float(text.split(" ")[0]) for text in column(opened, 0, 2)] == sorted(number, reverse=True)
    assert heading.get_attribute("aria-sort") == "descending"
    button.send_keys("\ue007")  # Enter
    assert [float(text.split(" ")[0]) for text in column(opened, 0, 2)] == sorted(number)
    assert heading.get_attribute("aria-sort") == "ascending"
    first = opened.execute_script("return document.querySelectorAll('table.grid')[0].tHead.rows[0].cells[0]")
    first.find_element("tag name", "button").send_keys(" ")
    names = column(opened, 0, 0)
    assert names == sorted(names, key=str.lower)
    assert heading.get_attribute("aria-sort") == "none"


def test_everything_that_scrolls_can_be_reached_by_keyboard(opened):
    script = (
        "return [...document.querySelectorAll('.scroll, .plate, pre')].filter(e => e.tabIndex !== 0).length"
        " + [...document.querySelectorAll('.card')].filter(e => e.scrollWidth > e.clientWidth).length"
    )
    assert opened.execute_script(script) == 0


def test_paper_shows_what_is_folded_away_and_cuts_nothing_off(pages, browser):
    browser.get(pages["study"].as_uri())
    printed = browser.execute_cdp_cmd("Page.printToPDF", {"preferCSSPageSize": True})
    assert len(printed["data"]) > 10_000
    assert browser.execute_script("return [...document.querySelectorAll('details')].every(d => d.open)")
    size = {"width": 680, "height": 960, "deviceScaleFactor": 1, "mobile": False}  # A4 less its margins
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "print"})
    assert browser.execute_script("return document.documentElement.scrollWidth") <= 680
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": ""})
