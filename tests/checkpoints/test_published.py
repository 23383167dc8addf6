import functools
import hashlib
import http.server
import pathlib
import re
import socket
import threading

import pytest

from keras_reid.checkpoints import PUBLISHED, Published, fetch, read_state_dict
from keras_reid.utils.errors import UserError
from tests.checkpoints import pickles


@pytest.fixture(autouse=True)
def own_home(monkeypatch, tmp_path):
    """No test may touch the user's home or reach further than this machine."""
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("no_proxy", "*")


@pytest.fixture
def site(tmp_path):
    """A web server on this machine: its folder, its address, and the requests it got."""
    folder = tmp_path / "site"
    folder.mkdir()

    class Handler(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_):
            server.requests.append(self.path)

    handler = functools.partial(Handler, directory=folder)
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.requests, server.folder = [], folder
    server.address = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def offer(monkeypatch, site, prefix="right"):
    """Publishes a small file as "tiny"; returns what the server would send."""
    file = pickles.zip_file(site.folder / "tiny.pth", pickles.mapping(a=pickles.tensor()))
    if prefix == "right":
        prefix = hashlib.sha256(file.read_bytes()).hexdigest()[:8]
    entry = Published(f"{site.address}/tiny.pth", f"tiny-{prefix}.pth", prefix, "none", "here")
    monkeypatch.setitem(PUBLISHED, "tiny", entry)
    return file


def leftovers(folder):
    return sorted(path.name for path in folder.iterdir())


def test_fetched_once(monkeypatch, site, tmp_path, capsys):
    file = offer(monkeypatch, site)
    path = fetch("tiny")
    assert path == tmp_path / "home" / "keras_reid" / PUBLISHED["tiny"].file
    assert path.read_bytes() == file.read_bytes()
    assert list(read_state_dict(path)) == ["a"]
    assert leftovers(path.parent) == [path.name]
    assert fetch("tiny") == path
    assert site.requests == ["/tiny.pth"]
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err == f"fetching {path.name} (0.0 MB) from {site.address}/tiny.pth\n"


def test_nothing_is_fetched_offline(monkeypatch, site, tmp_path):
    offer(monkeypatch, site)
    monkeypatch.setenv("KERAS_REID_OFFLINE", "1")
    with pytest.raises(UserError, match=r"not in the cache, and nothing is fetched .* put the file at"):
        fetch("tiny", tmp_path)
    assert site.requests == []


def test_folder_of_the_cache(monkeypatch, site, tmp_path):
    offer(monkeypatch, site)
    assert fetch("tiny", tmp_path / "own").parent == tmp_path / "own"
    monkeypatch.delenv("KERAS_HOME")
    monkeypatch.setattr(pathlib.Path, "home", lambda: tmp_path / "user")
    assert fetch("tiny").parent == tmp_path / "user" / ".keras" / "keras_reid"


def test_file_without_hash(monkeypatch, site, tmp_path):
    offer(monkeypatch, site, prefix=None)
    assert list(read_state_dict(fetch("tiny", tmp_path))) == ["a"]


def test_web_page_instead_of_a_file(monkeypatch, site, tmp_path):
    """What Google Drive sends when too many have asked."""
    offer(monkeypatch, site, prefix=None).write_text("<!DOCTYPE html><html>Quota exceeded</html>")
    with pytest.raises(
        UserError, match=rf"came from {site.address}/tiny\.pth is not tiny-None\.pth: is a web page"
    ):
        fetch("tiny", tmp_path / "cache")
    assert leftovers(tmp_path / "cache") == []


def test_wrong_hash(monkeypatch, site, tmp_path):
    file = offer(monkeypatch, site, prefix="00000000")
    received = hashlib.sha256(file.read_bytes()).hexdigest()[:8]
    message = (
        rf"came from {site.address}/tiny\.pth is not tiny-00000000\.pth: its SHA-256 should begin with 00000000 "
        rf"and begins with {received}\. Try again, or put the file at {tmp_path}/cache/tiny-00000000\.pth"
    )
    with pytest.raises(UserError, match=message):
        fetch("tiny", tmp_path / "cache")
    assert leftovers(tmp_path / "cache") == []


