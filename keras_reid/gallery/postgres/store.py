"""The store of a gallery in PostgreSQL: a private server in a folder, or any server."""

from __future__ import annotations

import json
import os
import re
import sys
import warnings
from collections.abc import Callable, Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike

from keras_reid.gallery.model_identity import ModelIdentity
from keras_reid.gallery.postgres import audit, rows, search, vectors
from keras_reid.gallery.postgres.connection import Database, client
from keras_reid.gallery.postgres.erasure import finish_pending
from keras_reid.gallery.postgres.migrate import migrate
from keras_reid.gallery.postgres.private_server import PrivateServer
from keras_reid.gallery.protocol import Counts, Filters, Found, Identity, NewIdentity, NewSighting, Sighting
from keras_reid.utils.errors import UserError

INDEX_FROM = 250_000  # sightings; below, exact search takes a fraction of a second
_BATCH = 10_000  # sightings that one transaction adds
_HALVES = tuple(range(0, vectors.PARTITIONS, 2)), tuple(range(1, vectors.PARTITIONS, 2))


class PostgresStore:
    """A gallery's store in PostgreSQL. `keras_reid.gallery.open` gives one.

    Args:
        address: a folder, whose private server is started, or the `postgresql://` URL of a server.
        model: whose embeddings it is to hold. In a new store it becomes the store's model; another one than the store's
            is refused. None opens it for all but adding and searching.
        create: whether to make a store where there is none.
        patience: seconds to wait for a database that is away.

    Attributes:
        name: the store as messages name it, without a password.
        folder: of a private store; None on a server.
        database: its `Database`.

    Raises:
        UserError: see `PrivateServer`, `migrate`, `Database` and `ModelIdentity.check_same`.
    """

    def __init__(
        self,
        address: str | os.PathLike[str],
        model: ModelIdentity | None = None,
        create: bool = True,
        patience: float = 60.0,
    ) -> None:
        client()  # or say that it is missing before a server is started
        self._server: PrivateServer | None = None
        self.name = shown(address)
        self.folder = None if is_url(address) else Path(address)
        if self.folder is None:
            self.database = Database(str(address), self.name, patience=patience)
        else:
            server = self._server = PrivateServer(self.folder, create)
            self.database = Database(lambda: server.address, self.name, server.ensure_running, patience)
        self._ours = model
        self._helpers = ThreadPoolExecutor(thread_name_prefix="gallery-search")
        try:
            with self.database.apart() as connection:
                migrate(connection, self.name, create or self.folder is not None)
            if model is not None:
                self.database.run(self._settle)
            self._finish_erasures()
        except BaseException:
            self.close()
            raise

    def _finish_erasures(self):
        """Those that a kill has cut off. The store opens even if that is not possible at the moment."""
        try:
            finish_pending(self)
        except UserError as error:
            warnings.warn(str(error), stacklevel=3)

    def id(self) -> str:
        """The store's random id."""
        return str(self._one("SELECT id FROM store"))

    def model(self) -> ModelIdentity | None:
        """The model whose embeddings are searched; None if no model has been set."""
        known = self.database.run(active_model)
        return known[1] if known else None

    def add(
        self,
        sightings: Sequence[NewSighting],
        also: Callable[[Any, int, list[int]], object] | None = None,
    ) -> list[int | None]:
        """Enrols images, in transactions of 10 000: what came back is on disk.

        Args:
            sightings: `NewSighting`s.
            also: is called in the same transaction with its connection, the number of the model, and the numbers of the
                new sightings, if there are any.

        Returns:
            the number of each; None for one whose digest is enrolled already.

        Raises:
            UserError: see `Store.add`; the database is away or full; or more than one transaction would share a
                `NewIdentity`.
        """
        ours = self._model_at_hand()
        embeddings = ours.checked(
            np.stack([one.embedding for one in sightings])
            if sightings
            else np.zeros((0, ours.dimension), np.float32)
        )
        for one in sightings:
            _check_record(one)
        if len(sightings) > _BATCH and any(isinstance(one.identity, NewIdentity) for one in sightings):
            raise UserError(
                f"at most {_BATCH:,} sightings at once may share a new identity. Received: {len(sightings):,}."
            )
        ids: list[int | None] = []
        for start in range(0, len(sightings), _BATCH):
            some = sightings[start : start + _BATCH]
            ids += self._add(some, embeddings[start : start + _BATCH], also)
        return ids

    def _add(self, sightings, embeddings, also):
        added: list[int] = []

        def work(connection):
            model = self._active_of_ours(connection)
            ids, identities = rows.add_rows(connection, model, sightings, embeddings)
            added[:] = [number for number in ids if number is not None]
            if added:
                if also is not None:
                    also(connection, model, list(added))
                subjects = connection.execute(
                    "SELECT subject FROM identities WHERE id = ANY(%s) ORDER BY id", [list(identities)]
                ).fetchall()
                audit.append(connection, "enrol", [one for (one,) in subjects], {"sightings": len(added)})
            return ids

        def was_done(connection):
            return not added or bool(
                connection.execute("SELECT 1 FROM sightings WHERE id = %s", [added[0]]).fetchone()
            )

        return self.database.run(work, was_done)

    def search(
        self, queries: ArrayLike, filters: Filters | None = None, top: int = 10, exact: bool = False
    ) -> list[list[Found]]:
        """The nearest sightings of each query, nearest first.

        Exact, until the store has an approximate index (`build_index`, which `enrol` calls from 250 000 sightings on).
        Then the index proposes candidates, which are put in order by their exact distances.

        Args:
            queries: `(n, dim)` float32 of unit length, of the store's model.
            filters: which sightings to look at; None: all.
            top: most sightings for each query.
            exact: look at every vector, even if there is an index.

        Raises:
            UserError: see `Store.search`.
        """
        if top < 1:
            raise UserError(f"`top` must be at least 1. Received: {top}.")
        checked = self._model_at_hand().checked(queries)

        wanted = filters or Filters()
        approximate = not exact and len(checked) > 0 and self.recall() is not None

        def nearest(query, partitions=None):
            def work(connection):
                model = self._active_of_ours(connection)
                return search.search(connection, model, query, wanted, top, approximate, partitions)

            return self.database.run(work)

        def of_both_halves(query):
            # PostgreSQL does not search two approximate indexes at once; two connections do.
            other = self._helpers.submit(nearest, query, _HALVES[1])
            found = nearest(query, _HALVES[0]) + other.result()
            return sorted(found, key=lambda one: (one.distance, one.sighting))[:top]

        return [of_both_halves(query) if approximate else nearest(query) for query in checked]

    def get(self, identity: int | str) -> Identity:
        """An identity by its number or its name, with its sightings.

        Raises:
            UserError: there is none.
        """

        def work(connection):
            (number,) = rows.find_identities(connection, [identity])
            subject, name = connection.execute(
                "SELECT subject::text, name FROM identities WHERE id = %s", [number]
            ).fetchone()
            seen = connection.execute(
                "SELECT s.id, c.name, s.seen, s.source, s.quality, s.note, s.image FROM sightings s "
                "LEFT JOIN cameras c ON c.id = s.camera WHERE s.identity = %s ORDER BY s.id",
                [number],
            ).fetchall()
            return Identity(number, subject, name, tuple(Sighting(*row) for row in seen))

        return self.database.run(work)

    def remove(self, identities: Sequence[int | str]) -> int:
        """Deletes identities with all their sightings, as rows. Traces stay in the files of the database.

        Args:
            identities: numbers or names.

        Returns:
            the number of sightings.

        Raises:
            UserError: there is no such identity; then none is removed.
        """

        def work(connection):
            return rows.delete_identities(connection, rows.find_identities(connection, identities))

        return self.database.run(work)

    def known(self, digests: Collection[bytes]) -> set[bytes]:
        """Those of the files' digests that are enrolled."""
        return self.database.run(lambda connection: rows.known_digests(connection, list(digests)))

    def count(self) -> Counts:
        """How many identities and sightings there are. Time: a pass over both tables."""

        def work(connection):
            return Counts(
                *connection.execute(
                    "SELECT (SELECT count(*) FROM identities), (SELECT count(*) FROM sightings)"
                ).fetchone()
            )

        return self.database.run(work)

    def recall(self) -> float | None:
        """The share of the true ten nearest that the approximate index finds, as measured; None without an index."""
        return self.database.run(
            lambda connection: (
                recall_of(connection, known[0]) if (known := active_model(connection)) else None
            )
        )

    def build_index(self) -> float:
        """Builds the approximate index, or builds it anew, and measures its recall. Searches go on meanwhile.

        Time: 1 to 2 ms of processor time for a sighting of 512 numbers. Later enrolments keep the index up to date.

        Returns:
            its recall at 10: how many of the ten nearest it finds, on a hundred of the store's own vectors.

        Raises:
            UserError: there is no model, or its embeddings are too long for an index.
        """
        model, about = self.database.run(self._require_active)
        if not vectors.can_be_indexed(about.dimension):
            raise UserError(
                f"{self.name}: embeddings of {about.dimension} numbers are too long for an index; the search is exact."
            )
        with self.database.apart() as connection:
            for number in range(vectors.PARTITIONS):
                vectors.build_index(connection, model, number, about.dimension)
        recall = self.database.run(lambda connection: search.measured_recall(connection, model))
        self.database.run(
            lambda connection: (
                connection.execute("UPDATE models SET recall = %s WHERE id = %s", [recall, model]).rowcount
            )
        )
        return recall

    def index_if_due(self) -> float | None:
        """Builds the approximate index if the store has become large enough and has none; its recall, else None."""

        def due(connection):
            active = active_model(connection)
            if active is None or not vectors.can_be_indexed(active[1].dimension):
                return False
            if recall_of(connection, active[0]) is not None:
                return False
            return connection.execute("SELECT count(*) FROM sightings").fetchone()[0] >= INDEX_FROM

        if not self.database.run(due):
            return None
        print(f"{self.name}: building an index for fast search; this takes minutes, once", file=sys.stderr)
        return self.build_index()

    def analyze(self) -> None:
        """Tells the planner what the tables hold, after many sightings were added."""
        with self.database.apart() as connection:
            for table in ("identities", "cameras", "sightings"):
                connection.execute(f"ANALYZE {table}")  # type: ignore[arg-type]
            for (model,) in connection.execute("SELECT id FROM models").fetchall():
                connection.execute(f"ANALYZE {vectors.table(model)}")  # type: ignore[arg-type]

    def close(self) -> None:
        """Closes the connections; stops a private server that nobody else uses."""
        if hasattr(self, "database"):
            self._helpers.shutdown()
            self.database.close()
        if self._server is not None:
            self._server.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _one(self, statement):
        return self.database.run(lambda connection: connection.execute(statement).fetchone()[0])

    def _model_at_hand(self):
        if self._ours is None:
            raise UserError(
                f"{self.name}: was opened without a model, so nothing can be added or searched. Pass one to `open`."
            )
        return self._ours

    def _settle(self, connection):
        """Makes our model that of a new store; refuses it in a store of another one."""
        connection.execute("LOCK TABLE models IN SHARE ROW EXCLUSIVE MODE")
        known = active_model(connection)
        if known is None:
            ours = self._ours
            (number,) = connection.execute(
                "INSERT INTO models (name, fingerprint, dimension, preprocessing, calibration, active) "
                "VALUES (%s, %s, %s, %s, %s, true) RETURNING id",
                [ours.name, ours.fingerprint, ours.dimension, ours.preprocessing, _json(ours.calibration)],
            ).fetchone()
            vectors.create(connection, number, ours.dimension)
            return
        self._ours.check_same(known[1], self.name)
        if self._ours.calibration and self._ours.calibration != known[1].calibration:
            connection.execute(
                "UPDATE models SET calibration = %s WHERE id = %s", [_json(self._ours.calibration), known[0]]
            )

    def _active_of_ours(self, connection):
        """The number of the store's model, which must still be ours: another command may have switched it."""
        number, known = self._require_active(connection)
        self._ours.check_same(known, self.name)
        return number

    def _require_active(self, connection):
        known = active_model(connection)
        if known is None:
            raise UserError(f"{self.name}: the store has no model yet: enrol images first.")
        return known


