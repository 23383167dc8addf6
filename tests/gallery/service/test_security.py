"""Who may do what: a test for each promise of docs/gallery.md on the service."""

import dataclasses
import datetime
import hmac
import logging
import re
import zipfile
import zoneinfo

import pytest

from keras_reid import gallery as galleries
from keras_reid.gallery.commands import serve, token
from keras_reid.gallery.postgres import tokens
from keras_reid.gallery.service import access, operations
from keras_reid.gallery.service.access import COOKIE
from keras_reid.gallery.service.api import ENDPOINTS
from keras_reid.gallery.service.callers import OWNER, ROLES
from keras_reid.gallery.service.page.routes import routes
from keras_reid.utils.errors import UserError
from tests.gallery.conftest import MODEL
from tests.gallery.service.conftest import BROWSER, COLOURS, PORT, client_of, embed, square, token_of

pytestmark = pytest.mark.medium
RED = COLOURS["Anna Katharina"]
JPEG = {"Content-Type": "image/jpeg"}


def signed_in(client, header):
    secret = header["Authorization"].removeprefix("Bearer ")
    answer = client.post("/v1/session", json={"token": secret}, headers=BROWSER)
    assert answer.status_code == 200, answer.text
    return {**BROWSER, "X-CSRF-Token": answer.json()["csrf"]}


@pytest.mark.parametrize("host", ["0.0.0.0", "::"])
def test_without_tokens_it_refuses_to_start_on_another_address_than_loopback(opened, saved_model, host):
    with pytest.raises(UserError, match="without tokens the service listens on loopback only"):
        serve.main(
            ["--model", saved_model, "--store", str(opened.store.folder), "--host", host, "--port", "0"]
        )


@pytest.fixture
def saved_model(tmp_path):
    """A file that passes for a model until it is loaded, which must not happen."""
    file = tmp_path / "model.keras"
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("config.json", "{}")
    return str(file)


def test_only_the_host_names_it_was_started_with(opened):
    """DNS rebinding: evil.example, which is 127.0.0.1 now, is not our name."""
    with client_of(opened, origins=["https://gallery.example.org"]) as client:
        for host in (f"127.0.0.1:{PORT}", f"localhost:{PORT}", f"[::1]:{PORT}", "GALLERY.example.org"):
            assert client.get("/v1/changes", headers={"Host": host}).status_code == 200, host
        for host in (
            "evil.example",
            f"evil.example:{PORT}",
            "127.0.0.1",
            "localhost:1",
            "",
            "gallery.example.org.evil",
        ):
            answer = client.get("/v1/changes", headers={"Host": host})
            assert answer.status_code == 421, host
            assert "changes" not in answer.json()


def test_no_requests_from_pages_of_other_sites(opened):
    anna = operations.identity(opened, OWNER, "Anna Katharina").id
    with client_of(opened) as client:
        for headers in (
            {"Origin": "https://evil.example"},
            {"Origin": "null"},
            {"Origin": f"http://127.0.0.1:{PORT}.evil.example"},
            {"Sec-Fetch-Site": "cross-site"},
            {"Sec-Fetch-Site": "same-site"},
            {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "iframe"},
        ):
            for method, path in (("GET", f"/v1/identities/{anna}"), ("PATCH", f"/v1/identities/{anna}")):
                answer = client.request(method, path, json={"name": "x"}, headers=headers)
                assert answer.status_code == 403, (method, headers)
        visit = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}
        assert client.get("/v1/state", headers=visit).status_code == 200
        assert client.post("/v1/merge", json={}, headers=visit).status_code == 403
        assert client.patch(f"/v1/identities/{anna}", json={"name": "y"}, headers=BROWSER).status_code == 200
        assert "access-control-allow-origin" not in client.get("/v1/state", headers=BROWSER).headers
    assert operations.identity(opened, OWNER, anna).name == "y"


def test_a_token_has_256_bits_and_is_stored_hashed(opened):
    header = token_of(opened, "view")
    secret = header["Authorization"].split("_", 2)[2]
    assert len(secret) == 43  # base64 of 32 bytes
    stored = opened.store.database.run(lambda one: one.execute("SELECT t::text FROM tokens t").fetchall())
    assert secret not in str(stored)
    others = {token_of(opened, "view", name=f"n{number}")["Authorization"] for number in range(20)}
    assert len(others) == 20


