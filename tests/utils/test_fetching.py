import errno
import hashlib
import threading

import pytest

from keras_reid.utils import fetching
from keras_reid.utils.errors import UserError
from keras_reid.utils.fetching import cache_folder, fetch_file, is_offline
from tests.web_server import WebServer

CONTENT = bytes(range(256)) * 1000
DIGEST = hashlib.sha256(CONTENT).hexdigest()


@pytest.fixture
def site(monkeypatch):
    monkeypatch.setenv("no_proxy", "*")
    monkeypatch.delenv("KERAS_REID_OFFLINE", raising=False)
    with WebServer().running() as server:
        server.files["/weights.pth"] = CONTENT
        yield server


@pytest.fixture
def path(tmp_path):
    return tmp_path / "cache" / "weights.pth"


def left(path):
    return sorted(file.name for file in path.parent.iterdir())


def test_fetched_once_and_said(site, path, capsys):
    for _ in range(2):
        fetch_file(site.url("/weights.pth"), path, size=len(CONTENT), sha256=DIGEST)
    assert path.read_bytes() == CONTENT
    assert left(path) == ["weights.pth"]
    assert site.requests == [("/weights.pth", None)]
    assert capsys.readouterr().err == f"fetching weights.pth (0.3 MB) from {site.address}/weights.pth\n"


@pytest.mark.parametrize(
    ("expected", "problem"),
    [
        ({"sha256": "0" * 64}, rf"its SHA-256 should begin with 00000000 and begins with {DIGEST[:8]}"),
        ({"check": lambda file: f"{file} is a web page."}, r"is not weights\.pth: is a web page\. Try again"),
    ],
)
def test_another_file_is_refused_and_removed(expected, problem, site, path):
    with pytest.raises(UserError, match=rf"{problem}.*put the file at {path}"):
        fetch_file(site.url("/weights.pth"), path, **expected)
    assert left(path) == []


def test_another_size_is_refused_before_it_is_fetched(site, path):
    with pytest.raises(UserError, match=r"it should have 7 bytes, and the server has 256,000"):
        fetch_file(site.url("/weights.pth"), path, size=7)
    assert left(path) == []


def test_a_transfer_that_breaks_off_is_continued(site, path):
    site.cut_after = 100_000
    fetch_file(site.url("/weights.pth"), path, sha256=DIGEST)
    assert [asked for _, asked in site.requests] == [None, "bytes=100000-", "bytes=200000-"]
    assert path.read_bytes() == CONTENT


def test_the_next_call_continues(site, path, capsys):
    site.cut_after = 10_000  # five tries are not enough
    with pytest.raises(
        UserError, match=r"ended after 50,000 of 256,000 bytes\)\. The same command continues"
    ):
        fetch_file(site.url("/weights.pth"), path, sha256=DIGEST)
    assert not path.exists()
    site.cut_after = None
    fetch_file(site.url("/weights.pth"), path, sha256=DIGEST)
    assert site.requests[-1] == ("/weights.pth", "bytes=50000-")
    assert "from byte 50,000 on" in capsys.readouterr().err
    assert left(path) == ["weights.pth"]


def test_a_file_that_has_changed_is_fetched_from_the_beginning(site, path):
    site.cut_after = 10_000
    with pytest.raises(UserError):
        fetch_file(site.url("/weights.pth"), path)
    site.cut_after, site.files["/weights.pth"] = None, CONTENT[::-1]
    fetch_file(site.url("/weights.pth"), path)
    assert path.read_bytes() == CONTENT[::-1]


def test_without_a_tag_nothing_is_pieced_together(site, path):
    site.tagged, site.cut_after = False, 10_000
    with pytest.raises(UserError, match="ended after 10,000"):
        fetch_file(site.url("/weights.pth"), path)
    site.cut_after = None
    fetch_file(site.url("/weights.pth"), path, sha256=DIGEST)
    assert {asked for _, asked in site.requests} == {None}


def test_a_part_that_is_too_long_is_dropped(site, path):
    site.cut_after = 10_000
    with pytest.raises(UserError):
        fetch_file(site.url("/weights.pth"), path)
    part = path.with_name(".weights.pth.part")
    part.write_bytes(CONTENT * 2)
    site.cut_after = None
    fetch_file(site.url("/weights.pth"), path, sha256=DIGEST)
    assert path.read_bytes() == CONTENT


def test_redirects_are_followed_but_not_out_of_encryption(site, path):
    site.redirects["/old"] = site.url("/weights.pth")
    fetch_file(f"{site.address}/old", path, sha256=DIGEST)
    import urllib.request

    secure = urllib.request.Request("https://example.org/a")
    with pytest.raises(OSError, match=r"redirects to http://example\.org/b, which is not encrypted"):
        fetching._Secure().redirect_request(secure, None, 302, "", {}, "http://example.org/b")


@pytest.mark.parametrize(
    ("status", "said"), [(404, "status 404: Not Found"), (403, "status 403"), (500, "status 500")]
)
def test_a_refusal_is_one_line_with_the_remedy(status, said, site, path):
    site.status = status
    with pytest.raises(
        UserError, match=rf"^Cannot fetch weights\.pth from .* \({said}.*\)\. .*put the file at {path}$"
    ):
        fetch_file(site.url("/weights.pth"), path)
    assert left(path) == []


def test_a_proxy_that_is_out_of_reach(site, path, monkeypatch):
    monkeypatch.delenv("no_proxy")
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    with pytest.raises(UserError, match=r"Connection refused\)\. .*put the file at"):
        fetch_file("http://weights.invalid/weights.pth", path)


@pytest.mark.parametrize(("value", "offline"), [("1", True), ("0", False), ("", False), ("yes", True)])
def test_offline(value, offline, site, path, monkeypatch):
    monkeypatch.setenv("KERAS_REID_OFFLINE", value)
    assert is_offline() == offline
    if offline:
        with pytest.raises(
            UserError, match=r"nothing is fetched \(--offline or KERAS_REID_OFFLINE\)\. Fetch"
        ):
            fetch_file(site.url("/weights.pth"), path)
        assert site.requests == []


def test_two_at_once_fetch_once(site, path, capsys):
    def fetch():
        fetch_file(site.url("/weights.pth"), path, sha256=DIGEST)

    threads = [threading.Thread(target=fetch) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert path.read_bytes() == CONTENT
    assert len(site.requests) == 1
    assert left(path) == ["weights.pth"]


def test_no_room(site, path, monkeypatch):
    monkeypatch.setattr(fetching, "free_bytes", lambda folder: 1000)
    with pytest.raises(OSError, match="No space left") as caught:
        fetch_file(site.url("/weights.pth"), path)
    assert caught.value.errno == errno.ENOSPC
    assert caught.value.filename == str(path)
    assert left(path) == []


def test_folder_of_the_cache(monkeypatch, tmp_path):
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    assert cache_folder() == tmp_path / "keras_reid"
