"""The page in a browser, on the gallery of synthetic people: a day of somebody who works with it."""

import contextlib
import dataclasses
import io
import json
import time
from pathlib import Path

import axe_playwright_python
import numpy as np
import pytest
from PIL import Image

from keras_reid import gallery as galleries
from keras_reid.data import Synthetic
from keras_reid.embedding import UnreadableImage
from keras_reid.gallery.enrolment import enrol, pictures_of_csv
from keras_reid.gallery.receipts import check_receipt, key_files, public_key
from keras_reid.gallery.service import operations
from keras_reid.gallery.service.callers import OWNER
from keras_reid.gallery.service.operations import OpenGallery
from tests.browser import chromium, foreign_requests
from tests.evaluation.calibration.test_calibration import line
from tests.gallery import servers
from tests.gallery.conftest import DIM, MODEL, unit
from tests.gallery.service.conftest import token_of
from tests.gallery.service.page.conftest import served

pytestmark = pytest.mark.medium
AXE = (Path(axe_playwright_python.__file__).parent / "axe.min.js").read_text()
LONG = "Bundesgeschäftsstellenleiterin-Wolfeschlegelsteinhausen"
_BANDS = 6
_MIX = np.linalg.qr(np.random.default_rng(0).standard_normal((3 * _BANDS, DIM)))[0]


def embed(contents):
    """The colours from head to foot, in the middle of a picture: enough to tell eight drawn people apart."""
    rows = []
    for content in contents:
        try:
            with Image.open(io.BytesIO(content)) as image:
                middle = image.convert("RGB").crop(
                    (int(0.3 * image.width), 0, int(0.7 * image.width), image.height)
                )
        except Exception:
            raise UnreadableImage("images[0]: truncated or damaged") from None
        colours = np.asarray(middle.resize((1, _BANDS), Image.Resampling.BOX), np.float32)
        rows.append((colours - colours.mean(axis=-1, keepdims=True)).reshape(-1) @ _MIX)
    return unit(rows)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    root = tmp_path_factory.mktemp("data")
    Synthetic("tiny").read(root)
    return Synthetic("tiny").folder(root)


@pytest.fixture(scope="module")
def people(private_server, folder):
    """The gallery of 8 synthetic people, 48 sightings by 3 cameras."""
    servers.emptied(private_server.address)
    with galleries.open(private_server.folder, MODEL) as store:
        enrol(store, embed, pictures_of_csv(folder / "gallery.csv"), "thumbnails")
        yield OpenGallery(store, embed, line(distances=[0.1, 0.3]), (64, 32))


@pytest.fixture(scope="module")
def address(people):
    with served(people) as one:
        yield one


@pytest.fixture(scope="module")
def browser():
    with chromium() as one:
        yield one


@pytest.fixture
def page(browser):
    with watched(browser.new_page(viewport={"width": 1280, "height": 900})) as page:
        yield page


@contextlib.contextmanager
def watched(page):
    """A page; in the end it must have raised no error, and have asked no other server for anything."""
    faults = []
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.on("console", lambda message: message.type == "error" and faults.append(message.text))
    foreign = foreign_requests(page)
    yield page
    page.close()
    assert not faults
    assert not foreign


def number_of(people, name):
    return operations.identity(people, OWNER, name).id


def serious(page, **options):
    """The accessibility faults that keep somebody from using a view."""
    options = {"resultTypes": ["violations"], **options}
    found = page.evaluate("options => axe.run(options)", options)["violations"]
    return [(one["id"], one["nodes"][0]["html"]) for one in found if one["impact"] in ("serious", "critical")]