def test_roles_over_http(opened):
    """Every endpoint refuses who has the role below, and lets who has its role reach the next check."""
    bodies = {
        "/v1/sightings": {"files": {"image": ("a.png", square(RED))}},
        "/v1/merge": {"json": {"into": 91, "others": [92]}},
        "/v1/split": {"json": {"sightings": [91]}},
        "/v1/forget": {"json": {"identities": [91], "confirm": True}},
        "/v1/answers": {"json": {"sighting": 91, "same": True, "distance": 0.1}},
        "/v1/identities/91": {"json": {"name": "x"}},
        "/v1/watches/91": {"json": {}},
        "/v1/search": {"content": square(RED), "headers": JPEG},
    }
    headers = {role: token_of(opened, role) for role in ROLES}
    with client_of(opened, with_tokens=True) as client:
        for one in ENDPOINTS:
            path = re.sub(r"\{\w+\}", "91", one.path)
            request = dict(bodies.get(path, {})) if one.method in ("POST", "PATCH", "PUT") else {}
            own = request.pop("headers", {})
            assert client.request(one.method, path, headers=own, **request).status_code == 401
            for role in ROLES:
                answer = client.request(one.method, path, headers={**own, **headers[role]}, **request)
                if ROLES.index(role) < ROLES.index(one.role):
                    assert answer.status_code == 403, (one, role, answer.text)
                    assert f"needs the role {one.role}" in answer.text
                else:
                    assert answer.status_code in (200, 404, 409), (one, role, answer.text)
        assert client.get("/metrics", headers=headers["erase"]).status_code == 403
        assert client.get("/metrics", headers=headers["admin"]).status_code == 200
        assert client.get("/openapi.json").status_code == 401


def test_a_token_limited_to_cameras(opened):
    header = token_of(opened, "view", ["yard"])
    with client_of(opened, with_tokens=True) as client:
        found = client.post("/v1/search", content=square(RED), headers={**JPEG, **header}).json()
        assert {one["camera"] for one in found["hits"]} == {"yard"}
        found = client.post("/v1/search?camera=door", content=square(RED), headers={**JPEG, **header}).json()
        assert found["hits"] == []
        assert client.get("/v1/state", headers=header).json()["cameras"] == ["yard"]


def test_expiry_and_revocation_count_at_once(opened):
    now = datetime.datetime.now(datetime.UTC)
    old = token_of(opened, "view", expires=now - datetime.timedelta(seconds=1), name="old")
    new = token_of(opened, "view", expires=now + datetime.timedelta(hours=1), name="new")
    with client_of(opened, with_tokens=True) as client:
        assert client.get("/v1/state", headers=old).status_code == 401
        assert client.get("/v1/state", headers=new).status_code == 200
        page = signed_in(client, new)
        assert client.get("/v1/state", headers=page).status_code == 200
        token.main(["revoke", "new", "--store", str(opened.store.folder)])
        assert client.get("/v1/state", headers=new).status_code == 401
        assert client.get("/v1/state", headers=page).status_code == 401
    with pytest.raises(UserError, match="no valid token with the name 'new'"):
        token.main(["revoke", "new", "--store", str(opened.store.folder)])


def test_hashes_are_compared_in_constant_time(opened, monkeypatch):
    """Also where there is no such token, so that time does not tell which numbers exist."""
    header = token_of(opened, "view")["Authorization"].removeprefix("Bearer ")
    compared, compare_digest = [], hmac.compare_digest

    def compare(one, two):
        compared.append((len(one), len(two)))
        return compare_digest(one, two)

    monkeypatch.setattr(tokens.hmac, "compare_digest", compare)
    run = opened.store.database.run
    for guess in (
        header,
        header[:-1] + ("A" if header[-1] != "A" else "B"),
        f"krt_99_{'A' * 43}",
        "",
        "krt_1_short",
    ):
        found = run(lambda connection, guess=guess: tokens.find(connection, guess))
        assert (found is not None) == (guess == header)
    assert compared == [(32, 32)] * 5


def test_guesses_are_limited(opened):
    good = token_of(opened, "view")
    with client_of(opened, with_tokens=True) as client:
        for number in range(10):
            wrong = {"Authorization": f"Bearer krt_1_{number:043}"}
            assert client.get("/v1/state", headers=wrong).status_code == 401
        blocked = client.get("/v1/state", headers=wrong)
        assert blocked.status_code == 429
        assert int(blocked.headers["retry-after"]) <= 10
        assert (
            client.get("/v1/state", headers=good).status_code == 429
        )  # nobody learns that a guess was right
    with client_of(opened, with_tokens=True, peer="192.0.2.7") as other:
        assert other.get("/v1/state", headers=good).status_code == 200