def active_model(connection: Any) -> tuple[int, ModelIdentity] | None:
    """The number of the active model, and what the store knows of it; None if there is none."""
    row = connection.execute(
        "SELECT id, name, fingerprint, dimension, preprocessing, calibration FROM models WHERE active"
    ).fetchone()
    return None if row is None else (row[0], ModelIdentity(*row[1:]))


def recall_of(connection: Any, model: int) -> float | None:
    """The measured recall of a model's approximate index; None without an index."""
    return connection.execute("SELECT recall FROM models WHERE id = %s", [model]).fetchone()[0]


def is_url(address: str | os.PathLike[str]) -> bool:
    """Whether a store is a server."""
    return isinstance(address, str) and address.startswith(("postgresql://", "postgres://"))


def shown(address: str | os.PathLike[str]) -> str:
    """A store's address for messages: without a password."""
    if not is_url(address):
        return os.fspath(address)
    text = re.sub(r"^(\w+://[^/@:]*):[^@/]*@", r"\1@", str(address))
    return re.sub(r"([?&]password=)[^&]*", r"\1…", text)


def _check_record(one):
    if one.time is not None and one.time.tzinfo is None:
        raise UserError(f"{one.source}: its time must have a time zone. Received: {one.time.isoformat()}.")
    if one.quality is not None and not 0 <= one.quality <= 1:
        raise UserError(f"{one.source}: its quality must be 0 to 1. Received: {one.quality}.")
    for what in ("identity", "camera", "source", "note"):
        text = getattr(one, what)
        if isinstance(text, str) and "\0" in text:
            raise UserError(f"{one.source!r}: its {what} must not hold a zero byte.")
        if isinstance(text, str) and not _is_unicode(text):
            raise UserError(
                f"{one.source!r}: its {what} must be text that UTF-8 can hold. Received: {text!r}"
            )
    if isinstance(one.identity, str) and not one.identity.strip():
        raise UserError(f"{one.source}: the name of its identity is empty. None makes one without a name.")


def _is_unicode(text):
    try:
        text.encode()
    except UnicodeEncodeError:  # half of a pair, or a byte of a file name that is not UTF-8
        return False
    return True


def _json(value):
    return None if value is None else json.dumps(value)
