"""`/docs`: all endpoints, without script, for those who may use them."""

import datetime
import html.parser

import pytest

from keras_reid.gallery.service import openapi
from keras_reid.gallery.service.records import Hit, IdentityView
from keras_reid.gallery.service.reference import page
from keras_reid.gallery.service.schemas import schema_of
from tests.gallery.service.conftest import client_of, token_of


def test_schemas():
    hit = schema_of(Hit)
    assert hit["properties"]["distance"] == {
        "type": "number",
        "description": "1 − cosine similarity to the query, 0 … 2",
    }
    assert hit["properties"]["camera"]["type"] == ["string", "null"]
    assert hit["properties"]["camera"]["description"] == "its name, or null"
    assert hit["required"] == list(hit["properties"])
    view = schema_of(IdentityView)
    assert view["properties"]["sightings"]["items"]["properties"]["enrolled"]["format"] == "date-time"
    assert view["properties"]["watched"]["anyOf"][1] == {"type": "null"}
    assert schema_of(datetime.datetime | None)["type"] == ["string", "null"]
    with pytest.raises(KeyError):
        schema_of(bytes)


class _Tags(html.parser.HTMLParser):
    def __init__(self):
        super().__init__()
        self.ids, self.links, self.tags = [], [], []

    def handle_starttag(self, tag, attributes):
        attributes = dict(attributes)
        self.tags.append(tag)
        self.ids += [attributes["id"]] if "id" in attributes else []
        self.links += [attributes[name] for name in ("href", "src") if name in attributes]
        assert not [name for name in attributes if name == "style" or name.startswith("on")]


def test_the_page_holds_every_endpoint_and_no_script():
    tags = _Tags()
    text = page.html()
    tags.feed(text)
    operations = [one for methods in openapi.document()["paths"].values() for one in methods.values()]
    assert {one["operationId"] for one in operations} < set(tags.ids)
    assert not {"script", "style", "iframe", "img"} & set(tags.tags)
    assert all(link.startswith(("/", "#")) and not link.startswith("//") for link in tags.links)
    for words in ("sightings[].enrolled", "watched.distance", "true or false", "time", "list: text", "$HASH"):
        assert words in text
    assert "curl -X PATCH $GALLERY/v1/identities/3" in text
    assert "-d &#39;{&#34;into&#34;: 3, &#34;others&#34;: [17]}&#39;" in text


@pytest.mark.medium
def test_it_is_for_those_who_may_use_the_api(opened):
    with client_of(opened, with_tokens=True) as client:
        stranger = client.get("/docs", follow_redirects=False)
        assert (stranger.status_code, stranger.headers["location"]) == (303, "/sign-in")
        answer = client.get("/docs", headers=token_of(opened, "view"))
        assert answer.status_code == 200
        assert "script-src 'self'" in answer.headers["content-security-policy"]
        style = client.get("/docs/reference.css")
        assert style.headers["content-type"].startswith("text/css")
        assert "@import" not in style.text
        assert "url(" not in style.text
