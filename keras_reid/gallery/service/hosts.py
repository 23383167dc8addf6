"""Which names a request may give for this service, and which pages may send it.

A browser that has been told that `evil.example` is 127.0.0.1 (DNS rebinding) sends `Host: evil.example`. A page of
another site that sends a request here has another `Origin`, and `Sec-Fetch-Site: cross-site`.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping

from keras_reid.gallery.service.service_error import ServiceError
from keras_reid.utils.errors import UserError

_LOOPBACK = ("localhost", "127.0.0.1", "[::1]")
_SAFE = ("GET", "HEAD", "OPTIONS")


@dataclasses.dataclass(frozen=True)
class Hosts:
    """The names that the service was started with.

    Args:
        names: of `Host`, in small letters, with the port where it is not that of the scheme.
        origins: of `Origin`, such as `https://gallery.example.org`.
    """

    names: frozenset[str]
    origins: frozenset[str]

    @classmethod
    def of(cls, origins: Iterable[str], port: int) -> Hosts:
        """The names for origins, and those of loopback with a port.

        Args:
            origins: such as `https://gallery.example.org`.
            port: that the service listens on.

        Raises:
            UserError: an origin has a path, or is not http or https.

        Example:
            >>> "gallery.example.org" in Hosts.of(["https://gallery.example.org"], 8600).names
            True
        """
        all_of_them = [f"http://{name}:{port}" for name in _LOOPBACK]
        for origin in origins:
            scheme, _, name = origin.lower().partition("://")
            if scheme not in ("http", "https") or not name or set(name) & set("/?#@ ,*"):
                raise UserError(
                    "--origin must be the beginning of the page's address, such as https://gallery.example.org. "
                    f"Received: {origin}"
                )
            all_of_them.append(f"{scheme}://{name}")
        # Browsers name no port that is the scheme's.
        all_of_them = [one.removesuffix(":443" if one.startswith("https:") else ":80") for one in all_of_them]
        return cls(frozenset(one.partition("://")[2] for one in all_of_them), frozenset(all_of_them))

    def check(self, method: str, headers: Mapping[str, str], host_count: int = 1) -> None:
        """Refuses a request for another name, or from a page of another site.

        Args:
            method: of HTTP.
            headers: by names in small letters.
            host_count: how many `Host` headers there are.

        Raises:
            ServiceError: 421 for another host, 403 for another site.
        """
        if host_count != 1 or headers.get("host", "").lower() not in self.names:
            raise ServiceError(
                421, "this service answers only under the names that it was started with: see --origin"
            )
        origin = headers.get("origin")
        if origin is not None and origin.lower() not in self.origins:
            raise ServiceError(403, "requests from pages of other sites are refused: see --origin")
        site = headers.get("sec-fetch-site", "none")
        # A link from elsewhere may open a page of ours, in a window of its own.
        is_visit = (
            method in _SAFE
            and headers.get("sec-fetch-mode") == "navigate"
            and headers.get("sec-fetch-dest") == "document"
        )
        if site not in ("same-origin", "none") and not is_visit:
            raise ServiceError(403, "requests from pages of other sites are refused")

    def is_own(self, headers: Mapping[str, str]) -> bool:
        """Whether the browser says that a page of ours sends the request."""
        return headers.get("origin", "").lower() in self.origins
