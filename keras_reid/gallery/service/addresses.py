"""From where a request comes: the other end of the connection, or what a proxy that is trusted says."""

from __future__ import annotations

import dataclasses
import ipaddress
from collections.abc import Iterable, Mapping

from keras_reid.utils.errors import UserError

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
UNKNOWN = "unknown"


@dataclasses.dataclass(frozen=True)
class Addresses:
    """Reads the address and the scheme of a request.

    Args:
        proxies: networks whose `X-Forwarded-For` and `X-Forwarded-Proto` count. Of all others they are ignored.

    Example:
        >>> Addresses.of(["10.0.0.0/8"]).client("10.0.0.7", {"x-forwarded-for": "1.2.3.4, 5.6.7.8"})
        '5.6.7.8'
    """

    proxies: tuple[Network, ...]

    @classmethod
    def of(cls, proxies: Iterable[str]) -> Addresses:
        """The proxies of `--trusted-proxy`.

        Raises:
            UserError: one is neither an address nor a network.
        """
        try:
            return cls(tuple(ipaddress.ip_network(one) for one in proxies))
        except ValueError as error:
            raise UserError(
                f"--trusted-proxy must be an address or a network, such as 10.0.0.0/8: {error}"
            ) from None

    def client(self, peer: str, headers: Mapping[str, str]) -> str:
        """The address that a request comes from.

        Each proxy adds the address that it sees at the end of the list; the last one that is not a trusted proxy's is
        the client's. What stands before it may be made up.

        Args:
            peer: the other end of the connection.
            headers: by names in small letters; several of one name joined by commas.
        """
        if not self._is_proxy(peer):
            return peer
        for one in reversed(headers.get("x-forwarded-for", "").split(",")):
            if not self._is_proxy(one.strip()):
                return _address(one) or peer
        return peer

    def is_secure(self, peer: str, scheme: str, headers: Mapping[str, str]) -> bool:
        """Whether the browser's connection is encrypted."""
        if self._is_proxy(peer):
            return headers.get("x-forwarded-proto", scheme).rpartition(",")[2].strip() == "https"
        return scheme == "https"

    def _is_proxy(self, text):
        address = _address(text)
        return address is not None and any(ipaddress.ip_address(address) in one for one in self.proxies)


def is_loopback(host: str) -> bool:
    """Whether an address to listen on can be reached from this machine alone."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _address(text):
    try:
        address = ipaddress.ip_address(text.strip())
    except ValueError:
        return None
    # A socket for both families names IPv4 addresses as ::ffff:10.0.0.7.
    return str(getattr(address, "ipv4_mapped", None) or address)
