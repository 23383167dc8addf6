"""The REST API, on a private store, without a socket."""

import asyncio
import dataclasses
import datetime
import json
import re
import threading
from types import SimpleNamespace

import jsonschema
import pytest

from keras_reid.gallery.postgres.store import PostgresStore
from keras_reid.gallery.service import events, openapi, operations
from keras_reid.gallery.service.api import ENDPOINTS, OTHERS
from keras_reid.gallery.service.callers import OWNER
from tests.gallery.conftest import MODEL
from tests.gallery.service.conftest import COLOURS, NOON, client_of, embed, square, token_of

pytestmark = pytest.mark.medium
RED = COLOURS["Anna Katharina"]
JPEG = {"Content-Type": "image/jpeg"}


def as_described(answer):
    """Checks an answer against its description."""
    answer.read()
    for path, methods in openapi.document()["paths"].items():
        if re.fullmatch(re.sub(r"\{\w+\}", "[^/]+", path), answer.request.url.path):
            possible = methods[answer.request.method.lower()]["responses"]
            assert str(answer.status_code) in possible, (path, answer.status_code)
            content = possible[str(answer.status_code)].get("content", {})
            kind = answer.headers.get("content-type", "").partition(";")[0]
            assert kind in content or not content, (path, kind)
            if "schema" in content.get(kind, {}) and answer.status_code == 200:
                jsonschema.validate(answer.json(), closed(content[kind]["schema"]))
            return
    raise AssertionError(f"{answer.request.url.path} is not described")


