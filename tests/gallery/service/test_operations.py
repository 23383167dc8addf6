"""What the service does, without HTTP: on a private store, with the mean colour of an image as its embedding."""

import concurrent.futures
import dataclasses
import datetime
import io
import json
import time
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from keras_reid.gallery import Filters, NewSighting
from keras_reid.gallery.postgres import rows, watches
from keras_reid.gallery.receipts import check_receipt, public_key
from keras_reid.gallery.service import operations
from keras_reid.gallery.service.callers import OWNER
from keras_reid.gallery.service.operations import looking
from keras_reid.gallery.service.pixels import PixelRoom
from keras_reid.gallery.service.records import plain
from keras_reid.gallery.service.service_error import ServiceError
from tests.gallery.service.conftest import COLOURS, NOON, embed, limited, square

pytestmark = pytest.mark.medium
RED = COLOURS["Anna Katharina"]


def refused(status, words, call, *arguments, **keywords):
    with pytest.raises(ServiceError, match=words) as caught:
        call(*arguments, **keywords)
    assert caught.value.status == status


def names(opened, caller=OWNER):
    return [one.name for one in operations.identities(opened, caller)[1]]


def test_search(opened):
    found = operations.search_image(opened, OWNER, square(RED, 99))
    assert [one.name for one in found.candidates] == [
        "Anna Katharina",
        *[one.name for one in found.candidates[1:]],
    ]
    assert len(found.hits) == 9
    assert len(found.candidates[0].hits) == 3
    assert found.hits[0].distance < 0.01
    assert found.hits[0].verdict is None
    assert "not calibrated" in found.verdicts
    assert json.loads(json.dumps(plain(found)))["hits"][0]["camera"] in ("door", "yard")
    (vector,) = embed([square(RED, 99)])
    assert operations.search_vector(opened, OWNER, vector).hits == found.hits

    def some(**filters):
        return [
            one.source for one in operations.search_image(opened, OWNER, square(RED), Filters(**filters)).hits
        ]

    assert set(some(cameras=("yard",))) == {f"{name}-2.png" for name in COLOURS}
    assert len(some(quality=0.5)) == 6
    assert len(some(quality=0.5, cameras=("yard",), after=NOON + datetime.timedelta(hours=3))) == 2
    other = operations.search_sighting(opened, OWNER, found.hits[0].sighting, top=2)
    assert len(other.hits) == 2
    assert found.hits[0].sighting not in {one.sighting for one in other.hits}
    refused(400, "1 to 200", operations.search_image, opened, OWNER, square(RED), top=0)


def test_strangers_images(opened):
    search = operations.search_image
    refused(415, "JPEG, PNG or BMP", search, opened, OWNER, b"GIF89a")
    refused(400, "truncated or damaged", search, opened, OWNER, square(RED)[:60])
    bomb = bytearray(square(RED))
    bomb[16:24] = (60000).to_bytes(4) * 2
    refused(413, "more than 25 megapixels", search, opened, OWNER, bytes(bomb))
    scans = b"\xff\xd8\xff" + b"\xff\xda\x00\x02" * 40
    refused(413, "scans", search, opened, OWNER, scans)
    refused(413, "at most 20971520 bytes", search, opened, OWNER, bytes(21 << 20))


def test_an_image_is_decoded_once_and_told_to_be_unlike_those_of_the_calibration(opened):
    asked = []

    class Calibration:
        metric, domain, threshold = "cosine", "known", 0.1

        def outside(self, rows):
            return [rows.shape == (1, 192)]

        def verdict(self, distance, one, two, outside):
            asked.append(outside)
            return SimpleNamespace(probability=0.5, verdict="unsure", reason="the query looks otherwise")

    def pixels(content):
        asked.append("decoded")
        with Image.open(io.BytesIO(content)) as image:
            return np.asarray(image.convert("RGB"))[None]

    def of_pixels(images):
        asked.append("embedded")
        return embed([square(RED)]) if isinstance(images, np.ndarray) else embed(images)

    gallery = dataclasses.replace(opened, calibration=Calibration(), pixels=pixels, embed=of_pixels)
    found = operations.search_image(gallery, OWNER, square(RED), top=2)
    assert asked == ["decoded", "embedded", ("the query",), ("the query",)]
    assert found.hits[0].reason == "the query looks otherwise"
    asked.clear()
    by_server = dataclasses.replace(gallery, pixels=None)
    assert operations.search_image(by_server, OWNER, square(RED), top=1).hits[0].verdict == "unsure"
    assert asked == ["embedded", ("the query",)]


