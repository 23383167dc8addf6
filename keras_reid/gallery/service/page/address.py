"""The filters of a search in the address of its page, so that it can be kept, sent and gone back to."""

from __future__ import annotations

import dataclasses
import datetime
import re
from typing import TYPE_CHECKING
from urllib.parse import urlencode

from keras_reid.gallery.protocol import Filters
from keras_reid.gallery.service.fields import check_time
from keras_reid.gallery.service.page.wording import moment
from keras_reid.gallery.service.service_error import ServiceError
from keras_reid.gallery.shown_names import shown_text

if TYPE_CHECKING:
    from zoneinfo import ZoneInfo

    from starlette.datastructures import QueryParams

_NUMBER = re.compile(r"#?([0-9]{1,18})")


@dataclasses.dataclass(frozen=True)
class SearchAddress:
    """What the address of a search holds.

    Args:
        like: number of the sighting to search for; None: a picture that is not in the address.
        cameras: names.
        after, before: as the fields of the form give them: "2026-11-29T08:30", in the zone of the page; or empty.
        identity: name or number; or empty.
        quality: least quality, 0 … 1; or None.
    """

    like: int | None = None
    cameras: tuple[str, ...] = ()
    after: str = ""
    before: str = ""
    identity: str = ""
    quality: float | None = None

    @classmethod
    def read(cls, query: QueryParams) -> SearchAddress:
        """Reads an address.

        Args:
            query: its parameters.

        Raises:
            ServiceError: 400 for a number that is none.
        """
        like, quality = query.get("like", ""), query.get("quality", "")
        if like and not _NUMBER.fullmatch(like):
            raise ServiceError(400, f"`like` must be the number of a sighting. Received: {shown_text(like)}")
        try:
            least = float(quality) if quality else None
        except ValueError:
            least = -1.0
        if least is not None and not 0 <= least <= 1:
            raise ServiceError(400, f"the quality must be from 0 to 1. Received: {shown_text(quality)}")
        return cls(
            int(like) if like else None,
            tuple(dict.fromkeys(one for one in query.getlist("camera") if one)),
            query.get("after", ""),
            query.get("before", ""),
            query.get("identity", "").strip(),
            least or None,
        )

    @property
    def filtered(self) -> bool:
        """Whether there is a filter."""
        return dataclasses.replace(self, like=None) != SearchAddress()

    def without(self, field: str, value: str | None = None) -> str:
        """The query of the address without a filter; of a camera, `value` names which."""
        if field == "cameras":
            left = tuple(one for one in self.cameras if one != value)
            return str(dataclasses.replace(self, cameras=left))
        return str(dataclasses.replace(self, **{field: getattr(SearchAddress(), field)}))

    def filters(self, zone: ZoneInfo, identities: tuple[int, ...] = ()) -> Filters:
        """The filters for a search.

        Args:
            zone: of the times.
            identities: numbers of those that `identity` names.

        Raises:
            UserError: a time is not one; see `Filters`.
        """
        return Filters(
            self.cameras, _time(self.after, zone), _time(self.before, zone), identities, self.quality
        )

    def chips(self, zone: ZoneInfo, now: datetime.datetime) -> list[tuple[str, str]]:
        """Each filter in words, with the query of the address without it."""
        found = [(shown_text(one), self.without("cameras", one)) for one in self.cameras]
        for field, word in (("after", "from"), ("before", "until")):
            if time := _time(getattr(self, field), zone):
                found.append((f"{word} {moment(time, zone, now)}", self.without(field)))
        if self.identity:
            found.append((shown_text(self.identity), self.without("identity")))
        if self.quality is not None:
            found.append((f"quality from {self.quality:g}", self.without("quality")))
        return found

    def __str__(self) -> str:
        """The query of the address, with "?" if there is any."""
        fields: list[tuple[str, object]] = [("like", self.like)] if self.like is not None else []
        fields += [("camera", one) for one in self.cameras]
        fields += [
            (name, getattr(self, name)) for name in ("after", "before", "identity") if getattr(self, name)
        ]
        if self.quality is not None:
            fields.append(("quality", f"{self.quality:g}"))
        return f"?{urlencode(fields)}" if fields else ""


def identity_key(text: str) -> int | str | None:
    """What somebody typed for an identity: "#17" is a number, anything else a name, nothing is None.

    Example:
        >>> identity_key("#17"), identity_key("Anna"), identity_key(" ")
        (17, 'Anna', None)
    """
    text = text.strip()
    if text.startswith("#") and (number := _NUMBER.fullmatch(text)):
        return int(number[1])
    return text or None


def _time(text, zone):
    if not text:
        return None
    try:
        time = datetime.datetime.fromisoformat(text)
    except ValueError:
        raise ServiceError(
            400, f"a time must look like 2026-11-29T08:30. Received: {shown_text(text)}"
        ) from None
    return check_time("a time", time if time.tzinfo else time.replace(tzinfo=zone))
