"""The site that `make docs` builds: it holds every public symbol, its search finds them, and it needs no other site."""

import functools
import html.parser
import http.server
import importlib
import inspect
import pathlib
import re
import shutil
import subprocess
import sys
import threading
import zlib

import pytest

from tests.browser import chromium, foreign_requests
from tests.conftest import ROOT

pytestmark = pytest.mark.medium

LOADED = {"link": "href", "script": "src", "img": "src", "source": "src", "iframe": "src", "video": "src"}


@pytest.fixture(scope="module")
def site(once):
    """`make docs`, with this environment in place of .venv; it fails on a warning."""

    def make(folder):
        command = ["make", "--old-file=.venv/.installed", "docs"]
        command += [f"BIN={pathlib.Path(sys.executable).parent}", f"SITE={folder}"]
        process = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
        assert process.returncode == 0, process.stdout + process.stderr

    return once("site", make)


@pytest.fixture(scope="module")
def browser():
    with chromium() as started:
        yield started


@pytest.fixture(scope="module")
def address(site):
    """The site on a server of this machine."""

    class Silent(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_):
            pass

    handler = functools.partial(Silent, directory=site)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@functools.cache
def public_names(module="keras_reid"):
    """The full names of what `__all__` lists, in the package and the modules that it lists."""
    found = []
    loaded = importlib.import_module(module)
    for name in getattr(loaded, "__all__", ()):
        if inspect.ismodule(value := getattr(loaded, name)):
            found += [value.__name__, *public_names(value.__name__)]  # some lie deeper than they are named
        else:
            found.append(f"{module}.{name}")
    return sorted(set(found))


def pages(site):
    return sorted(site.rglob("*.html"))


def test_every_public_symbol_is_described(site):
    inventory = zlib.decompress((site / "objects.inv").read_bytes().split(b"\n", 4)[4]).decode()
    places = {}
    for line in inventory.splitlines():
        name, kind, _, place, _ = line.split(" ", 4)
        if kind.startswith("py:"):
            places[name] = place.replace("$", name)
    assert len(public_names()) > 300
    assert not set(public_names()) - set(places)
    for name in public_names():
        page, _, anchor = places[name].partition("#")
        assert f'id="{anchor}"' in _read(site / page), name


def test_every_public_symbol_is_found_by_the_search(address, browser):
    page = browser.new_page()
    page.goto(f"{address}/search.html")
    page.wait_for_function("Search.hasIndex()")
    # What the page does with the words of its input, for hundreds of them at once; the best result comes last.
    script = """names => names.map(name =>
        Search._performSearch(...Search._parseQuery(name)).slice(-10).map(found => found[2].slice(1)))"""
    found = page.evaluate(script, public_names())
    missed = [name for name, anchors in zip(public_names(), found, strict=True) if not _names(name, anchors)]
    assert not missed
    page.close()


def _names(name, anchors):
    return name in anchors or f"module-{name}" in anchors


def test_the_search_shows_what_it_found(address, browser):
    page = browser.new_page()
    page.goto(f"{address}/docs/recipes.html")
    page.fill("input[name=q]", "CircleLoss")
    page.press("input[name=q]", "Enter")
    link = page.locator("#search-results a", has_text="keras_reid.losses.CircleLoss").first
    link.click()
    assert page.url.endswith("docs/api/keras_reid.losses.html#keras_reid.losses.CircleLoss")
    assert "similarities" in page.locator("dl.class", has_text="CircleLoss").first.inner_text()
    page.close()


def test_the_search_needs_no_server(site, browser):
    page = browser.new_page()
    page.goto((site / "search.html").as_uri() + "?q=calibrate")
    page.locator("#search-results a", has_text="Operations").first.wait_for()
    page.close()


def test_no_page_names_another_origin(site):
    assert len(pages(site)) > 30
    for page in pages(site):
        for url in _loaded(_read(page)):
            assert not re.match(r"(\w+:)?//", url), f"{page.name} loads {url}"
    for sheet in site.rglob("*.css"):
        for url in re.findall(r"(?:url\(|@import\s)[\"']?([^\"')\s]+)", _read(sheet)):
            assert not re.match(r"(https?:)?//", url), f"{sheet.name} loads {url}"


class _Loads(html.parser.HTMLParser):
    def __init__(self):
        super().__init__()
        self.urls = []

    def handle_starttag(self, tag, attributes):
        self.urls += [value for name, value in attributes if name == LOADED.get(tag) and value]


def _loaded(text):
    parser = _Loads()
    parser.feed(text)
    return parser.urls


def test_no_page_asks_another_origin(site, address, browser):
    page = browser.new_page()
    foreign = foreign_requests(page)
    for file in pages(site):
        page.goto(f"{address}/{file.relative_to(site)}")
    assert foreign == []
    page.close()


def test_a_foreign_request_is_noticed(tmp_path, browser):
    file = tmp_path / "page.html"
    file.write_text('<img src="http://fonts.example/x.png">')
    page = browser.new_page()
    foreign = foreign_requests(page)
    page.goto(file.as_uri())
    assert foreign == ["http://fonts.example/x.png"] == _loaded(file.read_text())
    page.close()


def test_a_missing_browser_skips_for_users_and_fails_in_the_gate(monkeypatch):
    monkeypatch.setattr(shutil, "which", lambda name: None)
    monkeypatch.delenv("KERAS_REID_NEEDS_BROWSER", raising=False)
    with pytest.raises(pytest.skip.Exception, match="none of chromium"), chromium():
        pass
    monkeypatch.setenv("KERAS_REID_NEEDS_BROWSER", "1")
    with pytest.raises(pytest.fail.Exception, match="none of chromium"), chromium():
        pass


@pytest.mark.parametrize("width", [390, 1280])
def test_pages_follow_the_theme_and_the_width(address, browser, width):
    backgrounds = []
    for scheme in ("light", "dark"):
        context = browser.new_context(color_scheme=scheme, viewport={"width": width, "height": 900})
        page = context.new_page()
        for name in ("index.html", "docs/operations.html", "docs/api/keras_reid.evaluation.html"):
            page.goto(f"{address}/{name}")
            assert page.evaluate("document.documentElement.scrollWidth") <= width, name
        backgrounds.append(page.evaluate("getComputedStyle(document.body).backgroundColor"))
        context.close()
    assert backgrounds[0] != backgrounds[1]


def _read(file):
    return file.read_text(encoding="utf-8")