def test_a_day(people, address, folder, page):
    """Search, filter, answer, rename, merge, undo, enrol, forget, and the receipt is genuine."""
    page.goto(address)
    assert "48 sightings of 8 identities, 3 cameras" in page.inner_text("main").replace("\u202f", " ")
    start = time.monotonic()
    page.set_input_files("[data-search] input >> nth=0", folder / "query" / "0009_c1_00.jpg")
    page.wait_for_selector(".results")
    assert time.monotonic() - start < 3
    assert page.inner_text("h1") == "Alex Ahmadi"
    assert page.inner_text(".answer .verdict").startswith("Same")
    assert page.get_attribute("[data-preview]", "src").startswith("blob:")

    page.check("text=Yard", force=True)
    page.wait_for_selector(".chips")
    assert page.url == f"{address}/?camera=Yard"
    page.reload()
    page.wait_for_selector(".chips")
    page.go_back()
    page.wait_for_selector(".chips", state="detached")
    page.click(".ask button >> nth=0")
    page.wait_for_selector("text=Kept: the same one")
    (pair,) = operations.answers(people, OWNER)
    assert pair.same

    page.click(".card h2 a >> nth=0")
    assert page.locator(".line circle").count() >= 2
    page.click("text=Rename")
    page.fill("details[open] [name=name]", "Alex A. 李")
    page.click("text=Save")
    page.wait_for_selector(".notice")
    assert page.inner_text("h1") == "Alex A. 李"

    page.click("summary >> text=Merge")
    page.wait_for_selector("[name=with]:focus")
    page.keyboard.type("bau")
    page.wait_for_selector("datalist option[value='Andrea Bauer']", state="attached")
    page.keyboard.press("Escape")
    assert page.evaluate("document.activeElement.textContent") == "Merge"

    page.goto(f"{address}/identities")
    stays, goes = (number_of(people, name) for name in ("Ariel Berg", "王明"))
    for number in (stays, goes):
        page.check(f"#i{number}", force=True)
    page.click(".tray >> text=Merge")
    page.click("main button >> text=Merge")
    page.wait_for_selector(".notice")
    assert len(operations.identity(people, OWNER, stays).sightings) == 12
    page.click(".notice >> text=Undo")
    page.wait_for_selector("text=Undone:")
    assert len(operations.identity(people, OWNER, goes).sightings) == 6

    page.goto(f"{address}/enrol")
    queries = [folder / "query" / f"0016_c{camera}_00.jpg" for camera in (1, 2)]
    page.set_input_files(".drop input >> nth=0", queries)
    page.fill("[name=identity]", "Neu")
    page.fill("[name=time]", "2026-06-03T08:00")
    page.click("text=Enrol 2 pictures")
    page.wait_for_selector("text=2 enrolled")
    neu = operations.identity(people, OWNER, "Neu")
    assert [one.time.hour for one in neu.sightings] == [6, 6]  # 8 in Berlin

    page.goto(f"{address}/identities/{neu.id}")
    page.click("text=Forget")
    page.check("[name=sure]")
    page.click("text=Forget for good")
    page.wait_for_selector("text=Erased and signed", timeout=60_000)
    page.evaluate(AXE)
    assert not serious(page)
    with page.expect_download() as download:
        page.click("text=Save the receipt")
    receipt = json.loads(Path(download.value.path()).read_text())
    _, public = key_files(people.store.folder)
    assert check_receipt(receipt, public_key(public))["subjects"] == [neu.subject]


@pytest.mark.parametrize("kind", ["drop", "paste"])
def test_dropping_and_pasting(address, folder, page, kind):
    page.goto(address)
    page.evaluate(
        """([kind, bytes]) => {
          const data = new DataTransfer();
          data.items.add(new File([new Uint8Array(bytes)], "who.jpg", {type: "image/jpeg"}));
          const event = kind === "drop" ? new DragEvent("drop", {dataTransfer: data, cancelable: true})
            : new ClipboardEvent("paste", {clipboardData: data});
          window.dispatchEvent(event);
        }""",
        [kind, list((folder / "query" / "0011_c2_00.jpg").read_bytes())],
    )
    page.wait_for_selector(".results")
    assert page.inner_text("h1") == "Ariel Berg"


def test_a_file_that_is_no_picture_is_told_of(address, page):
    page.goto(address)
    file = {"name": "a.txt", "mimeType": "text/plain", "buffer": b"hello"}
    page.set_input_files("[data-search] input >> nth=0", file)
    assert page.inner_text("[data-progress]") == "That is not a picture."