@pytest.mark.parametrize(
    ("prefix", "problem"), [("right", "its SHA-256 should begin"), (None, "is a web page")]
)
def test_wrong_file_in_the_cache_is_kept(prefix, problem, monkeypatch, site, tmp_path):
    offer(monkeypatch, site, prefix)
    own = tmp_path / PUBLISHED["tiny"].file
    own.write_text("<html>")
    with pytest.raises(
        UserError, match=rf"^{re.escape(str(own))} is not the file published at .*: {problem}.*Move it away"
    ):
        fetch("tiny", tmp_path)
    assert own.read_text() == "<html>"
    assert site.requests == []


def test_no_connection(monkeypatch, site, tmp_path):
    offer(monkeypatch, site)
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))  # reserved, but nobody listens
        url = f"http://127.0.0.1:{unused.getsockname()[1]}/tiny.pth"
        monkeypatch.setitem(PUBLISHED, "tiny", Published(url, "tiny.pth", "00000000", "none", "here"))
        message = (
            rf"Cannot fetch tiny\.pth from {url} \(.*Connection refused.*\)\. Or download it elsewhere and put the "
            rf'file at {tmp_path}/cache/tiny\.pth, or pass its path: `pretrained="PATH"`\.$'
        )
        with pytest.raises(UserError, match=message) as caught:
            fetch("tiny", tmp_path / "cache")
    assert "\n" not in str(caught.value)
    assert leftovers(tmp_path / "cache") == []


def test_file_is_gone_from_the_site(monkeypatch, site, tmp_path):
    offer(monkeypatch, site).unlink()
    with pytest.raises(UserError, match=r"Cannot fetch .* \(status 404: File not found\)"):
        fetch("tiny", tmp_path / "cache")


def test_cut_short(monkeypatch, site, tmp_path):
    offer(monkeypatch, site)
    send = http.server.SimpleHTTPRequestHandler.copyfile

    def cut(self, source, target):
        target.write(source.read(10))

    monkeypatch.setattr(http.server.SimpleHTTPRequestHandler, "copyfile", cut)
    with pytest.raises(UserError, match=r"Cannot fetch .*ended after 10 of .* The same command continues"):
        fetch("tiny", tmp_path / "cache")
    assert PUBLISHED["tiny"].file not in leftovers(tmp_path / "cache")
    monkeypatch.setattr(http.server.SimpleHTTPRequestHandler, "copyfile", send)
    fetch("tiny", tmp_path / "cache")


def test_folder_that_cannot_be_written(monkeypatch, site, tmp_path):
    offer(monkeypatch, site)
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match=r"Cannot fetch .*[Ee]xists"):
        fetch("tiny", tmp_path / "file")


def test_unknown_name():
    with pytest.raises(ValueError, match=r"published weights for mobilenet_v2, osnet_.*Received: resnet19\."):
        fetch("resnet19")


def test_table():
    """Every entry is complete, over TLS, from where its source publishes, and no two share a file."""
    for name, entry in PUBLISHED.items():
        assert entry.url.startswith("https://"), name
        assert entry.source.startswith("https://github.com/")
        assert "ImageNet" in entry.licence
        if entry.sha256_prefix is None:
            assert re.fullmatch(
                r"https://drive\.usercontent\.google\.com/download\?id=[\w-]{33}&export=download&confirm=t",
                entry.url,
            )
            assert entry.file == f"{name}_imagenet.pth"
        else:
            assert entry.url.endswith(f"/{entry.file}")
            assert entry.file.endswith(f"-{entry.sha256_prefix}.pth")
            assert re.fullmatch("[0-9a-f]{8}", entry.sha256_prefix)
    for part in ("url", "file"):
        assert len({getattr(entry, part) for entry in PUBLISHED.values()}) == len(PUBLISHED)


@pytest.mark.parametrize(
    "name",
    [
        *(f"resnet{depth}" for depth in (18, 34, 50, 101, 152)),
        *(f"resnet{depth}_ibn_a" for depth in (18, 34, 50, 101)),
        "se_resnet101_ibn_a",
        "resnext50_32x4d",
        "resnext101_32x4d_ibn_a",
        *(f"resnest{depth}" for depth in (50, 101, 200, 269)),
        *(f"osnet_{width}" for width in ("x1_0", "x0_75", "x0_5", "x0_25", "ibn_x1_0")),
        "mobilenet_v2",
    ],
)
def test_names(name):
    assert name in PUBLISHED
