"""Looks for the pictures in a store that spoil it."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from keras_reid.gallery.postgres.reading import all_vectors
from keras_reid.gallery.postgres.store import active_model
from keras_reid.gallery.reference_check import IMPOSTORS, spoiling_references
from keras_reid.gallery.shown_names import shown_identity, shown_text
from keras_reid.utils.errors import UserError

if TYPE_CHECKING:
    from keras_reid.gallery.postgres.store import PostgresStore

_FACTS = """
SELECT s.source, i.name, (SELECT name FROM identities WHERE id = %s),
    (SELECT count(*) FROM sightings WHERE identity = i.id), encode(s.image, 'hex'),
    (SELECT encode(image, 'hex') FROM sightings WHERE identity = %s AND image IS NOT NULL
    ORDER BY quality DESC NULLS LAST, id DESC LIMIT 1)
FROM sightings s JOIN identities i ON i.id = s.identity WHERE s.id = %s
"""


@dataclasses.dataclass(frozen=True)
class NamedReference:
    """A picture that should be looked at.

    Args:
        sighting: its number.
        source: where it came from.
        identity, name: whose it is.
        why: see `SpoilingReference`.
        other, other_name: whom it looks like, or whose picture is nearest.
        similarity: cosine similarity to them.
        impostors: how many other identities are near it; 0 where that does not matter.
        sightings: how many its identity has.
        image, other_image: hexadecimal SHA-256 of its picture, and of the other's best one (by quality, then the
            newest); None where none is kept.
    """

    sighting: int
    source: str
    identity: int
    name: str | None
    why: str
    other: int
    other_name: str | None
    similarity: float
    impostors: int
    sightings: int
    image: str | None
    other_image: str | None

    def __str__(self) -> str:
        what = f"{shown_text(self.source)} ({shown_identity(self.identity, self.name)})"
        other = shown_identity(self.other, self.other_name)
        if self.why == IMPOSTORS:
            return (
                f"{what}: near to {self.impostors} other identities, nearest {other} ({self.similarity:.2f})"
            )
        return f"{what}: looks like {other} ({self.similarity:.2f})"


def check_references(store: PostgresStore) -> tuple[int, list[NamedReference]]:
    """Finds the pictures that should be looked at, by `spoiling_references`.

    Args:
        store: the store.

    Returns:
        the number of pictures, and a list of `NamedReference`s, the clearest first.

    Raises:
        UserError: the store has no model yet.

    Example:
        >>> count, found = check_references(store)  # doctest: +SKIP
    """

    def work(connection):
        active = active_model(connection)
        if active is None:
            raise UserError(f"{store.name}: nothing is enrolled")
        sightings, identities, embeddings = all_vectors(connection, active[0], active[1].dimension)
        found = []
        for one in spoiling_references(embeddings, identities):
            number, own = int(sightings[one.row]), int(identities[one.row])
            source, name, other, *more = connection.execute(_FACTS, [one.other, one.other, number]).fetchone()
            found.append(
                NamedReference(
                    *(number, source, own, name, one.why, one.other, other, one.similarity, one.impostors),
                    *more,
                )
            )
        return len(sightings), found

    return store.database.run(work)