def test_what_is_kept_of_a_strangers_image_has_no_metadata(opened):
    """EXIF's orientation is applied; the rest of it, as the place and what hides behind the image, goes."""
    stream, exif = io.BytesIO(), Image.Exif()
    exif[0x0112] = 6  # turned by 90 degrees
    exif[0x010E] = "taken at home"
    exif.get_ifd(0x8825)[1] = "N"
    Image.new("RGB", (40, 20), RED).save(stream, "JPEG", exif=exif)
    done = operations.enrol(opened, OWNER, stream.getvalue() + b"hidden", "Somebody")
    (seen,) = operations.identity(opened, OWNER, done.identity).sightings
    kept = operations.image(opened, OWNER, seen.image)
    assert b"home" not in kept
    assert b"hidden" not in kept
    with Image.open(io.BytesIO(kept)) as image:
        assert not image.getexif()
        assert image.size == (20, 40)


def test_rows_are_limited(opened):
    many = range(1, 1002)
    refused(400, "1 to 1000 numbers. Received: 1001", operations.merge, opened, OWNER, 5000, many)
    refused(400, "1 to 1000 numbers. Received: 1001", operations.split, opened, OWNER, many)
    refused(400, "1 to 1000 numbers. Received: 1001", operations.forget, opened, OWNER, many)
    for call in (operations.identities, operations.changes, operations.events):
        refused(400, "1 to 200. Received: 201", call, opened, OWNER, count=201)
    refused(400, "1 to 200. Received: 201", operations.search_sighting, opened, OWNER, 1, top=201)


def test_the_sum_of_pixels_is_limited(opened):
    """Images beyond it wait: while one is decoded that takes all the room, no other is."""
    inside, most = [], []

    def embedding(contents):
        inside.append(1)
        most.append(len(inside))
        time.sleep(0.02)
        inside.pop()
        return embed(contents)

    narrow = dataclasses.replace(opened, embed=embedding, room=PixelRoom(24 * 24))
    with concurrent.futures.ThreadPoolExecutor(4) as threads:
        list(threads.map(lambda seed: operations.search_image(narrow, OWNER, square(RED, seed)), range(8)))
    assert most == [1] * 8


def test_rename_merge_split_and_undo(opened):
    anna, wang = (operations.identity(opened, OWNER, name) for name in ("Anna Katharina", "王小明"))
    renamed = operations.rename(opened, OWNER, anna.id, "Anna Ernst")
    refused(409, "has this name already", operations.rename, opened, OWNER, anna.id, "Anna Ernst")
    refused(409, "merge the two", operations.rename, opened, OWNER, anna.id, "王小明")
    refused(404, "no identity 999", operations.rename, opened, OWNER, 999, "x")
    operations.watch(opened, OWNER, wang.id, 0.2)
    merged = operations.merge(opened, OWNER, anna.id, [wang.id])
    assert names(opened) == ["Anna Ernst", "محمد"]
    assert merged.names == ("Anna Ernst", "王小明")
    assert merged.sightings == 3
    assert [one.identity for one in operations.watches(opened, OWNER)] == [anna.id]
    found = operations.search_image(opened, OWNER, square(COLOURS["王小明"], 50)).hits[0]
    assert (found.name, found.identity) == ("Anna Ernst", anna.id)
    some = [one.id for one in operations.identity(opened, OWNER, anna.id).sightings][-2:]
    split = operations.split(opened, OWNER, some, "New")
    refused(409, "moved again since", operations.undo, opened, OWNER, merged.id)
    assert len(operations.identity(opened, OWNER, "New").sightings) == 2
    assert operations.undo(opened, OWNER, split.id).undone is not None
    refused(409, "undone already", operations.undo, opened, OWNER, split.id)
    operations.undo(opened, OWNER, merged.id)
    again = operations.identity(opened, OWNER, "王小明")
    assert again.id == wang.id
    assert again.subject == wang.subject
    assert again.sightings == wang.sightings
    assert again.watched.distance == 0.2
    operations.undo(opened, OWNER, renamed.id)
    assert operations.identity(opened, OWNER, "Anna Katharina") == anna.__class__(
        anna.id, anna.subject, anna.name, anna.sightings, operations.identity(opened, OWNER, anna.id).watched
    )
    assert [one.action for one in operations.changes(opened, OWNER)] == ["split", "merge", "rename"]
    refused(
        409,
        "at least one sighting must stay",
        operations.split,
        opened,
        OWNER,
        [s.id for s in anna.sightings],
    )