def test_tokens_appear_in_no_message_or_log(opened, caplog, capsys, tmp_path):
    caplog.set_level(logging.DEBUG)
    file = tmp_path / "token"
    store = str(opened.store.folder)
    token.main(["list", "--store", store])
    assert capsys.readouterr().out == "there are no tokens: the service listens on loopback only\n"
    token.main(["add", "door", "--role", "view", "--file", str(file), "--store", store, "--expires", "1h"])
    assert file.stat().st_mode & 0o777 == 0o600
    secret = file.read_text().strip()
    token.main(["list", "--store", store])
    with pytest.raises(UserError, match="overwrites nothing") as caught:
        token.main(["add", "other", "--role", "view", "--file", str(file), "--store", store])
    said = str(caught.value)
    with pytest.raises(UserError, match="names are given once") as caught:
        token.main(["add", "door", "--role", "view", "--file", str(tmp_path / "b"), "--store", store])
    assert not (tmp_path / "b").exists()
    with client_of(opened, with_tokens=True) as client:
        for header in (f"Bearer {secret}", f"Bearer {secret}x", f"Basic {secret}"):
            answer = client.get("/v1/state", headers={"Authorization": header})
            said += answer.text + str(answer.headers)
        said += client.post("/v1/session", json={"token": secret + "x"}, headers=BROWSER).text
        said += client.get("/v1/state", params={"token": secret}).text  # a token in the address does nothing
    captured = capsys.readouterr()
    logged = "".join(one.getMessage() for one in caplog.records if not one.name.startswith("httpx"))
    for where in (said, logged, captured.out, captured.err, str(caught.value)):
        assert secret not in where
        assert secret.split("_", 2)[2] not in where


def test_the_databases_password_appears_in_no_message_or_log(
    server_url, saved_model, monkeypatch, caplog, capsys
):
    """Nor in an answer; it may come from the environment."""
    caplog.set_level(logging.DEBUG)
    monkeypatch.setenv("PGPASSWORD", "secret")
    with galleries.open(server_url.replace(":secret@", "@"), MODEL) as store:
        gallery = operations.OpenGallery(store, embed, None, (24, 24))
        with client_of(gallery, with_tokens=True) as client:
            said = client.get("/v1/state", headers=token_of(gallery, "view")).text
            assert "postgresql://admin@127.0.0.1" in said
    arguments = ["--model", saved_model, "--host", "0.0.0.0", "--port", "0", "--store"]
    with pytest.raises(UserError, match=r"the database refuses: .*authentication failed") as caught:
        serve.main([*arguments, server_url.replace(":secret@", ":guessed-password@")])
    captured = capsys.readouterr()
    logged = "".join(one.getMessage() for one in caplog.records)
    for where in (said, str(caught.value), captured.out, captured.err, logged):
        assert "secret" not in where
        assert "guessed-password" not in where


def test_the_secret_of_webhooks_comes_from_a_file_or_the_environment(tmp_path, monkeypatch):
    file = tmp_path / "secret"
    file.write_text("f" * 40 + "\n")
    monkeypatch.setenv("KERAS_REID_WEBHOOK_SECRET", "e" * 40)
    assert serve.Serve(model="m", webhook_secret=file).secret() == "f" * 40
    assert serve.Serve(model="m").secret() == "e" * 40
    file.write_text("short and telling")
    with pytest.raises(UserError, match="at least 32 characters") as caught:
        serve.Serve(model="m", webhook_secret=file).secret()
    assert "telling" not in str(caught.value)


def test_the_session_is_a_cookie_for_this_site_alone(opened):
    with client_of(opened, with_tokens=True) as client:
        header = token_of(opened, "view")
        secret = header["Authorization"].removeprefix("Bearer ")
        assert client.post("/v1/session", json={"token": secret}).status_code == 403
        answer = client.post("/v1/session", json={"token": secret}, headers=BROWSER)
        cookie = answer.headers["set-cookie"]
        for part in ("HttpOnly", "SameSite=strict", "Path=/", "Max-Age=43200"):
            assert part in cookie
        assert "Secure" not in cookie  # http on loopback
        assert secret not in cookie
        value = client.cookies[COOKIE]
        assert len(value) == 43
        stored = opened.store.database.run(
            lambda one: one.execute("SELECT s::text FROM sessions s").fetchall()
        )
        assert value not in str(stored)
        assert client.get("/v1/state").status_code == 200
        assert client.get("/v1/events").status_code == 200
        client.cookies.clear()
        assert client.get("/v1/events").status_code == 401
    with client_of(opened, with_tokens=True, proxies=["192.0.2.0/24"], peer="192.0.2.1") as client:
        encrypted = {**BROWSER, "X-Forwarded-Proto": "https"}
        answer = client.post("/v1/session", json={"token": secret}, headers=encrypted)
        assert "Secure" in answer.headers["set-cookie"]
        assert answer.headers["strict-transport-security"].startswith("max-age")


