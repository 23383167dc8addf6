"""Embeds everything that is enrolled with another model, and switches to it in one transaction.

The new embeddings grow beside the old ones, which answer until the switch. A kill loses a batch at most: the same call
goes on. What is enrolled or erased meanwhile is followed.
"""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import json
import os
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from keras_reid.gallery.images import sound_image
from keras_reid.gallery.model_identity import ModelIdentity
from keras_reid.gallery.postgres import audit, search, vectors
from keras_reid.gallery.postgres.reading import read_vectors
from keras_reid.gallery.postgres.store import active_model, recall_of
from keras_reid.utils.counted import counted
from keras_reid.utils.errors import UserError
from keras_reid.utils.progress import progress

if TYPE_CHECKING:
    from keras_reid.gallery.postgres.store import PostgresStore

Embed = Callable[[list[bytes]], NDArray[np.float32]]
_QUERIES = 200  # sightings whose answers are compared


@dataclasses.dataclass(frozen=True)
class ChangedAnswer:
    """A sighting whose nearest other sighting is of another identity than before.

    Args:
        source: of the sighting.
        own: its identity, as name or number.
        before, after: the identity of the nearest other sighting under the old and the new model.
    """

    source: str
    own: str | int
    before: str | int
    after: str | int


@dataclasses.dataclass(frozen=True)
class Switched:
    """What a change of the model did.

    Args:
        sightings: how many have an embedding of the new model.
        left_out: how many have none, because no picture of them is left.
        queries: sightings that were searched for with both models.
        right_before, right_after: for how many of them the nearest other sighting is of their own identity.
        changed: those whose answer is another now.
    """

    sightings: int
    left_out: int
    queries: int
    right_before: int
    right_after: int
    changed: tuple[ChangedAnswer, ...]

    def to_dict(self) -> dict[str, Any]:
        """As JSON values."""
        return dataclasses.asdict(self)


def reembed(
    store: PostgresStore,
    model: ModelIdentity,
    embed: Embed,
    *,
    thumbnails: bool = False,
    leave_out: bool = False,
    batch_size: int = 64,
) -> Switched:
    """Makes another model the store's.

    A sighting is embedded from its source file, if that is still the file that was enrolled; else from the picture that
    the store keeps. Pictures that were kept are encoded anew, so their embeddings differ a little from the file's.

    Time: that of embedding everything, and of building the approximate index if there was one. Disk: both models'
    embeddings.

    Args:
        store: opened without a model.
        model: the new one.
        embed: a list of encoded images → `(n, dim)` float32 of unit length.
        thumbnails: embed kept thumbnails too, which shows less than the pictures did.
        leave_out: switch even if no picture of some sightings is left: these are kept, but not found any more.
        batch_size: images in a batch, which is a transaction.

    Returns:
        a `Switched`.

    Raises:
        UserError: the store has this model already, or no model; pictures are missing and `leave_out` is False: then
            the old model stays.

    Example:
        >>> reembed(store, ModelIdentity.of(embedder), embedder).right_after  # doctest: +SKIP
        197
    """
    old, new = store.database.run(lambda connection: _begin(connection, store, model))
    if not leave_out:
        _check_pictures(store, thumbnails)
    missing: set[int] = set()
    while True:
        _embed_missing(store, new, model, embed, thumbnails, batch_size, missing)
        if missing and not leave_out:
            raise UserError(
                f"{store.name}: pictures of {counted(len(missing), 'sighting')} cannot be read any more, so they would "
                "not be found. The old model stays. Add --leave-out to switch nevertheless"
            )
        if store.database.run(lambda connection: recall_of(connection, old)) is not None:
            _build_index(store, new, model)
        compared = store.database.run(lambda connection: _compare(connection, old, new))
        switch = functools.partial(_switch, new=new, missing=missing, compared=compared)
        done: Switched | None = store.database.run(switch)
        if done is not None:
            return done


def _begin(connection, store, model):
    connection.execute("LOCK TABLE models IN SHARE ROW EXCLUSIVE MODE")
    active = active_model(connection)
    if active is None:
        raise UserError(f"{store.name}: nothing is enrolled, so there is nothing to embed again")
    if active[1].key == model.key:
        raise UserError(f"{store.name}: its embeddings are of this model already")
    row = connection.execute(
        "SELECT id FROM models WHERE fingerprint = %s AND preprocessing = %s",
        [model.fingerprint, model.preprocessing],
    ).fetchone()
    if row is None:
        calibration = None if model.calibration is None else json.dumps(model.calibration)
        row = connection.execute(
            "INSERT INTO models (name, fingerprint, dimension, preprocessing, calibration) VALUES (%s, %s, %s, %s, %s) "
            "RETURNING id",
            [model.name, model.fingerprint, model.dimension, model.preprocessing, calibration],
        ).fetchone()
        vectors.create(connection, row[0], model.dimension)
    return active[0], row[0]


