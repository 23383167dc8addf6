"""An album in a gallery's store: what is enrolled and decided there, and how new groups come in."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from keras_reid.embedding.named_images import displayed
from keras_reid.gallery.images import kept_image
from keras_reid.gallery.postgres import answers, changes
from keras_reid.gallery.postgres.reading import all_vectors
from keras_reid.gallery.postgres.store import active_model
from keras_reid.gallery.protocol import NewIdentity, NewSighting
from keras_reid.tracks.albums.decisions import MACHINE, Decisions, Pair, decisions
from keras_reid.tracks.albums.regrouping import Plan
from keras_reid.tracks.clustering import check_count
from keras_reid.utils.errors import UserError
from keras_reid.utils.progress import progress

if TYPE_CHECKING:
    from psycopg import Connection

    from keras_reid.gallery.images import Keep
    from keras_reid.gallery.postgres.store import PostgresStore

_BATCH = 256  # pictures that are enrolled at once


@dataclasses.dataclass(frozen=True, eq=False)
class Enrolled:
    """What a store holds, at one moment.

    Args:
        sightings, identities: `(n,)` int64 numbers of the sightings that have an embedding, and of their identities.
        enrolled: `(n,)` when.
        digests: `(n,)` SHA-256 of their files, or None.
        embeddings: `(n, dim)` float32.
        names: identity → its name, or None.
        changes: rows of that table, oldest first.
        pairs: answers on two sightings, oldest first.
    """

    sightings: NDArray[np.int64]
    identities: NDArray[np.int64]
    enrolled: tuple[Any, ...]
    digests: tuple[bytes | None, ...]
    embeddings: NDArray[np.float32]
    names: dict[int, str | None]
    changes: tuple[changes.Row, ...]
    pairs: tuple[Pair, ...]

    def decided(self, free: Sequence[bool]) -> Decisions:
        """What people decided: see `decisions`.

        Args:
            free: `(n,)` whether a sighting may be moved.
        """
        return decisions(
            self.sightings.tolist(),
            self.identities.tolist(),
            self.enrolled,
            free,
            self.names,
            self.changes,
            self.pairs,
        )


@dataclasses.dataclass(frozen=True, eq=False)
class NewGroup:
    """Pictures to enrol as one identity.

    Args:
        paths: their files.
        digests: SHA-256 of each, when it was embedded.
        embeddings: `(m, dim)` float32.
        home: number of the identity that they look like; None: a new one.
        decided: whether people decided on that identity: then it takes them in by a change that can be undone.
    """

    paths: tuple[str, ...]
    digests: tuple[bytes, ...]
    embeddings: NDArray[np.float32]
    home: int | None
    decided: bool


def read_enrolled(store: PostgresStore) -> Enrolled:
    """Reads a store. Memory: two copies of its embeddings.

    Args:
        store: opened with its model.

    Raises:
        UserError: it holds more than 20 000 sightings.
    """

    def work(connection):
        # One view of all tables, whatever others do meanwhile.
        connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        (count,) = connection.execute("SELECT count(*) FROM sightings").fetchone()
        check_count(count)
        number, model = active_model(connection)
        sightings, identities, embeddings = all_vectors(connection, number, model.dimension)
        order = np.argsort(sightings)
        about = {
            row[0]: row[1:]
            for row in connection.execute("SELECT id, enrolled, digest FROM sightings").fetchall()
        }
        rows = [about[number] for number in sightings[order].tolist()]
        return Enrolled(
            sightings[order],
            identities[order],
            tuple(when for when, _ in rows),
            tuple(None if digest is None else bytes(digest) for _, digest in rows),
            embeddings[order],
            dict(connection.execute("SELECT id, name FROM identities").fetchall()),
            tuple(changes.everything(connection)),
            tuple(Pair(*row) for row in answers.pairs(connection)),
        )

    return store.database.run(work)


def regroup(store: PostgresStore, enrolled: Enrolled, plan: Plan) -> dict[int, int]:
    """Splits and merges identities as planned, all or nothing. Each change is in the audit and can be undone.

    Args:
        store: the store.
        enrolled: what the plan was made from.
        plan: the plan.

    Returns:
        the plan's numbers of identities → the store's, of those that the splits made.

    Raises:
        UserError: somebody has changed identities meanwhile.
    """
    made: list[int] = []

    def work(connection):
        numbers: dict[int, int] = {}
        made.clear()
        if not plan.splits and not plan.merges:
            return numbers
        _check_unchanged(connection, store, enrolled)
        for place, rows in enumerate(plan.splits, 1):
            done = changes.split(connection, enrolled.sightings[list(rows)].tolist(), None, MACHINE)
            numbers[-place] = done.identities[0]
            made.append(done.id)
        for into, others in plan.merges:
            theirs = [numbers.get(one, one) for one in others]
            made.append(changes.merge(connection, numbers.get(into, into), theirs, MACHINE).id)
        return numbers

    def was_done(connection):
        return not made or bool(
            connection.execute("SELECT 1 FROM changes WHERE id = %s", [made[-1]]).fetchone()
        )

    return store.database.run(work, was_done)


def enrol_groups(store: PostgresStore, groups: Sequence[NewGroup], keep: Keep) -> dict[str, str]:
    """Enrols the pictures of new groups, with progress; groups go to disk one by one or several at once, each whole.

    Args:
        store: opened with the model.
        groups: `NewGroup`s.
        keep: what to keep of each picture.

    Returns:
        path → why it was left out.

    Raises:
        UserError: the store refuses something, or is away or full; what was added before stays.
    """
    left_out: dict[str, str] = {}
    waiting: list[NewSighting] = []
    joining: list[tuple[int, list[NewSighting]]] = []
    with progress("enrolling", total=sum(len(group.paths) for group in groups)) as advance:
        for place, one in enumerate(groups):
            # To a decided identity they come by a merge, so that its page says so, and undoes it.
            identity = NewIdentity() if one.home is None or one.decided else one.home
            some = _sightings(one, identity, keep, left_out)
            waiting += some
            if some and one.decided and one.home is not None:
                joining.append((one.home, some))
            if len(waiting) >= _BATCH or place == len(groups) - 1:
                if waiting:
                    _add(store, waiting, joining, left_out)
                waiting, joining = [], []
            advance(len(one.paths))
    return left_out


def identities_of(store: PostgresStore, digests: Sequence[bytes]) -> dict[bytes, tuple[int, str | None]]:
    """Whose the files are that are enrolled: digest → number and name of the identity."""

    def work(connection):
        return connection.execute(
            "SELECT s.digest, i.id, i.name FROM sightings s JOIN identities i ON i.id = s.identity "
            "WHERE s.digest = ANY(%s)",
            [list(digests)],
        ).fetchall()

    return {bytes(digest): (number, name) for digest, number, name in store.database.run(work)}


def _sightings(group, identity, keep, left_out):
    found = []
    for path, digest, row in zip(group.paths, group.digests, group.embeddings, strict=True):
        try:
            content = Path(path).read_bytes()
        except OSError as error:
            left_out[displayed(path)] = (error.strerror or str(error)).lower()
            continue
        if hashlib.sha256(content).digest() != digest:
            left_out[displayed(path)] = "has changed since it was embedded"
            continue
        found.append(
            NewSighting(row, identity, source=displayed(path), image=kept_image(content, keep), digest=digest)
        )
    return found


def _add(store, sightings, joining, left_out):
    numbers = store.add(sightings)
    added = set()
    for one, number in zip(sightings, numbers, strict=True):
        if number is None:
            left_out[one.source] = "is enrolled already"
        else:
            added.add(one.digest)

    def work(connection):
        for into, some in joining:
            found = connection.execute(
                "SELECT identity FROM sightings WHERE digest = ANY(%s) LIMIT 1",
                [[one.digest for one in some if one.digest in added]],
            ).fetchone()
            there = connection.execute("SELECT 1 FROM identities WHERE id = %s", [into]).fetchone()
            if found and there and found[0] != into:
                changes.merge(connection, into, [found[0]], MACHINE)

    if joining:
        store.database.run(work)


def _check_unchanged(connection: Connection, store, enrolled):
    # Others wait to change identities until we are done; enrolling and searching go on.
    connection.execute("LOCK TABLE changes IN SHARE ROW EXCLUSIVE MODE")
    now = [(row.id, row.undone) for row in changes.everything(connection)]
    if now != [(row.id, row.undone) for row in enrolled.changes] or answers.pairs(connection) != [
        tuple(pair) for pair in enrolled.pairs
    ]:
        raise UserError(
            f"{store.name}: somebody merged, split, named, answered or erased while the pictures were compared. "
            "Nothing was changed: run the command again"
        )