def test_what_was_moved_is_erased_without_a_trace(opened):
    """Names of before, embeddings in other partitions, subjects that old backups know."""
    anna = operations.identity(opened, OWNER, "Anna Katharina")
    wang = operations.identity(opened, OWNER, "王小明")
    operations.rename(opened, OWNER, wang.id, "Wang Xiaoming of before")
    operations.merge(opened, OWNER, anna.id, [wang.id])
    receipt = operations.forget(opened, OWNER, [anna.id])
    store = opened.store.folder
    check_receipt(receipt, public_key(store.with_name(f"{store.name}.receipt-key.pub.pem")))
    assert receipt["counts"]["sightings"] == 6
    assert receipt["scan"]["traces"] == 0
    assert set(receipt["subjects"]) == {anna.subject, wang.subject}
    assert operations.changes(opened, OWNER) == []
    assert names(opened) == ["محمد"]
    refused(404, "no identity", operations.identity, opened, OWNER, anna.id)


def test_erasing_leaves_no_name_of_before_in_the_changes(opened):
    """Of one who was split off, named and given back; and of one who was merged into somebody who stays."""
    anna, wang, third = (operations.identity(opened, OWNER, name) for name in COLOURS)
    run = opened.store.database.run
    split = operations.split(opened, OWNER, [anna.sightings[0].id])
    part = operations.identity(opened, OWNER, split.identities[0])
    operations.rename(opened, OWNER, part.id, "Katharina of before")
    operations.undo(opened, OWNER, split.id)
    receipt = operations.forget(opened, OWNER, [anna.id])
    assert set(receipt["subjects"]) == {anna.subject, part.subject}
    assert operations.changes(opened, OWNER) == []
    operations.rename(opened, OWNER, wang.id, "Wang of before")
    operations.merge(opened, OWNER, third.id, [wang.id])
    other = operations.rename(opened, OWNER, third.id, "Third of before")
    split = operations.split(opened, OWNER, [one.id for one in wang.sightings])
    receipt = operations.forget(opened, OWNER, [split.identities[0]])
    assert wang.subject in receipt["subjects"]
    assert third.subject not in receipt["subjects"]
    assert operations.changes(opened, OWNER) == [other]
    assert "Wang" not in str(run(lambda one: one.execute("SELECT c::text FROM changes c").fetchall()))


def test_nobody_else_is_erased_by_what_happens_at_the_same_moment(opened, monkeypatch):
    """Between the check of rights and the erasure, another process merges the identity, or enrols another camera."""
    anna, wang, _ = (operations.identity(opened, OWNER, name) for name in COLOURS)
    door = limited("erase", "door")
    own = operations.enrol(opened, door, square((9, 9, 9), 90), camera="door")
    find = rows.find_identities

    def forget_after(meanwhile, caller, number):
        def found(connection, keys):
            monkeypatch.setattr(rows, "find_identities", find)
            numbers = find(connection, keys)
            meanwhile()
            return numbers

        monkeypatch.setattr(rows, "find_identities", found)
        operations.forget(opened, caller, [number])

    def merge():
        operations.merge(opened, OWNER, wang.id, [anna.id])

    def enrol():
        operations.enrol(opened, OWNER, square((9, 9, 9), 91), own.identity, camera="yard")

    refused(409, "is not there any more", forget_after, merge, OWNER, anna.id)
    refused(403, "cameras that this token may not see", forget_after, enrol, door, own.identity)
    assert operations.state(opened, OWNER).sightings == 11
    assert (
        opened.store.database.run(lambda one: one.execute("SELECT 1 FROM pending_erasures").fetchone())
        is None
    )


