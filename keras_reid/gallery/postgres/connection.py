"""Connections to a store's database: a bounded pool, and patience while the database is away."""

from __future__ import annotations

import logging
import random
import sys
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

from keras_reid.gallery.postgres.migrate import set_path
from keras_reid.utils.errors import UserError
from keras_reid.utils.full_disk import says_full

if TYPE_CHECKING:
    from psycopg import Connection

T = TypeVar("T")

_MOST = 8  # connections of a process
_PATIENCE = 60.0  # seconds; a database that restarts or fails over is away for less
_FIRST_WAIT, _LONGEST_WAIT = 0.05, 2.0
_POOL_SECONDS = 2.0  # to get a connection; then we ask why there is none
_SILENT = 1.0  # seconds of waiting that are not worth a word


class StoreAway(UserError):
    """The database does not answer, has no room, or refuses. Waiting or its administrator may help."""


class Database:
    """A pool of connections that retries what a lost connection has cut off.

    Args:
        address: a connection string or `postgresql://` URL, or a function that gives the present one.
        store: the store as the user named it, for messages. Never with a password.
        revive: called before a retry, to start a private server again.
        patience: seconds to wait for a database that is away.

    Raises:
        UserError: psycopg is missing, the address is wrong; `StoreAway` if the database does not answer in time.
    """

    def __init__(
        self,
        address: str | Callable[[], str],
        store: str,
        revive: Callable[[], None] | None = None,
        patience: float = _PATIENCE,
    ) -> None:
        psycopg, pool = client()
        self.store = store
        self._address = address if callable(address) else lambda: address
        self._revive, self._patience = revive, patience
        try:
            psycopg.conninfo.conninfo_to_dict(self._address())
        except psycopg.ProgrammingError as error:
            raise UserError(f"{store}: is not the address of a database: {_line(error)}") from None
        # psycopg reports each failed attempt; what matters of it becomes our error.
        logging.getLogger("psycopg").addHandler(logging.NullHandler())
        self._pool = pool.ConnectionPool(
            self._address,
            min_size=0,
            max_size=_MOST,
            open=False,
            timeout=_POOL_SECONDS,
            reconnect_timeout=1,
            configure=_configure,
            kwargs={"application_name": "keras_reid", "connect_timeout": 5},
        )

    @property
    def address(self) -> str:
        """The present connection string, which may hold a password."""
        return self._address()

    def run(
        self,
        work: Callable[[Connection], T],
        was_done: Callable[[Connection], bool] | None = None,
    ) -> T:
        """Does something in a transaction, again if the connection is lost meanwhile.

        Args:
            work: gets a connection within a transaction. What it returns comes back once the transaction is committed.
            was_done: for work that must not be done twice: asked before a retry whether the lost transaction was
                committed after all. Then what `work` returned comes back.

        Returns:
            what `work` returned.

        Raises:
            StoreAway: the database was away for too long, its disk is full, or it refuses.
        """
        result: list[T] = []

        def once(connection):
            if result and was_done is not None and was_done(connection):
                return result[0]
            result[:] = [work(connection)]
            return result[0]

        return self._patiently(lambda: self._transaction(once))

    def apart(self) -> Connection:
        """A connection of its own that commits each statement by itself, for what no transaction may hold (`VACUUM`).

        Close it, or use it in a `with` block.

        Raises:
            UserError: as `run`.
        """
        psycopg, _ = client()

        def connect():
            connection = psycopg.connect(self._address(), autocommit=True, connect_timeout=5)
            set_path(connection)
            return connection

        return self._patiently(connect)

    def close(self) -> None:
        """Closes all connections. A private server is not started again by what still runs in other threads."""
        self._revive = None
        self._pool.close()

    def _transaction(self, work):
        psycopg, psycopg_pool = client()
        if self._pool.closed:
            self._pool.open()
        try:
            with self._pool.connection() as connection, connection.transaction():
                return work(connection)
        except psycopg_pool.PoolTimeout:
            psycopg.connect(
                self._address(), connect_timeout=5
            ).close()  # fails for the reason that the pool keeps
            raise

    def _patiently(self, attempt):
        import psycopg
        from psycopg import errors
        from psycopg_pool import PoolTimeout

        start, wait, said = time.monotonic(), _FIRST_WAIT, False
        lost: Exception
        while True:
            away = False
            try:
                return attempt()
            except errors.DiskFull as error:
                raise StoreAway(
                    f"{self.store}: the disk of the database is full: {_line(error)}. What was acknowledged is kept. "
                    "Make room, and repeat the command."
                ) from None
            except (
                errors.SerializationFailure,
                errors.DeadlockDetected,
                errors.UniqueViolation,
                errors.ForeignKeyViolation,
            ) as error:
                lost = error  # another command was first: look again at what it has written
            except (psycopg.OperationalError, psycopg.InterfaceError, PoolTimeout) as error:
                if not _is_away(error):
                    raise StoreAway(f"{self.store}: the database refuses: {_line(error)}") from None
                lost, away = error, True
                if not said and time.monotonic() - start > _SILENT:
                    print(f"{self.store}: the database is away ({_line(error)}); waiting", file=sys.stderr)
                    said = True
            except (errors.InsufficientPrivilege, errors.DataError, errors.ReadOnlySqlTransaction) as error:
                raise UserError(f"{self.store}: the database refuses: {_line(error)}") from None
            if time.monotonic() + wait > start + self._patience:
                raise StoreAway(
                    f"{self.store}: the database does not answer: {_line(lost)}. Nothing was changed by what did not "
                    "finish. Repeat the command once the database is back."
                ) from None
            time.sleep(wait * random.uniform(0.5, 1))
            wait = min(2 * wait, _LONGEST_WAIT)
            if away and self._revive is not None:
                self._revive()


def _configure(connection):
    with connection.transaction():
        set_path(connection)


def client() -> tuple[Any, Any]:
    """The modules `psycopg` and `psycopg_pool`.

    Raises:
        UserError: they are not installed.
    """
    try:
        import psycopg
        import psycopg_pool
    except ImportError as error:
        raise UserError(
            f"a gallery store needs psycopg, which cannot be imported ({error}): pip install 'keras_reid[gallery]'"
        ) from None
    return psycopg, psycopg_pool


def _is_away(error):
    """Whether waiting may help. A wrong password or database name will not become right."""
    from psycopg import errors

    final = (
        errors.InvalidAuthorizationSpecification,
        errors.InvalidPassword,
        errors.InvalidCatalogName,
        errors.DiskFull,
    )
    if isinstance(error, final):
        return False
    words = str(error)
    return not any(
        word in words
        for word in ("authentication failed", "does not exist", "no pg_hba.conf entry", "is not permitted")
    ) and not says_full(words)


def _line(error: Any) -> str:
    """The message of the database, in one line."""
    return " ".join((getattr(getattr(error, "diag", None), "message_primary", None) or str(error)).split())[
        :300
    ]
