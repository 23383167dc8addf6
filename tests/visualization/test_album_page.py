import pytest
from PIL import Image

from keras_reid.visualization import album_page
from keras_reid.visualization.album_page import AlbumGroup, AlbumPicture, write_album_page
from tests.browser import chromium, foreign_requests
from tests.visualization.test_report import Page


@pytest.fixture
def groups(tmp_path):
    for number, size in enumerate(((32, 64), (200, 40), (1, 1))):
        Image.new("RGB", size, (200, 90, 30)).save(tmp_path / f"{number}.png")
    pictures = [AlbumPicture(str(tmp_path / f"{place % 3}.png"), 1 - place / 40) for place in range(30)]
    return [
        AlbumGroup("#7", tuple(pictures)),
        AlbumGroup("<Anna>", tuple(pictures[:2])),
        AlbumGroup("#9", (pictures[2],)),
    ]


def test_everything_stands_on_the_page(groups, tmp_path, monkeypatch):
    write_album_page(tmp_path / "page.html", "Album & more", groups, [("Pictures", "33")])
    text = (tmp_path / "page.html").read_text(encoding="utf-8")
    page = Page(text)
    assert page.open == []
    assert "script" not in page.tags
    assert len(page.sources) == 24 + 2 + 1
    assert all(source.startswith("data:image/jpeg;base64,") for source in page.sources)
    for words in ("Album & more", "30 pictures", "<Anna>", "and 6 more", "> 99 %", "28 %", "#9 · 95 %"):
        assert words in page.text
    assert page.text.index("> 99 %") < page.text.index("28 %")
    monkeypatch.setattr(album_page, "_IN_ALL", 5)
    write_album_page(tmp_path / "page.html", "Album", groups)
    page = Page((tmp_path / "page.html").read_text(encoding="utf-8"))
    assert len(page.sources) == 5
    for words in ("and 25 more", "and 2 more", "and 1 more"):
        assert words in page.text


@pytest.mark.medium
@pytest.mark.parametrize("width", [390, 1280])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_asks_nobody_and_fits_the_screen(groups, tmp_path, width, scheme):
    write_album_page(tmp_path / "page.html", "Album", groups, [("Pictures", "33")])
    with chromium() as browser:
        page = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)
        asked = foreign_requests(page)
        page.goto((tmp_path / "page.html").as_uri())
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        dark = page.evaluate("getComputedStyle(document.body).backgroundColor") != "rgb(255, 255, 255)"
        assert dark == (scheme == "dark")
        assert not asked
