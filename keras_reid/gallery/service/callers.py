"""Who asks the service for something, and what they may do."""

from __future__ import annotations

import dataclasses
from typing import Literal

from keras_reid.gallery.service.service_error import ServiceError

Role = Literal["view", "enrol", "erase", "admin"]
ROLES: tuple[Role, ...] = ("view", "enrol", "erase", "admin")  # each may do what those before it may


@dataclasses.dataclass(frozen=True)
class Caller:
    """Somebody who may use the service.

    Args:
        name: of their token, for the list of changes.
        role: `"view"` searches and looks; `"enrol"` also enrols, names, merges, splits, answers and watches; `"erase"`
            also forgets; `"admin"` also sees the answers and the metrics.
        cameras: those whose sightings they may see; None: all.

    Example:
        >>> Caller("door", "view", ("door",)).require("enrol")
        Traceback (most recent call last):
            ...
        keras_reid.gallery.service.service_error.ServiceError: this needs the role enrol. Received: a token with the \
role view. Ask for another token
    """

    name: str
    role: Role
    cameras: tuple[str, ...] | None = None

    def has(self, role: Role) -> bool:
        """Whether they may do what a role may."""
        return ROLES.index(self.role) >= ROLES.index(role)

    def require(self, role: Role) -> None:
        """Refuses those who may not do what a role may.

        Raises:
            ServiceError: 403.
        """
        if not self.has(role):
            raise ServiceError(
                403,
                f"this needs the role {role}. Received: a token with the role {self.role}. Ask for another token",
            )

    def sees(self, camera: str | None) -> bool:
        """Whether they may see sightings of a camera; None is a sighting without one."""
        return self.cameras is None or camera in self.cameras


def known(caller: Caller | None) -> Caller:
    """The caller, if there is one.

    Raises:
        ServiceError: 401.
    """
    if caller is None:
        raise ServiceError(401, "this needs a token, in the header Authorization: Bearer TOKEN")
    return caller


OWNER = Caller("owner", "admin")  # whoever reaches a service without tokens, which listens on loopback only