def test_what_is_seen_of_the_watched_appears_at_once(people, address, folder, page):
    number = number_of(people, "Charlie Çelik")
    page.goto(f"{address}/identities/{number}")
    page.click("text=Watch")
    page.wait_for_selector("text=Watched")
    with page.expect_response("**/v1/events*"):
        page.goto(f"{address}/activity")
    assert "None of them was seen" in page.inner_text(".events")
    operations.enrol(people, OWNER, (folder / "query" / "0013_c1_00.jpg").read_bytes(), number, "roof")
    page.wait_for_selector(".events >> text=roof", timeout=15_000)


def test_the_keyboard_is_enough(people, address, page):
    """The first stop skips the navigation, menus close by Escape, and chosen tiles are merged."""
    page.goto(f"{address}/identities")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Skip to the content"
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.name") == "words"
    for _ in range(2):
        page.keyboard.press("Tab")
        page.keyboard.press("Space")
        page.keyboard.press("Tab")  # the link of the tile
    assert page.inner_text("[data-count]") == "2 chosen"
    page.focus(".tray button.main")
    page.keyboard.press("Enter")
    page.wait_for_selector("text=Are they the same?")


def test_signing_in(people, browser):
    """A token opens the page for its role. Without a calibration there are no verdicts."""
    token = token_of(people, "view")["Authorization"].partition(" ")[2]
    uncalibrated = dataclasses.replace(people, calibration=None)
    with served(uncalibrated, with_tokens=True) as address, watched(browser.new_page()) as page:
        page.goto(f"{address}/activity")
        page.evaluate(AXE)
        assert not serious(page)
        page.fill("[name=token]", token)
        page.keyboard.press("Enter")
        page.wait_for_selector("text=Who is this?")
        assert page.locator("nav >> text=Enrol").count() == 0
        page.goto(f"{address}/?like={operations.identity(people, OWNER, 'Dominique Diaz').sightings[0].id}")
        assert page.inner_text("h1").startswith("Nearest: ")
        assert "The model is not calibrated" in page.inner_text(".answer")
        page.click("text=Sign out")
        page.wait_for_selector("[name=token]")


def test_every_view_is_accessible_and_fits_its_screen(people, address, browser):
    """No serious fault by axe-core: in light on a phone, and the colours in dark on a desk."""
    long = number_of(people, "نور حداد")
    change = operations.rename(people, OWNER, long, LONG)
    other = number_of(people, "Ezra Haas")
    operations.split(people, OWNER, [operations.identity(people, OWNER, other).sightings[0].id])
    operations.watch(people, OWNER, other, 1.0)
    like = operations.identity(people, OWNER, long).sightings[0].id
    paths = (
        *("/", "/?camera=Yard&quality=0.3", f"/?like={like}", f"/?like={like}&camera=Yard&camera=Entrance"),
        *(f"/?like={like}&quality=0.7", "/identities", "/identities?words=nobody", "/identities/999"),
        *(f"/identities/{long}?done={change.id}", f"/identities/{long}/forget", "/enrol", "/activity"),
        *(f"/merge?identity={long}&identity={other}", "/check", "/check?run=yes"),
    )
    page = browser.new_page(bypass_csp=True, reduced_motion="reduce")
    for path in paths:
        page.emulate_media(color_scheme="light")
        page.set_viewport_size({"width": 390, "height": 844})
        page.goto(address + path)
        page.evaluate("for (const one of document.querySelectorAll('details')) one.open = true")
        assert page.evaluate("document.documentElement.scrollWidth") <= 390, path
        page.evaluate(AXE)
        assert not serious(page), path
        page.emulate_media(color_scheme="dark")
        for width in (1600, 1280):
            page.set_viewport_size({"width": width, "height": 844})
            assert page.evaluate("document.documentElement.scrollWidth") <= width, path
        assert not serious(page, runOnly=["color-contrast"]), path
    assert page.locator(".findings .card >> nth=0 >> img").count() == 2  # of the sighting that was split off
    page.close()