def test_who_is_not_known_sends_no_large_bodies(opened):
    with client_of(opened, with_tokens=True) as client:
        answer = client.post("/v1/session", json={"token": "x" * 10_000}, headers=BROWSER)
        assert answer.status_code == 413
        half = {**BROWSER, "Content-Type": "application/json"}  # of a pair, which UTF-8 cannot hold
        assert client.post("/v1/session", content=b'{"token": "\\ud800"}', headers=half).status_code == 401
        assert client.post("/v1/search", content=bytes(10_000), headers=JPEG).status_code == 401


def test_signing_out_ends_the_session(opened):
    with client_of(opened, with_tokens=True) as client:
        page = signed_in(client, token_of(opened, "view"))
        value = client.cookies[COOKIE]
        assert client.delete("/v1/session", headers=page).status_code == 204
        client.cookies.clear()
        client.cookies.set(COOKIE, value)
        assert client.get("/v1/state").status_code == 401


def test_csrf(opened):
    """A page of another site has the cookie, perhaps, but neither our origin nor the token of the form."""
    anna = operations.identity(opened, OWNER, "Anna Katharina").id
    path, new = f"/v1/identities/{anna}", {"name": "New"}
    with client_of(opened, with_tokens=True) as client:
        page = signed_in(client, token_of(opened, "enrol"))
        for headers in (
            {},
            BROWSER,
            {**BROWSER, "X-CSRF-Token": "0" * 64},
            {**BROWSER, "X-CSRF-Token": b"\xfc"},
            {"X-CSRF-Token": page["X-CSRF-Token"]},
            {**page, "Origin": "https://evil.example"},
        ):
            assert client.patch(path, json=new, headers=headers).status_code == 403, headers
            assert client.delete(f"/v1/watches/{anna}", headers=headers).status_code == 403
        assert operations.identity(opened, OWNER, anna).name == "Anna Katharina"
        assert (
            client.patch(path, json={**new, "csrf": page["X-CSRF-Token"]}, headers=BROWSER).status_code == 200
        )
        assert client.patch(path, json={"name": "Newer"}, headers=page).status_code == 200
        theirs = access.csrf_token("of another session")
        assert client.patch(path, json=new, headers={**page, "X-CSRF-Token": theirs}).status_code == 403


def test_forwarded_headers_count_only_from_trusted_proxies(opened):
    """Otherwise everybody could choose the address whose guesses are counted."""
    for proxies, blocked in (([], True), (["127.0.0.1"], False)):
        with client_of(opened, with_tokens=True, proxies=proxies) as client:
            statuses = [
                client.get(
                    "/v1/state",
                    headers={"Authorization": "Bearer x", "X-Forwarded-For": f"6.6.6.6, 198.51.100.{number}"},
                ).status_code
                for number in range(12)
            ]
        assert (429 in statuses) == blocked


def test_pictures_are_served_to_a_role_and_kept_by_no_one(opened):
    key = operations.identity(opened, OWNER, "Anna Katharina").sightings[0].image
    viewer, elsewhere = token_of(opened, "view"), token_of(opened, "admin", ["roof"])
    with client_of(opened, with_tokens=True, pages=routes(zoneinfo.ZoneInfo("UTC"))) as client:
        for path, stranger in ((f"/v1/images/{key}", 401), (f"/pictures/{key}", 303)):
            assert client.get(path, follow_redirects=False).status_code == stranger
            assert client.get(path, headers=elsewhere).status_code == 404
            answer = client.get(path, headers=viewer)
            assert (answer.status_code, answer.headers["content-type"]) == (200, "image/jpeg")
            assert answer.headers["x-content-type-options"] == "nosniff"
            assert answer.headers["cache-control"] == "no-store"
            policy = answer.headers["content-security-policy"]
            assert policy.startswith("default-src 'none'")
            assert "unsafe-inline" not in policy


def test_every_answer_has_the_headers_of_security(opened):
    with client_of(opened) as client:
        answers = [
            client.get("/v1/state"),
            client.get("/v1/nothing"),
            client.get("/v1/state", headers={"Host": "evil.example"}),
            client.get("/healthz"),
            client.post("/v1/search", content=b"x", headers=JPEG),
        ]
    for answer in answers:
        policy = answer.headers["content-security-policy"]
        assert "unsafe" not in policy
        assert policy.startswith("default-src 'none'")
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["cache-control"] == "no-store"
        assert "server" not in answer.headers


def test_a_failure_tells_nothing(opened, caplog):
    def fails(_):
        raise RuntimeError("secret detail")

    with client_of(dataclasses.replace(opened, embed=fails)) as client:
        answer = client.post("/v1/search?camera=door", content=square(RED), headers=JPEG)
    assert answer.status_code == 500
    assert answer.json() == {"error": "the service failed; see its log"}
    assert answer.headers["content-security-policy"].startswith("default-src 'none'")
    assert "secret detail" in caplog.text
    assert "camera=door" not in caplog.text
