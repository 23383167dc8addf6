"""What is known of a request before the gallery is asked: names, addresses, rates, bodies, fields."""

import concurrent.futures
import time

import pytest

from keras_reid.gallery.service.addresses import Addresses, is_loopback
from keras_reid.gallery.service.callers import ROLES, Caller
from keras_reid.gallery.service.fields import Fields
from keras_reid.gallery.service.forms import read_form
from keras_reid.gallery.service.hosts import Hosts
from keras_reid.gallery.service.pixels import PixelRoom
from keras_reid.gallery.service.rates import Rate
from keras_reid.gallery.service.service_error import ServiceError
from keras_reid.gallery.service.webhooks import Target, check_secret, signature
from keras_reid.utils.errors import UserError


def refused(status, words, call, *arguments):
    with pytest.raises(ServiceError, match=words) as caught:
        call(*arguments)
    assert caught.value.status == status


def test_roles_contain_those_before_them():
    for place, role in enumerate(ROLES):
        assert [Caller("x", role).has(one) for one in ROLES] == [other <= place for other in range(4)]
    assert Caller("x", "view", ("door",)).sees("door")
    assert not Caller("x", "view", ("door",)).sees(None)
    assert Caller("x", "view").sees(None)


@pytest.mark.parametrize(
    "origin", ["gallery.example.org", "ftp://a", "https://", "https://a/b", "https://*", "http://a,b"]
)
def test_an_origin_is_the_beginning_of_an_address(origin):
    with pytest.raises(UserError, match="--origin must be the beginning of the page's address"):
        Hosts.of([origin], 8600)


def test_hosts():
    hosts = Hosts.of(["https://Gallery.example.org"], 8600)
    hosts.check("GET", {"host": "gallery.example.org", "origin": "https://gallery.example.org"})
    refused(421, "only under the names", hosts.check, "GET", {})
    refused(421, "only under the names", hosts.check, "GET", {"host": "localhost:8600"}, 2)
    refused(
        403,
        "other sites",
        hosts.check,
        "GET",
        {"host": "localhost:8600", "origin": "http://gallery.example.org"},
    )
    assert not hosts.is_own({})
    default = Hosts.of(["https://gallery.example.org:443"], 80)  # as browsers write it: without the port
    default.check("GET", {"host": "gallery.example.org", "origin": "https://gallery.example.org"})
    default.check("GET", {"host": "[::1]", "origin": "http://localhost"})


def test_forwarded_addresses():
    addresses = Addresses.of(["10.0.0.0/8", "2001:db8::1"])
    forwarded = {"x-forwarded-for": "6.6.6.6, 203.0.113.5, 10.1.1.1", "x-forwarded-proto": "https"}
    assert addresses.client("192.0.2.1", forwarded) == "192.0.2.1"
    assert addresses.client("10.0.0.1", forwarded) == "203.0.113.5"
    assert addresses.client("::ffff:10.0.0.1", forwarded) == "203.0.113.5"  # by a socket for both families
    assert addresses.client("2001:db8::1", {"x-forwarded-for": "nonsense"}) == "2001:db8::1"
    assert addresses.client("10.0.0.1", {}) == "10.0.0.1"
    assert addresses.client("testclient", forwarded) == "testclient"
    assert addresses.is_secure("10.0.0.1", "http", forwarded)
    assert not addresses.is_secure("192.0.2.1", "http", forwarded)
    with pytest.raises(UserError, match="--trusted-proxy must be an address or a network"):
        Addresses.of(["proxy"])
    assert [is_loopback(one) for one in ("127.0.0.1", "::1", "localhost", "0.0.0.0", "::", "example.org")] == [
        True, True, True, False, False, False,
    ]  # fmt: skip


def test_rates():
    now = [0.0]
    rate = Rate(60, 2, "requests", lambda: now[0])
    rate.take("a")
    rate.take("a")
    refused(429, "too many requests: wait 1 s", rate.take, "a")
    rate.take("b")
    now[0] = 1.5
    rate.take("a")
    refused(429, "too many", rate.take, "a")
    for number in range(10_010):
        rate.take(f"c{number}")
    rate.take("a")  # forgotten: memory is bounded


def test_room_for_pixels():
    room, inside, most = PixelRoom(10), [], []

    def decode(pixels):
        with room.taken(pixels):
            inside.append(pixels)
            most.append(sum(min(one, 10) for one in inside))
            time.sleep(0.002)
            inside.remove(pixels)

    with concurrent.futures.ThreadPoolExecutor(8) as threads:
        list(threads.map(decode, [3, 4, 10, 99, 1] * 8))
    assert max(most) <= 10
    assert len(most) == 40
    assert room.left == 10


def form(*parts, end=True):
    boundary = b"--xyz\r\n"
    body = b"".join(boundary + head + b"\r\n\r\n" + content + b"\r\n" for head, content in parts)
    return body + (b"--xyz--\r\n" if end else b"")


