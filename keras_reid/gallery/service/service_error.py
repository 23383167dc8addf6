"""How the service refuses a request."""

from __future__ import annotations

from keras_reid.utils.errors import UserError


class ServiceError(UserError):
    """A request is refused. The message gives the rule, what was received and the remedy.

    Args:
        status: of HTTP.
        message: for the one who asks. It holds no token, no password and no name of somebody that they may not see.
        retry_after: seconds after which to try again, or None.
    """

    def __init__(self, status: int, message: str, retry_after: int | None = None) -> None:
        super().__init__(message)
        self.status, self.message, self.retry_after = status, message, retry_after
