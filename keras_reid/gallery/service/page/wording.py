"""What the page says: verdicts, changes and times in words."""

from __future__ import annotations

import dataclasses
import datetime
import unicodedata
from typing import TYPE_CHECKING

from keras_reid.gallery.shown_names import shown_identity, shown_text
from keras_reid.utils.counted import noun

if TYPE_CHECKING:
    from zoneinfo import ZoneInfo

    from keras_reid.gallery.service.records import Candidate, Change, SearchAnswer

VERDICTS = {"same": "Same", "unsure": "Unsure", "different": "Different"}


@dataclasses.dataclass(frozen=True)
class Headline:
    """The answer of a search in a line.

    Args:
        before: words before the name.
        name: of the nearest identity; empty if none is named.
        verdict: `"same"`, `"unsure"`, `"different"`, or None.
        more: a sentence that says more; may be empty.
    """

    before: str
    name: str
    verdict: str | None
    more: str = ""


def headline(answer: SearchAnswer, filtered: bool) -> Headline:
    """What a search found, in a line.

    Args:
        answer: a `SearchAnswer`.
        filtered: whether filters were set.

    Example:
        >>> headline(SearchAnswer((), None), filtered=True).before
        'Nothing passes these filters'
    """
    if not answer.candidates:
        if filtered:
            return Headline("Nothing passes these filters", "", None, "Remove one of them to see more.")
        return Headline("The gallery is empty", "", None, "Enrol pictures first.")
    best = answer.candidates[0]
    name = named(best)
    match best.best.verdict:
        case "same":
            others = sum(one.best.verdict == "same" for one in answer.candidates) - 1
            more = (
                f"{counted(others, 'other identity', 'other identities')} may be the same one."
                if others
                else ""
            )
            return Headline("", name, "same", more)
        case "unsure":
            return Headline("Perhaps", name, "unsure", "Look at the pictures before you decide.")
        case "different":
            if filtered:
                more = "The nearest ones that pass the filters are shown below."
                return Headline("Not among these", "", "different", more)
            return Headline("Not in the gallery", "", "different", "The nearest ones are shown below.")
    return Headline("Nearest:", name, None)


def named(one: Candidate) -> str:
    """The name of a candidate, or its number."""
    return shown_identity(one.identity, one.name)


def counted(count: int, one: str, many: str = "") -> str:
    """A number with its noun, as `keras_reid.utils.counted` has it, but with its digits in groups.

    Example:
        >>> counted(1, "sighting"), counted(1200, "sighting")
        ('1 sighting', '1 200 sightings')
    """
    return f"{grouped(count)} {noun(count, one, many)}"


def grouped(count: int) -> str:
    """A number with its digits in groups."""
    return f"{count:,}".replace(",", "\N{NARROW NO-BREAK SPACE}")


def day(time: datetime.datetime, zone: ZoneInfo, now: datetime.datetime) -> str:
    """A day, as near to people's words as it can be.

    Example:
        >>> time = datetime.datetime(2026, 11, 29, 7, 30, tzinfo=datetime.UTC)
        >>> day(time, ZoneInfo("UTC"), time)
        'today'
    """
    local, today = time.astimezone(zone).date(), now.astimezone(zone).date()
    past = (today - local).days
    if past in (0, 1):
        return ("today", "yesterday")[past]
    return f"{local.day} {local:%b}" if local.year == today.year else f"{local.day} {local:%b %Y}"


def moment(time: datetime.datetime, zone: ZoneInfo, now: datetime.datetime) -> str:
    """A day with the time of day: "yesterday, 08:30"."""
    return f"{day(time, zone, now)}, {time.astimezone(zone):%H:%M}"


def clock(local: datetime.datetime) -> str:
    """The time of day; with seconds where there are some, as of sightings in a video.

    Example:
        >>> clock(datetime.datetime(2026, 11, 29, 8, 30)), clock(datetime.datetime(2026, 11, 29, 8, 30, 7))
        ('08:30', '08:30:07')
    """
    return f"{local:%H:%M:%S}" if local.second else f"{local:%H:%M}"


def full_day(time: datetime.datetime, zone: ZoneInfo) -> str:
    """Such as "Sunday, 29 November 2026"."""
    local = time.astimezone(zone)
    return f"{local:%A}, {local.day} {local:%B %Y}"


def change_in_words(change: Change) -> str:
    """What was done.

    Example:
        >>> now = datetime.datetime.now(datetime.UTC)
        >>> change_in_words(Change(1, now, "owner", "merge", (3, 17), ("Anna", None), 4, None, True))
        '#17 became a part of Anna: 4 sightings moved'
    """
    if change.action == "rename":
        old, new = (isolated(shown_identity(change.identities[0], name)) for name in change.names)
        return f"{old} has no name any more" if change.names[1] is None else f"{old} is called {new}"
    names = [isolated(shown_identity(*one)) for one in zip(change.identities, change.names, strict=True)]
    moved = counted(change.sightings, "sighting")
    match change.action:
        case "merge":
            return f"{_listed(names[1:])} became a part of {names[0]}: {moved} moved"
        case "split":
            return f"{moved} of {_listed(names[1:])} moved to {names[0]}"
    return f"{shown_text(change.action)}: {_listed(names)}"


def isolated(name: str) -> str:
    """A name within a sentence. One that is written from right to left must not take the numbers beside it along.

    Example:
        >>> isolated("Anna"), isolated("نور") == "\\u2068نور\\u2069"
        ('Anna', True)
    """
    if any(unicodedata.bidirectional(one) in ("R", "AL") for one in name):
        return f"\N{FIRST STRONG ISOLATE}{name}\N{POP DIRECTIONAL ISOLATE}"
    return name


def _listed(names):
    if len(names) > 3:
        return f"{', '.join(names[:2])} and {len(names) - 2} others"
    return " and ".join((", ".join(names[:-1]), names[-1]) if len(names) > 1 else names)