def test_undo_gives_back_watches_and_events(opened):
    anna, wang, third = (operations.identity(opened, OWNER, name) for name in COLOURS)
    operations.watch(opened, OWNER, wang.id, 0.1)
    operations.watch(opened, OWNER, third.id, 0.05)
    operations.enrol(opened, OWNER, square(COLOURS["王小明"], 95), camera="door")
    before = operations.watches(opened, OWNER), operations.events(opened, OWNER)
    for into in (anna.id, third.id):
        merged = operations.merge(opened, OWNER, into, [wang.id])
        assert operations.identity(opened, OWNER, into).watched.distance == 0.1
        assert operations.events(opened, OWNER)[0].identity == into
        operations.undo(opened, OWNER, merged.id)
        assert (operations.watches(opened, OWNER), operations.events(opened, OWNER)) == before
    merged = operations.merge(opened, OWNER, anna.id, [wang.id])
    operations.watch(opened, OWNER, anna.id, 0.3)
    operations.undo(opened, OWNER, merged.id)
    assert operations.identity(opened, OWNER, anna.id).watched.distance == 0.3  # somebody has wanted that
    split = operations.split(opened, OWNER, [third.sightings[0].id])
    operations.watch(opened, OWNER, split.identities[0], 0.2)
    operations.undo(opened, OWNER, split.id)
    assert operations.identity(opened, OWNER, third.id).watched.distance == 0.2


def test_who_is_erased_while_somebody_enrols(opened, monkeypatch):
    """The event of one who is watched names an identity that is gone when it is written: it is looked up again."""
    anna = operations.identity(opened, OWNER, "Anna Katharina")
    operations.watch(opened, OWNER, anna.id, 0.1)
    raise_events, meanwhile = watches.raise_events, [anna.id]

    class Late:
        def __init__(self, connection):
            self.connection = connection

        def execute(self, query, *values):
            if "advisory" in query and meanwhile:
                opened.store.remove([meanwhile.pop()])
            return self.connection.execute(query, *values)

        def cursor(self):
            return self.connection.cursor()

    monkeypatch.setattr(watches, "raise_events", lambda one, *more: raise_events(Late(one), *more))
    done = operations.enrol(opened, OWNER, square(RED, 71), camera="yard")
    assert done.new
    assert operations.events(opened, OWNER) == []


def test_a_large_store_is_counted_once_a_minute(opened, monkeypatch):
    monkeypatch.setattr(looking, "_MANY", 5)
    viewer = limited("view", "door")
    assert operations.state(opened, OWNER).sightings == 9
    assert operations.state(opened, viewer).sightings == 6
    operations.enrol(opened, OWNER, square(RED, 80), camera="door")
    assert operations.state(opened, OWNER).sightings == 9
    assert operations.state(opened, viewer).sightings == 6
    opened.counts.clear()
    assert operations.state(opened, OWNER).sightings == 10
    assert operations.state(opened, viewer).identities == 4


def test_answers(opened):
    hits = operations.search_image(opened, OWNER, square(RED, 99)).hits
    first, last = hits[0], hits[-1]
    pair = operations.answer(opened, OWNER, first.sighting, True, distance=first.distance)
    assert (pair.same, pair.distance, pair.other, pair.by) == (True, first.distance, None, "owner")
    pair = operations.answer(opened, OWNER, first.sighting, False, other=last.sighting)
    assert not pair.same
    assert pair.cameras == (first.camera, last.camera)
    assert pair.distance == pytest.approx(last.distance, abs=0.05)
    assert [one.same for one in operations.answers(opened, OWNER)] == [True, False]
    refused(400, "either `other` or `distance`", operations.answer, opened, OWNER, first.sighting, True)
    refused(404, "no sighting 999", operations.answer, opened, OWNER, 999, True, distance=0.1)
    operations.forget(opened, OWNER, [first.identity])
    assert operations.answers(opened, OWNER) == []


