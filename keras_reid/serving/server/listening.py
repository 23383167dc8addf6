"""The socket of a server, bound before anything slow begins."""

import errno
import socket

from keras_reid.utils.errors import UserError


def bound(host: str, port: int, option: str) -> socket.socket:
    """A socket bound to a port; it does not listen yet.

    Args:
        host: address or name.
        port: its port; 0: any free one.
        option: that named the port, for the message.

    Raises:
        UserError: the address is not this machine's, or the port is taken or reserved.
    """
    listener = None
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        listener = socket.socket(family, kind, protocol)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
    except (OSError, UnicodeError) as error:  # UnicodeError: not a valid host name
        if listener:
            listener.close()
        reason = getattr(error, "strerror", None) or error
        taken = getattr(error, "errno", None) == errno.EADDRINUSE
        remedy = f". Stop what listens there, or choose another {option}" if taken else ""
        raise UserError(f"{option}: cannot listen on {host}:{port}: {reason}{remedy}") from None
    return listener
