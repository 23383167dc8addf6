"""The page without a browser: what it shows to whom, and what it refuses."""

import re

import pytest
from starlette.testclient import TestClient

from keras_reid.gallery.service import operations
from keras_reid.gallery.service.callers import OWNER
from keras_reid.gallery.service.page.rendering import STATIC
from keras_reid.gallery.service.page.routes import routes
from tests.gallery.service.conftest import BROWSER, COLOURS, PORT, square, token_of
from tests.gallery.service.page.conftest import ZONE, page_of

pytestmark = pytest.mark.medium
RED = COLOURS["Anna Katharina"]
BASE = f"http://127.0.0.1:{PORT}"
EVIL = '"><script src=//evil.example></script><img onerror=x>'


def client_of(opened, with_tokens=False):
    app, _ = page_of(opened, PORT, with_tokens)
    return TestClient(app, BASE, headers=BROWSER, raise_server_exceptions=False, follow_redirects=False)


def views(opened, number):
    sighting = operations.identity(opened, OWNER, number).sightings[0].id
    pages = ("/", "/identities", "/enrol", "/check", "/check?run=yes", "/activity", f"/?like={sighting}")
    return (
        *pages,
        f"/identities/{number}",
        f"/identities/{number}/forget",
        f"/merge?identity={number}&with=محمد",
    )


def test_names_and_notes_are_text_everywhere(opened):
    operations.enrol(opened, OWNER, square((90, 10, 10), 7), EVIL, EVIL, None, None, EVIL, "a.png")
    number = operations.identity(opened, OWNER, EVIL).id
    operations.watch(opened, OWNER, number)
    operations.rename(opened, OWNER, operations.identity(opened, OWNER, "王小明").id, f"{EVIL}2")
    with client_of(opened) as client:
        for path in views(opened, number):
            answer = client.get(path)
            assert answer.status_code == 200, path
            assert "<script src=//evil" not in answer.text
            assert "&lt;script" in answer.text or path in ("/check", "/check?run=yes"), path


def test_no_script_and_no_style_inside_the_pages(opened):
    number = operations.identity(opened, OWNER, "Anna Katharina").id
    with client_of(opened) as client:
        for path in views(opened, number):
            answer = client.get(path)
            assert "script-src 'self'" in answer.headers["content-security-policy"]
            assert answer.headers["cache-control"] == "no-store"
            assert not re.search(r"<style|\sstyle=|\son[a-z]+=|javascript:", answer.text), path
            for script in re.findall(r"<script.*?</script>", answer.text, re.DOTALL):
                assert re.fullmatch(r'<script src="/static/[a-z]+\.js\?[0-9a-f]{12}" defer></script>', script)
            assert not re.search(r'(src|href|action)="(?!/|#|data:application/json)', answer.text), path


def test_a_search_of_a_picture_and_of_its_embedding_show_the_same(opened):
    with client_of(opened) as client:
        picture = client.post("/?camera=door", content=square(RED, 99), headers={"Content-Type": "image/png"})
        vector = re.search(r'data-vector="([^"]+)"', picture.text)[1]
        again = client.post("/?camera=door", json={"vector": vector})
    assert picture.text == again.text
    assert "Anna Katharina" in re.search(r"<h1.*?</h1>", picture.text)[0]
    assert 'value="door" checked' in picture.text


def test_strangers_see_the_sign_in_alone(opened):
    with client_of(opened, with_tokens=True) as client:
        for route in routes(ZONE):
            path = route.path.replace("{key}", "1").replace("{name}", "page.css")
            for method in sorted(route.methods - {"HEAD"}):
                answer = client.request(method, path)
                if path in ("/sign-in", "/sign-out", "/static/page.css"):
                    assert answer.status_code in (200, 303, 401), path
                elif method == "GET":
                    assert (answer.status_code, answer.headers["location"]) == (303, "/sign-in"), path
                else:
                    assert answer.status_code == 401, path
                assert "Anna" not in answer.text