FIELD = b'Content-Disposition: form-data; name="%s"'
FILE = b'Content-Disposition: form-data; name="image"; filename="%s"'
MULTIPART = "multipart/form-data; boundary=xyz"


def test_forms():
    body = read_form(
        form(
            (FIELD % b"camera", b"door"), (FILE % b"C:\\x\\a.png", b"\x00\xff"), (FIELD % b"camera", b"yard")
        ),
        MULTIPART,
    )
    assert (body.fields, body.image, body.filename) == ({"camera": ["door", "yard"]}, b"\x00\xff", "a.png")
    assert read_form(b"a=1&b=&a=%C3%BC", "application/x-www-form-urlencoded").fields == {
        "a": ["1", "ü"],
        "b": "",
    }
    assert read_form(form((FILE % b"", b"")), MULTIPART).image is None
    assert read_form(b"", "anything").fields == {}
    for status, words, content, kind in (
        (400, "cut off", form((FIELD % b"a", b"1"), end=False), MULTIPART),
        (400, "not multipart", b"hello", MULTIPART),
        (400, "name its boundary", form((FIELD % b"a", b"1")), "multipart/form-data"),
        (400, "with a name", form((b"Content-Type: text/plain", b"1")), MULTIPART),
        (413, "may hold 1 file", form((FILE % b"a", b"1"), (FILE % b"b", b"2")), MULTIPART),
        (413, "may have 100 fields", form(*[(FIELD % b"a", b"1")] * 101), MULTIPART),
        (413, "may have 100 fields", form(*[(FILE % b"", b"")] * 101), MULTIPART),
        (413, "may have 100 fields", form((FILE % b"a", b"\r\n--xyzA" * 101)), MULTIPART),
        (413, "at most 65536 bytes", form((FIELD % b"a", b"1" * 70_000)), MULTIPART),
        (400, "not multipart", form((FIELD % b"a", b"\xff")), MULTIPART),
        (400, "too many fields", b"&".join([b"a=1"] * 101), "application/x-www-form-urlencoded"),
        (400, "not JSON", b'{"a": NaN}', "application/json"),
        (400, "not JSON", b"[" * 100_000, "application/json"),
        (400, "not JSON", b"1" * 10_000, "application/json"),
        (400, "JSON object. Received: list", b"[]", "application/json"),
        (413, "JSON must have at most", b" " * (2**20 + 1), "application/json"),
        (415, "Content-Type must be", b"x", "text/plain"),
    ):
        refused(status, words, read_form, content, kind)


def test_fields():
    fields = Fields(
        {
            "a": "12",
            "b": ["x", "y"],
            "c": "true",
            "d": 0.5,
            "e": "2026-06-01T12:00:00+02:00",
            "f": "",
            "g": None,
        }
    )
    assert (fields.whole("a"), fields.texts("b"), fields.truth("c"), fields.number("d")) == (
        12,
        ("x", "y"),
        True,
        0.5,
    )
    assert fields.time("e").isoformat() == "2026-06-01T12:00:00+02:00"
    assert (fields.text("f", None), fields.whole("g", 3), fields.texts("h")) == (None, 3, ())
    fields.done()
    for words, call in (
        ("`x` is missing", lambda one: one.whole("x")),
        ("`a` must be a whole number above 0. Received: True", lambda one: one.whole("a")),
        ("`b` must be a finite number", lambda one: one.number("b")),
        ("`c` must be a text. Received: 3", lambda one: one.text("c")),
        ("`c` must be true or false", lambda one: one.truth("c")),
        ("ISO 8601", lambda one: one.time("d")),
        ("years 2 to 9998", lambda one: one.time("e")),
        ("there is no field 'a'", lambda one: one.done()),
    ):
        refused(
            400,
            words,
            call,
            Fields({"a": True, "b": "inf", "c": 3, "d": "now", "e": "0001-01-01T00:00:00+10:00"}),
        )


def test_targets_of_webhooks():
    target = Target.of("https://Example.org:444/hook?key=secret")
    assert (target.host, target.port, target.path) == ("example.org", 444, "/hook?key=secret")
    assert Target.of("http://10.0.0.1/x", ["10.0.0.1"]).is_private
    for address in (
        "http://example.org/",
        "ftp://example.org/",
        "https://",
        "https://u:p@example.org/",
        "https://a/#b",
        "x",
    ):
        with pytest.raises(UserError, match="--webhook must be https://") as caught:
            Target.of(address)
        assert "u:p" not in str(caught.value)
    with pytest.raises(UserError, match=r"at least 32 characters\. Received: 5"):
        check_secret(" short\n")
    assert signature("s" * 32, 1, b"{}") != signature("s" * 32, 2, b"{}")
