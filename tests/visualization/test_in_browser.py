"""Report and comparison as a browser shows them."""

import shutil

import pytest

from keras_reid.visualization import write_comparison
from tests.browser import chromium, foreign_requests

pytestmark = pytest.mark.medium


@pytest.fixture(scope="module")
def pages(smoke_run, tmp_path_factory):
    """The report of the smoke run, and its comparison with a copy."""
    folder = tmp_path_factory.mktemp("pages")
    runs = [shutil.copytree(smoke_run[0], folder / name) for name in ("one", "two")]
    return [runs[0] / "report" / "index.html", write_comparison(runs, folder / "comparison.html")]


@pytest.mark.parametrize("width", [390, 1280])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_pages_ask_nobody_and_fit_the_screen(pages, width, scheme):
    with chromium() as browser:
        page = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)
        asked = foreign_requests(page)
        for path in pages:
            page.goto(path.as_uri())
            assert page.evaluate("document.documentElement.scrollWidth") <= width
            dark = page.evaluate("getComputedStyle(document.body).backgroundColor") != "rgb(255, 255, 255)"
            assert dark == (scheme == "dark")
        assert not asked


def test_sections_stay_in_reach_and_a_click_shows_a_picture_large(pages):
    with chromium() as browser:
        page = browser.new_page(viewport={"width": 1280, "height": 900})
        page.goto(pages[0].as_uri())
        page.evaluate("window.scrollTo(0, 2000)")
        assert page.locator("nav").bounding_box()["y"] == pytest.approx(0, abs=1)
        picture = page.locator(".list label").first
        small = picture.locator("img").bounding_box()
        picture.click()
        large = picture.locator("img").bounding_box()
        assert large["height"] > 1.5 * small["height"]
        middle = large["x"] + large["width"] / 2, large["y"] + large["height"] / 2
        assert middle == pytest.approx((640, 450), abs=2)
        page.mouse.click(*middle)
        assert picture.locator("img").bounding_box()["height"] == pytest.approx(small["height"])
        assert page.locator("details").first.get_attribute("open") is None