def test_a_session_by_a_token(opened):
    token = token_of(opened, "view")["Authorization"].partition(" ")[2]
    with client_of(opened, with_tokens=True) as client:
        wrong = client.post("/sign-in", data={"token": "x"})
        assert wrong.status_code == 401
        assert "The token is wrong" in wrong.text
        right = client.post("/sign-in", data={"token": token})
        assert right.headers["location"] == "/"
        assert "HttpOnly" in right.headers["set-cookie"]
        assert "SameSite=strict" in right.headers["set-cookie"]
        start = client.get("/")
        assert "Enrol" not in start.text  # the role is view
        assert client.get("/merge?identity=1&identity=2").status_code == 403
        csrf = re.search(r'name="csrf" content="([0-9a-f]{64})"', start.text)[1]
        assert client.post("/sign-out").status_code == 403
        assert client.post("/sign-out", data={"csrf": csrf}).headers["location"] == "/sign-in"
        assert client.get("/").headers["location"] == "/sign-in"


@pytest.mark.parametrize(
    "path", ["/identities/1/rename", "/merge", "/answers", "/changes/1/undo", "/identities/1/forget"]
)
def test_forms_need_the_token_of_the_session(opened, path):
    token = token_of(opened, "admin")["Authorization"].partition(" ")[2]
    with client_of(opened, with_tokens=True) as client:
        client.post("/sign-in", data={"token": token})
        before = operations.identity(opened, OWNER, 1)
        answer = client.post(path, data={"name": "Eve", "csrf": "0" * 64, "sure": "yes", "into": "1"})
        assert answer.status_code == 403
        assert "not of this session" in answer.text
        assert operations.identity(opened, OWNER, 1) == before


def test_mistakes_are_told_as_pages_to_people_and_as_json_to_the_script(opened):
    with client_of(opened) as client:
        answer = client.get("/identities/99999")
        assert answer.status_code == 404
        assert "There is no identity 99999" in answer.text
        answer = client.post(
            "/enrol", content=b"no", headers={"Content-Type": "image/png", "Accept": "application/json"}
        )
        assert answer.status_code == 415
        assert "must be a JPEG, PNG or BMP" in answer.json()["error"]
        assert client.post("/identities/1/forget", data={}).status_code == 400


def test_enrolment_takes_its_labels_from_the_body(opened):
    """Proxies log addresses, and names and notes are nobody's business there."""
    with client_of(opened) as client:
        answer = client.post(
            "/enrol?identity=logged",
            data={"identity": "Grace", "camera": "roof", "time": "", "note": "with a hat"},
            files={"image": ("grace.png", square((10, 90, 40), 9), "image/png")},
            headers={"Accept": "application/json"},
        )
        assert answer.status_code == 200, answer.text
        assert answer.json()["name"] == "Grace"
    (sighting,) = operations.identity(opened, OWNER, "Grace").sightings
    assert (sighting.camera, sighting.note, sighting.source) == ("roof", "with a hat", "grace.png")


def test_files_of_the_page_are_kept_by_browsers_until_they_change(opened):
    with client_of(opened) as client:
        start = client.get("/").text
        for name in ("page.css", "page.js", "pictures.js", "enrol.js", "mark.svg"):
            address = re.search(rf"/static/{name}\?[0-9a-f]+", start)[0]
            answer = client.get(address)
            assert answer.content == (STATIC / name).read_bytes()
            assert "immutable" in answer.headers["cache-control"]
        assert client.get("/static/..%2f__init__.py").status_code == 404


def test_names_that_hold_what_is_typed(opened):
    with client_of(opened) as client:
        assert client.get("/names?words=kath").json() == ["Anna Katharina"]
        assert client.get("/names?words=小").json() == ["王小明"]
        assert client.get("/names?words=nobody").json() == []
        assert len(client.get("/names").json()) == 3