def test_watch_list(opened):
    anna = operations.identity(opened, OWNER, "Anna Katharina")
    assert operations.watch(opened, OWNER, anna.id).distance == 0
    operations.enrol(opened, OWNER, square(COLOURS["محمد"], 70), camera="yard")
    assert operations.events(opened, OWNER) == []
    operations.watch(opened, OWNER, anna.id, 0.1)
    new = operations.enrol(opened, OWNER, square(RED, 71), camera="yard", time=NOON)
    operations.enrol(opened, OWNER, square((0, 0, 0), 72), "Anna Katharina", "door")
    near, named = operations.events(opened, OWNER)
    assert (near.identity, near.sighting, near.camera) == (anna.id, new.sighting, "yard")
    assert 0 < near.distance < 0.1
    assert named.distance == 0
    assert near.id < named.id
    assert operations.events(opened, OWNER, after=near.id) == [named]
    assert operations.events(opened, limited("view", "door")) == [named]
    assert operations.latest_events(opened, OWNER) == [named, near]
    assert operations.latest_events(opened, OWNER, 1) == [named]
    assert operations.latest_events(opened, limited("view", "yard")) == [near]
    operations.unwatch(opened, OWNER, anna.id)
    refused(404, "not on the watch list", operations.unwatch, opened, OWNER, anna.id)
    operations.enrol(opened, OWNER, square(RED, 73))
    assert len(operations.events(opened, OWNER)) == 2
    opened.store.database.run(
        lambda one: (
            one.execute("UPDATE events SET at = at - interval '31 days' WHERE id = %s", [near.id]).rowcount
        )
    )
    assert operations.events(opened, OWNER) == operations.latest_events(opened, OWNER) == [named]


def test_whatever_enrols_raises_events(opened):
    """Also `gallery enrol`, `import` and Python, many at once: all of them go through the store."""
    anna = operations.identity(opened, OWNER, "Anna Katharina")
    other = operations.identity(opened, OWNER, "王小明")
    operations.watch(opened, OWNER, anna.id, 0.1)
    operations.watch(opened, OWNER, other.id)
    rows = embed([square(RED, 600), square((0, 0, 0), 601), square(RED, 602), square((0, 0, 0), 603)])
    names = (None, None, "Nobody", "王小明")
    first, _, second, third = opened.store.add(
        [NewSighting(row, name, camera="door") for row, name in zip(rows, names, strict=True)]
    )
    found = [(one.identity, one.sighting) for one in operations.events(opened, OWNER)]
    assert found == [(anna.id, first), (anna.id, second), (other.id, third)]


def test_enrol(opened):
    done = operations.enrol(opened, OWNER, square(RED, 80), note="by the gate")
    assert done.new
    assert done.name is None
    assert operations.enrol(opened, OWNER, square(RED, 80)) == done.__class__(
        done.sighting, done.identity, None, False
    )
    more = operations.enrol(opened, OWNER, square(RED, 81), done.identity)
    assert more.identity == done.identity
    view = operations.identity(opened, OWNER, done.identity)
    assert view.sightings[0].note == "by the gate"
    assert operations.image(opened, OWNER, view.sightings[0].image).startswith(b"\xff\xd8")
    refused(404, "no such picture", operations.image, opened, OWNER, "0" * 64)
    refused(404, "no such picture", operations.image, opened, OWNER, "../../etc/passwd")
    refused(400, "at most 200 characters", operations.enrol, opened, OWNER, square(RED, 82), "x" * 201)
    refused(400, "control characters", operations.enrol, opened, OWNER, square(RED, 82), "x\x1b[2J")
    refused(400, "must not be empty", operations.enrol, opened, OWNER, square(RED, 82), " ")


def test_roles(opened):
    anna = operations.identity(opened, OWNER, "Anna Katharina")
    view, enrol, erase = (limited(role) for role in ("view", "enrol", "erase"))
    refused(403, "needs the role enrol", operations.enrol, opened, view, square(RED))
    for call, arguments in (
        (operations.rename, (anna.id, "x")),
        (operations.merge, (anna.id, [2])),
        (operations.split, ([1],)),
        (operations.undo, (1,)),
        (operations.answer, (1, True)),
        (operations.watch, (1,)),
        (operations.unwatch, (1,)),
        (operations.check, ()),
    ):
        refused(
            403, "needs the role enrol. Received: a token with the role view", call, opened, view, *arguments
        )
    refused(403, "needs the role erase", operations.forget, opened, enrol, [anna.id])
    refused(403, "needs the role admin", operations.answers, opened, erase)
    assert names(opened, view)
    assert operations.state(opened, view).sightings == 9


