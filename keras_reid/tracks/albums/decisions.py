"""What people have decided about the pictures of a store: which show one identity, and which do not."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import datetime

    from keras_reid.gallery.postgres.changes import Row

MACHINE = "keras-reid cluster"  # who did it, in the list of changes


class Pair(NamedTuple):
    """An answer to "is this the same one?" on two sightings.

    Args:
        sighting, other: their numbers.
        same: the answer.
    """

    sighting: int
    other: int
    same: bool


@dataclasses.dataclass(frozen=True, eq=False)
class Decisions:
    """What a grouping of a store's n sightings must keep to.

    Args:
        block: `(n,)` int64: sightings with the same number stay together.
        core: `(n,)` int64: identity that a sighting belongs to by decision; two such identities are never joined. −1:
            none.
        apart: `(k, 2)` int64 rows of sightings that are of different identities.
        contradictory: how many answers say the opposite of a name, merge or split, or of another answer; they are
            passed over.
    """

    block: NDArray[np.int64]
    core: NDArray[np.int64]
    apart: NDArray[np.int64]
    contradictory: int

    def with_new(self, count: int) -> Decisions:
        """The same, followed by so many pictures on which nobody has decided."""
        block = np.concatenate([self.block, len(self.block) + np.arange(count)])
        return dataclasses.replace(self, block=block, core=np.pad(self.core, (0, count), constant_values=-1))


def decisions(
    sightings: Sequence[int],
    identities: Sequence[int],
    enrolled: Sequence[datetime.datetime],
    free: Iterable[bool],
    names: Mapping[int, str | None],
    changes: Sequence[Row],
    answers: Sequence[Pair],
) -> Decisions:
    """Reads names, merges, splits, what was undone, and answers as constraints.

    | decision | constraint |
    |---|---|
    | a name | the pictures that have it stay together; those of two names stay apart |
    | a merge | the pictures that were one identity then stay together |
    | a split | the two sides stay apart |
    | a merge of `keras-reid cluster`, undone | the two sides stay apart |
    | a split of `keras-reid cluster`, undone | the two sides stay together |
    | an answer | the two pictures stay together, or apart |

    What `keras-reid cluster` itself did is no decision: a picture that it moved to an identity is free until somebody
    names that identity or merges something into it. Of two decisions that contradict each other the later one counts;
    answers come after all others. Sightings that are not free stay with the others of their identity.

    Time: a pass over the changes, and over the pairs of each split.

    Args:
        sightings: `(n,)` their numbers.
        identities: `(n,)` numbers of their identities.
        enrolled: `(n,)` when.
        free: `(n,)` whether a sighting may be moved at all.
        names: identity → its name, or None.
        changes: rows of the store's table, oldest first.
        answers: oldest first.

    Example:
        >>> from datetime import UTC, datetime
        >>> now = datetime.now(UTC)
        >>> found = decisions([7, 8, 9], [1, 1, 2], [now] * 3, [True] * 3, {1: "Anna", 2: None}, [], [])
        >>> found.block.tolist(), found.core.tolist()
        ([0, 0, 2], [1, 1, -1])
    """
    past = _Past(sightings, identities, enrolled)
    for change in reversed(changes):
        past.before(change)
    cores: dict[int, list[int]] = {}
    for row, (identity, may_move) in enumerate(zip(identities, free, strict=True)):
        if not may_move or (names.get(identity) is not None and row not in past.loose):
            cores.setdefault(identity, []).append(row)
    core = np.full(len(past.sightings), -1, np.int64)
    for identity, rows in cores.items():
        past.join(rows)
        core[rows] = identity
    contradictory = _take_answers(past, core, answers)
    block = past.sets.labels()
    # What is joined to a part of an identity is joined to all of it.
    for row in np.flatnonzero(core >= 0):
        core[block == block[row]] = core[row]
    apart = np.array([pair for pair in past.apart if block[pair[0]] != block[pair[1]]], np.int64)
    return Decisions(block, core, apart.reshape(-1, 2), contradictory)


class _Past:
    """Goes back through the changes, the latest first, and notes what each of them decided."""

    def __init__(self, sightings, identities, enrolled):
        self.sightings, self.enrolled = list(sightings), enrolled
        self.row = {number: row for row, number in enumerate(sightings)}
        self.now = list(identities)
        self.then = list(identities)  # before the changes that were looked at so far
        self.members: dict[int, set[int]] = {}
        for row, identity in enumerate(identities):
            self.members.setdefault(identity, set()).add(row)
        self.sets = _Sets(len(self.now))
        self.apart: list[tuple[int, int]] = []
        self.settled: set[int] = set()  # rows of which somebody said whose they are
        self.loose: set[int] = set()  # rows that only the machine put where they are

    def before(self, change):
        """Steps back before a change."""
        moved = {self.row[number] for number in change.sightings if number in self.row}
        ours, done = change.by == MACHINE, change.undone is None
        if change.action == "rename":
            if done and not ours and change.names[1] is not None:
                self.join(self._members(change.identities[0], change))
        elif change.action == "merge":
            into = change.identities[0]
            if done and not ours:
                self.join(self._members(into, change))
            elif done:
                self.loose |= moved - self.settled
            elif ours:
                self.separate(moved, self._members(into, change) - moved)
            for one in change.before if done else ():
                back = {self.row[number] for number in one["sightings"] if number in self.row}
                self._move(back & self.members.get(into, set()), one["id"])
        else:
            new, old = change.identities
            if done and not ours:
                self.separate(moved, self._members(old, change))
            elif ours and not done:
                self.join(moved | self._members(old, change))
            if done:
                self._move(moved & self.members.get(new, set()), old)

    def join(self, rows):
        """Some rows are of one identity, as far as nobody has separated them since."""
        at = {}
        for row in sorted(rows):
            self.sets.join(row, at.setdefault(self.now[row], row))
        self.settled |= set(rows)

    def separate(self, rows, others):
        # What a later decision has joined again stays joined.
        self.apart += [
            (a, b) for a in sorted(rows) for b in sorted(others) if self.sets.find(a) != self.sets.find(b)
        ]

    def _members(self, identity, change):
        return {
            row
            for row in self.members.get(identity, ())
            if self.enrolled[row] <= (change.undone or change.at)
        }

    def _move(self, rows, identity):
        for row in rows:
            self.members[self.then[row]].discard(row)
            self.then[row] = identity
            self.members.setdefault(identity, set()).add(row)


def _take_answers(past, core, answers):
    """Adds the answers, the latest on each pair; returns how many contradict what is decided otherwise."""
    latest = {}
    for one in answers:
        if one.sighting in past.row and one.other in past.row:
            a, b = past.row[one.sighting], past.row[one.other]
            latest[min(a, b), max(a, b)] = one.same
    contradictory = 0
    # "Not the same" first, so that "the same" cannot silently undo it by way of a third picture.
    for (a, b), same in sorted(latest.items(), key=lambda item: item[1]):
        one = past.sets.find(a) == past.sets.find(b)
        if not same:
            contradictory += one
            past.separate([a], [b])
        elif not one:
            if _kept_apart(past, core, a, b):
                contradictory += 1
            else:
                past.sets.join(a, b)
    return contradictory


def _kept_apart(past, core, a, b):
    find = past.sets.find
    here, there = find(a), find(b)
    of = [
        {int(core[row]) for row in range(len(core)) if core[row] >= 0 and find(row) == root}
        for root in (here, there)
    ]
    if of[0] and of[1] and of[0] != of[1]:
        return True
    return any({find(one), find(other)} == {here, there} for one, other in past.apart)


class _Sets:
    """Disjoint sets of rows, each known by its lowest one."""

    def __init__(self, count):
        self.parent = list(range(count))

    def find(self, row):
        while self.parent[row] != row:
            self.parent[row] = row = self.parent[self.parent[row]]
        return row

    def join(self, a, b):
        a, b = self.find(a), self.find(b)
        self.parent[max(a, b)] = min(a, b)

    def labels(self):
        return np.array([self.find(row) for row in range(len(self.parent))], np.int64)