def _check_pictures(store, thumbnails):
    """Before long work: is there a picture of each sighting?"""

    def work(connection):
        lacking, example = 0, ""
        with connection.cursor("sources") as cursor:
            for source, kind in cursor.execute(
                "SELECT s.source, i.kind FROM sightings s LEFT JOIN images i ON i.hash = s.image"
            ):
                if kind != "image" and not (thumbnails and kind) and not os.path.isfile(source):
                    lacking, example = lacking + 1, example or source
        return lacking, example

    lacking, example = store.database.run(work)
    if lacking:
        raise UserError(
            f"{store.name}: of {counted(lacking, 'sighting')}, such as {example}, neither the source file nor a "
            "picture is left, so they cannot be embedded again. Enrol with --keep images, allow thumbnails with "
            "--thumbnails, or add --leave-out: then these are not found any more"
        )


def _embed_missing(store, new, model, embed, thumbnails, batch_size, missing):
    """Embeds the sightings that have no embedding of the new model yet."""
    count = store.database.run(lambda one: one.execute("SELECT count(*) FROM sightings").fetchone()[0])
    last = 0
    with progress("embedding again", total=count) as advance:
        while True:
            rows = store.database.run(lambda one, last=last: _lacking(one, new, last, batch_size))
            if not rows:
                return
            last = rows[-1][0]
            contents = {}
            for number, source, digest, content, kind, hash in rows:
                contents[number] = _picture(source, digest, content, kind, hash, thumbnails)
            embedded = _embedded({number: one for number, one in contents.items() if one}, embed)
            missing |= set(contents) - set(embedded)
            if embedded:
                numbers = list(embedded)
                embeddings = model.checked(np.stack([embedded[number] for number in numbers]))
                store.database.run(
                    lambda one, numbers=numbers, rows=embeddings: _insert(one, new, numbers, rows)
                )
            advance(len(rows))


def _lacking(connection, new, last, limit):
    return connection.execute(
        "SELECT s.id, s.source, s.digest, i.bytes, i.kind, i.hash FROM sightings s "
        "LEFT JOIN images i ON i.hash = s.image WHERE s.id > %s AND NOT EXISTS "
        f"(SELECT FROM {vectors.table(new)} v WHERE v.identity = s.identity AND v.sighting = s.id) "
        "ORDER BY s.id LIMIT %s",
        [last, limit],
    ).fetchall()


def _picture(source, digest, content, kind, hash, thumbnails):
    """The best picture of a sighting that is left; None without one."""
    if digest is not None and os.path.isfile(source):
        try:
            with open(source, "rb") as file:
                found = file.read()
        except OSError:
            found = b""
        if hashlib.sha256(found).digest() == bytes(digest):
            return found
    if content is not None and (kind == "image" or thumbnails):
        return sound_image(bytes(hash), bytes(content))
    return None


def _embedded(contents, embed) -> dict[int, Any]:
    """Number → embedding; without pictures that cannot be decoded."""
    if not contents:
        return {}
    try:
        return dict(zip(contents, embed(list(contents.values())), strict=True))
    except UserError:
        if len(contents) == 1:
            return {}
    found: dict[int, Any] = {}
    for number, content in contents.items():  # one of them is damaged
        found |= _embedded({number: content}, embed)
    return found


def _insert(connection, new, numbers, embeddings):
    # Locked, so that what is erased meanwhile either has its new embedding erased too, or gets none.
    rows = connection.execute(
        "SELECT s.id, s.identity, s.camera, s.seen FROM sightings s JOIN identities i ON i.id = s.identity "
        f"WHERE s.id = ANY(%s) AND NOT EXISTS (SELECT FROM {vectors.table(new)} v WHERE v.identity = s.identity "
        "AND v.sighting = s.id) ORDER BY i.id, s.id FOR KEY SHARE OF i, s",
        [numbers],
    ).fetchall()
    place = {number: row for row, number in enumerate(numbers)}
    vectors.insert(connection, new, rows, embeddings[[place[row[0]] for row in rows]])


