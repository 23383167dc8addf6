"""The page in a browser: a day of somebody who works with it."""

import json
import time
from pathlib import Path

import axe_playwright_python
import pytest

from keras_reid.gallery.receipts import check_receipt, key_files, public_key
from keras_reid.gallery.service import operations
from keras_reid.gallery.service.callers import OWNER
from tests.browser import chromium, foreign_requests
from tests.gallery.service.conftest import COLOURS, square
from tests.gallery.service.page.conftest import served

pytestmark = pytest.mark.medium
AXE = (Path(axe_playwright_python.__file__).parent / "axe.min.js").read_text()
RED = COLOURS["Anna Katharina"]


@pytest.fixture
def browser():
    with chromium() as one:
        yield one


@pytest.fixture
def page(browser):
    page = browser.new_page(viewport={"width": 1280, "height": 900})
    faults = []
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.on("console", lambda message: message.type == "error" and faults.append(message.text))
    foreign = foreign_requests(page)
    yield page
    assert not faults
    assert not foreign


def picture(name, colour=RED, seed=99):
    return {"name": name, "mimeType": "image/png", "buffer": square(colour, seed)}


def test_a_day(opened, twin, page, tmp_path):
    """Search, filter, answer, rename, merge, undo, enrol, forget, and the receipt is genuine."""
    anna = operations.identity(opened, OWNER, "Anna Katharina")
    with served(opened) as address:
        page.goto(address)
        start = time.monotonic()
        page.set_input_files("[data-search] input >> nth=0", picture("who.png"))
        page.wait_for_selector(".results")
        assert time.monotonic() - start < 3
        assert page.inner_text("h1") == "Nearest: Anna Katharina"
        assert page.get_attribute("[data-preview]", "src").startswith("blob:")

        page.check("text=roof", force=True)
        page.wait_for_selector(".chips")
        assert page.url == f"{address}/?camera=roof"
        assert page.inner_text("h1") == f"Nearest: #{twin.id}"
        page.reload()
        page.wait_for_selector(".chips")
        page.go_back()
        page.wait_for_selector(".chips", state="detached")
        page.click(".ask button >> nth=0")
        page.wait_for_selector("text=Kept: the same one")
        (pair,) = operations.answers(opened, OWNER)
        assert pair.same

        page.click(".card h2 a >> nth=0")
        assert page.locator(".line circle").count() >= 1
        page.click("text=Rename")
        page.fill("details[open] [name=name]", "Anna K. 李")
        page.click("text=Save")
        page.wait_for_selector(".notice")
        assert page.inner_text("h1") == "Anna K. 李"

        page.goto(f"{address}/identities")
        for number in (anna.id, twin.id):
            page.check(f"#i{number}", force=True)
        page.click(".tray >> text=Merge")
        page.click("main button >> text=Merge")
        page.wait_for_selector(".notice")
        assert len(operations.identity(opened, OWNER, anna.id).sightings) == 5
        page.click(".notice >> text=Undo")
        page.wait_for_selector("text=Undone:")
        assert len(operations.identity(opened, OWNER, twin.id).sightings) == 2

        page.goto(f"{address}/enrol")
        page.set_input_files(".drop input >> nth=0", [picture("a.png", seed=70), picture("b.png", seed=71)])
        page.fill("[name=identity]", "Neu")
        page.fill("[name=time]", "2026-06-03T08:00")
        page.click("text=Enrol 2 pictures")
        page.wait_for_selector("text=2 enrolled")
        neu = operations.identity(opened, OWNER, "Neu")
        assert [one.time.hour for one in neu.sightings] == [6, 6]  # 8 in Berlin

        page.goto(f"{address}/identities/{neu.id}")
        page.click("text=Forget")
        page.check("[name=sure]")
        page.click("text=Forget for good")
        page.wait_for_selector("text=Erased and signed", timeout=60_000)
        with page.expect_download() as download:
            page.click("text=Save the receipt")
        receipt = json.loads(Path(download.value.path()).read_text())
        _, public = key_files(opened.store.folder)
        assert check_receipt(receipt, public_key(public))["subjects"] == [neu.subject]


def test_dropping_and_pasting(opened, page):
    with served(opened) as address:
        for kind in ("drop", "paste"):
            page.goto(address)
            page.evaluate(
                """([kind, bytes]) => {
                  const data = new DataTransfer();
                  data.items.add(new File([new Uint8Array(bytes)], "who.png", {type: "image/png"}));
                  const event = kind === "drop" ? new DragEvent("drop", {dataTransfer: data, cancelable: true})
                    : new ClipboardEvent("paste", {clipboardData: data});
                  window.dispatchEvent(event);
                }""",
                [kind, list(square(RED, 98))],
            )
            page.wait_for_selector(".results")
            assert page.inner_text("h1") == "Nearest: Anna Katharina"


def test_a_file_that_is_no_picture_is_told_of(opened, page):
    with served(opened) as address:
        page.goto(address)
        file = {"name": "a.txt", "mimeType": "text/plain", "buffer": b"hello"}
        page.set_input_files("[data-search] input >> nth=0", file)
        assert page.inner_text("[data-progress]") == "That is not a picture."


def test_what_is_seen_of_the_watched_appears_at_once(opened, page):
    anna = operations.identity(opened, OWNER, "Anna Katharina").id
    operations.watch(opened, OWNER, anna)
    with served(opened) as address:
        with page.expect_response("**/v1/events*"):
            page.goto(f"{address}/activity")
        assert "None of them was seen" in page.inner_text(".events")
        operations.enrol(opened, OWNER, square(RED, 80), anna, "roof")
        page.wait_for_selector(".events >> text=roof", timeout=15_000)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1280])
def test_no_serious_accessibility_fault_and_nothing_too_wide(opened, twin, browser, width, scheme):
    page = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme, bypass_csp=True)
    operations.rename(opened, OWNER, twin.id, "Bundesgeschäftsstellenleiterin-Wolfeschlegelsteinhausen")
    anna, sighting = operations.identity(opened, OWNER, "Anna Katharina"), twin.sightings[0].id
    paths = (
        "/",
        f"/?like={sighting}&camera=door&camera=yard",
        "/identities",
        f"/identities/{anna.id}",
        "/enrol",
    )
    more = (
        f"/merge?identity={anna.id}&identity={twin.id}",
        f"/identities/{anna.id}/forget",
        "/identities/999",
    )
    with served(opened) as address:
        for path in (*paths, *more, "/check", "/check?run=yes", "/activity", f"/identities/{twin.id}?done=1"):
            page.goto(address + path)
            page.evaluate("for (const one of document.querySelectorAll('details')) one.open = true")
            assert page.evaluate("document.documentElement.scrollWidth") <= width, path
            page.evaluate(AXE)
            found = page.evaluate("axe.run()")["violations"]
            serious = [
                (one["id"], one["nodes"][0]["html"])
                for one in found
                if one["impact"] in ("serious", "critical")
            ]
            assert not serious, path
