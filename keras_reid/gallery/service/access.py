"""Who sends a request: by a token or the session of a page; without tokens, whoever reaches the loopback address."""

from __future__ import annotations

import datetime
import hashlib
import hmac
from collections.abc import Mapping
from typing import TYPE_CHECKING

from keras_reid.gallery.postgres import tokens
from keras_reid.gallery.service.callers import OWNER, Caller
from keras_reid.gallery.service.rates import Rate
from keras_reid.gallery.service.service_error import ServiceError

if TYPE_CHECKING:
    from keras_reid.gallery.postgres.store import PostgresStore

COOKIE = "keras_reid_gallery"
SESSION = datetime.timedelta(hours=12)
_GUESSES_A_MINUTE, _GUESSES_AT_ONCE = 6, 10


class Access:
    """Finds out who sends a request.

    Args:
        store: which holds the tokens.
        with_tokens: False: there are none, and everybody is the owner.
    """

    def __init__(self, store: PostgresStore, with_tokens: bool) -> None:
        self._store, self.with_tokens = store, with_tokens
        self._guesses = Rate(_GUESSES_A_MINUTE, _GUESSES_AT_ONCE, "wrong tokens")

    def caller(self, headers: Mapping[str, str], cookie: str, client: str) -> Caller | None:
        """Who it is; None for somebody without token and session. Blocks.

        Args:
            headers: by names in small letters.
            cookie: of the session, or "".
            client: their address, whose wrong guesses are counted.

        Raises:
            ServiceError: 401 for a wrong token, 429 after too many of them.
        """
        if not self.with_tokens:
            return OWNER
        authorization = headers.get("authorization")
        if authorization is not None:
            kind, _, token = authorization.partition(" ")
            if kind.lower() != "bearer":
                raise ServiceError(401, "the header Authorization must be: Bearer TOKEN")
            return self._known(token.strip(), client)[1]
        if cookie:
            self._guesses.check(client)
            row = self._store.database.run(lambda connection: tokens.find_session(connection, cookie))
            if row is not None:
                return _caller(row)
            # An old cookie is no guess: browsers keep it until they are closed.
        return None

    def sign_in(self, token: str, client: str) -> str:
        """Begins a session of a token; the secret of its cookie. Blocks.

        Raises:
            ServiceError: as `caller`; 400 without tokens.
        """
        if not self.with_tokens:
            raise ServiceError(400, "this service needs no token")
        number, _ = self._known(token.strip(), client)
        return self._store.database.run(lambda connection: tokens.open_session(connection, number, SESSION))

    def sign_out(self, cookie: str) -> None:
        """Ends a session. Blocks."""
        self._store.database.run(lambda connection: tokens.close_session(connection, cookie))

    def _known(self, token, client):
        self._guesses.check(client)
        row = self._store.database.run(lambda connection: tokens.find(connection, token))
        if row is None:
            self._guesses.take(client)
            raise ServiceError(401, "the token is wrong, expired or revoked")
        return row.id, _caller(row)


def csrf_token(cookie: str) -> str:
    """What the forms of a session's pages carry, so that no other page can send them. It does not tell the cookie.

    Example:
        >>> len(csrf_token("secret"))
        64
    """
    return hmac.new(cookie.encode(), b"keras_reid csrf", hashlib.sha256).hexdigest()


def check_csrf(cookie: str, sent: str) -> None:
    """Refuses a form without the token of its session; compares in constant time.

    Raises:
        ServiceError: 403.
    """
    if not hmac.compare_digest(csrf_token(cookie).encode(), sent.encode("utf-8", "replace")):
        raise ServiceError(403, "the form is not of this session: reload the page, and try again")


def _caller(row):
    return Caller(row.name, row.role, None if row.cameras is None else tuple(row.cameras))