def test_limited_to_cameras(opened):
    door, yard, none = limited("erase", "door"), limited("erase", "yard"), limited("erase", "roof")
    anna = operations.identity(opened, OWNER, "Anna Katharina")
    assert {one.camera for one in operations.search_image(opened, door, square(RED)).hits} == {"door"}
    assert operations.cameras(opened, door) == ("door",)
    assert operations.cameras(opened, OWNER) == ("door", "yard")
    elsewhere = Filters(cameras=("yard",))
    assert operations.search_image(opened, door, square(RED), elsewhere).hits == ()
    assert operations.search_image(opened, none, square(RED)).hits == ()
    view = operations.identity(opened, yard, anna.id)
    assert [one.camera for one in view.sightings] == ["yard"]
    assert operations.identities(opened, none) == (0, [])
    refused(404, "no identity", operations.identity, opened, none, anna.id)
    hidden = next(one for one in anna.sightings if one.camera == "yard")
    refused(404, "no such picture", operations.image, opened, door, hidden.image)
    refused(404, "no sighting", operations.search_sighting, opened, door, hidden.id)
    for call, arguments in (
        (operations.rename, (anna.id, "x")),
        (operations.merge, (anna.id, [operations.identity(opened, OWNER, "محمد").id])),
        (operations.forget, ([anna.id],)),
        (operations.split, ([one.id for one in anna.sightings if one.camera == "door"][:1],)),
    ):
        refused(403, "cameras that this token may not see", call, opened, door, *arguments)
    refused(403, "only for the cameras door", operations.enrol, opened, door, square(RED, 90), camera="yard")
    refused(403, "only for the cameras door", operations.enrol, opened, door, square(RED, 90))
    own = operations.enrol(opened, door, square(RED, 90), camera="door")
    change = operations.rename(opened, door, own.identity, "Mine")
    theirs = operations.rename(opened, OWNER, anna.id, "Anna Z")
    assert operations.changes(opened, door) == [change]
    refused(404, "no change", operations.undo, opened, door, theirs.id)
    operations.enrol(opened, OWNER, square(RED, 92), own.identity, camera="yard")
    refused(403, "cameras that this token may not see", operations.undo, opened, door, change.id)
    assert operations.state(opened, door).cameras == ("door",)
    assert operations.state(opened, door).sightings == 7
    assert operations.state(opened, none).sightings == 0


def test_what_else_a_limit_to_cameras_hides(opened):
    """Answers, events, the watch list, and that a name exists."""
    anna = operations.identity(opened, OWNER, "Anna Katharina")
    roof, door = limited("admin", "roof"), limited("admin", "door")
    operations.watch(opened, OWNER, anna.id, 0.1)
    operations.enrol(opened, OWNER, square(RED, 71), camera="roof")
    assert len(operations.events(opened, OWNER)) == 1
    assert operations.events(opened, roof) == operations.latest_events(opened, roof) == []  # who is Anna?
    for call in (operations.watch, operations.unwatch):
        refused(403, "cameras that this token may not see", call, opened, door, anna.id)
        refused(404, "no identity", call, opened, roof, anna.id)
    for name in ("Anna Katharina", "Nobody"):
        refused(404, f"^there is no identity '{name}'$", operations.identity, opened, roof, name)
    seen = {one.camera: one.id for one in operations.identity(opened, OWNER, anna.id).sightings}
    operations.answer(opened, OWNER, seen["yard"], True, distance=0.1)
    operations.answer(opened, OWNER, seen["door"], True, other=seen["yard"])
    kept = operations.answer(opened, OWNER, seen["door"], True, distance=0.1)
    assert operations.answers(opened, door) == [kept]
    assert operations.answers(opened, roof) == []
