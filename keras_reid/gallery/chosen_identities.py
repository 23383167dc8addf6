"""Which identities of a store a command names."""

from __future__ import annotations

import contextlib
import dataclasses
import re
import uuid
from collections.abc import Sequence
from typing import TYPE_CHECKING

from keras_reid.gallery.shown_names import shown_identity, shown_text
from keras_reid.utils.counted import counted
from keras_reid.utils.errors import UserError

if TYPE_CHECKING:
    from keras_reid.gallery.postgres.store import PostgresStore


_NUMBER = re.compile(r"#[0-9]{1,18}")


@dataclasses.dataclass(frozen=True)
class Chosen:
    """An identity that a command names.

    Args:
        number: in the store.
        subject: its random id.
        name: None if it has none.
        sightings: how many it has.
    """

    number: int
    subject: str
    name: str | None
    sightings: int

    def __str__(self) -> str:
        name = shown_identity(self.number, self.name)
        return f"{name}: {counted(self.sightings, 'sighting')}, subject {self.subject}"


def chosen_identities(store: PostgresStore, words: Sequence[str]) -> list[Chosen]:
    """The identities that words name: each is a name, or else a number such as `#12`, or else a
    subject id.

    Raises:
        UserError: there is no such identity.

    Example:
        >>> [one.number for one in chosen_identities(store, ["Anna", "#17"])]  # doctest: +SKIP
        [3, 17]
    """
    return store.database.run(lambda connection: [_chosen(connection, store, word) for word in words])


def _chosen(connection, store, word):
    conditions = [("md5(name) = md5(%s) AND name = %s", [word, word])]
    if _NUMBER.fullmatch(word):
        conditions.append(("id = %s", [int(word[1:])]))
    with contextlib.suppress(ValueError):
        conditions.append(("subject = %s", [uuid.UUID(word)]))
    for condition, values in conditions:
        row = connection.execute(
            "SELECT id, subject::text, name, (SELECT count(*) FROM sightings WHERE identity = i.id) "
            f"FROM identities i WHERE {condition}",
            values,
        ).fetchone()
        if row:
            return Chosen(*row)
    raise UserError(
        f"{store.name}: there is no identity with the name, number (#12) or subject id {shown_text(word)!r}"
    )