def closed(schema):
    """The same schema, where fields that it does not name are wrong."""
    if isinstance(schema, list):
        return [closed(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    schema = {name: closed(one) for name, one in schema.items()}
    return {**schema, "additionalProperties": False} if schema.get("properties") else schema


def test_a_day_of_the_api(opened):
    """Each endpoint once, as its description says."""
    with client_of(opened) as client:
        client.event_hooks["response"].append(as_described)
        found = client.post("/v1/search?top=5", content=square(RED, 99), headers=JPEG).json()
        assert len(found["hits"]) == 5
        assert found["candidates"][0]["name"] == "Anna Katharina"
        by_form = client.post("/v1/search?top=5", files={"image": ("a.png", square(RED, 99))}).json()
        assert by_form == found
        vector = embed([square(RED, 99)])[0].tolist()
        by_vector = client.post("/v1/search", params={"top": 5}, json={"vector": vector}).json()
        assert [one["sighting"] for one in by_vector["hits"]] == [one["sighting"] for one in found["hits"]]
        anna = found["hits"][0]["identity"]
        filters = {
            "camera": ["yard", "roof"],
            "after": "2026-06-01T12:00:00Z",
            "identity": anna,
            "quality": 0.5,
        }
        some = client.post(
            "/v1/search", params=filters, json={"sighting": found["hits"][0]["sighting"]}
        ).json()
        assert all(one["camera"] == "yard" for one in some["hits"])

        new = client.post(
            "/v1/sightings",
            data={
                "name": "Grüße 李",
                "camera": "door",
                "time": "2026-06-02T08:00:00+02:00",
                "note": "n",
                "quality": "0.9",
            },
            files={"image": ("../../etc/ä.png", square((10, 10, 10), 5), "image/png")},
        )
        assert new.status_code == 200, new.text
        number = new.json()["identity"]
        view = client.get(f"/v1/identities/{number}").json()
        assert (view["name"], view["sightings"][0]["time"]) == ("Grüße 李", "2026-06-02T06:00:00+00:00")
        assert view["sightings"][0]["source"] == "ä.png"
        picture = client.get(f"/v1/images/{view['sightings'][0]['image']}")
        assert picture.content.startswith(b"\xff\xd8")
        assert picture.headers["content-type"] == "image/jpeg"

        listed = client.get("/v1/identities", params={"words": "grüsse", "count": 5}).json()
        assert listed["total"] == 0
        listed = client.get("/v1/identities", params={"words": "GRÜ", "start": 0}).json()
        assert [one["id"] for one in listed["identities"]] == [number]

        assert client.patch(f"/v1/identities/{number}", json={"name": None}).json()["names"] == [
            "Grüße 李",
            None,
        ]
        merged = client.post("/v1/merge", json={"into": anna, "others": [number]}).json()
        assert client.get(f"/v1/identities/{number}").status_code == 404
        assert client.post(f"/v1/changes/{merged['id']}/undo").json()["undone"]
        sightings = [one["id"] for one in client.get(f"/v1/identities/{anna}").json()["sightings"]]
        assert (
            client.post("/v1/split", json={"sightings": sightings[:1], "name": "B"}).json()["sightings"] == 1
        )
        assert len(client.get("/v1/changes").json()["changes"]) == 3

        pair = {"sighting": sightings[1], "same": False, "other": view["sightings"][0]["id"]}
        assert client.post("/v1/answers", json=pair).json()["same"] is False
        assert len(client.get("/v1/answers").json()["answers"]) == 1
        assert client.put(f"/v1/watches/{anna}", json={"distance": 0.2}).json()["distance"] == 0.2
        assert len(client.get("/v1/watches").json()["watches"]) == 1
        assert client.get("/v1/events").json() == {"events": []}
        assert client.delete(f"/v1/watches/{anna}").status_code == 204
        assert client.get("/v1/check").json()["pictures"] == 10
        assert client.get("/v1/state").json()["sightings"] == 10
        assert client.post("/v1/forget", json={"identities": [number]}).status_code == 400
        receipt = client.post("/v1/forget", json={"identities": [number], "confirm": True}).json()
        assert receipt["scan"]["traces"] == 0
        assert client.get("/healthz").json() == {"status": "ok"}
        assert client.get("/readyz").json() == {"ready": True}
        assert "gallery_requests_total" in client.get("/metrics").text


def test_mistakes_are_told(opened):
    cases = [
        ("POST", "/v1/search", {}, 400, "needs an image"),
        ("POST", "/v1/search", {"json": {"vector": [1, "x"]}}, 400, "`vector` must be a number"),
        ("POST", "/v1/search", {"json": {"vector": [1, 2]}}, 400, "must have shape"),
        ("POST", "/v1/search", {"json": {"vector": [0.0] * 16}}, 400, "unit length"),
        (
            "POST",
            "/v1/search?top=0",
            {"content": square(RED), "headers": JPEG},
            400,
            "`top` must be a whole number",
        ),
        ("POST", "/v1/search?after=noon", {"content": square(RED), "headers": JPEG}, 400, "ISO 8601"),
        (
            "POST",
            "/v1/search?after=2026-06-01T12:00:00",
            {"content": b"x", "headers": JPEG},
            400,
            "time zone",
        ),
        ("POST", "/v1/search?kamera=x", {"content": square(RED), "headers": JPEG}, 400, "no field 'kamera'"),
        (
            "POST",
            "/v1/search",
            {"content": b"{", "headers": {"Content-Type": "application/json"}},
            400,
            "not JSON",
        ),
        (
            "POST",
            "/v1/search",
            {"content": b"[]", "headers": {"Content-Type": "application/json"}},
            400,
            "JSON object",
        ),
        (
            "POST",
            "/v1/search",
            {"content": b"x", "headers": {"Content-Type": "text/html"}},
            415,
            "Content-Type must be",
        ),
        ("POST", "/v1/search", {"content": b"x", "headers": JPEG}, 415, "JPEG, PNG or BMP"),
        ("POST", "/v1/merge", {"json": {"into": 1}}, 400, "`others` is missing"),
        ("POST", "/v1/merge", {"json": {"into": 1, "others": [1]}}, 400, "into itself"),
        ("POST", "/v1/merge", {"json": {"into": 1, "others": [2**64]}}, 400, "whole number above 0"),
        ("POST", "/v1/merge", {"content": square(RED), "headers": JPEG}, 415, "takes no image"),
        ("PATCH", "/v1/identities/1", {"json": {}}, 400, "`name` is missing"),
        ("PATCH", "/v1/identities/0", {"json": {"name": "x"}}, 400, "`identity` must be a whole number"),
        ("PATCH", "/v1/identities/1", {"json": {"name": "a\x00b"}}, 400, "control characters"),
        ("GET", "/v1/identities/4711", {}, 404, "no identity 4711"),
        ("GET", "/v1/nothing", {}, 404, "see /openapi.json"),
        ("DELETE", "/v1/state", {}, 405, "see /openapi.json"),
        ("POST", "/v1/sightings", {"json": {"name": "x"}}, 400, "needs an image"),
    ]
    with client_of(opened) as client:
        for method, path, request, status, words in cases:
            answer = client.request(method, path, **request)
            assert (answer.status_code, words in answer.json()["error"]) == (status, True), (
                path,
                answer.text,
            )


def test_openapi_describes_every_endpoint(opened):
    with client_of(opened) as client:
        described = client.get("/openapi.json").json()
    assert described["openapi"] == "3.1.0"
    for one in (*ENDPOINTS, *OTHERS):
        operation = described["paths"][one.path][one.method.lower()]
        assert operation["summary"] == one.summary
        names = {each["name"] for each in operation["parameters"]}
        assert names == {each.name for each in one.query} | set(re.findall(r"\{(\w+)\}", one.path))
    ids = [each["operationId"] for path in described["paths"].values() for each in path.values()]
    assert len(set(ids)) == len(ids)


def test_events_without_a_stream(opened):
    anna = operations.identity(opened, OWNER, "Anna Katharina").id
    operations.watch(opened, OWNER, anna, 0.1)
    operations.enrol(opened, OWNER, square(RED, 300), camera="door", time=NOON)
    viewer = token_of(opened, "view")
    with client_of(opened, with_tokens=True) as client:
        (first,) = client.get("/v1/events", headers=viewer).json()["events"]
        assert (first["identity"], first["camera"]) == (anna, "door")
        assert client.get(f"/v1/events?after={first['id']}", headers=viewer).json() == {"events": []}
        assert client.get("/v1/events?after=x", headers=viewer).status_code == 400
        # As a browser asks whose stream, which the page began with `after`, was cut off.
        again = {**viewer, "Last-Event-ID": str(first["id"])}
        assert client.get("/v1/events?after=0", headers=again).json() == {"events": []}


def test_a_stream_gives_signs_of_life_while_nothing_happens(opened, monkeypatch):
    """Though it looks for news more often: a proxy would cut it off."""
    monkeypatch.setattr(events, "_BEAT", 0.05)
    feed = events.EventFeed(opened.store)
    with client_of(opened) as client:
        request = SimpleNamespace(
            app=client.app, headers={}, cookies={}, state=SimpleNamespace(client="127.0.0.1")
        )

        async def pieces():
            async def news():  # of others
                while True:
                    feed._wake_all()
                    await asyncio.sleep(0.01)

            found, waking = [], asyncio.create_task(news())
            async with asyncio.timeout(20):
                async for piece in feed._stream(request, 0):
                    found.append(piece)
                    if len(found) == 3:
                        feed.stop()
            waking.cancel()
            return found

        assert client.portal.call(pieces) == [": connected\n\n", ": \n\n", ": \n\n"]


def test_what_is_refused_changes_nothing(opened):
    """A field that nobody asked for is told before anything is done, not after it."""
    anna = operations.identity(opened, OWNER, "Anna Katharina").id
    with client_of(opened) as client:
        for method, path, body in (
            ("PATCH", f"/v1/identities/{anna}", {"name": "x"}),
            ("PUT", f"/v1/watches/{anna}", {}),
            ("POST", "/v1/forget", {"identities": [anna], "confirm": True}),
        ):
            answer = client.request(method, f"{path}?force=yes", json=body)
            assert (answer.status_code, "no field 'force'" in answer.text) == (400, True)
        answer = client.post("/v1/sightings?camera=door", files={"image": ("a.png", square(RED, 301))})
        assert answer.status_code == 400
    view = operations.identity(opened, OWNER, "Anna Katharina")
    assert view.watched is None
    assert operations.state(opened, OWNER).sightings == 9


def test_metrics_hold_no_names(opened):
    with client_of(opened) as client:
        anna = operations.identity(opened, OWNER, "Anna Katharina")
        client.get(f"/v1/identities/{anna.id}")
        client.get("/v1/identities?words=Anna")
        client.get("/v1/Anna")
        client.post("/v1/search", content=square(RED), headers=JPEG)
        text = client.get("/metrics").text
    assert 'gallery_requests_total{endpoint="/v1/identities/{identity}",status="200"} 1.0' in text
    assert 'gallery_requests_total{endpoint="other",status="404"} 1.0' in text
    assert "gallery_embedding_seconds_count 1.0" in text
    for name in ("Anna", anna.subject, "door", "127.0.0.1"):
        assert name not in text


def test_the_database_is_away_for_a_while(server, server_url):
    """The process lives, is not ready, refuses with 503, and goes on by itself."""
    with PostgresStore(server_url, MODEL, patience=0.2) as store:
        gallery = operations.OpenGallery(store, embed, None, (24, 24))
        operations.enrol(gallery, OWNER, square(RED), "Anna")
        with client_of(gallery) as client:
            server.stop("immediate")
            try:
                assert client.get("/healthz").status_code == 200
                assert client.get("/readyz").json() == {"ready": False}
                refused = client.post("/v1/search", content=square(RED), headers=JPEG)
                assert (refused.status_code, refused.headers["retry-after"]) == (503, "5")
                assert "127.0.0.1" not in refused.text
            finally:
                server.start()
            answers = (client.get("/readyz").status_code for _ in range(50))
            assert 200 in answers
            found = client.post("/v1/search", content=square(RED), headers=JPEG).json()
            assert found["hits"][0]["name"] == "Anna"


def test_rates_are_limited(opened):
    with client_of(opened, burst=5, requests_per_minute=60) as client:
        statuses = [client.get("/v1/changes").status_code for _ in range(8)]
        assert statuses[:5] == [200] * 5
        assert 429 in statuses[5:]
        refused = client.get("/v1/changes")
        assert refused.headers["retry-after"] == "1"
        assert client.get("/healthz").status_code == 200
        probes = [client.get("/readyz").status_code for _ in range(8)]
        assert (probes[0], 429 in probes[5:]) == (200, True)


def test_more_requests_than_places_are_refused(opened):
    begun, release = threading.Event(), threading.Event()

    def slowly(contents):
        begun.set()
        release.wait(20)
        return embed(contents)

    with client_of(dataclasses.replace(opened, embed=slowly), max_concurrent_requests=1) as client:
        answers = []
        waiting = threading.Thread(
            target=lambda: answers.append(client.post("/v1/search", content=square(RED), headers=JPEG))
        )
        waiting.start()
        try:
            assert begun.wait(20)
            answer = client.get("/v1/state")
            assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
        finally:
            release.set()
            waiting.join()
        assert answers[0].status_code == 200


def test_json_times_have_a_zone(opened):
    with client_of(opened) as client:
        text = client.post("/v1/search", content=square(RED), headers=JPEG).text
    for one in json.loads(text)["hits"]:
        assert datetime.datetime.fromisoformat(one["time"]).utcoffset() == datetime.timedelta(0)