def _build_index(store, new, model):
    if not vectors.can_be_indexed(model.dimension):
        return
    with store.database.apart() as connection:
        for number in range(vectors.PARTITIONS):
            vectors.build_index(connection, new, number, model.dimension)

    def measure(connection):
        recall = search.measured_recall(connection, new)
        connection.execute("UPDATE models SET recall = %s WHERE id = %s", [recall, new])

    store.database.run(measure)


def _compare(connection, old, new):
    """Both models' answers for sightings of identities that have others."""
    chosen = [
        number
        for (number,) in connection.execute(
            "SELECT s.id FROM sightings s WHERE EXISTS (SELECT FROM sightings o WHERE o.identity = s.identity AND "
            f"o.id <> s.id) AND EXISTS (SELECT FROM {vectors.table(new)} v WHERE v.identity = s.identity "
            "AND v.sighting = s.id) ORDER BY md5(s.id::text) LIMIT %s",
            [_QUERIES],
        ).fetchall()
    ]
    if not chosen:
        return 0, 0, 0, ()
    before, after = (_nearest(connection, number, chosen) for number in (old, new))
    facts = {
        number: (identity, name, source)
        for number, identity, name, source in connection.execute(
            "SELECT s.id, s.identity, i.name, s.source FROM sightings s JOIN identities i ON i.id = s.identity "
            "WHERE s.id = ANY(%s)",
            [chosen],
        ).fetchall()
    }
    chosen = [number for number in chosen if number in facts]
    names = dict(connection.execute("SELECT id, name FROM identities").fetchall()) if chosen else {}

    def called(identity):
        return names.get(identity) or identity

    changed = tuple(
        ChangedAnswer(facts[one][2], called(facts[one][0]), called(before[one]), called(after[one]))
        for one in chosen
        if before[one] != after[one]
    )
    right = [sum(answers[one] == facts[one][0] for one in chosen) for answers in (before, after)]
    return len(chosen), right[0], right[1], changed


def _nearest(connection, model, chosen: Sequence[int]) -> dict[int, int]:
    """The identity of the nearest other sighting of each."""
    (dimension,) = connection.execute("SELECT dimension FROM models WHERE id = %s", [model]).fetchone()
    wanted = np.sort(np.array(chosen))
    queries = np.zeros((len(wanted), dimension), np.float32)
    for sightings, _, rows in read_vectors(connection, model, dimension):
        some = np.isin(sightings, wanted)
        queries[np.searchsorted(wanted, sightings[some])] = rows[some]
    best, answer = np.full(len(wanted), -np.inf), np.zeros(len(wanted), np.int64)
    for sightings, identities, rows in read_vectors(connection, model, dimension):
        similar = queries @ rows.T
        similar[wanted[:, None] == sightings[None]] = -np.inf
        place = similar.argmax(axis=1)
        values = similar[np.arange(len(wanted)), place]
        better = values > best
        best[better], answer[better] = values[better], identities[place[better]]
    return dict(zip(wanted.tolist(), answer.tolist(), strict=True))


def _switch(connection, new, missing, compared):
    """In one transaction; None if something was enrolled since."""
    # Whoever searches or enrols holds a lock on this table until it has finished: none sees half of the switch.
    connection.execute("LOCK TABLE models IN ACCESS EXCLUSIVE MODE")
    lacking = {
        number
        for (number,) in connection.execute(
            "SELECT s.id FROM sightings s WHERE NOT EXISTS "
            f"(SELECT FROM {vectors.table(new)} v WHERE v.identity = s.identity AND v.sighting = s.id)"
        ).fetchall()
    }
    if lacking - missing:
        return None
    others = [
        number
        for (number,) in connection.execute(
            "SELECT id FROM models WHERE id <> %s ORDER BY id", [new]
        ).fetchall()
    ]
    connection.execute("UPDATE models SET active = false WHERE active")
    connection.execute("UPDATE models SET active = true WHERE id = %s", [new])
    for number in others:
        connection.execute(f"DROP TABLE {vectors.table(number)}")
    connection.execute("DELETE FROM models WHERE id <> %s", [new])
    (count,) = connection.execute(f"SELECT count(*) FROM {vectors.table(new)}").fetchone()
    audit.append(connection, "reembed", [], {"sightings": count, "left_out": len(lacking)})
    return Switched(count, len(lacking), *compared)
